package turn

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Phase of a conversation as turn taking sees it; docs/turn.md has the chart.
type Phase string

// The phases. The zero Phase counts as Idle.
const (
	Idle      Phase = "idle"      // nobody's turn: we think, or the call has just begun
	Speaking  Phase = "speaking"  // our utterance is being heard
	Yielded   Phase = "yielded"   // interrupted: silent until the words are known
	Listening Phase = "listening" // the caller's turn
)

// InputKind says what an Input is.
type InputKind string

// The inputs.
const (
	InPlaying     InputKind = "playing"      // our utterance begins to be heard; Length if known
	InPlayed      InputKind = "played"       // it has been heard to its end, or was stopped
	InSpeechStart InputKind = "speech_start" // from the Taker
	InSpeechEnd   InputKind = "speech_end"   // from the Taker
	InBargeIn     InputKind = "barge_in"     // from the Taker
	InWords       InputKind = "words"        // a partial or final of the recognizer
	InTone        InputKind = "tone"         // from the Taker; for package amd
	InTick        InputKind = "tick"         // the time of Deadline has come
)

// Input is one thing that happened. All times count from answer, on the sample
// clock of the leg; the values are what a call logs, so that Step over the log
// gives the same decisions again.
type Input struct {
	Kind InputKind     `json:"kind"`
	Now  time.Duration `json:"now"`          // when it became known
	At   time.Duration `json:"at,omitempty"` // when it happened; 0 = Now
	Text string        `json:"text,omitempty"`
	// Final closes the words so far; Ended is the recognizer's own opinion that
	// the speaker has finished.
	Final bool `json:"final,omitempty"`
	Ended bool `json:"ended,omitempty"`
	// Length of our utterance, or of a tone.
	Length time.Duration `json:"length,omitempty"`
	Hz     [2]float32    `json:"hz,omitzero"`
}

// InputOf is an Event of a Taker at the given sample rate as an Input.
func InputOf(e Event, rate int) Input {
	at := func(pos int64) time.Duration { return time.Duration(pos) * time.Second / time.Duration(max(rate, 1)) }
	in := Input{Kind: InputKind(e.Kind), Now: at(e.Now), At: at(e.At), Length: at(e.Length)}
	if e.Kind == ToneEnd {
		in.Kind, in.Hz = InTone, [2]float32{e.Hz, e.Hz2}
	}
	return in
}

// Verdict is the kind of a Decision.
type Verdict string

// The decisions.
const (
	// Yield: stop our voice now and drop what has not been heard. At is where
	// the caller began.
	Yield Verdict = "yield"
	// Take: the interruption is real; the utterance will not be continued.
	Take Verdict = "take"
	// Resume: the interruption was none; continue from what was really heard
	// (see ResumeAt).
	Resume Verdict = "resume"
	// EndOfTurn: the caller has finished. Text may be empty when somebody spoke
	// and no words came.
	EndOfTurn Verdict = "end_of_turn"
	// Reopened: the caller went on before we answered; the turn will end again,
	// with the whole text.
	Reopened Verdict = "reopened"
	// NoInput: the caller has said nothing for Policy.NoInput.
	NoInput Verdict = "no_input"
	// TooLong: the caller has spoken for Policy.MaxSpeech.
	TooLong Verdict = "too_long"
)

// Decision is what follows from an Input.
type Decision struct {
	Verdict Verdict       `json:"verdict"`
	At      time.Duration `json:"at"` // of the speech that it is about: onset, or end
	Text    string        `json:"text,omitempty"`
	Why     string        `json:"why,omitempty"` // stable ASCII
}

// State of the turn: plain values, to be kept and logged by the call.
type State struct {
	Phase   Phase `json:"phase,omitempty"`
	Talking bool  `json:"talking,omitempty"` // the caller is speaking now
	// From and To are where the caller's turn began and last paused; Spoke says
	// that there is one.
	From  time.Duration `json:"from,omitempty"`
	To    time.Duration `json:"to,omitempty"`
	Spoke bool          `json:"spoke,omitempty"`
	// Text is closed by finals, Partial is the hypothesis after them.
	Text    string        `json:"text,omitempty"`
	Partial string        `json:"partial,omitempty"`
	Final   bool          `json:"final,omitempty"` // the last words were a final
	Ended   bool          `json:"ended,omitempty"` // the recognizer thinks that the speaker has finished
	Worded  time.Duration `json:"worded,omitempty"`
	// Start and Length of our utterance; Answer says that the caller spoke so
	// late in it that agreement is an answer.
	Start  time.Duration `json:"start,omitempty"`
	Length time.Duration `json:"length,omitempty"`
	Answer bool          `json:"answer,omitempty"`
	// Doubt: an interruption was heard and talked over (Confirm).
	Doubt bool `json:"doubt,omitempty"`
	// Since is when the caller's turn to speak began (for NoInput).
	Since time.Duration `json:"since,omitempty"`
}

