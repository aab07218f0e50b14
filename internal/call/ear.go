package call

import (
	"strings"
	"time"
	"unicode"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
	"ringmaster/internal/turn"
)

// sound takes what the detector noticed on the customer's side.
func (r *rules) sound(s State, e Sound) (out State, fx []Effect) {
	in := turn.Input{At: time.Duration(e.AtMS) * time.Millisecond}
	defer func() { out = r.spoke(out, e) }()
	switch e.Kind {
	case SpeechStart:
		in.Kind = turn.InSpeechStart
	case LongSpeech:
		in.Kind = turn.InBargeIn
	case SpeechEnd:
		in.Kind = turn.InSpeechEnd
	}
	return r.floor(s, in)
}

// floor folds one thing into whose turn it is and acts on what follows.
func (r *rules) floor(s State, in turn.Input) (State, []Effect) {
	in.Now = s.Now - s.AnsweredAt
	before := s.Turn.Said()
	if s.Turn.Phase == turn.Idle { // it has been taken as a turn
		before = ""
	}
	var ds []turn.Decision
	s.Turn, ds = turn.Step(s.Turn, r.policy(&s), in)
	used := s.Turn.Said() != ""
	for _, d := range ds {
		used = used || d.Text != ""
	}
	if before != "" && !used { // talk beside ours: no answer, but it was said
		s.theyTurn(before, "", 0)
	}
	var all []Effect
	for _, d := range ds {
		var fx []Effect
		s, fx = r.decide(s, d)
		all = append(all, fx...)
	}
	return r.floorDeadline(s), all
}

func (r *rules) floorDeadline(s State) State {
	s.clear(dlTurn)
	if at, ok := s.Turn.Deadline(r.policy(&s)); ok && s.Phase == Talking {
		s.set(dlTurn, max(0, s.AnsweredAt+at-s.Now))
	}
	return s
}

// policy is what the present line and node permit and expect.
func (r *rules) policy(s *State) turn.Policy {
	p := turn.Policy{
		Protected: s.protected(), MinSpeech: s.Listen.MinBargeIn, Expect: turn.Expect(s.Listen.Expecting),
		EndSilence: s.Listen.Endpoint, NoInput: s.Listen.Silence, MaxSpeech: s.Listen.MaxSpeech, Settle: r.limits.NoWords,
	}
	if s.Stop != dialogue.StopNone { // they want to be gone: no waiting
		p.EndSilence = 400 * time.Millisecond
	}
	return p
}

// decide acts on a decision about whose turn it is.
func (r *rules) decide(s State, d turn.Decision) (State, []Effect) {
	switch d.Verdict {
	case turn.Yield:
		return s.stopSaying()
	case turn.Resume:
		if d.Text != "" {
			s.theyTurn(d.Text, "backchannel", 1)
		}
		return r.resume(s)
	case turn.Reopened: // they go on: what was asked is not the whole
		s.Asking = false
		s.clear(dlUnderstand, dlGiveUp)
	case turn.NoInput:
		if s.Keys != "" || s.Asking || s.Wording || s.Saying { // also a line whose sound is late
			s.listen()
			return s, nil
		}
		return r.converse(s, dialogue.Input{Kind: dialogue.Silence})
	case turn.EndOfTurn, turn.TooLong:
		return r.ask(s, d.Text)
	}
	return s, nil
}

// listen gives the floor to the customer.
func (s *State) listen() {
	t := turn.State{Phase: turn.Listening, Since: s.Now - s.AnsweredAt}
	if s.Turn.Talking {
		t.Talking, t.Spoke, t.From = true, true, s.Turn.From
	}
	s.Turn = t
}

// protected reports a line that speech alone does not interrupt.
func (s *State) protected() bool {
	return s.Saying && s.Line < len(s.Lines) && (s.Lines[s.Line].Protected || s.Lines[s.Line].Disclosure)
}

func (s State) stopSaying() (State, []Effect) {
	if !s.Saying {
		return s, nil
	}
	s.Saying, s.Suspended, s.SaidAll = false, true, false
	return s, []Effect{StopSaying{}}
}

// heard takes a partial or final result.
func (r *rules) heard(s State, in Input) (State, []Effect) {
	if s.Phase != Talking && s.Phase != Closing && s.Phase != Releasing {
		return s, nil
	}
	res := *in.Result
	if s.Saying && s.Line < len(s.Lines) && ownWords(res.Text, s.Lines[s.Line].Text) {
		return s, nil
	}
	if s.taken(&res) {
		return s, nil
	}
	s.wordTimes(res.Start, res.End)
	words := turn.Input{Kind: turn.InWords, Text: res.Text, Final: res.Final, Ended: res.SpeechEnd}
	if s.Phase != Talking { // their last words
		words.Now = s.Now - s.AnsweredAt
		s.Turn, _ = turn.Step(s.Turn, turn.Policy{}, words)
		return s, nil
	}
	// Words of urgency silence us on a partial result, protected line or not;
	// what follows is decided on the final text.
	var fx []Effect
	s.Stop, _ = dialogue.FindStop(s.Turn.Said()+res.Text, r.customer.Language)
	if s.Saying && (s.Stop != dialogue.StopNone || s.covering() && letters(res.Text) != "") {
		s, fx = s.stopSaying()
		text := s.Turn
		s.listen()
		s.Turn.Text, s.Turn.Partial = text.Text, text.Partial
		if text.Spoke {
			s.Turn.Spoke, s.Turn.From, s.Turn.To = true, text.From, text.To
		}
	}
	s, suspect := r.suspectMachine(s)
	fx = append(fx, suspect...)
	s, more := r.floor(s, words)
	return s, append(fx, more...)
}

