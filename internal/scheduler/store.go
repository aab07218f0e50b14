package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// Failures of the store by name.
var (
	// ErrFenced: the lease was lost; another controller owns the attempt.
	ErrFenced = errors.New("lease lost: another controller owns this attempt now; nothing was written")
	// ErrLate: the attempt is no longer in the state that the method needs.
	ErrLate = errors.New("attempt is not in the state that this needs; nothing was written")
	// ErrWithdrawn: Place found the contact cancelled.
	ErrWithdrawn = errors.New("contact was cancelled")
	// ErrHalted: Place found the task paused or done.
	ErrHalted = errors.New("task does not run")
	// ErrForeignAct: what was judged is not what is to be done.
	ErrForeignAct = errors.New("the act that was judged is not this attempt's: its tenant, person or number differs")
)

// RefusedError: the judge said no to what is so under the locks; nothing was
// written.
type RefusedError struct{ Verdict compliance.Verdict }

func (e *RefusedError) Error() string {
	return "the rules do not allow this act now: " + e.Verdict.Rule + ": " + e.Verdict.Reason
}

// InputRecord is one logged input of a call: enough to replay it.
type InputRecord struct {
	Seq  int64
	At   time.Duration // since the call's start
	Kind string
	Data []byte // JSON, masked
}

// Inputs are inputs of one call, numbered from Seq on.
type Inputs struct {
	Fence   campaign.Fence
	Seq     int64
	Records []InputRecord
}

// Message is something to tell the outside, written with the outcome.
type Message struct {
	ID          uuid.UUID
	Tenant      string
	Aggregate   string // order is kept within it: the attempt's or contact's ID
	Kind        string // webhook
	Event       string // call.finished, call.answered, contact.expired ...
	Destination string // endpoint name or URL
	Body        []byte // JSON
}

// Store is the scheduler's durable side: each method is one transaction.
// Times of leases are the database's clock.
type Store interface {
	// Register makes this controller known and returns its epoch, higher than
	// any that it had before.
	Register(ctx context.Context, owner string) (epoch int64, err error)
	// Renew is the heartbeat; ErrFenced when a newer epoch of owner exists.
	Renew(ctx context.Context, owner string, epoch int64) error
	// Promote moves contacts whose time has come to ready, at most n, and
	// returns how many. Due rows are moved first, so that a million future
	// rows of high priority cost nothing.
	Promote(ctx context.Context, now time.Time, n int) (int, error)
	// NextDue is the earliest due time of a scheduled contact; zero if none.
	NextDue(ctx context.Context) (time.Time, error)
	// Claim takes up to n ready contacts of pool by (priority desc, due_at)
	// with FOR UPDATE SKIP LOCKED where the database has it. Attempts are born
	// here, with Task, Contact and Person filled in.
	Claim(ctx context.Context, pool string, n int, f campaign.Fence) ([]campaign.Attempt, error)
	// Place is the point of no return: on disk before the exchange hears. With
	// the person's and the number's budget locked it reads the facts, asks the
	// judge, and when that allows consumes the budget and writes the permit, all
	// in one transaction. act must be the attempt's own (ErrForeignAct). A
	// judge that does not allow is a *RefusedError and nothing is written.
	Place(ctx context.Context, f campaign.Fence, p campaign.Placement, act compliance.Act, judge compliance.Judge, now time.Time) error
	// Seal puts every permit of the tenant that is written by now into its chain.
	// One transaction serves all who wait. It stands between Place and the exchange.
	Seal(ctx context.Context, tenant string) error
	// Spend is Place for an act that is no attempt (a text message): facts, judge,
	// budget, permit and messages in one transaction, once for each id.
	Spend(ctx context.Context, id uuid.UUID, act compliance.Act, judge compliance.Judge, msgs []Message, now time.Time) error
	// Facts is what Place would read at this moment, without its locks: for
	// gates before Place, and to explain. Act's IDs name what is looked up;
	// those that are empty are left out.
	Facts(ctx context.Context, act compliance.Act, now time.Time) (compliance.Facts, error)
	// Unplace takes Place back, only on a proven refusal: budget returned,
	// permit voided by a later record, same try number, contact ready again at `at`.
	Unplace(ctx context.Context, f campaign.Fence, at time.Time, why string) error
	// Checkpoint appends inputs to the logs of several calls in one transaction.
	// refused[i] says why those of batch[i] are not among them (ErrFenced,
	// ErrLate), or is nil; with an error none were appended.
	Checkpoint(ctx context.Context, batch []Inputs) (refused []error, err error)
	// Postpone gives an unplaced attempt back: the contact is due again at
	// `at`, its try number unused.
	Postpone(ctx context.Context, f campaign.Fence, at time.Time, why string) error
	// Refuse ends a contact without a call: state is expired, blocked or cancelled.
	Refuse(ctx context.Context, f campaign.Fence, state campaign.ContactState, why string, msgs []Message) error
	// Finish writes outcome, CDR, turns, recordings, next try, opt-out and
	// messages together. Finishing twice with the same fence is ErrLate.
	Finish(ctx context.Context, f campaign.Fence, o campaign.Outcome, msgs []Message) error
	// Orphans are unfinished attempts of dead epochs: heartbeats older than
	// `dead`, or earlier epochs of owner itself. They are re-fenced to
	// (owner, epoch) in the same transaction, at most n of them.
	Orphans(ctx context.Context, owner string, epoch int64, dead time.Duration, n int) ([]campaign.Attempt, error)
}
