package amd

import (
	"time"

	"ringmaster/internal/turn"
)

// Verdict is who answered.
type Verdict string

// The verdicts. The empty Verdict means that nothing is decided yet.
const (
	Human     Verdict = "human"
	Voicemail Verdict = "voicemail"
	Uncertain Verdict = "uncertain"
)

// Reason is why, stable ASCII.
type Reason string

// The reasons.
const (
	ShortGreeting Reason = "short_greeting" // a short utterance, then silence: a person waits for us
	LongGreeting  Reason = "long_greeting"  // speech without a waiting pause: a recording is suspected
	Beep          Reason = "beep"           // a steady tone after speech: a message may be left after it
	Silence       Reason = "silence"        // nobody spoke
	Broken        Reason = "broken"         // long, but with as much pause as speech
)

// Config holds the limits. Zero values stand for the defaults.
type Config struct {
	// Long is the length of a greeting from which a machine is suspected;
	// default 1.8 s. People say "hello?" and wait; Lin et al. and the
	// defaults of Asterisk's AMD put the border between 1.5 and 2 s.
	Long time.Duration `json:"long,omitempty"`
	// Wait is the pause that shows that somebody waits for an answer; shorter
	// pauses belong to the greeting. Default 700 ms.
	Wait time.Duration `json:"wait,omitempty"`
	// Quiet is how long after answer nobody speaks until it is called silence;
	// default 5 s.
	Quiet time.Duration `json:"quiet,omitempty"`
	// BeepMin and BeepMax bound the length of a beep (default 100 ms, 2.5 s),
	// BeepLow and BeepHigh its frequency (default 380 Hz, 2400 Hz).
	BeepMin  time.Duration `json:"beep_min,omitempty"`
	BeepMax  time.Duration `json:"beep_max,omitempty"`
	BeepLow  float32       `json:"beep_low,omitempty"`
	BeepHigh float32       `json:"beep_high,omitempty"`
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (c Config) withDefaults() Config {
	c.Long = or(c.Long, 1800*time.Millisecond)
	c.Wait = or(c.Wait, 700*time.Millisecond)
	c.Quiet = or(c.Quiet, 5*time.Second)
	c.BeepMin = or(c.BeepMin, 100*time.Millisecond)
	c.BeepMax = or(c.BeepMax, 2500*time.Millisecond)
	c.BeepLow = or(c.BeepLow, 380)
	c.BeepHigh = or(c.BeepHigh, 2400)
	return c
}

// Evidence is what a verdict rests on. Times count from answer.
type Evidence struct {
	First    time.Duration `json:"first,omitempty"`    // the first speech began
	Greeting time.Duration `json:"greeting,omitempty"` // its length, pauses shorter than Wait included
	Speech   time.Duration `json:"speech,omitempty"`   // all speech so far, without pauses
	Silence  time.Duration `json:"silence,omitempty"`  // since the last speech
	BeepHz   float32       `json:"beep_hz,omitempty"`
	BeepLen  time.Duration `json:"beep_len,omitempty"`
	BeepEnd  time.Duration `json:"beep_end,omitempty"` // a message may start here
}

// Result is a verdict. A later one replaces an earlier: a beep overrides what
// was thought of the greeting.
type Result struct {
	Verdict Verdict       `json:"verdict"`
	Reason  Reason        `json:"reason"`
	At      time.Duration `json:"at"` // when it was decided
	// Confidence from 0 to 1 is a judgement, not a measured probability.
	Confidence float64  `json:"confidence"`
	Evidence   Evidence `json:"evidence"`
}

// State is plain values, kept and logged by the call.
type State struct {
	Spoke   bool          `json:"spoke,omitempty"`
	Talking bool          `json:"talking,omitempty"`
	First   time.Duration `json:"first,omitempty"`
	From    time.Duration `json:"from,omitempty"` // of the piece of speech going on
	To      time.Duration `json:"to,omitempty"`   // end of the last piece
	Speech  time.Duration `json:"speech,omitempty"`
	// Verdict and Reason so far.
	Verdict Verdict `json:"verdict,omitempty"`
	Reason  Reason  `json:"reason,omitempty"`
}

// Step folds one input of the turn's log into the state; it looks at
// speech_start, speech_end, tone and the time, and ignores the rest. It is
// pure. ok says that there is a new verdict.
func Step(s State, c Config, in turn.Input) (_ State, r Result, ok bool) {
	c = c.withDefaults()
	if in.At == 0 {
		in.At = in.Now
	}
	// What the time before this input decides comes first.
	s, r, ok = s.expire(c, in.Now)
	switch in.Kind {
	case turn.InSpeechStart:
		if !s.Spoke {
			s.Spoke, s.First = true, in.At
		}
		s.Talking, s.From = true, in.At
	case turn.InSpeechEnd:
		if s.Talking {
			s.Talking, s.To = false, max(in.At, s.From)
			s.Speech += s.To - s.From
		}
	case turn.InTone:
		if s.isBeep(c, in) && s.Reason != Beep {
			s.Verdict, s.Reason = Voicemail, Beep
			r = s.result(in.Now, 0.97)
			r.Evidence.BeepHz, r.Evidence.BeepLen, r.Evidence.BeepEnd = in.Hz[0], in.Length, in.At
			return s, r, true
		}
	}
	if ok {
		return s, r, true
	}
	s, r, ok = s.expire(c, in.Now)
	return s, r, ok
}

// isBeep says that a tone can be a voicemail's: one frequency, neither a click
// nor a dial tone, after enough speech to have been a greeting.
func (s State) isBeep(c Config, in turn.Input) bool {
	said := s.Speech
	if s.Talking {
		said += in.Now - s.From
	}
	return s.Spoke && said >= 600*time.Millisecond && in.Hz[1] == 0 &&
		in.Hz[0] >= c.BeepLow && in.Hz[0] <= c.BeepHigh && in.Length >= c.BeepMin && in.Length <= c.BeepMax
}

// Deadline is when Step wants a turn.InTick, unless something happens first.
func (s State) Deadline(c Config) (time.Duration, bool) {
	at, reason := s.due(c.withDefaults())
	return at, reason != ""
}

func (s State) due(c Config) (time.Duration, Reason) {
	switch {
	case s.Verdict != "":
		return 0, ""
	case !s.Spoke:
		return c.Quiet, Silence
	case s.Talking:
		return s.First + c.Long + lateEnd, LongGreeting
	case s.To-s.First >= c.Long:
		return s.To, LongGreeting
	}
	return s.To + c.Wait, ShortGreeting
}

// lateEnd is how long after the end of speech a Taker may still report it.
const lateEnd = 250 * time.Millisecond

// expire applies the limit that has been reached at now, if any.
func (s State) expire(c Config, now time.Duration) (State, Result, bool) {
	at, reason := s.due(c)
	if reason == "" || now < at {
		return s, Result{}, false
	}
	var confidence float64
	switch reason {
	case Silence:
		s.Verdict, confidence = Uncertain, 0.5
	case LongGreeting:
		s.Verdict, confidence = Voicemail, 0.65
		if e := s.result(now, 0).Evidence; e.Speech*5 < e.Greeting*3 {
			s.Verdict, reason, confidence = Uncertain, Broken, 0.5
		}
	case ShortGreeting:
		s.Verdict, confidence = Human, 0.9
		if s.To-s.First > 1200*time.Millisecond {
			confidence = 0.7
		}
	}
	s.Reason = reason
	return s, s.result(now, confidence), true
}

func (s State) result(now time.Duration, confidence float64) Result {
	e := Evidence{First: s.First, Speech: s.Speech}
	switch {
	case s.Talking:
		e.Greeting, e.Speech = now-s.First, s.Speech+now-s.From
	case s.Spoke:
		e.Greeting, e.Silence = s.To-s.First, now-s.To
	default:
		e.Silence = now
	}
	return Result{Verdict: s.Verdict, Reason: s.Reason, At: now, Confidence: confidence, Evidence: e}
}
