package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/lab/mariadb"
	"ringmaster/internal/scheduler"
)

// TestServerKilled kills the server three times under workers that do what the scheduler does, then counts.
func TestServerKilled(t *testing.T) {
	servers.Server(t, mariadb.MariaDB) // fails or skips by the rule of package env
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	server, err := mariadb.Start(ctx, mariadb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Stop(context.Background()) }()
	if err := server.CreateDatabase(ctx, "crash"); err != nil {
		t.Fatal(err)
	}
	c := config(t, onSQLite)
	c.Dialect, c.DSN = MySQL, server.DSN("crash")
	s := openAt(t, c)
	if _, err := s.Migrate(ctx, Latest); err != nil {
		t.Fatal(err)
	}
	const contacts = 400
	seed(t, s, contacts)

	work, stop := context.WithCancel(ctx)
	defer stop()
	var finished, troubles atomic.Int64
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() { crashWorker(work, s, fmt.Sprintf("w%d", w), &finished, &troubles) })
	}
	for range 3 {
		before := finished.Load()
		for finished.Load() < before+40 && finished.Load() < contacts-50 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		server.Kill()
		time.Sleep(200 * time.Millisecond)
		if err := server.Restart(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for ctx.Err() == nil && count(t, s, "SELECT COUNT(*) FROM task_contact WHERE state <> 'done'") > 0 {
		rescue(ctx, t, s)
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	wg.Wait()
	for what, want := range map[string]int{
		"SELECT COUNT(*) FROM task_contact WHERE state = 'done' AND tries = 1": contacts,
		"SELECT COUNT(*) FROM attempt WHERE state = 'finished'":                contacts,
		"SELECT COUNT(DISTINCT contact_id) FROM cdr":                           contacts,
		"SELECT COUNT(*) FROM cdr":                                             contacts,
		"SELECT COUNT(*) FROM turn":                                            contacts,
		"SELECT COUNT(*) FROM outbox":                                          contacts,
		"SELECT COUNT(*) FROM budget_entry WHERE returned_at IS NULL":          contacts,
		"SELECT COUNT(*) FROM attempt WHERE live IS NOT NULL":                  0,
		"SELECT COUNT(*) FROM attempt a LEFT JOIN cdr c ON c.attempt_id = a.id WHERE a.state = 'finished' AND c.attempt_id IS NULL": 0,
	} {
		if got := count(t, s, what); got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	t.Logf("errors the workers saw: %d; store: %+v", troubles.Load(), s.Stats())
	if troubles.Load()+int64(s.Stats().LostLinks) == 0 {
		t.Error("nobody noticed that the server died: the test tests nothing")
	}
}

func count(t testing.TB, s *Store, q string) int {
	t.Helper()
	var n int
	if err := s.w.Raw(q).Row().Scan(&n); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return n
}

// crashWorker claims, places and finishes; an error of Place takes the attempt back, one of Finish is insisted upon.
func crashWorker(ctx context.Context, s *Store, owner string, finished, troubles *atomic.Int64) {
	insist := func(write func() error) {
		for ctx.Err() == nil {
			err := write()
			if err == nil || errors.Is(err, scheduler.ErrLate) || errors.Is(err, scheduler.ErrFenced) {
				return
			}
			troubles.Add(1)
			time.Sleep(20 * time.Millisecond)
		}
	}
	var epoch int64
	insist(func() (err error) { epoch, err = s.Register(ctx, owner); return err })
	for ctx.Err() == nil {
		_, _ = s.Promote(ctx, time.Now(), 100)
		as, err := s.Claim(ctx, "default", 3, campaign.Fence{Owner: owner, Epoch: epoch})
		if err != nil || len(as) == 0 {
			if err != nil {
				troubles.Add(1)
			}
			time.Sleep(10 * time.Millisecond)
		}
		for _, a := range as {
			if err := s.Place(ctx, a.Fence, campaign.Placement{PBX: "p"}, actOf(a), capped(1, 1), time.Now()); err != nil {
				troubles.Add(1)
				insist(func() error {
					err := s.Unplace(ctx, a.Fence, time.Now(), "place failed")
					if errors.Is(err, scheduler.ErrLate) {
						err = s.Postpone(ctx, a.Fence, time.Now(), "place failed")
					}
					return err
				})
				continue
			}
			o, msgs := crashOutcome(a)
			insist(func() error { return s.Finish(ctx, a.Fence, o, msgs) })
			finished.Add(1)
		}
	}
}

func crashOutcome(a campaign.Attempt) (campaign.Outcome, []scheduler.Message) {
	return campaign.Outcome{Disposition: campaign.Completed, EndedAt: time.Now(), Turns: []campaign.Turn{{Seq: 1, Side: campaign.Us, Text: "您好"}}},
		[]scheduler.Message{{ID: uuid.Must(uuid.NewV7()), Aggregate: a.ID.String(), Kind: "webhook", Event: "call.finished", Destination: "crm"}}
}

// rescue ends what a lost answer to Claim left behind: attempts that their owner does not know of.
func rescue(ctx context.Context, t *testing.T, s *Store) {
	t.Helper()
	if count(t, s, "SELECT COUNT(*) FROM task_contact WHERE state IN ('ready', 'scheduled')") > 0 {
		return // the workers are still at it
	}
	epoch, err := s.Register(ctx, "rescuer")
	if err != nil {
		t.Fatal(err)
	}
	as, err := s.Orphans(ctx, "rescuer", epoch, 3*time.Second, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range as {
		if a.State == campaign.AttemptClaimed {
			if err := s.Postpone(ctx, a.Fence, time.Now(), "orphan"); err != nil {
				t.Fatal(err)
			}
			continue
		}
		// A worker may still be at it: its fence is gone now, so exactly one of us writes.
		o, msgs := crashOutcome(a)
		if err := s.Finish(ctx, a.Fence, o, msgs); err != nil {
			t.Fatal(err)
		}
	}
}
