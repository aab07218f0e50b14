package dashscope

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"ringmaster/internal/lab/asr"
	"ringmaster/internal/lab/tone"
)

// Fault makes recognition misbehave. The zero Fault is a good server.
type Fault struct {
	Silent      bool // take everything, answer nothing
	PartialOnly bool // never send a final, nor the end
	Endless     bool // send the last partial again and again, never a final
	// FailAfter fails the task with Code and Message after so much audio.
	FailAfter     time.Duration
	Code, Message string
}

// Heard is what one recognition task was asked for.
type Heard struct {
	Model, Vocabulary string
	SampleRate        int
	Languages         []string
	EndSilence        int // ms
	Heartbeat         bool
	Semantic          bool
	Bytes             int64
}

// Heard are the recognition tasks that came to their end, in its order.
func (s *Server) Heard() []Heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// ear are the parameters of a recognition, as the documentation has them.
type ear struct {
	Format       string   `json:"format"`
	SampleRate   int      `json:"sample_rate"`
	Vocabulary   string   `json:"vocabulary_id"`
	Disfluency   bool     `json:"disfluency_removal_enabled"`
	Languages    []string `json:"language_hints"`
	Semantic     bool     `json:"semantic_punctuation_enabled"`
	EndSilence   *int     `json:"max_sentence_silence"`
	MultiThresh  bool     `json:"multi_threshold_mode_enabled"`
	Punctuation  *bool    `json:"punctuation_prediction_enabled"`
	Heartbeat    bool     `json:"heartbeat"`
	ITN          *bool    `json:"inverse_text_normalization_enabled"`
	FilterWords  string   `json:"special_word_filter"`
	PhraseIDOfV1 string   `json:"phrase_id"`
}

const (
	maxMessage   = 1 << 20
	partialEvery = 200 * time.Millisecond
	beatEvery    = time.Second
	silenceOfVAD = 800 // ms, the documented default of max_sentence_silence
)

var languages = []string{"zh", "en", "ja", "yue", "ko", "de", "fr", "ru"}

func (s *Server) checkEar(model string, e ear) error {
	eight := strings.Contains(model, "-8k-")
	switch {
	case e.Format != "pcm":
		return refusal{"UNSUPPORTED_FORMAT", "this instrument takes pcm only"}
	case eight && e.SampleRate != 8000:
		return refusal{"InvalidParameter", model + " takes 8000 Hz only"}
	case eight && len(e.Languages) > 0:
		return refusal{"InvalidParameter", model + " has no language_hints"}
	case e.EndSilence != nil && (*e.EndSilence < 200 || *e.EndSilence > 6000):
		return refusal{"InvalidParameter", "max_sentence_silence must be 200 to 6000"}
	case e.PhraseIDOfV1 != "":
		return refusal{"InvalidParameter", "phrase_id belongs to the v1 models"}
	}
	for _, l := range e.Languages {
		if !slices.Contains(languages, l) {
			return refusal{"InvalidParameter", "language_hints: " + l}
		}
	}
	if _, ok := s.config.Vocabularies[e.Vocabulary]; !ok && e.Vocabulary != "" {
		return refusal{"InvalidParameter", "vocabulary is not found"}
	}
	return nil
}

// hearing is one recognition task.
type hearing struct {
	*task
	ctx   context.Context
	ear   ear
	ears  *tone.Decoder
	known map[string]bool
	odd   []byte // half a sample left over
	samples,
	bytes,
	next, // sample of the next partial
	beat, // and of the next heartbeat
	due int64 // and of the final of what waits
	open    *tone.Utterance // its last state
	sent    string          // last partial
	waiting *tone.Utterance // broke off; final at due
}

// hear serves a recognition.
func (t *task) hear(ctx context.Context, m message) error {
	var e ear
	if err := strictly(m.Payload.Parameters, &e); err != nil {
		return err
	}
	if err := t.s.checkEar(m.Payload.Model, e); err != nil {
		return err
	}
	ears, err := tone.NewDecoder(e.SampleRate)
	if err != nil {
		return refusal{"InvalidParameter", err.Error()}
	}
	h := &hearing{task: t, ctx: ctx, ear: e, ears: ears, known: map[string]bool{}}
	for _, w := range t.s.config.Vocabularies[e.Vocabulary] {
		h.known[w] = true
	}
	if err := t.event(ctx, "task-started", "", ""); err != nil {
		return err
	}
	if t.s.config.Answer != nil {
		t.s.config.Answer(ctx, t.conn, t.id)
		return nil
	}
	if err := h.listen(); err != nil {
		return err
	}
	heard := Heard{Model: m.Payload.Model, Vocabulary: e.Vocabulary, SampleRate: e.SampleRate, Languages: e.Languages, EndSilence: h.endSilence(), Heartbeat: e.Heartbeat, Semantic: e.Semantic, Bytes: h.bytes}
	t.s.mu.Lock()
	t.s.heard = append(t.s.heard, heard)
	t.s.mu.Unlock()
	return t.event(ctx, "task-finished", "", "")
}

func (h *hearing) endSilence() int {
	if h.ear.EndSilence != nil {
		return *h.ear.EndSilence
	}
	return silenceOfVAD
}

// listen takes audio until the client finishes the task.
func (h *hearing) listen() error {
	for {
		kind, data, err := h.conn.Read(h.ctx)
		if err != nil {
			return err
		}
		h.tap(true, kind == websocket.MessageBinary, data)
		if kind == websocket.MessageBinary {
			if err := h.audio(data); err != nil {
				return err
			}
			continue
		}
		var m message
		if err := h.understand(data, &m, "finish-task"); err != nil {
			return err
		}
		return h.finish()
	}
}

