package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/compliance/ledger"
	"ringmaster/internal/outbox"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

// Stores are the three sides of one database.
type Stores struct {
	Scheduler scheduler.Store
	Outbox    outbox.Store
	API       api.Store
	// Again opens the same database as another process would; nil where there is no such thing.
	Again func(t *testing.T) Stores
	// Bulk stores many contacts fast, by a way of the database's own; nil where CreateContact has to do.
	Bulk func(t *testing.T, contacts []api.NewContact)
	// Inputs reads the log of a call.
	Inputs func(t *testing.T, tenant string, attempt uuid.UUID) []scheduler.InputRecord
	// Verify exports a tenant's ledger and proves it as an auditor would.
	Verify func(t *testing.T, tenant string) (ledger.Report, error)
}

// Run proves every guarantee, each on a database of its own that open makes.
func Run(t *testing.T, open func(t *testing.T) Stores) {
	for _, g := range guarantees() {
		t.Run(g.name, func(t *testing.T) { g.test(newBed(t, open(t))) })
	}
}

type guarantee struct {
	name string
	test func(*bed)
}

func guarantees() []guarantee {
	var all []guarantee
	for _, part := range [][]guarantee{peopleGuarantees(), contactGuarantees(), claimGuarantees(), placeGuarantees(), finishGuarantees(), fenceGuarantees(), outboxGuarantees(), ledgerGuarantees(), scriptGuarantees()} {
		all = append(all, part...)
	}
	return all
}

const (
	tenant = "acme"
	script = "promotion_001"
	pool   = "default"
)

// bed is a database with one running standing task and one controller.
type bed struct {
	*testing.T
	Stores
	ctx   context.Context
	task  campaign.Task
	owner string
	epoch int64
}

func newBed(t *testing.T, s Stores) *bed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	b := &bed{T: t, Stores: s, ctx: ctx, owner: "controller-1"}
	b.must(s.API.SaveScript(ctx, tenant, script, "v1", []byte("format: ringmaster/1\n"), "tester"))
	b.task = b.standing(script)
	b.epoch = b.register(b.owner)
	return b
}

func (b *bed) standing(script string) campaign.Task {
	b.Helper()
	task, err := b.API.EnsureTask(b.ctx, campaign.Task{
		Tenant: tenant, Name: "standing " + script, Script: script, Purpose: campaign.Service, Jurisdiction: "CN", Standing: true,
		State: campaign.TaskRunning, Pool: pool, Trunk: "trunk-1", Concurrency: 3, CPS: 1.5, Retry: campaign.DefaultRetry(),
		CreatedAt: time.Now(),
	})
	b.must(err)
	return task
}

func (b *bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bed) want(err, target error, what string) {
	b.Helper()
	if !errors.Is(err, target) {
		b.Errorf("%s: got %v, want %v", what, err, target)
	}
}

func (b *bed) register(owner string) int64 {
	b.Helper()
	epoch, err := b.Scheduler.Register(b.ctx, owner)
	b.must(err)
	return epoch
}

// number is a Chinese mobile number that nobody has.
func (b *bed) number(i int) phone.Number {
	b.Helper()
	n, err := phone.Parse(fmt.Sprintf("+86138%08d", i), "CN")
	b.must(err)
	return n
}

func (b *bed) person(i int) campaign.Person {
	b.Helper()
	p, _, err := b.API.SavePerson(b.ctx, campaign.Person{
		Tenant: tenant, ExternalID: fmt.Sprintf("c%05d", i), Name: "王芳", Number: b.number(i), Zone: "Asia/Shanghai", Language: "cmn",
		Vars: map[string]any{"plan": "gold", "amount": 12.5}, CreatedAt: time.Now(),
	})
	b.must(err)
	return p
}

// newContact is a contact of person i, due a second ago.
func newContact(i int) api.NewContact {
	return api.NewContact{
		ID: id(), Tenant: tenant, CustomerID: fmt.Sprintf("c%05d", i), Script: script, DueAt: time.Now().Add(-time.Second),
		State: campaign.Scheduled, CreatedAt: time.Now(),
	}
}

func (b *bed) create(c api.NewContact) campaign.Contact {
	b.Helper()
	out, created, err := b.API.CreateContact(b.ctx, c)
	b.must(err)
	if !created {
		b.Fatal("contact existed")
	}
	return out
}

// due makes person i with a contact that is ready to be claimed.
func (b *bed) due(i int) campaign.Contact {
	b.Helper()
	b.person(i)
	c := b.create(newContact(i))
	b.promote()
	return c
}

func (b *bed) promote() {
	b.Helper()
	_, err := b.Scheduler.Promote(b.ctx, time.Now(), 1000)
	b.must(err)
}

func (b *bed) fence() campaign.Fence { return campaign.Fence{Owner: b.owner, Epoch: b.epoch} }

func (b *bed) claim(n int) []campaign.Attempt {
	b.Helper()
	as, err := b.Scheduler.Claim(b.ctx, pool, n, b.fence())
	b.must(err)
	return as
}

// claimed makes person i with a contact that has a claimed attempt.
func (b *bed) claimed(i int) campaign.Attempt {
	b.Helper()
	c := b.due(i)
	for _, a := range b.claim(1000) {
		if a.Contact.ID == c.ID {
			return a
		}
	}
	b.Fatal("contact was not claimed")
	return campaign.Attempt{}
}

func (b *bed) placement() campaign.Placement {
	caller, err := phone.Short("95511")
	b.must(err)
	return campaign.Placement{PBX: "pbx-1", Trunk: "trunk-1", CallerID: caller, ScriptVersion: "v1"}
}

