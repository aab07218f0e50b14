package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/outbox"
)

func TestRow_T24_OrderIsKeptPerCall(t *testing.T) {
	b := newBed(t)
	want := map[string]string{}
	for i := range 30 {
		call := fmt.Sprintf("call-%d", i%5)
		m := b.message(call, "crm")
		b.post(m)
		want[m.Aggregate] += string(m.Body) + " "
	}
	var n atomic.Int64
	r := &receiver{idempotent: true, send: func(context.Context, outbox.Delivery) error {
		if n.Add(1) == 3 { // a failure in between must not let the next overtake
			return errors.New("receiver answered 500")
		}
		return nil
	}}
	w, stop := b.start(outbox.Config{}, r)
	b.until("all are delivered", func() bool { return w.Stats().Delivered == 30 })
	stop()
	got, last := map[string]string{}, map[string]string{}
	for _, d := range r.seen() {
		if last[d.Aggregate] != string(d.Body) { // the repeat after the failure
			got[d.Aggregate] += string(d.Body) + " "
		}
		last[d.Aggregate] = string(d.Body)
	}
	for a, w := range want {
		if got[a] != w {
			t.Errorf("%s: %s, want %s", a, got[a], w)
		}
	}
	if len(r.seen()) != 31 {
		t.Errorf("%d sent, want 31", len(r.seen()))
	}
}

// Forty calls wait for a receiver that does not answer; the others' messages
// come through at once.
func TestRow_T24_OneSlowReceiverBlocksNoOther(t *testing.T) {
	b := newBed(t)
	for i := range 40 {
		b.post(b.message(fmt.Sprintf("slow-%d", i), "slow"))
	}
	for i := range 10 {
		b.post(b.message(fmt.Sprintf("quick-%d", i), "quick"))
	}
	var most, now, quick atomic.Int64
	r := &receiver{idempotent: true, send: func(ctx context.Context, d outbox.Delivery) error {
		if d.Destination == "quick" {
			quick.Add(1)
			return nil
		}
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		<-ctx.Done()
		return outbox.ErrNoAnswer
	}}
	begun := time.Now()
	_, stop := b.start(outbox.Config{Parallel: 8, Timeout: 4 * time.Second, Flush: time.Millisecond}, r)
	b.until("the quick receiver has all", func() bool { return quick.Load() == 10 })
	if d := time.Since(begun); d > 3*time.Second {
		t.Errorf("after %s", d)
	}
	if n := most.Load(); n > 2 {
		t.Errorf("the slow receiver held %d of 8 places", n)
	}
	stop()
}

func TestBackOffAndDeadLetters(t *testing.T) {
	b := newBed(t)
	bad, good := b.message("call-1", "crm"), b.message("call-1", "crm")
	b.post(bad)
	b.post(good)
	r := &receiver{idempotent: true, send: func(_ context.Context, d outbox.Delivery) error {
		if d.ID == bad.ID {
			return errors.New("receiver answered 500")
		}
		return nil
	}}
	w, stop := b.start(outbox.Config{MaxTries: 3}, r)
	b.until("the bad one is buried and the next delivered", func() bool { return w.Stats().Buried == 1 && w.Stats().Delivered == 1 })
	stop()
	var at []time.Time
	for i, d := range r.seen() {
		if d.ID == bad.ID {
			at = append(at, r.at[i])
			if d.Tries != len(at)-1 {
				t.Errorf("try %d says %d", len(at), d.Tries)
			}
		}
	}
	if len(at) != 3 {
		t.Fatalf("sent %d times, MaxTries is 3", len(at))
	}
	if first, second := at[1].Sub(at[0]), at[2].Sub(at[1]); first < time.Second || second < 2*time.Second || second > 5*time.Second {
		t.Errorf("waited %s and %s, want 1 s and 2 s and a fifth of jitter", first, second)
	}
	waiting, dead, err := b.Outbox().Depth(t.Context())
	if err != nil || waiting != 0 || dead != 1 {
		t.Errorf("%d waiting, %d dead, %v", waiting, dead, err)
	}
	letters, err := b.Outbox().Dead(t.Context(), tenant, uuid.Nil, 10)
	if err != nil || len(letters) != 1 || letters[0].ID != bad.ID {
		t.Fatalf("%+v, %v", letters, err)
	}
	b.must(b.Outbox().Redrive(t.Context(), tenant, bad.ID)) // the receiver was mended
	again := &receiver{idempotent: true}
	w, stop = b.start(outbox.Config{MaxTries: 3}, again)
	b.until("the dead letter is delivered", func() bool { return w.Stats().Delivered == 1 })
	stop()
	if got := again.seen(); len(got) != 1 || got[0].ID != bad.ID || got[0].Lapsed {
		t.Errorf("%+v", got)
	}
}

