package twin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"ringmaster/adapter/asterisk"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/pbx"
)

// 5 % of all events lost, 5 % doubled, 5 % overtaken: each leg ends once, none
// rings twice, and nothing stays on the exchange.
func TestHazardOfEverything(t *testing.T) {
	t.Parallel()
	e := newExchange(t)
	sw, err := asterisk.New(asterisk.Config{
		URL: e.ex.URL(), User: "u", Password: "p", AppPrefix: "patient", Trunks: map[string]asterisk.Trunk{"lab": {Endpoint: "PJSIP/{number}@lab", Lab: true}},
		RequestTimeout: 30 * time.Second, Deadline: 300 * time.Millisecond, LookUp: 500 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = sw.Run(run) }()
	t.Cleanup(func() { stop(); <-stopped })
	e.until("the controller is up", func() bool { return sw.Health().Up })
	for _, kind := range []twin.Kind{twin.LoseEvent, twin.Duplicate, twin.Reorder} {
		e.inject(twin.Fault{Kind: kind, Share: 0.05})
	}
	numbers := []string{"answers", "busy", "never"}
	const calls = 30
	var wg sync.WaitGroup
	for i := range calls {
		number := numbers[i%3]
		req := e.request(number)
		req.ID += pbx.LegID(fmt.Sprintf("-%d", i))
		wg.Go(func() {
			leg, err := sw.Originate(t.Context(), req)
			if err != nil {
				t.Errorf("%s: %v", number, err)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ends := 0
			for {
				ev, err := leg.Next(ctx)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Errorf("%s: %v", number, err)
					return
				}
				if h, ok := ev.(pbx.Hungup); ok {
					if ends++; h.Answered && number != "answers" {
						t.Errorf("%s was answered: %+v", number, h)
					}
				}
			}
			if ends != 1 {
				t.Errorf("%s: %d ends", number, ends)
			}
		})
	}
	wg.Wait()
	e.until("nothing is left on the exchange", func() bool { s := e.ex.Stats(); return s.Live == 0 && s.Bridges == 0 })
	if s := e.ex.Stats(); s.Rings != calls || len(s.RungTwice) > 0 {
		t.Errorf("%d rings of %d calls, twice: %v", s.Rings, calls, s.RungTwice)
	}
}