func (h *hearing) audio(data []byte) error {
	h.bytes += int64(len(data))
	data = append(h.odd, data...)
	samples := make([]int16, len(data)/2)
	for i := range samples {
		samples[i] = int16(uint16(data[2*i]) | uint16(data[2*i+1])<<8) //nolint:gosec // the sign is the sample's
	}
	h.odd = bytes.Clone(data[2*len(samples):])
	for len(samples) > 0 { // in steps of 20 ms, however large the message
		n := min(len(samples), h.ear.SampleRate/50)
		if err := h.step(samples[:n]); err != nil {
			return err
		}
		samples = samples[n:]
	}
	return nil
}

func (h *hearing) step(samples []int16) error {
	h.samples += int64(len(samples))
	if f := h.s.config.Fault; f.FailAfter > 0 && h.samples >= h.in(f.FailAfter) {
		return refusal{f.Code, f.Message}
	}
	for _, e := range h.ears.Write(samples) {
		if err := h.take(e); err != nil {
			return err
		}
	}
	if h.waiting != nil && h.samples >= h.due {
		if err := h.final(*h.waiting); err != nil {
			return err
		}
	}
	if h.samples >= h.next {
		h.next = h.samples + h.in(partialEvery)
		if err := h.partial(); err != nil {
			return err
		}
	}
	if h.ear.Heartbeat && h.open == nil && h.samples >= h.beat {
		h.beat = h.samples + h.in(beatEvery)
		return h.result(sentence{Begin: h.ms(h.samples), Heartbeat: true, Words: []word{}})
	}
	return nil
}

// take follows one step of the decoder.
func (h *hearing) take(e tone.Event) error {
	u := e.Utterance
	switch e.Kind {
	case tone.Begin:
		if h.waiting != nil {
			return h.final(*h.waiting)
		}
	case tone.Text:
		h.open = &u
	case tone.End:
		switch {
		case u.Text == "":
			h.open = nil
		case u.Cut && !u.Intact:
			h.open, h.waiting = &u, &u
			h.due = u.End + h.in(time.Duration(h.endSilence())*time.Millisecond)
		default:
			return h.final(u)
		}
	}
	return nil
}

func (h *hearing) finish() error {
	for _, e := range h.ears.Flush() {
		if err := h.take(e); err != nil {
			return err
		}
	}
	if h.waiting != nil {
		if err := h.final(*h.waiting); err != nil {
			return err
		}
	}
	if f := h.s.config.Fault; f.PartialOnly || f.Endless || f.Silent {
		<-h.ctx.Done()
		return h.ctx.Err()
	}
	return nil
}

// sentence and word as the documentation has them.
type sentence struct {
	Begin     int64  `json:"begin_time"`
	End       *int64 `json:"end_time"`
	Text      string `json:"text"`
	Heartbeat bool   `json:"heartbeat"`
	Over      bool   `json:"sentence_end"`
	Words     []word `json:"words"`
}

type word struct {
	Begin       int64  `json:"begin_time"`
	End         int64  `json:"end_time"`
	Text        string `json:"text"`
	Punctuation string `json:"punctuation"`
}

func (h *hearing) partial() error {
	if h.open == nil || h.open.Text == h.sent && !h.s.config.Fault.Endless {
		return nil
	}
	h.sent = h.open.Text
	return h.result(h.sentence(*h.open))
}

func (h *hearing) final(u tone.Utterance) error {
	if f := h.s.config.Fault; f.PartialOnly || f.Endless {
		h.waiting = nil
		return nil
	}
	h.open, h.waiting, h.sent = nil, nil, ""
	s := h.sentence(u)
	end := h.ms(u.End)
	s.End, s.Over = &end, true
	return h.result(s)
}

func (h *hearing) sentence(u tone.Utterance) sentence {
	u = asr.Mishear(h.s.config.Mishear, h.known, u)
	s := sentence{Begin: h.ms(u.Start), Text: u.Text, Words: []word{}}
	for _, t := range asr.Tokens(u.Chars, h.ms) {
		if n := len(s.Words); t.Punct && n > 0 {
			s.Words[n-1].Punctuation += t.Text
		} else if !t.Punct {
			s.Words = append(s.Words, word{Begin: t.Start, End: t.End, Text: t.Text})
		}
	}
	return s
}

func (h *hearing) result(s sentence) error {
	if h.s.config.Fault.Silent {
		return nil
	}
	var usage any
	if s.Over {
		usage = map[string]int64{"duration": h.ms(h.samples)/1000 + 1}
	}
	data, err := json.Marshal(map[string]any{
		"header":  map[string]any{"task_id": h.id, "event": "result-generated", "attributes": map[string]any{}},
		"payload": map[string]any{"output": map[string]any{"sentence": s}, "usage": usage},
	})
	if err != nil {
		return fmt.Errorf("dashscope instrument: %w", err)
	}
	h.tap(false, false, data)
	return h.conn.Write(h.ctx, websocket.MessageText, data)
}

func (h *hearing) in(d time.Duration) int64 {
	return int64(d) * int64(h.ear.SampleRate) / int64(time.Second)
}

func (h *hearing) ms(samples int64) int64 { return samples * 1000 / int64(h.ear.SampleRate) }
