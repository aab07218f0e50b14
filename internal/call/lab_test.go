package call

import (
	"context"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/audio"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/nlu"
	"ringmaster/internal/pbx"
	"ringmaster/internal/pbx/pbxtest"
	"ringmaster/internal/phone"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
	"ringmaster/scripts"
)

// toneEar is a recognizer in memory that really decodes: the tone alphabet.
type toneEar struct {
	fail error
	// words are the word times that it gives; nil = none.
	words func(tone.Utterance) []speech.Word
	// dies: it breaks after so many finals; 0 never.
	dies int
}

func (r toneEar) Recognize(_ context.Context, o speech.RecognizeOptions) (speech.Recognition, error) {
	if r.fail != nil {
		return nil, r.fail
	}
	d, err := tone.NewDecoder(o.Format.Rate)
	if err != nil {
		return nil, err
	}
	return &toneHearing{ear: r, d: d, rate: o.Format.Rate, out: make(chan speech.Result, 1000), done: make(chan struct{})}, nil
}

type toneHearing struct {
	ear   toneEar
	given int
	mu    sync.Mutex
	d     *tone.Decoder
	rate  int
	base  int64
	begun bool
	out   chan speech.Result
	done  chan struct{}
	once  sync.Once
	ended bool
}

func (h *toneHearing) Write(f audio.Frame) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return io.ErrClosedPipe
	}
	if !h.begun {
		h.begun, h.base = true, f.Pos
	}
	h.emit(h.d.Write(f.Samples))
	return nil
}

func (h *toneHearing) emit(events []tone.Event) {
	at := func(n int64) time.Duration { return time.Duration(n+h.base) * time.Second / time.Duration(h.rate) }
	for _, e := range events {
		if u := e.Utterance; e.Kind != tone.Begin && u.Text != "" {
			r := speech.Result{Text: u.Text, Final: e.Kind == tone.End, Start: at(u.Start), End: at(u.End)}
			if h.ear.words != nil && r.Final {
				r.Words = h.ear.words(u)
				for i := range r.Words {
					r.Words[i].Start, r.Words[i].End = r.Words[i].Start+at(0), r.Words[i].End+at(0)
				}
			}
			h.out <- r
		}
	}
}

func (h *toneHearing) CloseWrite() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended {
		h.ended = true
		h.emit(h.d.Flush())
		close(h.out)
	}
	return nil
}

func (h *toneHearing) Recv() (speech.Result, error) {
	select {
	case r, ok := <-h.out:
		if !ok {
			return r, io.EOF
		}
		if r.Final {
			if h.given++; h.ear.dies > 0 && h.given > h.ear.dies {
				return speech.Result{}, speech.ErrUnavailable
			}
		}
		return r, nil
	case <-h.done:
		return speech.Result{}, io.EOF
	}
}

func (h *toneHearing) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// echoNLU understands a sentence as the first expectation with a keyword in it.
type echoNLU struct {
	delay time.Duration
	fail  error
}

func (n echoNLU) Understand(ctx context.Context, q nlu.Question) (nlu.Answer, error) {
	if n.delay > 0 {
		t := time.NewTimer(n.delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nlu.Answer{}, nlu.ErrTimeout
		}
	}
	if n.fail != nil {
		return nlu.Answer{}, n.fail
	}
	var slots []nlu.Slot
	for _, sl := range q.Slots {
		for v, forms := range sl.Values {
			for _, f := range forms {
				if strings.Contains(q.Said, f) && len(slots) == 0 {
					slots = append(slots, nlu.Slot{Name: sl.Name, Value: v, Text: f})
				}
			}
		}
	}
	words := map[nlu.Intent][]string{"affirm": {"好", "可以", "方便", "对"}, "deny": {"不"}, "price_objection": {"太贵"}}
	for _, e := range q.Expect {
		for _, k := range append(e.Keywords, words[e.Intent]...) {
			if strings.Contains(q.Said, k) {
				return nlu.Answer{Intent: e.Intent, Confidence: 0.9, Reason: "keyword " + k, Slots: slots}, nil
			}
		}
	}
	return nlu.Answer{Slots: slots}, nil
}

