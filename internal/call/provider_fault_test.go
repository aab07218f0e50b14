package call

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
)

var errFault = errors.New("a fault of the test")

// badEar is a recognizer that fails in one way.
type badEar struct{ how string }

func (b badEar) Recognize(ctx context.Context, o speech.RecognizeOptions) (speech.Recognition, error) {
	if b.how == "refuses" {
		return nil, errFault
	}
	r, err := toneEar{}.Recognize(ctx, o)
	return &badHearing{Recognition: r, how: b.how, done: make(chan struct{})}, err
}

type badHearing struct {
	speech.Recognition
	how  string
	done chan struct{}
	last speech.Result
}

func (b *badHearing) Recv() (speech.Result, error) {
	switch b.how {
	case "silent":
		<-b.done
		return speech.Result{}, io.EOF
	case "closed at once":
		return speech.Result{}, errFault
	case "0 bytes":
		return speech.Result{}, io.EOF
	case "empty results":
		return b.wait(speech.Result{Final: true})
	case "endless":
		if b.last.Text != "" {
			return b.wait(b.last)
		}
	}
	r, err := b.Recognition.Recv()
	if b.how == "dies at the first words" && err == nil {
		return speech.Result{}, errFault
	}
	r.Final = false // partial only, and endless
	b.last = r
	return r, err
}

func (b *badHearing) wait(r speech.Result) (speech.Result, error) {
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return r, nil
	case <-b.done:
		return speech.Result{}, io.EOF
	}
}

func (b *badHearing) Close() error {
	select {
	case <-b.done:
	default:
		close(b.done)
	}
	return b.Recognition.Close()
}

// badVoice fails in one way for lines that are in no cache: not the short
// ones of the engine, nor the closing ones.
type badVoice struct {
	speech.Synthesizer
	how string
}

func (b badVoice) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	if len([]rune(u.Text)) <= 10 || strings.Contains(u.Text, "再见") || strings.Contains(u.Text, "没听清") {
		return b.Synthesizer.Synthesize(ctx, u)
	}
	switch b.how {
	case "refuses":
		return nil, errFault
	case "silent":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	syn, err := b.Synthesizer.Synthesize(ctx, u)
	if err != nil {
		return nil, err
	}
	return &badSound{Synthesis: syn, ctx: ctx, how: b.how, half: 8000 / 2}, nil
}

type badSound struct {
	speech.Synthesis
	ctx  context.Context
	how  string
	half int // samples until it fails in the midst
}

func (b *badSound) Read(dst []int16) (int, error) {
	switch b.how {
	case "0 bytes":
		return 0, io.EOF
	case "closed at once":
		return 0, errFault
	case "silent in the stream":
		<-b.ctx.Done()
		return 0, b.ctx.Err()
	}
	if b.half <= 0 {
		switch b.how {
		case "half, then nothing":
			<-b.ctx.Done()
			return 0, b.ctx.Err()
		case "half, then an error":
			return 0, errFault
		case "endless":
			for i := range dst {
				dst[i] = int16(4000 * (i%8 - 4))
			}
			return len(dst), nil
		}
	}
	n, err := b.Synthesis.Read(dst[:min(len(dst), max(b.half, 160))])
	b.half -= n
	return n, err
}

// badMind is an understander that fails in one way.
type badMind struct{ how string }

func (b badMind) Understand(ctx context.Context, q nlu.Question) (nlu.Answer, error) {
	switch b.how {
	case "silent":
		<-ctx.Done()
		return nlu.Answer{}, ctx.Err()
	case "refuses":
		return nlu.Answer{}, errFault
	case "of no script":
		return nlu.Answer{Intent: "nobody_asked", Confidence: 1e308, Slots: []nlu.Slot{{Name: "\x00", Value: strings.Repeat("x", 1<<16)}}}, nil
	}
	return nlu.Answer{}, nil // 0 bytes
}

// Whatever a provider does, nobody is left in silence for more than 4 s while
// it is our turn, as the callee heard it: the callee says something whenever
// we have been quiet for 0.7 s, so any longer silence is ours. The call ends by
// itself, with a disposition and with everything closed.
func TestProviderFaultsLeaveNobodyInSilence(t *testing.T) {
	type fault struct {
		who, how string
		spoil    func(l *lab)
	}
	var faults []fault
	for _, how := range []string{"refuses", "silent", "partial only", "endless", "0 bytes", "empty results", "closed at once", "dies at the first words"} {
		faults = append(faults, fault{"recognizer", how, func(l *lab) { l.deps.Recognizer = badEar{how} }})
	}
	for _, d := range []time.Duration{2 * time.Second, 4 * time.Second, 9 * time.Second} {
		faults = append(faults, fault{"recognizer", "late by " + d.String(), func(l *lab) { l.deps.Recognizer = lateEar{toneEar{}, d} }})
		faults = append(faults, fault{"voice", "late by " + d.String(), func(l *lab) {
			l.deps.Synthesizer = stalls{l.synth, func(u speech.Utterance) bool { return len([]rune(u.Text)) > 10 }, d}
		}})
	}
	for _, how := range []string{"refuses", "silent", "silent in the stream", "0 bytes", "closed at once", "half, then nothing", "half, then an error", "endless"} {
		faults = append(faults, fault{"voice", how, func(l *lab) { l.deps.Synthesizer = badVoice{l.synth, how} }})
	}
	for _, how := range []string{"refuses", "silent", "0 bytes", "of no script"} {
		faults = append(faults, fault{"understanding", how, func(l *lab) { l.deps.Understander = badMind{how} }})
	}
	for _, f := range faults {
		t.Run(f.who+" "+f.how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, "talks", callee.Script{Steps: []callee.Step{{Listen: &callee.Listen{Silence: 700 * time.Millisecond}}, say("我没有听明白"), {Again: true}}})
				l.plan.Limits.Duration = 3 * time.Minute
				f.spoil(l)
				o := l.run(t)
				calls := l.sim.Calls("talks")
				if len(calls) != 1 {
					t.Fatalf("%d calls", len(calls))
				}
				gap, at := longestSilence(calls[0].Record)
				t.Logf("%-13s %-24s %-14s longest silence %5.2f s at %5.1f s of %5.1f s, degraded %v", f.who, f.how, o.Disposition, gap.Seconds(), at.Seconds(), calls[0].Record.Elapsed.Seconds(), o.Degraded)
				if gap > 4*time.Second || o.Disposition == "" || o.By != "local" {
					show(t, o)
					t.Errorf("%s by %s; %v of silence at %v", o.Disposition, o.By, gap, at)
				}
			})
		})
	}
}

// longestSilence of a call as the callee heard it: neither of the two is audible.
func longestSilence(r callee.Record) (gap, at time.Duration) {
	edges := slices.Clone(r.Spoke)
	for _, u := range r.Said {
		edges = append(edges, callee.Span{Start: u.Start, End: u.End})
	}
	edges = append(edges, callee.Span{Start: r.Elapsed, End: r.Elapsed})
	slices.SortFunc(edges, func(a, b callee.Span) int { return int(a.Start - b.Start) })
	var end time.Duration
	for _, e := range edges {
		if d := e.Start - end; d > gap {
			gap, at = d, end
		}
		end = max(end, e.End)
	}
	return gap, at
}
