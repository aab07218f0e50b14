package scheduler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/compliance/ledger"
	"ringmaster/internal/scheduler"
)

// audit verifies the ledger as an auditor would.
func (b *bed) audit() ledger.Report {
	b.Helper()
	var export bytes.Buffer
	_, err := b.ExportLedger(context.Background(), tenant, &export)
	b.must(err)
	r, err := ledger.Verify(&export, b.LedgerKey())
	if err != nil {
		b.Errorf("the ledger does not verify: %v", err)
	}
	return r
}

// A chain that cannot be written rings nobody: the placement is taken back, its permit voided, and it is tried again.
func TestSealThatFailsRingsNobody(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	var n atomic.Int64
	st := &flaky{b, func(m string) error {
		if m == "Seal" && n.Add(1) == 1 {
			return errAway
		}
		return nil
	}}
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{}, st, c)
	b.until("it is given back", func() bool { return s.Stats().Postponed == 1 })
	if got := b.contact(ct.ID); got.Tries != 0 || len(c.rings()) != 0 || !strings.Contains(got.Reason, "ledger_unavailable") {
		t.Errorf("%+v, %d rings", got, len(c.rings()))
	}
	b.until("it is called", func() bool { return s.Stats().Finished == 1 })
	b.must(stop())
	if r := b.audit(); r.Permits != 2 || r.Voids != 1 || r.Attempts != 1 {
		t.Errorf("%+v", r)
	}
}

// press is the stop button of a tenant, "" of all, behind the store's back; it returns when that is committed.
func (b *bed) press(tenant string, n byte) {
	b.Helper()
	b.until("the button is pressed", func() bool { // SQLite has no queue
		_, err := b.rows.Exec("INSERT INTO stop (tenant_id, id, reason, pressed_by, at) VALUES (?, ?, 'fire drill', 'tester', '2026-01-02 00:00:00.000000')",
			tenant, bytes.Repeat([]byte{n}, 16))
		return err == nil
	})
}

// release lets every button go.
func (b *bed) release() {
	b.Helper()
	b.until("the button is released", func() bool {
		_, err := b.rows.Exec("UPDATE stop SET released_at = '2026-01-02 00:00:01.000000'")
		return err == nil
	})
}

// hold counts calls; those beyond some number last until the button is pressed.
type hold struct {
	calls   atomic.Int64
	pressed chan struct{}
}

// TestRow_M7_AStopIsObeyedWithinASecond: eight calls at a time are being placed as fast as it goes. Nothing is placed after
// the button, and the last originate comes within a second; nobody's contact is lost; it goes on when the button is released.
func TestRow_M7_AStopIsObeyedWithinASecond(t *testing.T) {
	b := newBed(t)
	const people, few, most = 150, 8, 40
	for i := range people {
		b.due(i, time.Now(), 0)
	}
	c := &caller{b: b}
	var held atomic.Pointer[hold]
	held.Store(&hold{pressed: make(chan struct{})})
	c.run = func(_ context.Context, a campaign.Attempt) campaign.Outcome {
		start := time.Now()
		if h := held.Load(); h.calls.Add(1) > most {
			<-h.pressed // the button waits for its turn at the database for as long as that is busy: somebody must be left to call
		}
		return campaign.Outcome{Disposition: campaign.Completed, StartedAt: start, EndedAt: time.Now()}
	}
	cfg := scheduler.Config{Concurrency: 8, Tick: 50 * time.Millisecond, Rules: compliance.Rules{compliance.Stop{}}}
	s, stop := b.start(cfg, b, c)
	for i, whose := range []string{tenant, ""} { // a tenant's and that of all
		rung := len(c.rings())
		b.until("calls are made", func() bool { return len(c.rings()) >= rung+few })
		b.press(whose, byte(i))
		pressed := time.Now()
		close(held.Swap(&hold{pressed: make(chan struct{})}).pressed)
		b.until("nothing is under way", func() bool { return s.Stats().Live == 0 && time.Since(pressed) > 1100*time.Millisecond })
		var last time.Time
		for _, r := range c.rings() {
			if r.at.After(last) {
				last = r.at
			}
		}
		// What had been placed before the button may still be on its way to the exchange, which a busy machine delays; nothing is placed after it.
		var after int
		b.must(b.rows.QueryRow("SELECT COUNT(*) FROM attempt WHERE placed_at > ?", pressed.UTC().Format("2006-01-02 15:04:05.000000")).Scan(&after))
		if after > 0 {
			t.Errorf("%d calls were placed after the stop", after)
		}
		if len(c.rings()) == people {
			t.Error("all calls were made before the stop: nothing was tried")
		}
		t.Logf("%d of %d calls were placed; the last originate came %s after the stop was committed", len(c.rings()), people, last.Sub(pressed).Round(time.Millisecond))
		b.release()
		s.Wake()
	}
	close(held.Load().pressed)
	rung := len(c.rings())
	b.until("it goes on", func() bool { return len(c.rings()) >= rung+few })
	b.must(stop())
	if r := b.audit(); int(r.Attempts) != len(c.rings()) {
		t.Errorf("%d rings, ledger %+v", len(c.rings()), r)
	}
	if n := b.ended("expired") + b.ended("blocked") + b.ended("cancelled"); n != 0 {
		t.Errorf("%d contacts were ended by the button", n)
	}
}