// lab is everything that a call in a test needs.
type lab struct {
	sim   *pbxtest.Sim
	synth *speechtest.Tones
	deps  Deps
	plan  Plan
	mu    sync.Mutex
	notes []Note
	log   []Logged
	tape  *tape
}

// tape is a recorder in memory.
type tape struct {
	them, us []int16
	closed   bool
	p        Publication
}

func (t *tape) Create(context.Context, string, string, audio.Format, time.Time) (Tracks, error) {
	return t, nil
}
func (t *tape) Write(them, us []int16) error {
	t.them, t.us = append(t.them, them...), append(t.us, us...)
	return nil
}
func (t *tape) Close() error {
	t.closed = true
	return nil
}
func (t *tape) Publish(p Publication) (campaign.Recording, error) {
	t.p = p
	return campaign.Recording{ID: uuid.New(), Path: "tape", Duration: time.Duration(len(t.them)) * time.Second / 8000}, nil
}

func newLab(t *testing.T, number string, script callee.Script) *lab {
	t.Helper()
	l := &lab{sim: pbxtest.NewSim(pbxtest.Options{}), synth: &speechtest.Tones{}, tape: &tape{}}
	l.sim.Callee(number, script)
	n, err := phone.Lab(number)
	if err != nil {
		t.Fatal(err)
	}
	src, err := fs.ReadFile(scripts.FS(), "retail/promotion_001.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sc, err := dialogue.Compile("promotion_001.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.Must(uuid.NewV7())
	limits := DefaultLimits()
	limits.Ring = 5 * time.Second
	l.plan = Plan{
		Attempt:  campaign.Attempt{ID: id, Tenant: "test", Try: 1},
		Script:   sc,
		Customer: dialogue.Customer{ID: "12345", Name: "张三", Language: "cmn", Vars: map[string]any{"discount": 8, "ends": "2026-12-31"}},
		Request:  pbx.OriginateRequest{ID: pbx.LegID(id.String()), To: pbx.Endpoint{Trunk: "lab", Number: n}, RingTimeout: limits.Ring},
		Format:   audio.FormatSlin, Limits: limits,
	}
	l.deps = Deps{Switch: l.sim, Recognizer: toneEar{}, Synthesizer: l.synth, Understander: echoNLU{}, Recorder: l.tape,
		Observe: func(n Note) { l.mu.Lock(); l.notes = append(l.notes, n); l.mu.Unlock() },
		Input:   func(in Logged) { l.mu.Lock(); l.log = append(l.log, in); l.mu.Unlock() }}
	return l
}

func (l *lab) run(t *testing.T) campaign.Outcome {
	t.Helper()
	return l.runCtx(t, t.Context())
}

func (l *lab) runCtx(t *testing.T, ctx context.Context) campaign.Outcome {
	t.Helper()
	o := Run(ctx, l.plan, l.deps)
	l.sim.Close()
	if n := l.synth.Open(); n != 0 {
		t.Errorf("%d syntheses were left open", n)
	}
	return o
}

func say(text string) callee.Step {
	return callee.Step{Say: tone.Encode(text, callee.Rate), Text: text}
}

func listen() callee.Step {
	return callee.Step{Listen: &callee.Listen{Silence: 900 * time.Millisecond}}
}

func pause(d time.Duration) callee.Step { return callee.Step{Wait: d} }

func show(t *testing.T, o campaign.Outcome) {
	t.Helper()
	t.Logf("disposition %s (%s) sip %d q850 %d by %s tags %v degraded %v", o.Disposition, o.Reason, o.SIP, o.Q850, o.By, o.Tags, o.Degraded)
	for _, turn := range o.Turns {
		t.Logf("%6d-%6d %-4s %s %s%s", turn.StartMS, turn.EndMS, turn.Side, turn.Text, turn.Intent, map[bool]string{true: " [interrupted]"}[turn.Interrupted])
	}
}

func theirs(o campaign.Outcome) []string {
	var out []string
	for _, turn := range o.Turns {
		if turn.Side == campaign.Them {
			out = append(out, turn.Text)
		}
	}
	return out
}
