package dialogue

import (
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
)

// Customer is whom the script talks to.
type Customer struct {
	ID       string // external ID
	Name     string
	Language speech.Language
	Segment  string
	Vars     map[string]any
	History  []Past // newest first, at most 20
}

// Past is an earlier conversation with the customer.
type Past struct {
	At          time.Time
	Script      string
	Disposition campaign.Disposition
	Tags        []string
	Slots       map[string]string
}

// InputKind is what happened.
type InputKind string

// Kinds of input.
const (
	// Heard: the customer said something and it was understood (or not: the
	// Answer's Intent is empty).
	Heard InputKind = "heard"
	// Silence: nothing was said for Listen.Silence after we had finished.
	Silence InputKind = "silence"
	// KeysPressed: DTMF was collected.
	KeysPressed InputKind = "keys"
	// Said: every line of the last Move that had any has been played to its
	// end. HeardLine, when set, is the ID of the last of them: a Said that is
	// overtaken by a newer Move is then known to be stale.
	Said InputKind = "said"
	// TransferFailed: the hand-over did not connect; Reason says why.
	TransferFailed InputKind = "transfer_failed"
	// Deaf: the recognizer is down. Mute: the voice is down; only cached lines
	// can be said.
	Deaf InputKind = "deaf"
	Mute InputKind = "mute"
	// Unspoken: no voice offers the customer's language. The conversation goes
	// on in the script's, at the same place.
	Unspoken InputKind = "unspoken"
	// Machine: AMD says that a voicemail answered; Reason is "beep" when its
	// beep has just ended, or "greeting".
	Machine InputKind = "machine"
	// Composed: the language model answered a Move's Compose with Draft, or did
	// not (Draft is nil; Reason says why).
	Composed InputKind = "composed"
	// TimeUp: the call has reached its maximum duration.
	TimeUp InputKind = "time_up"
)

// Input is one thing that happened, with what is known about it.
type Input struct {
	Kind   InputKind  `json:"kind"`
	At     int64      `json:"at_ms"` // ms since answer
	Text   string     `json:"text,omitempty"`
	Answer nlu.Answer `json:"answer,omitzero"`
	Digits string     `json:"digits,omitempty"`
	Reason string     `json:"reason,omitempty"`
	Draft  *nlu.Draft `json:"draft,omitempty"`
	// Heard is how much of the line that was being said was really heard, when
	// this input interrupted it: line ID and words.
	HeardLine string `json:"heard_line,omitempty"`
	HeardText string `json:"heard_text,omitempty"`
}

// Line is one utterance to be said.
type Line struct {
	ID         string        // stable within the script version, such as "opening.0"
	Text       string        // rendered, ready for a synthesizer
	Hints      []speech.Hint `json:",omitempty"` // how places of Text are read
	Language   speech.Language
	Voice      string
	Protected  bool // no barge-in (a global stop word still ends it)
	Disclosure bool // the recording-and-AI notice: must be played to its end
	// Fixed: worded by the engine, not by an author: no variables, no business.
	// Before the disclosure has been Said every other line is Fixed.
	Fixed bool
}

// Expecting is how long an answer is likely to be; endpointing depends on it.
type Expecting string

// What is expected.
const (
	ExpectYesNo  Expecting = "yes_no"
	ExpectChoice Expecting = "choice"
	ExpectOpen   Expecting = "open"
	ExpectDigits Expecting = "digits"
)

// Listen says how to listen after (and during) the lines of a Move.
type Listen struct {
	Expecting Expecting
	Expect    []nlu.Expectation // the node's own and the global intents
	Slots     []nlu.SlotSpec
	Silence   time.Duration // then Input{Silence}
	MaxSpeech time.Duration // longest utterance taken
	// Endpoint overrides the end-of-turn silence; 0 = by Expecting.
	Endpoint   time.Duration
	MinBargeIn time.Duration // 0 = default
	Keys       Keys
	Hotwords   map[string]int
}

// Keys says how DTMF is collected; zero Max = keys are ignored.
type Keys struct {
	Max     int // complete when so many came
	End     byte
	Timeout time.Duration // between keys
}

// Action is a side effect that does not decide the conversation.
//
//	tag       Value: the tag
//	opt_out   Value: stop_word, complaint or dtmf; Data: words, matched
//	ticket    Value: complaint, human_wanted, provider_failure; Data: words, reason, part
//	callback  At: when
//	webhook   Value: its name
//	sms       Value: its template
//	unlock    Value: what; at most once in a conversation, verified
//	grade     Value: A to F
//	slot      Value: canonical; Data: name, text (the words that it came from)
//
// Words are as they were heard: mask them before they are kept.
type Action struct {
	Kind  string // tag, opt_out, ticket, callback, webhook, sms, unlock, grade, slot
	Value string
	At    time.Time // callback
	Data  map[string]string
}

// Transfer hands the customer over after the lines have been said. Every Move
// until it has failed or succeeded repeats it, so none is lost when something
// is heard meanwhile.
type Transfer struct {
	Agent, Queue string
	Timeout      time.Duration
}

// End hangs up after the lines have been said.
type End struct {
	Disposition campaign.Disposition
	Reason      string
}

// Move is what to do now: say Lines in order, then listen, transfer or end.
// With neither lines nor Transfer nor End nor Compose it only listens on.
type Move struct {
	Node     string
	Reason   string // one line for a script author: why this move
	Reply    string // the reply of the script that was taken, such as "opening.1"; may be empty
	Lines    []Line
	Listen   Listen
	Actions  []Action
	Transfer *Transfer
	End      *End
	// Compose asks a language model for the words; Composed says what became of
	// such words: "said", "failed", or "refused: why".
	Compose  *Compose
	Composed string
	// Resume continues the line that was interrupted from what was heard
	// (a false interruption, or a backchannel) instead of saying Lines.
	Resume bool
}

// Stop is a global word of urgency found in what is being said, from a
// partial result already, without NLU.
type Stop string

// Global words of urgency, strongest first.
const (
	StopNone      Stop = ""
	StopCalling   Stop = "stop"      // 别打了: opt-out and polite end
	StopComplaint Stop = "complaint" // 投诉: opt-out and ticket
	StopHuman     Stop = "human"     // 转人工: transfer, never blocks
)
