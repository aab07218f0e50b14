package outbox

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Delivery is a message with its history.
type Delivery struct {
	ID          uuid.UUID
	Tenant      string
	Aggregate   string
	Seq         int64 // order within the aggregate
	Kind        string
	Event       string
	Destination string
	Body        []byte
	Tries       int // before this one
	// Lapsed: it was leased before and nobody wrote what came of it. The
	// receiver may have it.
	Lapsed    bool
	CreatedAt time.Time
}

// Store keeps messages until they are delivered or dead. Leases are the
// database's clock.
type Store interface {
	// Lease takes up to n messages whose time has come and whose aggregate has
	// no earlier undelivered message, for d. Messages to the destinations in
	// except stay where they are.
	Lease(ctx context.Context, owner string, n int, d time.Duration, except ...string) ([]Delivery, error)
	// Delivered ends a message.
	Delivered(ctx context.Context, owner string, id uuid.UUID, status int) error
	// Retry gives a message back until at.
	Retry(ctx context.Context, owner string, id uuid.UUID, at time.Time, why string) error
	// Bury ends a message undelivered (dead letter): kept, listed, re-drivable.
	Bury(ctx context.Context, owner string, id uuid.UUID, why string) error
	// Depth counts waiting and dead messages.
	Depth(ctx context.Context) (waiting, dead int, err error)
	// NextDue is when the next message may be leased; zero if none waits.
	NextDue(ctx context.Context) (time.Time, error)
}
