package pbx

import "time"

// Event is something that happened to a leg. The set is closed: every event
// is one of the types of this file.
type Event interface{ event() }

// Ringing says that the callee is being alerted (SIP 180), or the network speaks
// before the answer (183 with SDP, EarlyMedia).
type Ringing struct {
	At         time.Time
	EarlyMedia bool
}

// Answered says that the callee took the call. Turn times count from here.
type Answered struct{ At time.Time }

// DTMF is one key, reported at its release.
type DTMF struct {
	At       time.Time
	Digit    byte // 0-9 * # A-D
	Duration time.Duration
}

// PlaybackEnded says that a prompt was played to the end, stopped by us, or failed.
type PlaybackEnded struct {
	At      time.Time
	ID      string
	Stopped bool
	Err     error
}

// RecordingEnded says that a recording was closed, or failed.
type RecordingEnded struct {
	At       time.Time
	ID       string
	Duration time.Duration
	Err      error
}

// Bridged says that the leg and Other hear each other.
type Bridged struct {
	At    time.Time
	Other LegID
}

// Unbridged says that the leg is alone again.
type Unbridged struct {
	At    time.Time
	Other LegID
}

// TransferEnded says that the hand-over ended before it connected (declined, no
// answer, busy, unreachable): the leg is ours again.
type TransferEnded struct {
	At     time.Time
	Reason string // declined, no_answer, busy, unreachable, queue_full, target_left
	Cause  Cause
}

// MediaLost says that the audio leg ended while the call goes on; OpenMedia again.
type MediaLost struct {
	At  time.Time
	Err error
}

// LinkLost says that from here on events may be missing, until LinkRestored.
type LinkLost struct {
	At  time.Time
	Err error
}

// LinkRestored says that the link is back and the leg was looked up. Up says whether
// it is answered; then it takes commands, OpenMedia among them, from here on. A leg
// that ended meanwhile gets Hungup{By: ByUnknown} instead.
type LinkRestored struct {
	At time.Time
	Up bool
}

// Hungup is the last event of every leg.
type Hungup struct {
	At time.Time
	// SIP is the final status of the INVITE (RFC 3261), 0 if none is known.
	SIP int
	// Q850 is the exchange's own cause for it, 0 if none is known.
	Q850 Cause
	// ReasonQ850 is the cause of a Reason header (RFC 3326), 0 if none came.
	ReasonQ850 Cause
	By         Party
	// Answered says whether the leg had been answered.
	Answered bool
	// Raw is the exchange's words, for the CDR.
	Raw string
}

func (Ringing) event()        {}
func (Answered) event()       {}
func (DTMF) event()           {}
func (PlaybackEnded) event()  {}
func (RecordingEnded) event() {}
func (Bridged) event()        {}
func (Unbridged) event()      {}
func (TransferEnded) event()  {}
func (MediaLost) event()      {}
func (LinkLost) event()       {}
func (LinkRestored) event()   {}
func (Hungup) event()         {}

// Party says who ended a leg.
type Party string

// Who ended a leg.
const (
	ByLocal   Party = "local"   // we hung up
	ByRemote  Party = "remote"  // the callee or the carrier
	ByTimer   Party = "timer"   // our ring or duration limit
	ByNetwork Party = "network" // the exchange, or a failure on the way
	ByUnknown Party = "unknown" // it ended while we could not see
)