// Said is all that the caller has said in this turn.
func (s State) Said() string { return join(s.Text, s.Partial) }

// join puts two pieces of text together, with a space where both are Latin.
func join(a, b string) string {
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	if a == "" || b == "" {
		return a + b
	}
	if last := a[len(a)-1]; last < utf8.RuneSelf && b[0] < utf8.RuneSelf {
		return a + " " + b
	}
	return a + b
}

const (
	maxSaid   = 4096                    // bytes of one turn's text that are kept
	finalWait = 300 * time.Millisecond  // for the final of words that are only a partial yet
	noWords   = 2500 * time.Millisecond // of an interruption without any words
	lateShare = 4                       // the last quarter of a question may be answered into
)

// Step folds one input into the state and says what follows. It is pure.
func Step(s State, p Policy, in Input) (State, []Decision) {
	if in.At == 0 {
		in.At = in.Now
	}
	var out []Decision
	switch in.Kind {
	case InPlaying:
		s = State{Phase: Speaking, Start: in.At, Length: in.Length, Talking: s.Talking, From: in.At}
	case InPlayed:
		if s.Phase == Speaking {
			s = s.listen(in.At)
		}
	case InSpeechStart:
		s, out = s.speechStart(p, in)
	case InSpeechEnd:
		if s.Talking {
			s.Talking, s.To = false, in.At
		}
	case InBargeIn:
		s, out = s.bargeIn(p, in)
	case InWords:
		s, out = s.words(p, in)
	}
	return s.timeouts(p, in.Now, out)
}

// listen begins the caller's turn when our utterance has ended at at. Speech
// that lies well before the end, or has no words yet, was not an answer.
func (s State) listen(at time.Duration) State {
	s.Phase, s.Since, s.Doubt = Listening, at, false
	if s.Spoke && !s.Talking && (s.To < at-time.Second || plain(s.Said()) == "") {
		s.Spoke, s.Text, s.Partial, s.Final, s.Ended = false, "", "", false, false
	}
	return s
}

func (s State) speechStart(p Policy, in Input) (State, []Decision) {
	s.Talking, s.Final, s.Ended = true, false, false
	if s.Phase == Idle || s.Phase == "" {
		var out []Decision
		if s.Spoke {
			out = []Decision{{Verdict: Reopened, At: in.At, Text: s.Said()}}
		}
		s.Phase = Listening
		if !s.Spoke {
			s.From = in.At
		}
		s.Spoke = true
		return s, out
	}
	if !s.Spoke {
		s.From, s.Spoke = in.At, true
		s.Answer = s.late(p, in.At)
	}
	return s, nil
}

// late says that at lies in the end of a question that is answered in a word.
func (s State) late(p Policy, at time.Duration) bool {
	if s.Phase != Speaking || s.Length <= 0 || p.Expect != YesNo && p.Expect != Choice {
		return false
	}
	return at >= s.Start+s.Length-max(s.Length/lateShare, time.Second)
}

func (s State) bargeIn(p Policy, in Input) (State, []Decision) {
	if s.Phase != Speaking || p.Protected {
		return s, nil
	}
	s.Talking = true
	if !s.Spoke {
		s.From, s.Spoke = in.At, true
		s.Answer = s.late(p, in.At)
	}
	if p.Mode == Confirm {
		s.Doubt = true
		return s.judgeWords(p, nil)
	}
	s.Phase = Yielded
	return s.judgeWords(p, []Decision{{Verdict: Yield, At: in.At}})
}

func (s State) words(p Policy, in Input) (State, []Decision) {
	text := in.Text
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "")
	}
	if in.Final {
		if joined := join(s.Text, text); len(joined) <= maxSaid {
			s.Text = joined
		}
		s.Partial = ""
	} else {
		s.Partial = text
	}
	s.Final, s.Ended, s.Worded = in.Final, in.Ended, in.Now
	return s.judgeWords(p, nil)
}

// judgeWords decides an interruption as soon as the words allow it.
func (s State) judgeWords(p Policy, out []Decision) (State, []Decision) {
	said := s.Said()
	if plain(said) == "" || s.Phase != Yielded && !s.Doubt || p.Backchannel(said, s.Answer) {
		return s, out
	}
	if s.Phase == Speaking { // Confirm
		out = append(out, Decision{Verdict: Yield, At: s.From})
	}
	s.Phase, s.Doubt, s.Since = Listening, false, s.From
	return s, append(out, Decision{Verdict: Take, At: s.From, Text: said})
}

