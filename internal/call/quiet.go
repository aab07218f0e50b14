package call

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/speech"
	"ringmaster/internal/turn"
)

// A provider that is silent for some seconds must not leave the line silent:
// a short line of ours, ready before the call, covers the wait. Understanding
// and language models are waited for in ear.go and compose.go; here are the
// voice (a line whose sound is late) and the recognizer (speech of which no
// words come).

// Waits for a voice and for words.
const (
	voiceLate   = 1200 * time.Millisecond // no sound of a line: the first filler
	voiceLater  = 2 * time.Second         // and each further one
	voiceGiveUp = 10 * time.Second        // the voice counts as gone
	fillReady   = 500 * time.Millisecond  // a filler that is not ready is no help

	wordless     = 1500 * time.Millisecond // speech ended and no word of it came: a filler; the next time in a turn the script's silence policy
	wordlessLong = 500 * time.Millisecond  // shorter sounds are coughs
)

const dlWordless = "wordless" // they spoke and no words came

var errVoiceLate = errors.New("no sound of the line in time")

// first is a synthesis with its first samples, or what became of it.
type first struct {
	syn   speech.Synthesis
	chunk []int16
	err   error // of Synthesize or Read, io.EOF included
}

// begin opens a synthesis and waits for its first samples; while they do not
// come, fill is said.
func (s *speaker) begin(ctx context.Context, u speech.Utterance, fill dialogue.Line) (first, error) {
	ready := make(chan first, 1)
	go func() {
		f := first{}
		if f.syn, f.err = s.synth.Synthesize(ctx, u); f.err == nil {
			buf := make([]int16, 800)
			var n int
			n, f.err = f.syn.Read(buf)
			f.chunk = buf[:n]
		}
		ready <- f
	}()
	began := time.Now()
	timer := time.NewTimer(voiceLate)
	defer timer.Stop()
	for n := 0; ; n++ {
		select {
		case f := <-ready:
			return f, nil
		case <-ctx.Done():
			discard(ready) // a synthesizer ends with its ctx
			return first{}, ctx.Err()
		case <-timer.C:
		}
		if time.Since(began) >= voiceGiveUp {
			go discard(ready)
			return first{}, errVoiceLate
		}
		if fill.Text != "" && fill.Text != u.Text {
			s.fill(ctx, u, fill)
		}
		timer.Reset(voiceLater)
	}
}

func discard(ready <-chan first) {
	if f := <-ready; f.syn != nil {
		_ = f.syn.Close()
	}
}

// fill says the filler, if its sound is ready.
func (s *speaker) fill(ctx context.Context, u speech.Utterance, line dialogue.Line) {
	samples, err := s.ready(ctx, speech.Utterance{Text: line.Text, Language: line.Language, Voice: line.Voice, Hints: line.Hints, Format: u.Format})
	if err != nil || len(samples) == 0 {
		return
	}
	r := LineReport{Line: line.ID, StartMS: s.clock(), Heard: line.Text, Complete: true, Last: true}
	frame := u.Format.FrameSamples()
	for pos := 0; pos < len(samples); pos += frame {
		if err := s.write(ctx, samples[pos:min(pos+frame, len(samples))], frame); err != nil {
			return
		}
	}
	if s.media.Drain(ctx) != nil {
		return
	}
	r.EndMS = s.clock()
	s.report(InLineEnded, r)
}

func (s *speaker) ready(ctx context.Context, u speech.Utterance) ([]int16, error) {
	ctx, cancel := context.WithTimeout(ctx, fillReady)
	defer cancel()
	syn, err := s.synth.Synthesize(ctx, u)
	if err != nil {
		return nil, err
	}
	defer func() { _ = syn.Close() }()
	j := job{}
	for !j.whole && ctx.Err() == nil {
		if err := j.more(syn); err != nil {
			return nil, fmt.Errorf("filler is not ready: %w", err)
		}
	}
	return j.audio, ctx.Err()
}

// spoke notes sound of theirs: when it ends and none of its words have come, a
// filler is due.
func (r *rules) spoke(s State, e Sound) State {
	switch e.Kind {
	case SpeechStart:
		s.SpokeMS = e.AtMS
		s.clear(dlWordless)
	case SpeechEnd:
		long := time.Duration(e.AtMS-s.SpokeMS)*time.Millisecond >= wordlessLong
		if long && s.quiet() {
			s.set(dlWordless, wordless)
		}
	}
	return s
}

// quiet: we listen, and nothing has been heard or asked.
func (s *State) quiet() bool {
	return s.Phase == Talking && !s.Saying && !s.Asking && !s.Wording && !s.Deaf && s.Turn.Phase == turn.Listening && letters(s.Turn.Said()) == ""
}

// covering: what we say only covers the wait for words; words end it.
func (s *State) covering() bool {
	return s.Saying && s.SayID == s.FillerSay && s.FilledAsk == s.AskID+1 && !s.Asking && !s.Wording
}

// wordless covers the wait for a recognizer that has heard sound and says
// nothing. When they speak once more and again nothing comes of it, waiting
// out their silence would leave them in ours: to us they are silent.
func (r *rules) wordless(s State) (State, []Effect) {
	if !s.quiet() || s.Turn.Talking {
		return s, nil
	}
	if s.FilledAsk == s.AskID+1 {
		return r.converse(s, dialogue.Input{Kind: dialogue.Silence})
	}
	s.FilledAsk = s.AskID + 1
	return r.sayFiller(s)
}
