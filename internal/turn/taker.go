package turn

import (
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// ErrConfig is returned for settings that cannot be meant.
var ErrConfig = errors.New("turn: configuration is impossible: correct the turn settings of the script or the defaults")

// Config of a Taker. Zero values stand for the defaults.
type Config struct {
	// Rate of the samples: 8000 (default) or 16000.
	Rate int
	// MinSpeech is the default of Policy.MinSpeech: how much of the caller's
	// speech interrupts us. Default 160 ms, from 60 ms to 1 s.
	MinSpeech time.Duration
	// MinListen is how much speech counts as a start while we are silent.
	// Default 100 ms, from 40 ms to 1 s.
	MinListen time.Duration
	// Gap is how long nothing has to be heard for a piece of speech to have
	// ended. It only delays the event: At of SpeechEnd is where it ended.
	// Default 200 ms, from 100 to 500 ms.
	Gap time.Duration
}

func (c Config) withDefaults() (Config, error) {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if c.Rate == 0 {
		c.Rate = rate
	}
	def(&c.MinSpeech, 160*time.Millisecond)
	def(&c.MinListen, 100*time.Millisecond)
	def(&c.Gap, 200*time.Millisecond)
	switch {
	case c.Rate != 8000 && c.Rate != 16000:
		return c, fmt.Errorf("%w: rate %d, want 8000 or 16000", ErrConfig, c.Rate)
	case c.MinSpeech < 60*time.Millisecond || c.MinSpeech > time.Second:
		return c, fmt.Errorf("%w: min speech %v, want 60 ms to 1 s", ErrConfig, c.MinSpeech)
	case c.MinListen < 40*time.Millisecond || c.MinListen > time.Second:
		return c, fmt.Errorf("%w: min listen %v, want 40 ms to 1 s", ErrConfig, c.MinListen)
	case c.Gap < 100*time.Millisecond || c.Gap > 500*time.Millisecond:
		return c, fmt.Errorf("%w: gap %v, want 100 to 500 ms", ErrConfig, c.Gap)
	}
	return c, nil
}

// Kind of an Event.
type Kind string

// What can be heard.
const (
	// SpeechStart: the caller began to speak, at At.
	SpeechStart Kind = "speech_start"
	// SpeechEnd: the caller fell silent, at At. They may only be pausing.
	SpeechEnd Kind = "speech_end"
	// BargeIn: the caller has spoken into our utterance for the minimum
	// duration; At is where they began.
	BargeIn Kind = "barge_in"
	// ToneEnd: a steady tone that had lasted for Length ended at At.
	ToneEnd Kind = "tone_end"
)

// Event is something heard. Positions count samples at Config.Rate on the
// clock of audio.Frame.Pos.
type Event struct {
	Kind Kind `json:"kind"`
	// At is the position of the thing itself, Now where it was decided.
	At  int64 `json:"at"`
	Now int64 `json:"now"`
	// Level in dBFS, over the speech or tone so far.
	Level float32 `json:"level,omitempty"`
	// Hz of a tone, Hz2 of its second component (0 when it is a pure one, Hz
	// when the two are too close to be told apart), and its Length in samples.
	Hz     float32 `json:"hz,omitempty"`
	Hz2    float32 `json:"hz2,omitempty"`
	Length int64   `json:"length,omitempty"`
}

// Frame is what was heard and what was played during the same time.
type Frame struct {
	// Pos is the position of Mic[0]; samples between the end of the last
	// frame and Pos are lost.
	Pos int64
	// Mic is the caller's side.
	Mic []int16
	// Ref is what we wrote out in the same time, in step with Mic: nil or
	// short means silence. It may be longer than Mic when samples were lost:
	// then its last len(Mic) samples belong to Mic and those before to the gap.
	Ref []int16
	// Speaking says that an utterance of ours is under way, its pauses included.
	Speaking bool
}

// Taker watches one call. Not safe for concurrent use.
type Taker struct {
	cfg       Config
	det       detector
	down      [2]decimator
	protected bool
	min       int // hops of speech that interrupt us
	scale     int64
	next      int64 // position after the last frame

	votes  uint64 // of the last 64 hops, newest in bit 0
	voiced uint64
	narrow uint64
	proof  [64]float32 // evidence minus bar of those hops, a ring
	hops   int64

	active    bool // somebody speaks
	barged    bool // and it has been reported as an interruption
	onset     int64
	lastYes   int64 // hop of the last vote
	level     float32
	tone      int
	toneHz    [2]float32
	toneEnd   int64
	toneLevel float32
}

// New makes a Taker for one call.
func New(cfg Config) (*Taker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	t := &Taker{cfg: cfg, scale: int64(cfg.Rate / rate)}
	t.det.sinceRef = 1 << 20
	t.Set(Policy{})
	return t, nil
}

// Set takes over what the current node of the script permits; only Protected
// and MinSpeech concern the ear.
func (t *Taker) Set(p Policy) {
	t.protected = p.Protected
	d := p.MinSpeech
	if d == 0 {
		d = t.cfg.MinSpeech
	}
	t.min = inHops(max(60*time.Millisecond, min(time.Second, d)))
}

func inHops(d time.Duration) int { return int((d + 5*time.Millisecond) / (10 * time.Millisecond)) }

// Frame takes the next frame and appends what was noticed to out.
func (t *Taker) Frame(f Frame, out []Event) []Event {
	ref := f.Ref
	if gap := f.Pos - t.next; gap > 0 {
		t.next = f.Pos
		out = t.skip(gap, ref[:max(0, min(int64(len(ref)-len(f.Mic)), gap))], f.Speaking, out)
	}
	if extra := len(ref) - len(f.Mic); extra > 0 {
		ref = ref[extra:]
	}
	t.next += int64(len(f.Mic))
	n := min(len(ref), len(f.Mic))
	out = t.take(f.Mic[:n], ref[:n], f.Speaking, out)
	return t.alone(f.Mic[n:], f.Speaking, out)
}

// alone takes samples during which nothing was played.
func (t *Taker) alone(mic []int16, speaking bool, out []Event) []Event {
	var none [hop]int16
	for len(mic) > 0 {
		n := min(len(mic), hop)
		out = t.take(mic[:n], none[:n], speaking, out)
		mic = mic[n:]
	}
	return out
}

// skip passes over lost samples. What lies in the gap is neither speech nor
// noise; after more than a second everything but the clock starts anew.
func (t *Taker) skip(gap int64, ref []int16, speaking bool, out []Event) []Event {
	if gap > int64(t.cfg.Rate) {
		far := gap - int64(t.cfg.Rate)
		far -= far % (hop * t.scale)
		t.det.pos += far / t.scale
		gap -= far
		t.votes, t.voiced, t.narrow = 0, 0, 0
	}
	var none, played [hop]int16
	for missing := int(gap) - len(ref); gap > 0; {
		n := int(min(gap, hop)) // at most one hop becomes complete
		clear(played[:])
		if missing < n {
			ref = ref[copy(played[max(0, missing):n], ref):]
		}
		t.det.blind = fftSize/hop + 2
		out = t.take(none[:n], played[:n], speaking, out)
		gap, missing = gap-int64(n), missing-n
	}
	t.det.blind = fftSize/hop + 2
	return out
}

// take takes samples at the caller's rate, as many of each side.
func (t *Taker) take(mic, ref []int16, speaking bool, out []Event) []Event {
	var m, r [hop]int16
	for len(mic) > 0 {
		a, b := mic, ref
		if t.scale == 2 {
			n := min(len(mic), hop)
			a = m[:t.down[0].take(m[:], mic[:n])]
			b = r[:t.down[1].take(r[:], ref[:n])]
			mic, ref = mic[n:], ref[n:]
		} else {
			mic = nil
		}
		for len(a) > 0 {
			n, done := t.det.feed(a, b)
			if done {
				out = t.hop(t.det.analyse(), speaking, out)
			}
			a, b = a[n:], b[n:]
		}
	}
	return out
}

// hop folds one judgement into the state of the conversation.
func (t *Taker) hop(a activity, speaking bool, out []Event) []Event {
	t.hops++
	t.votes, t.voiced, t.narrow = t.votes<<1, t.voiced<<1, t.narrow<<1
	t.proof[t.hops&63] = a.Evidence - a.Bar
	if a.Speech {
		t.votes |= 1
		if a.Voiced {
			t.voiced |= 1
		}
		if a.Narrow {
			t.narrow |= 1
		}
	}
	out = t.hearTone(a, out)
	if t.votes&1 != 0 {
		t.lastYes = t.hops
	}
	defer func() { t.det.taken = t.active }()
	need := inHops(t.cfg.MinListen)
	if speaking || t.det.sinceRef <= echoSpan {
		need = t.min
	}
	if !t.active {
		if first, ok := t.enough(need); ok {
			t.active, t.barged = true, false
			t.onset = a.Pos - int64(first-onsetLead)*hop
			t.level = a.Level
			out = append(out, Event{Kind: SpeechStart, At: t.at(t.onset), Now: t.now(), Level: t.level})
		}
	}
	if !t.active {
		return out
	}
	t.level += 0.1 * (a.Level - t.level)
	if speaking && !t.protected && !t.barged && t.votes&1 != 0 {
		if _, ok := t.enough(t.min); ok {
			t.barged = true
			out = append(out, Event{Kind: BargeIn, At: t.at(t.onset), Now: t.now(), Level: t.level})
		}
	}
	if t.hops-t.lastYes >= int64(inHops(t.cfg.Gap)) {
		t.active = false
		end := a.Pos + hop - (t.hops-t.lastYes)*hop - endLag
		out = append(out, Event{Kind: SpeechEnd, At: t.at(max(end, t.onset)), Now: t.now(), Level: t.level})
	}
	return out
}

const (
	onsetLead = 0   // hops between the onset and the first vote
	onsetGap  = 20  // hops of silence inside a phrase, at most
	toneLag   = 100 // samples by which a tone seems to end late
	toneLead  = 80  // samples of a tone before its first steady hop
	humHops   = 14  // for a sound that may yet turn out to be a tone
	endLag    = 80  // samples by which the last vote outlives the speech
)

// enough says whether the last hops hold need hops of speech, and how many
// hops ago it began. From the first vote to the last there must be need hops,
// 60 % of need must be votes, a voice in a quarter of them; and the evidence
// must stand above the bar on average: far above over need hops, or less far
// over up to twice as many (noise averages out, speech does not).
func (t *Taker) enough(need int) (first int, ok bool) {
	span := uint64(1)<<min(2*need, 63) - 1
	recent := t.votes & span
	if recent&3 == 0 {
		return 0, false
	}
	first = onsetOf(recent, min(onsetGap, need+need/2))
	n := bits.OnesCount64(recent)
	if first+1 < need || n*10 < need*6 || bits.OnesCount64(t.voiced&span)*4 < n {
		return 0, false
	}
	if hum := bits.OnesCount64(t.narrow & recent); hum*2 > n && hum < humHops {
		return 0, false
	}
	var sum float32
	for i := range min(2*need, 63) {
		sum += t.proof[(t.hops-int64(i))&63]
		switch w := float32(i + 1); {
		case i+1 == need && sum > 2*w, i+1 == need*3/2 && sum > w, i+1 == 2*need && sum > 0.75*w:
			return first, true
		}
	}
	return 0, false
}

// onsetOf walks back from the newest vote to the first that is not more than
// gap hops (the pause within a phrase) away from the next.
func onsetOf(votes uint64, gap int) (first int) {
	for i := range 64 {
		if votes>>i&1 == 0 {
			continue
		}
		if i-first > gap {
			break
		}
		first = i
	}
	return first
}

// hearTone takes back the votes of hops that turn out to be a tone.
func (t *Taker) hearTone(a activity, out []Event) []Event {
	if a.Tone > 0 {
		t.votes &^= 1<<min(a.Tone+3, 63) - 1
		if t.tone == 0 || a.Hz[1] != a.Hz[0] { // a pair that beats shows as one frequency twice
			t.toneHz = a.Hz
		}
		t.tone, t.toneEnd = a.Tone, a.Pos+hop
		t.toneLevel = a.Level
		return out
	}
	if t.tone > 0 {
		out = append(out, Event{Kind: ToneEnd, At: t.at(t.toneEnd - toneLag), Now: t.now(), Hz: t.toneHz[0], Hz2: t.toneHz[1],
			Level: t.toneLevel, Length: (int64(t.tone)*hop + toneLead) * t.scale})
		t.tone = 0
	}
	return out
}

func (t *Taker) at(pos int64) int64 { return max(0, pos) * t.scale }
func (t *Taker) now() int64         { return t.det.pos * t.scale }
