package scheduler_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/glebarez/go-sqlite" // looks at rows behind the store's back
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ringmaster/adapter/store"
	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tenant = "acme"
	script = "promotion_001"
)

// bed is a real SQLite store with a standing task, and a caller that the test
// directs.
type bed struct {
	*testing.T
	*store.Store
	rows  *sql.DB
	log   *bytes.Buffer
	logMu sync.Mutex
}

func (b *bed) Write(p []byte) (int, error) {
	b.logMu.Lock()
	defer b.logMu.Unlock()
	return b.log.Write(p)
}

func (b *bed) logged() string {
	b.logMu.Lock()
	defer b.logMu.Unlock()
	return b.log.String()
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{T: t, log: &bytes.Buffer{}}
	dsn := filepath.Join(t.TempDir(), "ringmaster.db")
	var err error
	b.Store, err = store.Open(t.Context(), store.Config{Dialect: store.SQLite, DSN: dsn, NumberKey: bytes.Repeat([]byte{1}, 32), Crypt: bytes.Repeat([]byte{2}, 32), Log: b.logger()})
	b.must(err)
	t.Cleanup(func() { _ = b.Store.Close() })
	_, err = b.Migrate(t.Context(), store.Latest)
	b.must(err)
	b.rows, err = sql.Open("sqlite", dsn+"?_pragma=busy_timeout(5000)")
	b.must(err)
	t.Cleanup(func() { _ = b.rows.Close() })
	retry := campaign.RetryPolicy{MaxTries: 3, Delay: map[campaign.Disposition]time.Duration{campaign.Busy: time.Hour, campaign.Uncertain: time.Hour, campaign.Failed: time.Hour}}
	_, err = b.EnsureTask(t.Context(), campaign.Task{Tenant: tenant, Name: script, Script: script, Purpose: campaign.Marketing, Standing: true, State: campaign.TaskRunning, Pool: "default", Retry: retry})
	b.must(err)
	return b
}

func (b *bed) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func (b *bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// due makes a customer who is to be called at that time.
func (b *bed) due(i int, at time.Time, priority int) campaign.Contact {
	b.Helper()
	n, err := phone.Parse(fmt.Sprintf("+86138%08d", i), "CN")
	b.must(err)
	id := fmt.Sprintf("c%05d", i)
	_, _, err = b.SavePerson(context.Background(), campaign.Person{Tenant: tenant, ExternalID: id, Number: n, Zone: "Asia/Shanghai"})
	b.must(err)
	c, _, err := b.CreateContact(context.Background(), api.NewContact{ID: uuid.Must(uuid.NewV7()), Tenant: tenant, CustomerID: id, Script: script, DueAt: at, State: campaign.Scheduled, Priority: priority, CreatedAt: time.Now()})
	b.must(err)
	return c
}

// person of a contact.
func (b *bed) person(c campaign.Contact) campaign.Person {
	b.Helper()
	p, err := b.Store.Person(context.Background(), tenant, c.Customer)
	b.must(err)
	return p
}

// sharing makes a customer who has somebody else's number and is to be called now.
func (b *bed) sharing(i int, n phone.Number) campaign.Contact {
	b.Helper()
	id := fmt.Sprintf("c%05d", i)
	_, _, err := b.SavePerson(context.Background(), campaign.Person{Tenant: tenant, ExternalID: id, Number: n, Zone: "Asia/Shanghai"})
	b.must(err)
	c, _, err := b.CreateContact(context.Background(), api.NewContact{ID: uuid.Must(uuid.NewV7()), Tenant: tenant, CustomerID: id, Script: script, DueAt: time.Now(), State: campaign.Scheduled, CreatedAt: time.Now()})
	b.must(err)
	return c
}

func (b *bed) contact(id uuid.UUID) campaign.Contact {
	b.Helper()
	c, err := b.Contact(context.Background(), tenant, id)
	b.must(err)
	return c
}

func (b *bed) attempts(id uuid.UUID) []api.AttemptView {
	b.Helper()
	as, err := b.Attempts(context.Background(), tenant, id)
	b.must(err)
	return as
}

// until waits at most ten seconds.
func (b *bed) until(what string, ok func() bool) {
	b.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	stop := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-stop:
			b.Fatalf("not within 10 s: %s\n%s", what, b.logged())
		}
	}
}

