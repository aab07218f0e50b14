package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/lab/dbproxy"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler/storetest"
)

// servers that faults are tried on.
func onServers(t *testing.T, test func(t *testing.T, kind string)) {
	for _, kind := range []string{onMariaDB, onMySQL} {
		t.Run(kind, func(t *testing.T) { test(t, kind) })
	}
}

// TestContractWithLostCommits runs every guarantee while of ten COMMITs two are cut off, before and after the server got them, one ends
// in a deadlock and one in a lock time-out: each must still hold, so no method does its work twice, loses it, or reports what did not happen.
func TestContractWithLostCommits(t *testing.T) {
	direct, c := openNew(t, onMariaDB)
	var unknown, lost uint64
	storetest.Run(t, func(t *testing.T) storetest.Stores {
		wipe(t, direct)
		p, through := proxied(t, c)
		p.Decide(func(n int64) dbproxy.Fate {
			switch n % 10 {
			case 3:
				return dbproxy.CutAfter
			case 5:
				return dbproxy.Deadlock
			case 7:
				return dbproxy.LockTimeout
			case 8:
				return dbproxy.CutBefore
			}
			return dbproxy.Pass
		})
		s := openAt(t, through)
		t.Cleanup(func() {
			unknown += s.Stats().Unknown
			lost += s.Stats().LostLinks
		})
		out := stores(s, through)
		out.Bulk = nil // one by one, so that COMMITs are lost
		return out
	})
	if unknown < 100 {
		t.Errorf("only %d COMMITs were lost: the test tests nothing", unknown)
	}
	t.Logf("lost answers to COMMIT: %d, broken connections: %d", unknown, lost)
}

// seed makes people 0..n-1, a standing task and one due, promoted contact each.
func seed(t testing.TB, s *Store, n int) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.EnsureTask(ctx, campaign.Task{Tenant: "acme", Script: "s", Standing: true, Retry: campaign.DefaultRetry()})
	must(err)
	for i := range n {
		number, err := phone.Parse(fmt.Sprintf("+86139%08d", i), "CN")
		must(err)
		external := fmt.Sprintf("c%05d", i)
		_, _, err = s.SavePerson(ctx, campaign.Person{Tenant: "acme", ExternalID: external, Number: number})
		must(err)
		_, _, err = s.CreateContact(ctx, api.NewContact{
			ID: uuid.Must(uuid.NewV7()), Tenant: "acme", CustomerID: external, Script: "s", DueAt: time.Now().Add(-time.Minute), State: campaign.Scheduled,
		})
		must(err)
	}
	for i := 0; i < n; i += maxClaim {
		_, err = s.Promote(ctx, time.Now(), maxClaim)
		must(err)
	}
}

func claimOne(t testing.TB, s *Store) campaign.Attempt {
	t.Helper()
	epoch, err := s.Register(context.Background(), "c1")
	if err != nil {
		t.Fatal(err)
	}
	as, err := s.Claim(context.Background(), "default", 1, campaign.Fence{Owner: "c1", Epoch: epoch})
	if err != nil || len(as) != 1 {
		t.Fatalf("claimed %d, %v", len(as), err)
	}
	return as[0]
}

// TestDeadlockIsRetried makes the store the victim of a deadlock.
func TestDeadlockIsRetried(t *testing.T) {
	onServers(t, func(t *testing.T, kind string) {
		s, _ := openNew(t, kind)
		seed(t, s, 300)
		a := claimOne(t, s)
		tx := rawTx(t, s)
		// The heavier transaction survives, so this one changes many rows first, then holds the contact and asks for the attempt, while
		// Place holds the attempt and asks for the contact.
		execute(t, tx, "UPDATE task_contact SET reason = 'x' WHERE state = 'ready'")
		execute(t, tx, "SELECT id FROM task_contact WHERE tenant_id = 'acme' AND id = ? FOR UPDATE", binID(a.Contact.ID))
		done := make(chan error, 1)
		go func() {
			done <- s.Place(context.Background(), a.Fence, campaign.Placement{PBX: "p"}, actOf(a), allowed, time.Now())
		}()
		waitForLock(t, s, done)
		execute(t, tx, "SELECT id FROM attempt WHERE id = ? FOR UPDATE", binID(a.ID))
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("place: %v", err)
		}
		if s.Stats().Conflicts == 0 {
			t.Error("no deadlock happened: the test tests nothing")
		}
		if v, err := s.Attempt(context.Background(), "acme", a.ID); err != nil || v.State != campaign.AttemptPlaced {
			t.Errorf("attempt %s, %v", v.State, err)
		}
	})
}

