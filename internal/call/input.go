package call

import (
	"time"

	"ringmaster/internal/nlu"
	"ringmaster/internal/pbx"
	"ringmaster/internal/speech"
)

// Kind of an input.
type Kind string

// Kinds of input. Every one of them is logged, so that the call can be
// replayed to the same decisions.
const (
	InStart           Kind = "start"            // begin: originate, or (Class inbound) answer
	InOriginateFailed Kind = "originate_failed" // Class, Text
	InAnswerFailed    Kind = "answer_failed"    // Text: a call that came in could not be taken
	InRinging         Kind = "ringing"
	InAnswered        Kind = "answered"
	InKey             Kind = "key" // Text is the digit
	InHungup          Kind = "hungup"
	InLinkLost        Kind = "link_lost"
	InLinkRestored    Kind = "link_restored" // Up
	InLegLost         Kind = "leg_lost"      // the adapter gave up on the leg's events
	InMediaOpen       Kind = "media_open"
	InMediaLost       Kind = "media_lost"
	InMediaEnded      Kind = "media_ended" // no more audio comes; whether that is a fault is told otherwise
	InBridged         Kind = "bridged"
	InUnbridged       Kind = "unbridged"      // the person left the customer
	InTransferEnded   Kind = "transfer_ended" // Text is the reason
	InSound           Kind = "sound"          // Sound: from the detector
	InMachine         Kind = "machine"        // Machine: from AMD
	InHeard           Kind = "heard"          // Result: from the recognizer
	InDeaf            Kind = "deaf"           // the recognizer is gone
	InUnderstood      Kind = "understood"     // ID, Answer or Text (error)
	InWorded          Kind = "worded"         // ID, Draft or Text (error): from the language model
	InLineStarted     Kind = "line_started"   // Line
	InLineEnded       Kind = "line_ended"     // Line
	InTimer           Kind = "timer"          // a deadline of the state has passed
	InOperator        Kind = "operator"       // Text is the command: hangup
	InShutdown        Kind = "shutdown"       // Class stop: the controller stops; else the attempt was cancelled
	InRecording       Kind = "recording"      // Text is the fault of the recorder
	InClosed          Kind = "closed"         // media and providers are closed; nothing more comes
	InResumed         Kind = "resumed"        // another life took the call over: Up, or Class gone
)

// Input is one thing that happened to a call. At counts from the call's start.
type Input struct {
	Kind    Kind           `json:"kind"`
	At      time.Duration  `json:"at"`
	ID      int64          `json:"id,omitempty"`
	Class   string         `json:"class,omitempty"` // unavailable, refused, unknown; inbound; stop; gone
	Text    string         `json:"text,omitempty"`
	Up      bool           `json:"up,omitempty"`
	Hungup  *pbx.Hungup    `json:"hungup,omitempty"`
	Sound   *Sound         `json:"sound,omitempty"`
	Machine string         `json:"machine,omitempty"` // human, greeting, beep, uncertain; Text is why
	Result  *speech.Result `json:"result,omitempty"`
	Answer  *nlu.Answer    `json:"answer,omitempty"`
	Draft   *nlu.Draft     `json:"draft,omitempty"`
	Line    *LineReport    `json:"line,omitempty"`
	// Began is the wall clock at At = 0 (InStart).
	Began time.Time `json:"began,omitzero"`
	// Masked: a decision depends on what is masked in the log.
	Masked bool `json:"masked,omitempty"`
}

// Sound is what the detector noticed on the customer's side. AtMS is where it
// began or ended, in milliseconds since the answer.
type Sound struct {
	Kind SoundKind `json:"kind"`
	AtMS int64     `json:"at_ms"`
}

// SoundKind of a Sound.
type SoundKind string

// Kinds of sound.
const (
	SpeechStart SoundKind = "speech_start"
	SpeechEnd   SoundKind = "speech_end"
	// LongSpeech: speech has lasted the minimum duration of a barge-in.
	LongSpeech SoundKind = "long_speech"
)

// LineReport says what became of a line that was to be said. Times are
// milliseconds since the answer.
type LineReport struct {
	Say      int64  `json:"say"` // which Say it belongs to
	Index    int    `json:"index"`
	Line     string `json:"line"`
	StartMS  int64  `json:"start_ms"`
	EndMS    int64  `json:"end_ms"`
	LengthMS int64  `json:"length_ms,omitempty"` // of what is left to be said; 0 = not known yet
	Complete bool   `json:"complete"`
	Heard    string `json:"heard,omitempty"` // the words that were really heard
	Fault    string `json:"fault,omitempty"`
	// Unsupported: the fault is that no voice offers the line's language.
	Unsupported bool `json:"unsupported,omitempty"`
	Last        bool `json:"last,omitempty"` // nothing of the Say remains
	Resumed     bool `json:"resumed,omitempty"`
}
