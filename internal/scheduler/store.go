package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
)

// Failures of the store by name.
var (
	// ErrFenced: the lease was lost; another controller owns the attempt.
	ErrFenced = errors.New("lease lost: another controller owns this attempt now; nothing was written")
	// ErrLate: the attempt is no longer in the state that the method needs.
	ErrLate = errors.New("attempt is not in the state that this needs; nothing was written")
	// ErrOptedOut: Place found the number or the person on a do-not-call list.
	ErrOptedOut = errors.New("number or person asked not to be called")
	// ErrWithdrawn: Place found the contact cancelled or its task not running.
	ErrWithdrawn = errors.New("contact was cancelled or its task stopped")
	// ErrBudget: Place found the person's contact budget used up.
	ErrBudget = errors.New("contact budget of this person is used up")
)

// Budget is how often a person may be rung, checked and consumed by Place in
// one transaction with the person's budget row locked.
type Budget struct {
	PerDay  int // placed attempts within 24 h; 0 = no limit
	PerWeek int // within 7 days; 0 = no limit
}

// InputRecord is one logged input of a call: enough to replay it.
type InputRecord struct {
	Seq  int64
	At   time.Duration // since the call's start
	Kind string
	Data []byte // JSON, masked
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
	// Place is the point of no return: on disk before the exchange hears.
	// It re-checks do-not-call, the contact's and the task's state and the
	// person's budget, consumes the budget, and may refuse.
	Place(ctx context.Context, f campaign.Fence, p campaign.Placement, b Budget, now time.Time) error
	// Unplace takes Place back, only on a proven refusal: budget returned,
	// same try number, contact ready again at `at`.
	Unplace(ctx context.Context, f campaign.Fence, at time.Time, why string) error
	// Checkpoint appends inputs to the call's log; seq is the first one's.
	Checkpoint(ctx context.Context, f campaign.Fence, seq int64, inputs []InputRecord) error
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
	// BlockedBy reports why a number or person may not be called; "" if free.
	BlockedBy(ctx context.Context, tenant string, person uuid.UUID, n phone.Number) (string, error)
}
