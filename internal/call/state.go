package call

import (
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/pbx"
	"ringmaster/internal/turn"
)

// Phase of a call; docs/call.md draws the chart.
type Phase string

// Phases.
const (
	Placing      Phase = "placing"      // originate sent, nothing heard yet
	Alerting     Phase = "alerting"     // it rings
	Opening      Phase = "opening"      // answered, media being opened
	Talking      Phase = "talking"      // the dialogue runs
	Transferring Phase = "transferring" // a person is being fetched
	HandedOver   Phase = "handed_over"  // customer and person talk
	Releasing    Phase = "releasing"    // we hung up and wait for the end
	Closing      Phase = "closing"      // the leg is over, last reports come in
	Over         Phase = "over"
)

// Deadlines of a call, by name.
const (
	dlRing       = "ring"       // the exchange never told the end of ringing
	dlTurn       = "turn"       // a limit of turn taking: end of turn, no words, no input
	dlMachine    = "machine"    // a long greeting that went on until now
	dlUnderstand = "understand" // NLU is late: say a filler
	dlGiveUp     = "give_up"    // NLU is too late: go on without
	dlKeys       = "keys"       // no further key
	dlDuration   = "duration"   // the call is too long
	dlHard       = "hard"       // and now it is really too long
	dlLink       = "link"       // the link to the exchange stays away
	dlRelease    = "release"    // our hang-up is not confirmed
	dlMedia      = "media"      // media does not open
	dlReopen     = "reopen"     // open it again
	dlResume     = "resume"     // we fell silent in mid-line and nothing says why
	dlTransfer   = "transfer"   // nobody said what became of the hand-over
)

// State of a call: plain data, so that it can be logged and compared.
type State struct {
	Phase    Phase
	Now      time.Duration // At of the last input
	Deadline map[string]time.Duration

	// The leg.
	AnsweredAt time.Duration
	RingingAt  time.Duration
	Inbound    bool   // they called us
	WhyHangup  string // our own reason, when we hung up
	Hungup     *pbx.Hungup
	MediaTries int
	MediaGone  bool // it ended while a person was being fetched
	Handing    bool // a hand-over was asked for

	// What we say.
	SayID     int64
	Saying    bool
	Suspended bool  // a Say was stopped and could be resumed
	SaidAll   bool  // ... but had been heard to its end in that moment
	StoppedID int64 // the Say that the present one goes on with
	Lines     []dialogue.Line
	Line      int // index into Lines of the line being said
	After     dialogue.Move
	Mute      bool

	// What they say.
	Turn      turn.State
	WordsMS   [2]int64 // start and end of the words so far
	TakenMS   int64    // a turn was taken on a partial result that ended here
	TakenText string
	Stop      dialogue.Stop
	Suspect   bool // it may be a machine
	LastHeard *LineReport
	Keys      string
	Deaf      bool

	// What it meant.
	AskID   int64
	Asking  bool
	AskText string
	Filler  int // fillers said so far
	// FillerSay is the Say that is a filler: the dialogue does not hear of it.
	FillerSay int64

	// Sound without words.
	SpokeMS   int64 // when it began
	FilledAsk int64 // AskID+1 of the turn in which a filler covered it

	// Words are awaited from a language model.
	WordsID int64
	Wording bool

	// Resumed counts the lives that took the call over. Bridge: the next thing
	// said begins with words about the gap. Spoken are the last lines that were
	// no filler.
	Resumed int
	Bridge  bool
	Spoken  []dialogue.Line

	Listen   dialogue.Listen
	Wanted   []wanted // turns and slots in which a number was expected: for masking
	Dialogue dialogue.State
	End      *dialogue.End
	Outcome  campaign.Outcome
}

func (s *State) set(name string, after time.Duration) {
	if s.Deadline == nil {
		s.Deadline = map[string]time.Duration{}
	}
	s.Deadline[name] = s.Now + after
}

func (s *State) clear(names ...string) {
	for _, n := range names {
		delete(s.Deadline, n)
	}
}

// next is the earliest deadline; ok is false when none is set.
func (s *State) next() (at time.Duration, ok bool) {
	for _, d := range s.Deadline {
		if !ok || d < at {
			at, ok = d, true
		}
	}
	return at, ok
}

// sinceAnswer is the present moment in milliseconds since the answer.
func (s *State) sinceAnswer() int64 { return (s.Now - s.AnsweredAt).Milliseconds() }

// Effect is something for the shell to do.
type Effect interface{ effect() }

// Effects.
type (
	// Originate places the call.
	Originate struct{}
	// Attach looks for the leg after an originate whose answer was lost.
	Attach struct{}
	// Answer takes the call that came in.
	Answer struct{}
	// OpenMedia opens the audio leg and starts to listen.
	OpenMedia struct{}
	// Say lines in order.
	Say struct {
		ID    int64
		Lines []dialogue.Line
		From  int           // index of the first line to be said
		Fill  dialogue.Line // said while the voice is late
	}
	// StopSaying silences us at once.
	StopSaying struct{}
	// ResumeSaying goes on with what was stopped, under a new ID: a late report
	// of the stop is then not taken for its end. What cannot be found any more
	// is said anew from the line on at which it was stopped.
	ResumeSaying struct {
		ID, Stopped int64
		Lines       []dialogue.Line
		From        int
	}
	// Attend tells the detector how to listen.
	Attend struct {
		MinBargeIn time.Duration
		Protected  bool
	}
	// Understand asks what was meant.
	Understand struct {
		ID   int64
		Text string
	}
	// HandOver fetches a person.
	HandOver struct{ To dialogue.Transfer }
	// RecordOn lets the exchange go on with the recording.
	RecordOn struct{}
	// Hangup ends the leg.
	Hangup struct{ Cause pbx.Cause }
	// Close closes media and providers; InClosed follows.
	Close struct{}
)

func (Originate) effect()    {}
func (Attach) effect()       {}
func (Answer) effect()       {}
func (OpenMedia) effect()    {}
func (Say) effect()          {}
func (StopSaying) effect()   {}
func (ResumeSaying) effect() {}
func (Attend) effect()       {}
func (Understand) effect()   {}
func (HandOver) effect()     {}
func (RecordOn) effect()     {}
func (Hangup) effect()       {}
func (Close) effect()        {}