// taken strips what an earlier turn has already taken of the same utterance:
// a turn may be taken on a partial result, and its final comes afterwards. It
// reports that nothing new is left.
func (s *State) taken(res *speech.Result) bool {
	if s.TakenMS == 0 || res.End <= 0 || res.Start.Milliseconds() >= s.TakenMS {
		return false
	}
	rest, ok := strings.CutPrefix(letters(res.Text), letters(s.TakenText))
	if !ok || rest == "" {
		return true
	}
	if i := len(s.TakenText); i < len(res.Text) && strings.HasPrefix(res.Text, s.TakenText) {
		rest = strings.TrimLeft(res.Text[i:], " ,，。.、?？!！")
	}
	res.Text = rest
	return rest == ""
}

// ownWords reports that what was recognized is what we are saying ourselves:
// echo that the detector did not catch.
func ownWords(heard, saying string) bool {
	h, own := letters(heard), letters(saying)
	return len([]rune(h)) >= 2 && strings.Contains(own, h)
}

// letters keeps letters and digits, in lower case.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// wordTimes notes when the words of this turn were said; without times of the
// recognizer, by the detector.
func (s *State) wordTimes(start, end time.Duration) {
	if end <= 0 {
		start, end = s.Turn.From, s.Now-s.AnsweredAt
		if !s.Turn.Talking && s.Turn.To > s.Turn.From {
			end = s.Turn.To
		}
	}
	if s.WordsMS[1] == 0 {
		s.WordsMS[0] = start.Milliseconds()
	}
	s.WordsMS[1] = max(s.WordsMS[1], end.Milliseconds())
}

// ask wants to know what was meant by a whole turn.
func (r *rules) ask(s State, text string) (State, []Effect) {
	if letters(text) == "" { // there was sound, and no words came of it
		s.listen()
		return s, nil
	}
	s, fx := s.stopSaying()
	if s.Asking { // they went on while we were filling the time
		text = s.AskText + text
	}
	s.AskID++
	s.Asking, s.AskText = true, text
	s.set(dlUnderstand, r.limits.Filler)
	s.set(dlGiveUp, r.limits.GiveUp)
	return s, append(fx, Understand{ID: s.AskID, Text: text})
}

func (r *rules) understood(s State, in Input) (State, []Effect) {
	if !s.Asking || in.ID != s.AskID {
		return s, nil // it was overtaken by more words
	}
	s.Asking = false
	s.clear(dlUnderstand, dlGiveUp)
	answer := nlu.Answer{}
	if in.Answer != nil {
		answer = *in.Answer
	}
	if in.Text != "" { // the provider failed
		s.Outcome.Degraded = appendOnce(s.Outcome.Degraded, "nlu")
		answer.Reason = in.Text
	}
	text := s.AskText
	s.theyTurn(text, answer.Intent, answer.Confidence)
	return r.interruptWith(s, dialogue.Input{Kind: dialogue.Heard, Text: text, Answer: answer})
}

// filler fills the silence while understanding is slow.
func (r *rules) filler(s State) (State, []Effect) {
	if !s.Asking && !s.Wording || s.Saying {
		return s, nil
	}
	return r.sayFiller(s)
}

// sayFiller covers a wait; the dialogue does not hear of it.
func (r *rules) sayFiller(s State) (State, []Effect) {
	line := r.script.Filler(s.Dialogue)
	if line.Text == "" {
		return s, nil
	}
	if b := BridgeLine(line); s.Bridge && b.Text != "" {
		line = b
	}
	s.Bridge = false
	s.SayID++
	s.FillerSay, s.StoppedID = s.SayID, 0
	s.Saying, s.Suspended, s.Lines, s.Line = true, false, []dialogue.Line{line}, 0
	s.After = dialogue.Move{Node: s.After.Node, Listen: s.Listen}
	return s, []Effect{Say{ID: s.SayID, Lines: []dialogue.Line{line}}}
}

func (r *rules) key(s State, digit string) (State, []Effect) {
	k := s.Listen.Keys
	if k.Max == 0 {
		return s, nil
	}
	var fx []Effect
	if !s.protected() {
		s, fx = s.stopSaying()
	}
	if k.End != 0 && digit == string(rune(k.End)) {
		s, more := r.keysDone(s)
		return s, append(fx, more...)
	}
	s.Keys += digit
	if len(s.Keys) >= k.Max {
		s, more := r.keysDone(s)
		return s, append(fx, more...)
	}
	wait := k.Timeout
	if wait == 0 {
		wait = 3 * time.Second
	}
	s.set(dlKeys, wait)
	return s, fx
}

func (r *rules) keysDone(s State) (State, []Effect) {
	digits := s.Keys
	s.Keys = ""
	s.clear(dlKeys)
	if digits == "" {
		return s, nil
	}
	return r.interruptWith(s, dialogue.Input{Kind: dialogue.KeysPressed, Digits: digits})
}
