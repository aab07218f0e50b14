package dashscope

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"ringmaster/adapter/speech/live"
	"ringmaster/internal/speech"
)

// Limits on one sentence.
const (
	maxText     = 16 << 10 // bytes
	maxWords    = 4096
	maxSentence = 2 * time.Minute // of sound without a final
)

// sentence is the result of a result-generated event, or of none of its fields.
type sentence struct {
	Begin     *int64 `json:"begin_time"` // ms since the task began
	End       *int64 `json:"end_time"`   // null while it goes on
	Text      string `json:"text"`
	Heartbeat bool   `json:"heartbeat"`
	Over      *bool  `json:"sentence_end"` // absent in older answers, where End tells
	Words     []struct {
		Begin *int64 `json:"begin_time"`
		End   *int64 `json:"end_time"`
		Text  string `json:"text"`
	} `json:"words"`
}

// final tells whether the sentence is over.
func (s *sentence) final() bool {
	if s.Over != nil {
		return *s.Over
	}
	return s.End != nil
}

// listener makes results of the events of one task.
type listener struct {
	task string

	open string // partial that waits for its final
	from time.Duration
	to   time.Duration
	last time.Duration // end of the last final
}

// Parse implements live.Codec.
func (l *listener) Parse(binary bool, data []byte) (live.Take, error) {
	if binary {
		return nil, fmt.Errorf("%w: a binary answer of %d bytes", speech.ErrProtocol, len(data))
	}
	e, err := readEvent(data, l.task, maxMessage)
	if err != nil {
		return nil, err
	}
	switch e.Header.Event {
	case resultGenerated:
		s, err := parseSentence(e.Payload)
		if err != nil {
			return nil, err
		}
		return func(h *live.Hearing) (live.Answer, error) { return l.take(s, h) }, nil
	case taskFinished:
		return func(h *live.Hearing) (live.Answer, error) { return live.Answer{Last: true}, atEnd(h, "task-finished") }, nil
	case taskFailed:
		return func(h *live.Hearing) (live.Answer, error) { return live.Answer{Last: true}, failed(h, e) }, nil
	}
	return nil, fmt.Errorf("%w: a second task-started", speech.ErrProtocol)
}

// atEnd: a task may finish after the end of input only.
func atEnd(h *live.Hearing, what string) error {
	if h.Ended() {
		return nil
	}
	return fmt.Errorf("%w: %s in mid-call", speech.ErrUnavailable, what)
}

// failed is what a task-failed means. That there was nothing to hear in all of
// the task is no failure once the task is over.
func failed(h *live.Hearing, e event) error {
	if h.Ended() && strings.Contains(e.Header.Code+" "+e.Header.Message, "NO_VALID_AUDIO") {
		return nil
	}
	return failure(e.Header.Code, e.Header.Message)
}

// parseSentence reads the payload of a result-generated.
func parseSentence(payload json.RawMessage) (sentence, error) {
	var p struct {
		Output struct {
			Sentence *sentence `json:"sentence"`
		} `json:"output"`
	}
	if err := json.Unmarshal(payload, &p); err != nil || p.Output.Sentence == nil {
		return sentence{}, fmt.Errorf("%w: a result without a sentence: %.80q", speech.ErrProtocol, payload)
	}
	s := *p.Output.Sentence
	if len(s.Text) > maxText {
		return sentence{}, fmt.Errorf("%w: a text of %d bytes", speech.ErrProtocol, len(s.Text))
	}
	s.Text = strings.TrimSpace(clean(s.Text))
	return s, nil
}

func (l *listener) take(s sentence, h *live.Hearing) (live.Answer, error) {
	if s.Heartbeat { // it heard, and it was no speech; an open sentence goes on waiting
		return live.Answer{Open: l.open != "", Mute: l.open != ""}, nil
	}
	if s.final() {
		return live.Answer{Results: l.final(s, h)}, nil
	}
	if s.Text == "" || s.Text == l.open { // nothing new: what waits goes on waiting
		return live.Answer{Open: l.open != "", Mute: true}, nil
	}
	if l.open == "" {
		l.from = l.begin(s, h)
	}
	l.open, l.to = s.Text, h.Now()
	l.from = min(l.from, l.to)
	if l.to-l.from > maxSentence {
		return live.Answer{}, fmt.Errorf("%w: a sentence of %v and no final", speech.ErrTimeout, (l.to - l.from).Round(time.Second))
	}
	return live.Answer{Results: []speech.Result{{Text: s.Text, Start: l.from, End: l.to}}, Open: true}, nil
}

// slack is how far a time may lie behind what was sent: models round.
const slack = 100 * time.Millisecond

// place is ms milliseconds of the task on the leg's clock; a time that lies
// outside of what was sent is not believed.
func place(ms *int64, h *live.Hearing) (time.Duration, bool) {
	if ms == nil || *ms < 0 || *ms > int64(24*time.Hour/time.Millisecond) {
		return 0, false
	}
	at, now := h.At(*ms), h.Now()
	return min(at, now), at >= 0 && at <= now+slack
}

// begin is where a sentence began: where the service says, or where sound did.
func (l *listener) begin(s sentence, h *live.Hearing) time.Duration {
	at, ok := place(s.Begin, h)
	if !ok {
		if at, _, ok = h.Sound(); !ok {
			at = h.Now()
		}
	}
	return max(l.last, at)
}

func (l *listener) final(s sentence, h *live.Hearing) []speech.Result {
	was := l.open
	r := speech.Result{Text: s.Text, Final: true, SpeechEnd: true, Start: l.begin(s, h)}
	l.open = ""
	end, ok := place(s.End, h)
	if n := len(s.Words); !ok && n > 0 {
		end, ok = place(s.Words[n-1].End, h)
	}
	if !ok {
		end = h.Now()
		if _, to, heard := h.Sound(); heard {
			end = min(end, to)
		}
	}
	r.End = max(r.Start, end)
	r.Words = words(s, r, h)
	h.Answered(r.End)
	l.last = max(l.last, r.End)
	if r.Text == "" && was == "" {
		return nil
	}
	return []speech.Result{r}
}

// words are those of a sentence with their times, or none if one of them is
// senseless. Punctuation has no time of its own and is left to the text.
func words(s sentence, r speech.Result, h *live.Hearing) []speech.Word {
	if len(s.Words) == 0 || len(s.Words) > maxWords {
		return nil
	}
	out := make([]speech.Word, 0, len(s.Words))
	last := r.Start - slack
	for _, w := range s.Words {
		from, ok := place(w.Begin, h)
		to, ok2 := place(w.End, h)
		text := strings.TrimSpace(clean(w.Text))
		if !ok || !ok2 || text == "" || from < last || to < from || to > r.End+slack {
			return nil
		}
		last = from
		from = max(from, r.Start)
		out = append(out, speech.Word{Text: text, Start: from, End: max(from, to)})
	}
	return out
}

// Rest implements live.Codec: the service has always said a final before the
// end; one that did not has said what was heard.
func (l *listener) Rest() []speech.Result {
	if l.open == "" {
		return nil
	}
	text := l.open
	l.open = ""
	return []speech.Result{{Text: text, Final: true, SpeechEnd: true, Start: l.from, End: l.to}}
}
