package scheduler_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/scheduler"
)

func TestAFencedControllerStopsAndHangsUp(t *testing.T) {
	b := newBed(t)
	b.due(1, time.Now(), 0)
	c := &caller{b: b, length: time.Minute}
	_, stop, ended := b.startGrace(scheduler.Config{Heartbeat: 50 * time.Millisecond}, b, c, time.Minute)
	b.until("it rings", func() bool { return len(c.rings()) == 1 })
	_, err := b.Register(context.Background(), "rm-1") // another process with the same ID
	b.must(err)
	select {
	case err := <-ended:
		if !errors.Is(err, scheduler.ErrFenced) || !strings.Contains(err.Error(), "rm-1") {
			t.Errorf("%v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a fenced controller goes on")
	}
	b.due(2, time.Now(), 0)
	if stop() == nil || len(c.rings()) != 1 {
		t.Error("no error, or it went on calling")
	}
}

func TestOrphansOfDeadControllers(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	epoch, err := b.Register(ctx, "rm-1")
	b.must(err)
	for i := range 6 {
		b.due(i, time.Now(), 0)
	}
	_, err = b.Promote(ctx, time.Now(), 100)
	b.must(err)
	as, err := b.Claim(ctx, "default", 6, campaign.Fence{Owner: "rm-1", Epoch: epoch})
	b.must(err)
	for _, a := range as[:4] {
		b.must(b.place(ctx, a))
	}
	var asked atomic.Int64
	c := &caller{b: b, adopt: func(a campaign.Attempt) (campaign.Outcome, error) {
		if asked.Add(1) <= 2 {
			return campaign.Outcome{}, errors.New("exchange is not up yet")
		}
		return campaign.Outcome{Disposition: campaign.Uncertain, Reason: "controller_died", StartedAt: a.PlacedAt, EndedAt: time.Now()}, nil
	}}
	// Two later lives at once: each orphan belongs to one of them.
	s1, stop1 := b.start(scheduler.Config{Owner: "rm-1"}, b, c)
	s2, stop2 := b.start(scheduler.Config{Owner: "rm-2", Dead: 10 * time.Second}, b, c)
	b.until("all six ended", func() bool { return s1.Stats().Finished+s2.Stats().Finished == 6 })
	b.must(stop1())
	b.must(stop2())
	got := map[uuid.UUID]int{}
	for _, id := range c.adopted {
		got[id]++
	}
	if len(got) != 4 || asked.Load() != 6 {
		t.Errorf("adopted %v in %d questions: want each placed one until its answer", got, asked.Load())
	}
	if rings := c.rings(); len(rings) != 2 || rings[0].try != 1 || rings[1].try != 1 {
		t.Errorf("claimed and never placed: %+v, want both called with the try unused", rings)
	}
	for i, a := range as {
		ct := b.contact(a.Contact.ID)
		if i < 4 && (ct.State != campaign.Scheduled || ct.Tries != 1) || i >= 4 && ct.State != campaign.Done {
			t.Errorf("contact %d: %s after %d tries, %s", i, ct.State, ct.Tries, ct.Reason)
		}
	}
}

// The attempts of another controller are taken only when it is dead.
func TestAQuietControllerIsDeadAfterItsTime(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	epoch, err := b.Register(ctx, "rm-2")
	b.must(err)
	b.due(1, time.Now(), 0)
	_, err = b.Promote(ctx, time.Now(), 1)
	b.must(err)
	as, err := b.Claim(ctx, "default", 1, campaign.Fence{Owner: "rm-2", Epoch: epoch})
	b.must(err)
	b.must(b.place(ctx, as[0]))
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{Owner: "rm-1", Dead: 600 * time.Millisecond, Heartbeat: 100 * time.Millisecond}, b, c)
	time.Sleep(250 * time.Millisecond)
	if s.Stats().Orphans != 0 {
		t.Error("a living controller lost its attempt")
	}
	b.until("it is adopted", func() bool { return s.Stats().Finished == 1 })
	b.must(stop())
	if err := b.Finish(ctx, as[0].Fence, campaign.Outcome{Disposition: campaign.Completed, EndedAt: time.Now()}, nil); !errors.Is(err, scheduler.ErrFenced) {
		t.Errorf("the dead one came back and wrote: %v", err)
	}
}