func TestNoAnswerIsResentOnlyToAReceiverThatDropsCopies(t *testing.T) {
	for _, idempotent := range []bool{true, false} {
		b := newBed(t)
		b.post(b.message("call-1", "crm"))
		var n atomic.Int64
		r := &receiver{idempotent: idempotent, send: func(context.Context, outbox.Delivery) error {
			if n.Add(1) == 1 {
				return fmt.Errorf("%w: connection reset", outbox.ErrNoAnswer)
			}
			return nil
		}}
		w, stop := b.start(outbox.Config{}, r)
		b.until("it ends", func() bool { st := w.Stats(); return st.Buried+st.Delivered == 1 })
		stop()
		sent, want := len(r.seen()), 1
		if idempotent {
			want = 2
		}
		if sent != want || (w.Stats().Buried == 1) == idempotent {
			t.Errorf("idempotent %v: sent %d times, %+v", idempotent, sent, w.Stats())
		}
	}
}

func TestPermanentIsBuriedAtOnce(t *testing.T) {
	b := newBed(t)
	b.post(b.message("call-1", "crm"))
	r := &receiver{idempotent: true, send: func(context.Context, outbox.Delivery) error { return fmt.Errorf("%w: gone", outbox.ErrPermanent) }}
	w, stop := b.start(outbox.Config{}, r)
	b.until("it is buried", func() bool { return w.Stats().Buried == 1 })
	stop()
	if len(r.seen()) != 1 {
		t.Errorf("sent %d times", len(r.seen()))
	}
}

// A worker that was killed in mid-delivery: the message comes again with the
// same ID to a receiver that drops copies, and is a dead letter for another.
func TestAKilledWorkersMessageIsRedelivered(t *testing.T) {
	for _, idempotent := range []bool{true, false} {
		b := newBed(t)
		m := b.message("call-1", "crm")
		b.post(m)
		leased, err := b.Outbox().Lease(t.Context(), "killed", 1, 200*time.Millisecond)
		if err != nil || len(leased) != 1 || leased[0].Lapsed {
			t.Fatalf("%+v, %v", leased, err)
		}
		r := &receiver{idempotent: idempotent}
		w, stop := b.start(outbox.Config{Owner: "rm-2"}, r)
		b.until("it ends", func() bool { st := w.Stats(); return st.Buried+st.Delivered == 1 })
		stop()
		got := r.seen()
		if idempotent && (len(got) != 1 || got[0].ID != m.ID || got[0].Tries != 1 || !got[0].Lapsed) {
			t.Errorf("%+v", got)
		}
		if !idempotent && (len(got) != 0 || w.Stats().Buried != 1) {
			t.Errorf("a receiver that does not drop copies may have got it twice: %+v", got)
		}
	}
}

func TestTheEndFlushesAndCutsNothingOff(t *testing.T) {
	b := newBed(t)
	b.post(b.message("call-1", "crm"))
	begun := make(chan struct{})
	var once, cut atomic.Bool
	r := &receiver{send: func(ctx context.Context, _ outbox.Delivery) error {
		if once.CompareAndSwap(false, true) {
			close(begun)
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			cut.Store(true)
			return outbox.ErrNoAnswer
		}
		return nil
	}}
	w, stop := b.start(outbox.Config{Tick: time.Hour}, r)
	w.Wake()
	<-begun
	for range 3 { // written while the first is under way, such as by the last call's end
		b.post(b.message("call-1", "crm"))
	}
	stop()
	if cut.Load() || w.Stats().Delivered != 4 {
		t.Errorf("cut off %v, %+v: want all four delivered before the end", cut.Load(), w.Stats())
	}
}

func TestWorkersShareWithoutDoubles(t *testing.T) {
	b := newBed(t)
	for i := range 60 {
		b.post(b.message(fmt.Sprintf("call-%d", i), "crm"))
	}
	r := &receiver{idempotent: true}
	w1, stop1 := b.start(outbox.Config{Owner: "rm-1"}, r)
	w2, stop2 := b.start(outbox.Config{Owner: "rm-2"}, r)
	b.until("all are delivered", func() bool { return w1.Stats().Delivered+w2.Stats().Delivered == 60 })
	stop1()
	stop2()
	if n := len(r.seen()); n != 60 {
		t.Errorf("%d sent", n)
	}
}

func TestBackoffGrowsToAnHour(t *testing.T) {
	for n, want := range map[int]time.Duration{-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 12: 2048 * time.Second, 13: time.Hour, 1 << 40: time.Hour} {
		for range 50 {
			if d := outbox.Backoff(n); d < want || d > want+want/5 {
				t.Fatalf("Backoff(%d) = %s, want %s and up to a fifth", n, d, want)
			}
		}
	}
	if !strings.Contains(outbox.ErrNoAnswer.Error(), "may have") {
		t.Error("the error does not say what is unknown")
	}
}
