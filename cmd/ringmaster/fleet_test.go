package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin"
)

// One task is dialled over an Asterisk and a FreeSWITCH at once, while either
// is killed with everything that it carries and comes back: nobody is rung
// twice for a try, no attempt is lost, no person is called more often than the
// cap says, and the load goes where an exchange lives. 90 people and 2 kills of
// each always; 10,000 and 20 with RINGMASTER_PROVE=1.
func TestRow_M14_OneTaskOverBothBrandsWhileEitherIsKilled(t *testing.T) {
	people, kills, together := 90, 2, 20
	if os.Getenv("RINGMASTER_PROVE") != "" {
		people, kills, together = 10000, 20, 60
	}
	h := setting{tag: "failpoint", cast: crowd(), both: true, concurrency: together, caps: "{id: person_24h, subject: person, per: 24h, at_most: 2}"}.house(t)
	if !h.start() {
		t.Fatal("the controller did not start")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	luck := rand.New(rand.NewPCG(seed, 1))

	orders := map[string]string{}
	var mu sync.Mutex // of orders
	ordered := make(chan struct{})
	go func() {
		defer close(ordered)
		for range people {
			mu.Lock()
			h.order(orders, 1)
			mu.Unlock()
		}
	}()
	// A kill is due each time so many more rings were heard.
	step := int64(people / (2*kills + 1))
	for k := range 2 * kills {
		h.until(5*time.Minute, fmt.Sprintf("%d rings", step*int64(k+1)), func() bool { return h.rang() >= step*int64(k+1) })
		h.killExchange(k%2 == 0, time.Duration(100+luck.IntN(900))*time.Millisecond)
	}
	<-ordered
	h.order(orders, 0)
	h.until(10*time.Minute, "every task is final", func() bool {
		all := h.tasks()
		for _, s := range all {
			if !s.final() {
				return false
			}
		}
		return len(all) == people
	})
	h.until(10*time.Second, "no channel is left on either exchange", func() bool { return h.twin.Stats().Live == 0 && h.second.Stats().Live == 0 })
	h.judge(orders)
	rung := map[string]int{}
	for _, c := range h.rings() {
		if rung[c.Number]++; rung[c.Number] > 2 {
			t.Errorf("%s rang %d times, the cap is 2", c.Number, rung[c.Number])
		}
	}
	a, f := h.twin.Stats(), h.second.Stats()
	if a.Restarts != int64(kills) || f.Restarts != int64(kills) {
		t.Errorf("%d and %d kills, want %d each", a.Restarts, f.Restarts, kills)
	}
	if low := (a.Rings + f.Rings) / 5; a.Rings < low || f.Rings < low {
		t.Errorf("%d rings over Asterisk, %d over FreeSWITCH: one of them had no share", a.Rings, f.Rings)
	}
	t.Logf("%d people, %d rings over Asterisk, %d over FreeSWITCH, each killed %d times; ended %v and %v", people, a.Rings, f.Rings, kills, a.Outcomes, f.Outcomes)
	h.stop()
	h.audit()
}

func (h *house) rang() int64 { return h.twin.Stats().Rings + h.second.Stats().Rings }

// killExchange kills one of the two with all its calls; it is away for a while,
// in which the other one goes on ringing.
func (h *house) killExchange(first bool, away time.Duration) {
	h.Helper()
	inject := func(kind string) {
		h.Helper()
		if first {
			h.must(h.twin.Inject(twin.Fault{Kind: twin.Kind(kind)}))
		} else {
			h.must(h.second.Inject(fstwin.Fault{Kind: fstwin.Kind(kind)}))
		}
	}
	inject("refuse")
	inject("restart")
	time.Sleep(away)
	inject("restore")
}
