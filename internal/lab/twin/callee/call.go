package callee

import (
	"maps"
	"time"
)

// Call is one ring of a subscriber as an exchange or a telephone saw it, from
// the first signal to the end.
type Call struct {
	// ID is the identifier that the caller gave the leg, where it can be seen.
	ID string
	// Rang, Answered and Ended are zero for what did not happen.
	Rang, Answered, Ended time.Time
	// ShownNumber and ShownName are the caller as displayed.
	ShownNumber, ShownName string
	// Headers are the X-* headers of the INVITE.
	Headers map[string]string
	// ByCallee says that the subscriber's side ended the call, with an answer
	// other than 200 or a BYE; otherwise the caller did.
	ByCallee bool
	// Cause is the Q.850 cause that the caller sent with its CANCEL or BYE, 0
	// for none.
	Cause int
	// Record is what was said and heard after the answer.
	Record Record
}

// Clone is a copy that shares nothing.
func (c *Call) Clone() Call {
	d := *c
	d.Headers = maps.Clone(c.Headers)
	d.Record = c.Record.Clone()
	return d
}
