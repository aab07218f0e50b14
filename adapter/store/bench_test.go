package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/scheduler"
)

// BenchmarkClaim claims from 20,000 ready contacts (and as many of high priority that are due tomorrow), by batch size and number of
// workers. Run it with -benchtime=1x; the figure is claims/s.
func BenchmarkClaim(b *testing.B) {
	const ready = 20_000
	for _, kind := range kinds() {
		b.Run(kind, func(b *testing.B) {
			s, _ := openNew(b, kind)
			fillReady(b, s, ready)
			for _, k := range []struct{ workers, batch, claims int }{{1, 1, 500}, {1, 10, 2000}, {1, 100, 4000}, {8, 1, 1000}, {8, 10, 4000}, {8, 100, 8000}} {
				b.Run(fmt.Sprintf("workers=%d/batch=%d", k.workers, k.batch), func(b *testing.B) {
					for range b.N {
						before := s.Stats().Conflicts
						rate := claims(b, s, k.workers, k.batch, k.claims)
						b.ReportMetric(rate, "claims/s")
						b.ReportMetric(float64(s.Stats().Conflicts-before), "conflicts")
						b.ReportMetric(0, "ns/op")
					}
				})
			}
		})
	}
}

// claims takes n contacts and gives them back; it returns how many a second were claimed.
func claims(b *testing.B, s *Store, workers, batch, n int) float64 {
	ctx := context.Background()
	var taken atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for w := range workers {
		wg.Go(func() {
			owner := fmt.Sprintf("bench-%d", w)
			epoch, err := s.Register(ctx, owner)
			if err != nil {
				b.Error(err)
				return
			}
			for taken.Load() < int64(n) {
				as, err := s.Claim(ctx, "default", batch, campaign.Fence{Owner: owner, Epoch: epoch})
				if err != nil {
					b.Error(err)
					return
				}
				taken.Add(int64(len(as)))
			}
		})
	}
	wg.Wait()
	rate := float64(taken.Load()) / time.Since(began).Seconds()
	for _, q := range []string{"DELETE FROM attempt", "UPDATE task_contact SET state = 'ready' WHERE state = 'claimed'"} {
		if err := s.w.Exec(q).Error; err != nil {
			b.Fatal(err)
		}
	}
	return rate
}

// BenchmarkCall is the whole durable path of one call by 8 workers: claim, place, checkpoint, finish with two turns and a message.
func BenchmarkCall(b *testing.B) {
	for _, kind := range kinds() {
		b.Run(kind, func(b *testing.B) {
			s, _ := openNew(b, kind)
			fillReady(b, s, max(b.N, 1)+100)
			ctx := context.Background()
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					owner := fmt.Sprintf("bench-%d", w)
					epoch, err := s.Register(ctx, owner)
					if err != nil {
						b.Error(err)
						return
					}
					for left.Add(-1) >= 0 {
						if err := wholeCall(ctx, s, owner, epoch); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

func wholeCall(ctx context.Context, s *Store, owner string, epoch int64) error {
	as, err := s.Claim(ctx, "default", 1, campaign.Fence{Owner: owner, Epoch: epoch})
	if err != nil || len(as) == 0 {
		return fmt.Errorf("claimed %d: %w", len(as), err)
	}
	a := as[0]
	if err := s.Place(ctx, a.Fence, campaign.Placement{PBX: "p", ScriptVersion: "v1"}, actOf(a), allowed, time.Now()); err != nil {
		return err
	}
	if err := checkpoint(ctx, s, a.Fence, 1, []scheduler.InputRecord{{Kind: "answered", Data: []byte("{}")}}); err != nil {
		return err
	}
	o := campaign.Outcome{
		Disposition: campaign.Completed, EndedAt: time.Now(),
		Turns: []campaign.Turn{{Seq: 1, Side: campaign.Us, Text: "您好"}, {Seq: 2, Side: campaign.Them, Text: "你好"}},
	}
	return s.Finish(ctx, a.Fence, o, []scheduler.Message{{Aggregate: a.ID.String(), Kind: "webhook", Event: "call.finished", Destination: "crm", Body: []byte("{}")}})
}