// place places a claimed attempt behind a scheduler's back.
func (b *bed) place(ctx context.Context, a campaign.Attempt) error {
	act := compliance.Act{Channel: compliance.Voice, Path: compliance.PathTask, Tenant: a.Tenant, Person: a.Person.ID.String(), Contact: a.Contact.ID.String(),
		Task: a.Task.ID.String(), Number: a.Person.Number, Purpose: a.Task.Purpose, DueAt: a.DueAt, Try: a.Try}
	return b.Place(ctx, a.Fence, campaign.Placement{PBX: "main"}, act, compliance.Rules{rule(allow)}.Judge(act), time.Now())
}

// caller is an exchange that does what the test says.
type caller struct {
	b       *bed
	free    func() int
	prepare func(a campaign.Attempt) error
	run     func(ctx context.Context, a campaign.Attempt) campaign.Outcome
	adopt   func(a campaign.Attempt) (campaign.Outcome, error)
	length  time.Duration // of a call

	mu        sync.Mutex
	live      int
	most      int
	rung      []ring
	adopted   []uuid.UUID
	discarded int
	prepared  atomic.Int64
	open      atomic.Int64 // prepared and neither run nor discarded
}

type ring struct {
	contact uuid.UUID
	try     int
	at      time.Time
	state   string // of the attempt on disk when the exchange hears of it
	id      uuid.UUID
}

func (c *caller) Free() int {
	if c.free != nil {
		return c.free()
	}
	return 1000
}

func (c *caller) Prepare(_ context.Context, a campaign.Attempt) (scheduler.Call, error) {
	c.prepared.Add(1)
	if c.prepare != nil {
		if err := c.prepare(a); err != nil {
			return nil, err
		}
	}
	c.open.Add(1)
	return &fakeCall{c: c, a: a}, nil
}

func (c *caller) Adopt(_ context.Context, a campaign.Attempt, _ func(int64) scheduler.InputLog) (campaign.Outcome, error) {
	c.mu.Lock()
	c.adopted = append(c.adopted, a.ID)
	c.mu.Unlock()
	if c.adopt != nil {
		return c.adopt(a)
	}
	return campaign.Outcome{Disposition: campaign.Uncertain, Reason: "controller_died", StartedAt: a.PlacedAt, EndedAt: time.Now()}, nil
}

func (c *caller) rings() []ring {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]ring(nil), c.rung...)
}

type fakeCall struct {
	c *caller
	a campaign.Attempt
}

func (k *fakeCall) Placement() campaign.Placement {
	return campaign.Placement{PBX: "main", Trunk: "carrier", ScriptVersion: "v1"}
}

func (k *fakeCall) Act() compliance.Act {
	return compliance.Act{Channel: compliance.Voice, Number: k.a.Person.Number, Purpose: k.a.Task.Purpose, DueAt: k.a.DueAt}
}

func (k *fakeCall) Discard() {
	k.c.open.Add(-1)
	k.c.mu.Lock()
	k.c.discarded++
	k.c.mu.Unlock()
}

func (k *fakeCall) Run(ctx context.Context, log scheduler.InputLog) campaign.Outcome {
	defer k.c.open.Add(-1)
	c, start := k.c, time.Now()
	state := ""
	if err := c.b.rows.QueryRow("SELECT state FROM attempt WHERE id = ?", k.a.ID[:]).Scan(&state); err != nil {
		state = err.Error()
	}
	sealed := 0
	if err := c.b.rows.QueryRow("SELECT COUNT(*) FROM permit WHERE id = ? AND kind = 'permit' AND block_seq IS NOT NULL", k.a.ID[:]).Scan(&sealed); err != nil || sealed != 1 {
		c.b.Errorf("attempt %s rings with %d sealed permits: %v", k.a.ID, sealed, err)
	}
	c.mu.Lock()
	c.rung = append(c.rung, ring{k.a.Contact.ID, k.a.Try, start, state, k.a.ID})
	c.live++
	c.most = max(c.most, c.live)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.live--
		c.mu.Unlock()
	}()
	log.Append(scheduler.InputRecord{Kind: "start", Data: []byte(`{}`)})
	if c.run != nil {
		return c.run(ctx, k.a)
	}
	o := campaign.Outcome{Disposition: campaign.Completed, StartedAt: start}
	select {
	case <-time.After(c.length):
	case <-ctx.Done():
		o.Disposition, o.Reason = campaign.Failed, "controller_stops"
	}
	o.EndedAt = time.Now()
	return o
}

// rules that allow everything but what the test forbids.
type rule func(now time.Time, a compliance.Act, f compliance.Facts) compliance.Verdict