// ended counts contacts in a state.
func (b *bed) ended(state string) int {
	b.Helper()
	var n int
	b.must(b.rows.QueryRow("SELECT COUNT(*) FROM task_contact WHERE state = ?", state).Scan(&n))
	return n
}

// TestRow_T3_WhoIsListedWhileACallRingsIsNotCalled: sixteen people with one number are claimed and ready to be dialled while a call to
// it rings; the callee asks for peace. None of the others is dialled, by this controller or another one.
func TestRow_T3_WhoIsListedWhileACallRingsIsNotCalled(t *testing.T) {
	b := newBed(t)
	first := b.due(1, time.Now(), 9)
	listed, ringing := make(chan struct{}), make(chan struct{})
	number := b.person(first).Number
	prepared := make(chan struct{}, 100)
	c := &caller{b: b}
	c.prepare = func(a campaign.Attempt) error {
		if a.Contact.ID != first.ID {
			prepared <- struct{}{}
			<-listed // claimed before, dialled after
		}
		return nil
	}
	c.run = func(_ context.Context, a campaign.Attempt) campaign.Outcome {
		if a.Contact.ID == first.ID {
			close(ringing)
			<-listed
		}
		return campaign.Outcome{Disposition: campaign.Completed, EndedAt: time.Now()}
	}
	rules := compliance.Rules{compliance.DoNotCall{}}
	s, stop := b.start(scheduler.Config{Rules: rules}, b, c)
	<-ringing
	const others = 16
	var ids []uuid.UUID
	for i := range others {
		ids = append(ids, b.sharing(100+i, number).ID)
	}
	_, stop2 := b.start(scheduler.Config{Owner: "rm-2", Rules: rules}, b, c)
	s.Wake()
	for range others {
		<-prepared
	}
	b.must(b.OptOut(context.Background(), tenant, number, uuid.Nil, "stop_word", time.Time{}))
	at := time.Now()
	close(listed)
	b.until("all are refused", func() bool {
		for _, id := range ids {
			if b.contact(id).State != campaign.Blocked {
				return false
			}
		}
		return true
	})
	took := time.Since(at)
	b.must(stop())
	b.must(stop2())
	if n := len(c.rings()); n != 1 {
		t.Errorf("%d rings, want the first one only", n)
	}
	t.Logf("%d attempts that had been claimed by two controllers were refused within %s of the list's entry", others, took.Round(time.Millisecond))
}