// timeouts applies every limit that has been reached at now.
func (s State) timeouts(p Policy, now time.Duration, out []Decision) (State, []Decision) {
	at, why := s.due(p)
	if why == "" || now < at {
		return s, out
	}
	switch {
	case s.Phase == Yielded:
		out = append(out, Decision{Verdict: Resume, At: s.To, Text: s.Said(), Why: why})
		s = State{Phase: Speaking, Talking: s.Talking, Start: s.Start, Length: s.Length}
	case why == "no_input":
		out = append(out, Decision{Verdict: NoInput, At: now, Why: why})
		s = State{Phase: Idle, Talking: s.Talking}
	case why == "too_long":
		out = append(out, Decision{Verdict: TooLong, At: now, Text: s.Said(), Why: why})
		s.Phase = Idle
	default:
		out = append(out, Decision{Verdict: EndOfTurn, At: s.To, Text: s.Said(), Why: why})
		s.Phase = Idle
	}
	return s, out
}

// Deadline is when Step wants an InTick, unless something else happens first.
func (s State) Deadline(p Policy) (time.Duration, bool) {
	at, why := s.due(p)
	return at, why != ""
}

// due is the next limit and its name, "" for none.
func (s State) due(p Policy) (time.Duration, string) {
	switch s.Phase {
	case Yielded:
		return s.dueYielded(p)
	case Listening:
		return s.dueListening(p)
	}
	return 0, ""
}

func (s State) dueYielded(p Policy) (time.Duration, string) {
	said := plain(s.Said())
	switch {
	case s.Talking && said == "":
		return s.From + noWords, "no_words"
	case s.Talking:
		return s.From + p.maxSpeech(), "backchannel"
	case said == "":
		return s.To + p.settle(), "no_words"
	case s.Final:
		return s.To, "backchannel"
	}
	return max(s.To+p.settle(), s.Worded+p.settle()/2), "backchannel"
}

func (s State) dueListening(p Policy) (time.Duration, string) {
	said := s.Said()
	switch {
	case s.Talking:
		return s.From + p.maxSpeech(), "too_long"
	case !s.Spoke && plain(said) == "":
		return s.Since + p.noInput(), "no_input"
	case !s.Spoke: // words without speech that the ear had noticed
		return s.Worded + p.endSilence(), "silence"
	case plain(said) == "":
		return s.To + p.endSilence() + p.settle(), "no_words"
	}
	wait, why := s.patience(p, said)
	at := s.To + wait
	if !s.Final {
		// A final is on its way: it is worth a moment, not more.
		at = max(at, min(s.Worded, s.To)+wait+finalWait)
	}
	return at, why
}

// patience is how long a silence after said ends the turn.
func (s State) patience(p Policy, said string) (time.Duration, string) {
	wait := p.endSilence()
	switch {
	case p.Expect == Digits && p.Count > 0 && digits(said) >= p.Count:
		return min(wait, 400*time.Millisecond), "complete"
	case p.Expect == Digits:
		return wait, "silence"
	case trailing(said):
		return wait + max(wait/2, 500*time.Millisecond), "trailing"
	case s.Final && s.Ended:
		return wait / 2, "recognizer"
	case s.Final:
		return wait * 7 / 10, "final"
	}
	return wait, "silence"
}

// digits counts the digits of text, spoken ones included.
func digits(text string) int {
	n := 0
	for _, r := range text {
		if r >= '0' && r <= '9' || strings.ContainsRune("零〇一幺二两三四五六七八九", r) {
			n++
		}
	}
	return n
}

// ResumeAt is the byte offset in text from where an interrupted utterance goes
// on when its first heard bytes have been heard: the start of the phrase that
// was cut, so that no half sentence is said.
func ResumeAt(text string, heard int) int {
	heard = max(0, min(heard, len(text)))
	start := 0
	for i, r := range text {
		end := i + utf8.RuneLen(r)
		if r == utf8.RuneError || end > heard {
			break
		}
		if strings.ContainsRune("。！？；，、：.!?;,:\n", r) && !inNumber(text, i) {
			start = end
		}
	}
	for start < len(text) && text[start] == ' ' {
		start++
	}
	return start
}

// inNumber says that the mark at i stands between two digits (3.5, 10:30).
func inNumber(text string, i int) bool {
	digit := func(j int) bool { return j >= 0 && j < len(text) && text[j] >= '0' && text[j] <= '9' }
	return digit(i-1) && digit(i+1)
}
