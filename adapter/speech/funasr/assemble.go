package funasr

import (
	"fmt"
	"strings"
	"time"

	"ringmaster/adapter/speech/live"
	"ringmaster/internal/speech"
)

// assembler makes results of messages: pieces are joined to partials, a final
// replaces them.
type assembler struct {
	text strings.Builder // pieces of the open utterance
	from time.Duration   // its beginning
	to   time.Duration
	last time.Duration // end of the last final
}

// open reports whether a partial waits for its final.
func (a *assembler) open() bool { return a.text.Len() > 0 }

func (a *assembler) take(m message, h *live.Hearing) ([]speech.Result, error) {
	if m.fault != "" {
		return nil, fmt.Errorf("%w: the server says: %.200s", speech.ErrUnavailable, m.fault)
	}
	switch m.kind {
	case partial:
		return a.piece(m.text, h)
	case final:
		return a.final(m, h), nil
	}
	return nil, nil
}

func (a *assembler) piece(text string, h *live.Hearing) ([]speech.Result, error) {
	if text == "" {
		return nil, nil
	}
	if a.text.Len()+len(text) > maxText {
		return nil, fmt.Errorf("%w: %d bytes of partial text and no final", speech.ErrProtocol, a.text.Len()+len(text))
	}
	a.to = h.Now()
	if !a.open() {
		a.from = a.begin(h)
	}
	a.from = min(a.from, a.to)
	a.text.WriteString(text)
	return []speech.Result{{Text: strings.TrimSpace(a.text.String()), Start: a.from, End: a.to}}, nil
}

// begin is where the utterance that is now spoken began, as far as is known.
func (a *assembler) begin(h *live.Hearing) time.Duration {
	if from, _, ok := h.Sound(); ok {
		return max(a.last, from)
	}
	return max(a.last, min(a.to, h.Now()))
}

func (a *assembler) final(m message, h *live.Hearing) []speech.Result {
	wasOpen := a.open()
	r := speech.Result{Text: strings.TrimSpace(m.text), Final: true, SpeechEnd: true, Start: a.from}
	if !wasOpen {
		r.Start = a.begin(h)
	}
	a.text.Reset()
	now := h.Now()
	from, to, heard := h.Sound()
	r.End = now
	if heard {
		r.End = min(now, to)
	}
	times(&r, m, h, from, heard)
	r.End = max(r.Start, r.End)
	h.Answered(r.End)
	a.last = max(a.last, r.End)
	if r.Text == "" && !wasOpen {
		return nil
	}
	return []speech.Result{r}
}

// times lays the stamps of a final on the leg's clock; stamps that lie outside
// of what was sent are not believed.
func times(r *speech.Result, m message, h *live.Hearing, heard time.Duration, ok bool) {
	n := len(m.stamps)
	if n == 0 {
		return
	}
	at, now := h.At, h.Now()
	if !m.absolute { // from the segment's beginning: the first word is where sound began
		if !ok {
			return
		}
		offset := heard - time.Duration(m.stamps[0][0])*time.Millisecond
		at = func(ms int64) time.Duration { return offset + time.Duration(ms)*time.Millisecond }
	}
	const slack = 100 * time.Millisecond
	first, last := at(m.stamps[0][0]), at(m.stamps[n-1][1])
	if first < 0 || last > now+slack || last < first {
		return
	}
	r.Start, r.End = first, min(last, now)
	words := m.tokens
	if words == nil {
		words = split(m.text)
	}
	if len(words) != n {
		return
	}
	r.Words = make([]speech.Word, n)
	for i, w := range words {
		r.Words[i] = speech.Word{Text: w, Start: at(m.stamps[i][0]), End: at(m.stamps[i][1])}
	}
}

// rest closes an utterance for which the server sent no final before the end.
func (a *assembler) rest() []speech.Result {
	if !a.open() {
		return nil
	}
	text := strings.TrimSpace(a.text.String())
	a.text.Reset()
	return []speech.Result{{Text: text, Final: true, SpeechEnd: true, Start: a.from, End: a.to}}
}
