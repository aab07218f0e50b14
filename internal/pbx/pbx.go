package pbx

import (
	"context"
	"errors"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/phone"
)

// Three kinds of failure, and the end of a leg. Only ErrUnavailable may be
// retried without looking; after ErrUnknown ask Attach first.
var (
	// ErrUnavailable: nothing was sent to the exchange.
	ErrUnavailable = errors.New("exchange unavailable: nothing was sent; check the PBX link with `ringmaster doctor`")
	// ErrRefused: the exchange answered no; nothing was done.
	ErrRefused = errors.New("exchange refused the command")
	// ErrUnknown: the command was sent and no answer came: it may have happened.
	ErrUnknown = errors.New("exchange gave no answer: the command may or may not have been carried out")
	// ErrGone: the leg is over.
	ErrGone = errors.New("leg is over")
	// ErrFlushed: Flush overtook a WriteFrame or Drain; not everything was heard.
	ErrFlushed = errors.New("what was queued has been thrown away before it was heard")
)

// LegID is chosen by us before the leg exists: the attempt's UUIDv7 for the
// customer's leg, with a suffix such as "-agent" for others. At most 64 bytes
// of [A-Za-z0-9._-].
type LegID string

// Endpoint says what is dialled: a number over a trunk, or a configured agent.
// It is never free text, so that nothing from outside becomes a dial string.
type Endpoint struct {
	Trunk  string       // configured trunk name; the adapter knows its technology
	Number phone.Number // dialled over Trunk
	Agent  string       // configured agent name, instead of Trunk and Number
}

// CallerID is the identity shown to the callee. Name is display text.
type CallerID struct {
	Number phone.Number
	Name   string
}

// OriginateRequest is a call to be placed.
type OriginateRequest struct {
	ID       LegID
	To       Endpoint
	CallerID CallerID
	// RingTimeout is how long the callee may ring; whole seconds, 1 to 180.
	RingTimeout time.Duration
	// EarlyMedia asks for what the network says before the answer (RFC 3960);
	// OpenMedia is then possible after Progress{EarlyMedia: true}.
	EarlyMedia bool
	// MaxDuration ends the leg in the exchange itself should we vanish.
	MaxDuration time.Duration
	// Tag is kept by the exchange beside the leg (task or campaign ID, never
	// personal data): [A-Za-z0-9._-], at most 64 bytes.
	Tag string
	// Headers are extra SIP headers, names X-*; values without control bytes.
	Headers map[string]string
}

// Switch is one exchange.
type Switch interface {
	// Run keeps the links to the exchange alive until ctx ends.
	Run(ctx context.Context) error
	// Originate returns long before anyone answers.
	Originate(ctx context.Context, req OriginateRequest) (Leg, error)
	// Attach takes hold of a leg that exists: after a restart, a hand-over or
	// ErrUnknown. ErrGone when the exchange has no such leg.
	Attach(ctx context.Context, id LegID) (Leg, error)
	// Accept waits for the next inbound call that the dialplan hands to us.
	Accept(ctx context.Context) (Inbound, error)
	// Legs lists our legs that are alive on the exchange (resync, janitor).
	Legs(ctx context.Context) ([]LegInfo, error)
	Health() Health
}

// Inbound is a call that came in; it is ringing and not yet answered.
type Inbound struct {
	Leg    Leg
	Called string       // the number that was called, as the dialplan gave it
	From   phone.Number // zero when withheld
	Args   []string     // what the dialplan hook passed
}

// LegInfo is a leg as the exchange lists it.
type LegInfo struct {
	ID      LegID
	Up      bool // answered
	Created time.Time
	Tag     string
}

// Health is the state of the links to an exchange.
type Health struct {
	Up        bool      // commands and events both work: dialling is allowed
	Since     time.Time // of the present state
	Reason    string    // why it is not up, for an operator
	Replaced  bool      // another controller took our place: stop working
	Version   string
	StartedAt time.Time // the exchange's own start; a change means a restart
	Lag       int       // unread events over all legs
	Dropped   uint64    // audio frames dropped by us since start
}

// Playback is a prompt file that the exchange itself plays.
type Playback struct {
	ID    string // ours; unique on the leg
	Media string // "file:<path without extension, in the exchange's sounds>" or "tone:<name>"
}

// Recording is a recording made by the exchange (after a hand-over).
type Recording struct {
	ID     string
	Name   string // relative path, [A-Za-z0-9._/-], no ".."
	Stereo bool   // left = customer, right = us
}

// Target is where a customer is handed over to.
type Target struct {
	Agent   string        // configured agent, or
	Queue   string        // configured queue of the exchange
	Number  phone.Number  // or a number over Trunk
	Trunk   string        //
	Timeout time.Duration // ring time at the target
	// CallerID is what the target sees; the customer's number only when
	// policy says so.
	CallerID CallerID
}

// MonitorMode is what a supervisor hears or says.
type MonitorMode string

// Monitor modes.
const (
	Listen  MonitorMode = "listen"
	Whisper MonitorMode = "whisper"
)

// Leg is one party's connection. Commands are safe for concurrent use; Next
// is for one goroutine.
type Leg interface {
	ID() LegID
	// Next returns the next event; io.EOF after Hungup.
	Next(ctx context.Context) (Event, error)
	Answer(ctx context.Context) error
	Play(ctx context.Context, p Playback) error
	Record(ctx context.Context, r Recording) error
	// Mute silences a recording, its timeline kept, while on.
	Mute(ctx context.Context, recording string, on bool) error
	// Stop ends a playback or a recording; stopping what has ended is no error.
	Stop(ctx context.Context, id string) error
	SendDTMF(ctx context.Context, digits string) error
	Bridge(ctx context.Context, other LegID) error
	Transfer(ctx context.Context, to Target) error
	Monitor(ctx context.Context, supervisor LegID, mode MonitorMode) error
	// Hangup ends the leg with a Q.850 cause; a leg that is over is no error.
	Hangup(ctx context.Context, cause Cause) error
	OpenMedia(ctx context.Context, f audio.Format) (Media, error)
}

// Media is the audio of a leg, both ways. One goroutine reads, one writes;
// the other methods are safe beside them. Frames are bounded in both
// directions: the oldest received ones are dropped and show up as Frame.Lost.
type Media interface {
	Format() audio.Format
	// Began is when sample 0 of the leg's clock was: what lies n samples behind
	// it came in n samples later.
	Began() time.Time
	// ReadFrame waits for the next 20 ms from the leg; io.EOF at its end. The
	// samples are valid until the next ReadFrame.
	ReadFrame(dst *audio.Frame) error
	// WriteFrame queues one or more whole frames of audio to be heard and
	// blocks while more than about 500 ms is queued. When nothing is queued
	// the adapter sends silence: the line is never dead. A Flush in between
	// ends it with ErrFlushed and the rest is never heard.
	WriteFrame(src audio.Frame) error
	// Drain returns when everything written so far has been played out;
	// ErrFlushed when Flush threw some of it away.
	Drain(ctx context.Context) error
	// Flush throws away what has not been played out (barge-in) and reports how
	// much of all that was ever written has been heard.
	Flush() (heard time.Duration, err error)
	// Played is how much of all that was written has been played out by now,
	// as far as the adapter knows (exact after Drain or Flush).
	Played() time.Duration
	Close() error
}
