package call

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/adapter/speech/cache"
	"ringmaster/internal/campaign"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/speech"
)

// stalls is a voice that stays silent for some utterances.
type stalls struct {
	speech.Synthesizer
	when  func(u speech.Utterance) bool
	delay time.Duration
}

func (s stalls) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	syn, err := s.Synthesizer.Synthesize(ctx, u)
	if err != nil || !s.when(u) {
		return syn, err
	}
	return &stalling{Synthesis: syn, ctx: ctx, delay: s.delay}, nil
}

type stalling struct {
	speech.Synthesis
	ctx   context.Context
	delay time.Duration
	once  bool
}

func (s *stalling) Read(dst []int16) (int, error) {
	if !s.once {
		s.once = true
		t := time.NewTimer(s.delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		}
	}
	return s.Synthesis.Read(dst)
}

// lateEar is a recognizer whose results come late, in their order.
type lateEar struct {
	speech.Recognizer
	delay time.Duration
}

func (l lateEar) Recognize(ctx context.Context, o speech.RecognizeOptions) (speech.Recognition, error) {
	r, err := l.Recognizer.Recognize(ctx, o)
	if err != nil {
		return nil, err
	}
	h := &lateHearing{r, l.delay, make(chan late, 1000)}
	go h.pump()
	return h, nil
}

type lateHearing struct {
	speech.Recognition
	delay time.Duration
	line  chan late
}

type late struct {
	r   speech.Result
	err error
	due time.Time
}

func (l *lateHearing) pump() {
	for {
		r, err := l.Recognition.Recv()
		l.line <- late{r, err, time.Now().Add(l.delay)}
		if err != nil {
			return
		}
	}
}

func (l *lateHearing) Recv() (speech.Result, error) {
	x := <-l.line
	if x.err == nil {
		time.Sleep(time.Until(x.due))
	}
	return x.r, x.err
}

// Four seconds of silence of any provider are never four seconds of silence on
// the line: from the answer, and from the end of the customer's words, until
// we speak.
func TestRow_T33_FourSecondsOfProviderSilenceAreNotOnTheLine(t *testing.T) {
	// The long lines are not in any cache; the short ones of the engine are.
	uncached := func(u speech.Utterance) bool { return len([]rune(u.Text)) > 10 }
	const four = 4 * time.Second
	slowVoice := func(l *lab) { l.deps.Synthesizer = stalls{l.deps.Synthesizer, uncached, four} }
	slowEar := func(l *lab) { l.deps.Recognizer = lateEar{toneEar{}, four} }
	slowMind := func(l *lab) { l.deps.Understander = echoNLU{delay: four} }
	for name, c := range map[string]struct {
		spoil []func(l *lab)
		heard string // what must have been answered in the end
	}{
		"none":          {nil, "名额"},
		"understanding": {[]func(*lab){slowMind}, "再说一"},
		"voice":         {[]func(*lab){slowVoice}, "名额"},
		"voice, with a second": {[]func(*lab){func(l *lab) {
			l.deps.Synthesizer = cache.Fallback(stalls{l.synth, uncached, time.Hour}, l.synth, cache.SynthesisTimeouts{})
		}}, "名额"},
		"recognizer":              {[]func(*lab){slowEar}, "名额"},
		"voice and understanding": {[]func(*lab){slowVoice, slowMind}, "再说一"},
		"recognizer and voice":    {[]func(*lab){slowEar, slowVoice}, "名额"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, "waits", callee.Script{Steps: []callee.Step{{Listen: &callee.Listen{Silence: 3 * time.Second}}, say("方便"), pause(14 * time.Second), {Hangup: true}}})
				for _, f := range c.spoil {
					f(l)
				}
				o := l.run(t)
				var words int64
				for _, turn := range o.Turns {
					if turn.Side == campaign.Them {
						words = turn.EndMS
					}
				}
				quiet := max(silentFrom(l.tape, 0), silentFrom(l.tape, time.Duration(words)*time.Millisecond))
				if quiet >= 3*time.Second || words == 0 || !strings.Contains(ours(o), c.heard) {
					show(t, o)
					t.Errorf("%v of silence on the line; we said %s", quiet, ours(o))
				}
			})
		})
	}
}

// A voice that never comes ends the call politely, and not before it was
// waited for.
func TestAVoiceThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "waits", callee.Script{Steps: []callee.Step{pause(time.Minute), {Hangup: true}}})
		l.deps.Synthesizer = stalls{l.deps.Synthesizer, func(u speech.Utterance) bool { return len([]rune(u.Text)) > 24 }, time.Hour}
		o := l.run(t)
		if o.By != "local" || !slices.Contains(o.Degraded, "tts") || !strings.Contains(ours(o), "请稍等") || !strings.Contains(ours(o), "系统出了点问题") {
			show(t, o)
			t.Errorf("%s by %s, degraded %v, said %s", o.Disposition, o.By, o.Degraded, ours(o))
		}
	})
}

// Words that come while we cover the wait for them are an answer, whatever
// they are: 好的 is no sign of listening then.
func TestLateWordsAreAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "waits", callee.Script{Steps: []callee.Step{listen(), say("好的好的"), pause(9 * time.Second), {Hangup: true}}})
		l.deps.Recognizer = lateEar{toneEar{}, 2600 * time.Millisecond}
		o := l.run(t)
		cut := slices.ContainsFunc(o.Turns, func(x campaign.Turn) bool { return x.Interrupted && strings.Contains(x.Planned, "请稍等") })
		if !cut || !strings.Contains(ours(o), "名额") {
			show(t, o)
			t.Errorf("said %s", ours(o))
		}
	})
}

// silentFrom is how long our side was silent from a moment on.
func silentFrom(tp *tape, from time.Duration) time.Duration {
	at := int(from.Seconds() * 8000)
	for i := at; i < len(tp.us); i++ {
		if tp.us[i] > 200 || tp.us[i] < -200 {
			return time.Duration(i-at) * time.Second / 8000
		}
	}
	return 0
}