// allow judges that everything may be done.
func allow(time.Time, compliance.Facts) compliance.Judgement { return judged(compliance.Allow, "") }

// refuse judges that nothing may.
func refuse(time.Time, compliance.Facts) compliance.Judgement { return judged(compliance.Refuse, "no") }

func judged(d compliance.Decision, why string) compliance.Judgement {
	v := compliance.Verdict{Decision: d, Rule: "test", Reason: why, Inputs: map[string]string{"of": "a test"}}
	return compliance.Judgement{Verdict: v, Verdicts: []compliance.Verdict{v}, Version: "test-1"}
}

// caps allows so many acts of a person within 24 hours and 7 days; 0 is no limit.
func caps(perDay, perWeek int) compliance.Judge {
	return func(now time.Time, f compliance.Facts) compliance.Judgement {
		day, week := 0, 0
		for _, s := range f.Spent {
			if s.SamePerson && now.Sub(s.At) < 24*time.Hour {
				day++
			}
			if s.SamePerson && now.Sub(s.At) < 7*24*time.Hour {
				week++
			}
		}
		if perDay > 0 && day >= perDay || perWeek > 0 && week >= perWeek {
			return judged(compliance.Wait, "cap")
		}
		return allow(now, f)
	}
}

// unlessBlocked refuses whom a list names.
func unlessBlocked(now time.Time, f compliance.Facts) compliance.Judgement {
	if len(f.Blocks) > 0 {
		return judged(compliance.Refuse, string(f.Blocks[0].Layer)+": "+f.Blocks[0].Reason)
	}
	return allow(now, f)
}

// act is what an attempt does.
func act(a campaign.Attempt) compliance.Act {
	return compliance.Act{
		Channel: compliance.Voice, Path: compliance.PathTask, Tenant: a.Tenant, Person: a.Person.ID.String(), Contact: a.Contact.ID.String(),
		Task: a.Task.ID.String(), Number: a.Person.Number, Purpose: a.Task.Purpose, Jurisdiction: a.Task.Jurisdiction, Trunk: "trunk-1",
		Script: a.Task.Script, ScriptVersion: "v1", DueAt: a.DueAt, Try: a.Try,
	}
}

// tryPlace places with a judge.
func (b *bed) tryPlace(a campaign.Attempt, judge compliance.Judge, now time.Time) error {
	return b.Scheduler.Place(b.ctx, a.Fence, b.placement(), act(a), judge, now)
}

func (b *bed) place(a campaign.Attempt) {
	b.Helper()
	b.must(b.tryPlace(a, allow, time.Now()))
}

// refusedBy wants a refusal of the judge.
func (b *bed) refusedBy(err error, what string) compliance.Verdict {
	b.Helper()
	var no *scheduler.RefusedError
	if !errors.As(err, &no) {
		b.Errorf("%s: got %v, want a refusal", what, err)
		return compliance.Verdict{}
	}
	return no.Verdict
}

// blocks are the lists that name a person or a number.
func (b *bed) blocks(tenant string, person uuid.UUID, n phone.Number) []compliance.Block {
	b.Helper()
	a := compliance.Act{Tenant: tenant, Number: n}
	if person != uuid.Nil {
		a.Person = person.String()
	}
	f, err := b.Scheduler.Facts(b.ctx, a, time.Now())
	b.must(err)
	return f.Blocks
}

// placed makes person i with a placed attempt.
func (b *bed) placed(i int) campaign.Attempt {
	b.Helper()
	a := b.claimed(i)
	b.place(a)
	return a
}

func (b *bed) contact(id uuid.UUID) campaign.Contact {
	b.Helper()
	c, err := b.API.Contact(b.ctx, tenant, id)
	b.must(err)
	return c
}

func (b *bed) attempt(id uuid.UUID) api.AttemptView {
	b.Helper()
	v, err := b.API.Attempt(b.ctx, tenant, id)
	b.must(err)
	return v
}

func (b *bed) inState(id uuid.UUID, want campaign.ContactState) campaign.Contact {
	b.Helper()
	c := b.contact(id)
	if c.State != want {
		b.Errorf("contact is %s (%s), want %s", c.State, c.Reason, want)
	}
	return c
}

func (b *bed) attemptIs(id uuid.UUID, want campaign.AttemptState) {
	b.Helper()
	if v := b.attempt(id); v.State != want {
		b.Errorf("attempt is %s, want %s", v.State, want)
	}
}

// message is one message of an aggregate to a destination.
func message(aggregate, destination, event string) scheduler.Message {
	return scheduler.Message{
		ID: id(), Tenant: tenant, Aggregate: aggregate, Kind: "webhook", Event: event, Destination: destination, Body: []byte(`{"event":"` + event + `"}`),
	}
}

func (b *bed) depth() (waiting, dead int) {
	b.Helper()
	waiting, dead, err := b.Outbox.Depth(b.ctx)
	b.must(err)
	return waiting, dead
}

// again is the same database as another process sees it, or as this one does where there is no other.
func (b *bed) again() *bed {
	b.Helper()
	if b.Again == nil {
		return b
	}
	return &bed{T: b.T, Stores: b.Again(b.T), ctx: b.ctx, task: b.task, owner: b.owner, epoch: b.epoch}
}

// until tries again for at most five seconds.
func (b *bed) until(what string, ok func() bool) {
	b.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	stop := time.After(5 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-stop:
			b.Fatalf("not within 5 s: %s", what)
		}
	}
}

func wait(d time.Duration) { <-time.After(d) }

func id() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