func (r rule) Check(now time.Time, a compliance.Act, f compliance.Facts) compliance.Verdict {
	return r(now, a, f)
}

// perDay allows so many calls of a person within 24 hours.
func perDay(n int) compliance.Rules {
	return compliance.Rules{rule(func(now time.Time, _ compliance.Act, f compliance.Facts) compliance.Verdict {
		used := 0
		for _, s := range f.Spent {
			if s.SamePerson && now.Sub(s.At) < 24*time.Hour {
				used++
			}
		}
		if used >= n {
			return compliance.Verdict{Decision: compliance.Wait, Rule: "caps", Reason: "contact_budget", Until: now.Add(time.Hour)}
		}
		return compliance.Verdict{Decision: compliance.Allow, Rule: "caps"}
	})}
}

func allow(time.Time, compliance.Act, compliance.Facts) compliance.Verdict {
	return compliance.Verdict{Decision: compliance.Allow}
}

// start runs a scheduler until stop, which waits for it and returns its error.
func (b *bed) start(cfg scheduler.Config, st scheduler.Store, c scheduler.Caller) (s *scheduler.Scheduler, stop func() error) {
	b.Helper()
	s, stop, _ = b.startGrace(cfg, st, c, 0)
	return s, stop
}

func (b *bed) startGrace(cfg scheduler.Config, st scheduler.Store, c scheduler.Caller, grace time.Duration) (s *scheduler.Scheduler, stop func() error, ended <-chan error) {
	b.Helper()
	if cfg.Owner == "" {
		cfg.Owner = "rm-1"
	}
	if cfg.Rules == nil {
		cfg.Rules = compliance.Rules{rule(allow)}
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 50
	}
	s = scheduler.New(cfg, st, c, nil, b.logger())
	ctx, cancel := context.WithCancel(context.Background())
	callCtx, endCalls := context.WithCancel(context.Background())
	done, out := make(chan struct{}), make(chan error, 1)
	var err error
	go func() { defer close(done); err = s.Run(ctx, callCtx); out <- err }()
	var once sync.Once
	stop = func() error {
		once.Do(func() {
			cancel()
			timer := time.AfterFunc(grace, endCalls)
			<-done
			timer.Stop()
			endCalls()
		})
		return err
	}
	b.Cleanup(func() { _ = stop() })
	return s, stop, out
}

// flaky is a database that refuses what the test tells it to.
type flaky struct {
	scheduler.Store
	fail func(method string) error
}

var errAway = errors.New("database is away")

func (f *flaky) Finish(ctx context.Context, fe campaign.Fence, o campaign.Outcome, m []scheduler.Message) error {
	if err := f.fail("Finish"); err != nil {
		return err
	}
	return f.Store.Finish(ctx, fe, o, m)
}

func (f *flaky) Place(ctx context.Context, fe campaign.Fence, p campaign.Placement, a compliance.Act, j compliance.Judge, now time.Time) error {
	if err := f.fail("Place"); err != nil {
		return err
	}
	return f.Store.Place(ctx, fe, p, a, j, now)
}

func (f *flaky) Seal(ctx context.Context, tenant string) error {
	if err := f.fail("Seal"); err != nil {
		return err
	}
	return f.Store.Seal(ctx, tenant)
}

func (f *flaky) Claim(ctx context.Context, pool string, n int, fe campaign.Fence) ([]campaign.Attempt, error) {
	if err := f.fail("Claim"); err != nil {
		return nil, err
	}
	return f.Store.Claim(ctx, pool, n, fe)
}

func (f *flaky) Renew(ctx context.Context, owner string, epoch int64) error {
	if err := f.fail("Renew"); err != nil {
		return err
	}
	return f.Store.Renew(ctx, owner, epoch)
}

func (f *flaky) Promote(ctx context.Context, now time.Time, n int) (int, error) {
	if err := f.fail("Promote"); err != nil {
		return 0, err
	}
	return f.Store.Promote(ctx, now, n)
}

func (f *flaky) NextDue(ctx context.Context) (time.Time, error) {
	if err := f.fail("NextDue"); err != nil {
		return time.Time{}, err
	}
	return f.Store.NextDue(ctx)
}

func (f *flaky) Orphans(ctx context.Context, owner string, epoch int64, dead time.Duration, n int) ([]campaign.Attempt, error) {
	if err := f.fail("Orphans"); err != nil {
		return nil, err
	}
	return f.Store.Orphans(ctx, owner, epoch, dead, n)
}
