package call

import (
	"strings"
	"time"
	"unicode"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
)

// sound takes what the detector noticed on the customer's side.
func (r *rules) sound(s State, e Sound) (State, []Effect) {
	switch e.Kind {
	case SpeechStart:
		s.Speaking, s.SpeechMS = true, e.AtMS
		s.clear(dlSilence, dlEndpoint, dlNoWords)
		if s.Asking { // they go on: what was asked is not the whole
			s.Asking = false
			s.clear(dlUnderstand, dlGiveUp)
		}
	case LongSpeech:
		if s.Saying && !s.protected() {
			return r.stopSaying(s)
		}
	case SpeechEnd:
		s.Speaking, s.SilentMS = false, e.AtMS
		if s.words() == "" {
			s.set(dlNoWords, r.limits.NoWords)
		}
		s = r.endpoint(s)
	}
	return s, nil
}

// protected reports a line that speech alone does not interrupt.
func (s *State) protected() bool {
	return s.Line < len(s.Lines) && (s.Lines[s.Line].Protected || s.Lines[s.Line].Disclosure)
}

func (r *rules) stopSaying(s State) (State, []Effect) {
	s.Saying, s.Suspended, s.Cut = false, true, true
	s.clear(dlSilence)
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
	if res.Final {
		if t := strings.TrimSpace(res.Text); t != "" {
			s.Finals = append(s.Finals[:len(s.Finals):len(s.Finals)], t)
		}
		s.Partial = ""
	} else {
		s.Partial = res.Text
	}
	if s.Phase != Talking || s.words() == "" {
		return s, nil
	}
	s.clear(dlNoWords, dlSilence)
	// Words of urgency silence us on a partial result, protected line or not;
	// what follows is decided on the final text.
	stop, _ := dialogue.FindStop(s.words(), r.customer.Language)
	s.Stop = stop
	if stop != dialogue.StopNone && s.Saying {
		var fx []Effect
		s, fx = r.stopSaying(s)
		return r.endpoint(s), fx
	}
	return r.endpoint(s), nil
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

func (s *State) wordTimes(start, end time.Duration) {
	if end <= 0 { // no times given: by the detector
		start, end = time.Duration(s.SpeechMS)*time.Millisecond, s.Now-s.AnsweredAt
		if !s.Speaking && s.SilentMS > s.SpeechMS {
			end = time.Duration(s.SilentMS) * time.Millisecond
		}
	}
	if s.WordsMS[1] == 0 {
		s.WordsMS[0] = start.Milliseconds()
	}
	s.WordsMS[1] = max(s.WordsMS[1], end.Milliseconds())
}

// endpoint sets when the customer's turn counts as over: sooner after a final
// result, later where a long answer is expected or the last word is a filler.
func (r *rules) endpoint(s State) State {
	if s.Speaking || s.words() == "" {
		s.clear(dlEndpoint)
		return s
	}
	silence := s.Listen.Endpoint
	if silence == 0 {
		silence = endpointSilence(s.Listen.Expecting)
	}
	if endsInFiller(s.words()) {
		silence += 600 * time.Millisecond
	}
	if s.Stop != dialogue.StopNone {
		silence = min(silence, 400*time.Millisecond)
	}
	since := s.Now - s.AnsweredAt - time.Duration(s.SilentMS)*time.Millisecond
	unseen := s.SilentMS <= s.SpeechMS || s.SilentMS < s.WordsMS[0]
	if unseen { // the detector saw no end of it: count from now
		since = 0
	}
	if s.Partial != "" { // its final is still to come
		silence = max(silence, r.limits.FinalWait)
		if unseen {
			silence = max(silence, 2*r.limits.FinalWait)
		}
	}
	s.set(dlEndpoint, max(0, silence-max(0, since)))
	return s
}

// endpointSilence is how much silence ends an answer of a kind.
func endpointSilence(e dialogue.Expecting) time.Duration {
	switch e {
	case dialogue.ExpectYesNo:
		return 400 * time.Millisecond
	case dialogue.ExpectChoice:
		return 600 * time.Millisecond
	case dialogue.ExpectDigits:
		return 1500 * time.Millisecond
	}
	return 800 * time.Millisecond
}

func endsInFiller(text string) bool {
	text = strings.TrimRight(text, " ,，。.…、?？!！")
	for _, f := range []string{"那个", "就是", "然后", "这个", "因为", "但是", "呃", "额", " um", " uh", " and", " but"} {
		if strings.HasSuffix(text, f) {
			return true
		}
	}
	return false
}

// turnOver acts on a customer's whole turn.
func (r *rules) turnOver(s State) (State, []Effect) {
	text := s.words()
	if text == "" {
		return r.nothingSaid(s)
	}
	if s.Saying && s.protected() && s.Partial != "" && s.Stop == dialogue.StopNone {
		s.set(dlEndpoint, time.Second) // there is time to wait for the whole of it
		return s, nil
	}
	if s.Stop == dialogue.StopNone {
		switch back := dialogue.Backchannel(text, r.customer.Language); {
		case s.Saying && (back || s.protected()):
			s.theyTurn(text, "", 0) // we go on
			return s, nil
		case s.Suspended && back:
			s.theyTurn(text, "backchannel", 1)
			return r.resume(s)
		}
	}
	var fx []Effect
	if s.Saying { // words without enough sound to have interrupted us yet
		s, fx = r.stopSaying(s)
	}
	s.AskID++
	s.Asking, s.AskText = true, text
	s.set(dlUnderstand, r.limits.Filler)
	s.set(dlGiveUp, r.limits.GiveUp)
	return s, append(fx, Understand{ID: s.AskID, Text: text})
}

// nothingSaid: there was sound, and no words came of it.
func (r *rules) nothingSaid(s State) (State, []Effect) {
	if s.Saying || s.Speaking || s.Asking || s.words() != "" {
		return s, nil
	}
	if s.Suspended { // a false interruption
		return r.resume(s)
	}
	return r.afterSaid(s)
}

func (r *rules) understood(s State, in Input) (State, []Effect) {
	if !s.Asking || in.ID != s.AskID {
		return s, nil // it was overtaken by more words
	}
	s.Asking = false
	s.clear(dlUnderstand, dlGiveUp, dlEndpoint, dlNoWords)
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
	s, fx := r.interruptWith(s, dialogue.Input{Kind: dialogue.Heard, Text: text, Answer: answer})
	return s, fx
}

// filler fills the silence while understanding is slow.
func (r *rules) filler(s State) (State, []Effect) {
	if !s.Asking || s.Saying {
		return s, nil
	}
	line := r.script.Filler(s.Dialogue)
	if line.Text == "" {
		return s, nil
	}
	s.SayID++
	s.FillerSay = s.SayID
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
	if s.Saying && !s.protected() {
		s, fx = r.stopSaying(s)
	}
	s.clear(dlSilence)
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
		return r.afterSaid(s)
	}
	return r.interruptWith(s, dialogue.Input{Kind: dialogue.KeysPressed, Digits: digits})
}