// TestRow_M2_NoCallWithoutAPermit: random lives of one and two controllers over a database that fails at random steps, with calls that
// end in every way. Whatever rings has a sealed permit at that moment (fakeCall.Run looks), and the ledger has each call exactly once.
func TestRow_M2_NoCallWithoutAPermit(t *testing.T) {
	seeds := uint64(1)
	if os.Getenv("RINGMASTER_PROVE") != "" {
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			b := newBed(t)
			luck := &lots{rng: rand.New(rand.NewPCG(seed, 11))}
			const people = 24
			for i := range people {
				b.due(i, time.Now(), luck.of(3))
			}
			c := &caller{b: b, run: func(_ context.Context, a campaign.Attempt) campaign.Outcome { return luck.outcome() }}
			c.adopt = func(a campaign.Attempt) (campaign.Outcome, error) {
				return campaign.Outcome{Disposition: campaign.Uncertain, EndedAt: time.Now()}, nil
			}
			bad := &flaky{b, func(m string) error {
				if m != "Renew" && luck.of(8) == 0 {
					return errAway
				}
				return nil
			}}
			for life := range 4 { // each ends in the middle of its calls
				cfg := scheduler.Config{Owner: "rm-1", Concurrency: 6, Tick: 20 * time.Millisecond, Last: 50 * time.Millisecond, Rules: perDay(4)}
				_, stop := b.start(cfg, bad, c)
				stop2 := func() error { return nil }
				if life%2 == 1 {
					cfg.Owner = "rm-2"
					_, stop2 = b.start(cfg, bad, c)
				}
				rung := len(c.rings())
				b.until("some calls are made", func() bool { return len(c.rings()) >= min(rung+4, people) || b.settled() })
				_ = stop()
				_ = stop2()
			}
			// Those that died with open attempts come back, over a database that works, and write what is known.
			for _, owner := range []string{"rm-1", "rm-2"} {
				_, stop := b.start(scheduler.Config{Owner: owner, Rules: perDay(4)}, b, c)
				b.until("nothing of this controller is open", func() bool { return b.open(owner) == 0 })
				_ = stop()
			}
			r := b.audit()
			if int(r.Attempts) < len(c.unique()) || r.Attempts+r.Voids != r.Permits || len(c.rings()) == 0 {
				t.Errorf("%d attempts rang (%d times), ledger %+v", len(c.unique()), len(c.rings()), r)
			}
			if len(c.rings()) != len(c.attempts()) {
				t.Errorf("%d rings of %d attempts: one rang twice", len(c.rings()), len(c.attempts()))
			}
			t.Logf("%d rings, %d faults; ledger: %d permits, %d voided, %d placed", len(c.rings()), luck.faults(), r.Permits, r.Voids, r.Attempts)
		})
	}
}

// lots is luck that several goroutines may draw.
type lots struct {
	mu   sync.Mutex
	rng  *rand.Rand
	zero int
}

func (l *lots) of(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.rng.IntN(n)
	if v == 0 {
		l.zero++
	}
	return v
}

func (l *lots) faults() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.zero
}

func (l *lots) outcome() campaign.Outcome {
	now := time.Now()
	o := campaign.Outcome{Disposition: campaign.Completed, EndedAt: now}
	switch l.of(5) {
	case 0:
		return campaign.Outcome{NeverSent: "exchange_unavailable: it is away", EndedAt: now}
	case 1:
		o.Disposition, o.NextTry = campaign.Busy, now
	case 2:
		o.AnsweredAt, o.Turns = now, []campaign.Turn{{Seq: 1, Side: campaign.Them, Text: "喂"}}
	case 3:
		o.CallbackAt, o.NextTry = now, now
	}
	return o
}

// unique are the attempts that rang and were not told to have never been sent.
func (c *caller) unique() map[uuid.UUID]bool {
	out := map[uuid.UUID]bool{}
	for _, r := range c.rings() {
		var n int
		if err := c.b.rows.QueryRow("SELECT COUNT(*) FROM permit WHERE id = ? AND kind = 'void'", r.id[:]).Scan(&n); err == nil && n == 0 {
			out[r.id] = true
		}
	}
	return out
}

func (c *caller) attempts() map[uuid.UUID]bool {
	out := map[uuid.UUID]bool{}
	for _, r := range c.rings() {
		out[r.id] = true
	}
	return out
}

// open counts the live attempts of a controller.
func (b *bed) open(owner string) int {
	b.Helper()
	var n int
	if err := b.rows.QueryRow("SELECT COUNT(*) FROM attempt WHERE owner = ? AND live = 1", owner).Scan(&n); err != nil && !errors.Is(err, context.Canceled) {
		return -1
	}
	return n
}

// settled reports that no contact waits any more.
func (b *bed) settled() bool {
	var n int
	return b.rows.QueryRow("SELECT COUNT(*) FROM task_contact WHERE state IN ('scheduled', 'ready', 'claimed')").Scan(&n) == nil && n == 0
}