func rawTx(t *testing.T, s *Store) *sql.Tx {
	t.Helper()
	db, err := s.w.DB()
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func execute(t *testing.T, tx *sql.Tx, q string, args ...any) {
	t.Helper()
	if _, err := tx.Exec(q, args...); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

// waitForLock returns when a transaction of the server waits for a lock.
func waitForLock(t *testing.T, s *Store, done <-chan error) {
	t.Helper()
	for range 50 {
		select {
		case err := <-done:
			t.Fatalf("nobody had to wait: %v", err)
		case <-time.After(150 * time.Millisecond): // the view is cached for 100 ms
		}
		var n int
		if err := s.w.Raw("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'").Row().Scan(&n); err != nil {
			time.Sleep(500 * time.Millisecond) // MySQL cannot show a statement that holds an ID
			return
		}
		if n > 0 {
			return
		}
	}
	t.Fatal("nobody waits for a lock")
}

// TestLockTimeoutIsRetried holds a row longer than innodb_lock_wait_timeout.
func TestLockTimeoutIsRetried(t *testing.T) {
	s, _ := openNew(t, onMariaDB)
	seed(t, s, 1)
	a := claimOne(t, s)
	tx := rawTx(t, s)
	execute(t, tx, "SELECT id FROM attempt WHERE id = ? FOR UPDATE", binID(a.ID))
	time.AfterFunc(3500*time.Millisecond, func() { _ = tx.Rollback() })
	if err := s.Place(t.Context(), a.Fence, campaign.Placement{PBX: "p"}, actOf(a), allowed, time.Now()); err != nil {
		t.Errorf("place: %v", err)
	}
	if s.Stats().Conflicts == 0 {
		t.Error("no lock time-out happened: the test tests nothing")
	}
	// For ever is too long: the error says what it is, and carries no value.
	tx = rawTx(t, s)
	execute(t, tx, "SELECT id FROM attempt WHERE id = ? FOR UPDATE", binID(a.ID))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := s.Finish(ctx, a.Fence, campaign.Outcome{Disposition: campaign.Busy, EndedAt: time.Now()}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err) // one that did not look at its context would say that it waited for a lock
	}
}

// TestRefusedCommitHoldsNothing answers COMMIT with a lock time-out, which leaves a transaction open: its locks are free when the method
// returns, and who takes its connection next commits nothing of it.
func TestRefusedCommitHoldsNothing(t *testing.T) {
	direct, c := openNew(t, onMariaDB)
	seed(t, direct, 1)
	a := claimOne(t, direct)
	p, through := proxied(t, c)
	through.RetryFor, through.MaxConns = time.Nanosecond, 2
	s := openAt(t, through)
	p.Decide(func(int64) dbproxy.Fate { return dbproxy.LockTimeout })
	if err := s.Place(t.Context(), a.Fence, campaign.Placement{PBX: "p"}, actOf(a), allowed, time.Now()); err == nil || errors.Is(err, ErrUnknownCommit) {
		t.Errorf("place: %v, want a lock time-out that is certain", err)
	}
	p.Decide(func(int64) dbproxy.Fate { return dbproxy.Pass })
	conflicts := direct.Stats().Conflicts
	if v, err := direct.Attempt(t.Context(), "acme", a.ID); err != nil || v.State != campaign.AttemptClaimed {
		t.Errorf("attempt %s, %v", v.State, err)
	}
	if err := direct.Place(t.Context(), a.Fence, campaign.Placement{PBX: "p"}, actOf(a), allowed, time.Now()); err != nil {
		t.Errorf("place by another: %v", err)
	}
	if n := direct.Stats().Conflicts - conflicts; n != 0 {
		t.Errorf("%d waits for the locks of a transaction that nobody owns", n)
	}
}

// TestStall freezes the network: each method returns after its deadline although nothing moves, and the store is well afterwards.
func TestStall(t *testing.T) {
	s0, c := openNew(t, onMariaDB)
	seed(t, s0, 3)
	a := claimOne(t, s0)
	p, through := proxied(t, c)
	s := openAt(t, through)
	p.Stall()
	release := time.AfterFunc(time.Minute, p.Resume) // so that who waits for the network ends too
	var wg sync.WaitGroup
	for name, call := range map[string]func(ctx context.Context) error{
		"ping":  s.Ping,
		"renew": func(ctx context.Context) error { return s.Renew(ctx, a.Fence.Owner, a.Fence.Epoch) },
		"claim": func(ctx context.Context) error {
			_, err := s.Claim(ctx, "default", 1, a.Fence)
			return err
		},
		"place": func(ctx context.Context) error {
			return s.Place(ctx, a.Fence, campaign.Placement{}, actOf(a), allowed, time.Now())
		},
		"lease": func(ctx context.Context) error {
			_, err := s.Outbox().Lease(ctx, "w", 1, time.Minute)
			return err
		},
		"contact": func(ctx context.Context) error {
			_, err := s.Contact(ctx, "acme", a.Contact.ID)
			return err
		},
	} {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			err := call(ctx)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
	if !release.Stop() {
		t.Error("one waited for the network and not for its deadline")
	}
	if v, err := s0.Attempt(context.Background(), "acme", a.ID); err != nil || v.State != campaign.AttemptClaimed {
		t.Errorf("attempt %s, %v: something was written", v.State, err)
	}
	p.Resume()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Place(ctx, a.Fence, campaign.Placement{PBX: "p"}, actOf(a), allowed, time.Now()); err != nil {
		t.Errorf("after the stall: %v", err)
	}
}

// TestStallAtCommit freezes the network when COMMIT is on its way: the caller gets ErrUnknownCommit after its deadline and can look.
func TestStallAtCommit(t *testing.T) {
	s0, c := openNew(t, onMariaDB)
	seed(t, s0, 1)
	a := claimOne(t, s0)
	p, through := proxied(t, c)
	s := openAt(t, through)
	p.Decide(func(int64) dbproxy.Fate { p.Stall(); return dbproxy.Pass }) // COMMIT gets through, its answer does not
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	release := time.AfterFunc(time.Minute, p.Resume) // so that who waits for the network ends too
	err := s.Place(ctx, a.Fence, campaign.Placement{PBX: "p"}, actOf(a), allowed, time.Now())
	if !errors.Is(err, ErrUnknownCommit) {
		t.Error(err)
	}
	if !release.Stop() {
		t.Error("it waited for the network and not for its deadline")
	}
	p.Decide(func(int64) dbproxy.Fate { return dbproxy.Pass })
	// What the scheduler does then: take it back, whichever it was.
	if err := s0.Unplace(t.Context(), a.Fence, time.Now(), "place failed"); err != nil {
		t.Errorf("unplace: %v", err)
	}
}