// A controller whose heartbeat is not heard claims nothing: it would lose it.
func TestWithoutAHeartbeatNothingIsClaimed(t *testing.T) {
	b := newBed(t)
	var mute atomic.Bool
	st := &flaky{b, func(m string) error {
		if m == "Renew" && mute.Load() {
			return errAway
		}
		return nil
	}}
	mute.Store(true)
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{Heartbeat: 50 * time.Millisecond, Dead: 400 * time.Millisecond, Tick: 50 * time.Millisecond}, st, c)
	time.Sleep(350 * time.Millisecond)
	b.due(1, time.Now(), 0)
	time.Sleep(300 * time.Millisecond)
	if n := len(c.rings()); n != 0 {
		t.Error("claimed while the others take it for dead")
	}
	mute.Store(false)
	b.until("it goes on", func() bool { return s.Stats().Finished == 1 })
	b.must(stop())
}

func TestShutdownClaimsNothingAndLetsCallsFinish(t *testing.T) {
	b := newBed(t)
	for i := range 3 {
		b.due(i, time.Now(), 0)
	}
	long := b.due(3, time.Now().Add(-time.Minute), 9)
	c := &caller{b: b, run: func(ctx context.Context, a campaign.Attempt) campaign.Outcome {
		o := campaign.Outcome{Disposition: campaign.Completed}
		d := 250 * time.Millisecond
		if a.Contact.ID == long.ID {
			d = time.Minute
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
			o.Disposition, o.Reason = campaign.Failed, "controller_stops"
		}
		o.EndedAt = time.Now()
		return o
	}}
	s, stop, _ := b.startGrace(scheduler.Config{Concurrency: 3}, b, c, 700*time.Millisecond)
	b.until("three calls ring", func() bool { return len(c.rings()) == 3 })
	begun := time.Now()
	b.must(stop())
	if d := time.Since(begun); d < 600*time.Millisecond || d > 30*time.Second {
		t.Errorf("ended after %s, the grace is 700 ms", d)
	}
	if n := len(c.rings()); n != 3 {
		t.Errorf("%d calls: one was started after the end", n)
	}
	if st := s.Stats(); st.Finished != 3 || st.Live != 0 || c.open.Load() != 0 {
		t.Errorf("%+v", st)
	}
	if as := b.attempts(long.ID); as[0].Outcome == nil || as[0].Outcome.Reason != "controller_stops" {
		t.Errorf("the call that was hung up: %+v", as)
	}
}

// ctx ends while the database answers a claim: what it gave is given back.
func TestAClaimThatComesTooLateIsGivenBack(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	slow := &slowClaim{Store: b, begun: make(chan struct{}), go_: make(chan struct{})}
	c := &caller{b: b}
	_, stop := b.start(scheduler.Config{}, slow, c)
	<-slow.begun
	go func() { time.Sleep(100 * time.Millisecond); close(slow.go_) }()
	b.must(stop())
	if got := b.contact(ct.ID); got.State != campaign.Scheduled || got.Reason != "shutting_down" || len(c.rings()) != 0 || got.Tries != 0 {
		t.Errorf("%+v, %d rings", got, len(c.rings()))
	}
}

type slowClaim struct {
	scheduler.Store
	begun, go_ chan struct{}
}

func (s *slowClaim) Claim(ctx context.Context, pool string, n int, f campaign.Fence) ([]campaign.Attempt, error) {
	close(s.begun)
	<-s.go_
	return s.Store.Claim(ctx, pool, n, f)
}

func TestADatabaseThatNeverAnswersAtTheStart(t *testing.T) {
	b := newBed(t)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	s := scheduler.New(scheduler.Config{Owner: "rm-1"}, &noRegister{b}, &caller{b: b}, nil, b.logger())
	if err := s.Run(ctx, context.Background()); !errors.Is(err, errAway) {
		t.Errorf("%v", err)
	}
}

type noRegister struct{ scheduler.Store }

func (noRegister) Register(context.Context, string) (int64, error) { return 0, errAway }
