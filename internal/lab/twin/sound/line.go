package sound

import (
	"sync"
	"sync/atomic"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
)

// Frame is 20 ms of sound at callee.Rate.
type Frame [callee.FrameSamples]int16

// Source is a leg whose sound comes from, and goes to, outside the exchange.
type Source interface {
	// Play puts the next 20 ms that came from outside into dst; false for none.
	Play(dst *Frame) bool
	// Say takes 20 ms that the other side said; they are valid during the call.
	Say(f []int16)
}

// Direction is what a tap hears, or to whom it whispers, seen from the line
// that it listens to: In is what comes from it, Out what it hears.
type Direction string

// Directions of a tap.
const (
	Nothing Direction = "none"
	In      Direction = "in"
	Out     Direction = "out"
	Both    Direction = "both"
)

func (d Direction) in() bool  { return d == In || d == Both }
func (d Direction) out() bool { return d == Out || d == Both }

// Line is the sound of a channel. Methods are safe for concurrent use.
type Line struct {
	// Owner is the exchange's channel; the clock hands it back in Done.
	Owner  any
	phone  bool
	source Source

	peers   atomic.Pointer[[]*Line]
	between atomic.Pointer[[]*Clip] // played to the bridge

	mu      sync.Mutex // what commands touch
	machine *callee.Machine
	plays   []*Clip
	tapes   []*Tape
	silence bool // masks everything
	comfort bool // silence is sent when there is nothing to say
	spied   *Line
	spy     Direction
	whisper Direction
	aside   []int16 // what taps whisper to the telephone in this frame
	over    []int16 // and to the other side
	stopped bool

	// Only the clock touches these.
	out   [2]Frame // what came from the line, by parity of the tick
	has   [2]bool
	heard Frame
	live  bool // heard is sound, not a dead line
	spoke int  // when in a tick it moves

	seat int // where it would move alone; set when the clock takes it
}

// NewPhone is the line of a telephone; Begin puts a subscriber on it.
func NewPhone(owner any) *Line {
	return &Line{Owner: owner, phone: true, spoke: anySpoke, seat: anySpoke}
}

// NewLeg is the line of a leg to outside; a nil source is silent.
func NewLeg(owner any, source Source) *Line {
	return &Line{Owner: owner, source: source, spoke: anySpoke, seat: anySpoke}
}

// NewTap is a line that listens to another and may whisper to it.
func NewTap(owner any, spied *Line, spy, whisper Direction) *Line {
	return &Line{Owner: owner, spied: spied, spy: spy, whisper: whisper, spoke: anySpoke, seat: anySpoke}
}

// Spied is the line that a tap listens to, nil for other lines.
func (l *Line) Spied() *Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spied
}

// Begin puts a subscriber on the line, in place of who was there.
func (l *Line) Begin(m *callee.Machine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.machine = m
}

// Stop ends the sound; the clock should let go of the line too.
func (l *Line) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
}

// Record is a copy of what the subscriber noticed so far.
func (l *Line) Record() callee.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.machine == nil {
		return callee.Record{FirstAudible: -1}
	}
	return l.machine.Record().Clone()
}

// Key gives the subscriber a key that was pressed at the other end.
func (l *Line) Key(digit byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.machine != nil {
		l.machine.Key(digit)
	}
}

// Silence masks everything that the telephone would hear but playbacks.
func (l *Line) Silence(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silence = on
}

// Comfort lets the exchange send silence when it has nothing to say, in place
// of nothing at all.
func (l *Line) Comfort(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.comfort = on
}

// Connect says who is heard on this line from now on, and what is played to
// all of them; both slices belong to the line afterwards.
func (l *Line) Connect(peers []*Line, between []*Clip) {
	l.peers.Store(&peers)
	if between == nil {
		l.between.Store(nil)
		return
	}
	l.between.Store(&between)
}

// fetch is the first phase for legs and taps.
func (l *Line) fetch(tick int64) {
	p := tick & 1
	if l.source != nil {
		l.has[p] = l.source.Play(&l.out[p])
		return
	}
	l.mu.Lock()
	spied, spy, whisper, stopped := l.spied, l.spy, l.whisper, l.stopped
	l.mu.Unlock()
	if spied == nil || stopped {
		l.has[p] = false
		return
	}
	l.out[p] = Frame{}
	if spy.in() {
		add(&l.out[p], spied.out[1-p][:])
	}
	if spy.out() {
		add(&l.out[p], spied.heard[:])
	}
	l.has[p] = true
	if whisper != Nothing && whisper != "" {
		l.murmur(spied, whisper, tick)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tapes {
		t.take(l.out[p][:], nil)
	}
}

// murmur whispers what the tap's bridge says.
func (l *Line) murmur(to *Line, whisper Direction, tick int64) {
	var said Frame
	if !l.gather(&said, tick) {
		return
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	if whisper.out() {
		to.aside = append(to.aside[:0], said[:]...)
	}
	if whisper.in() {
		to.over = append(to.over[:0], said[:]...)
	}
}

// gather mixes what the bridge says to this line; false when nobody says
// anything, which on a telephone is no packet at all.
func (l *Line) gather(dst *Frame, tick int64) bool {
	live := false
	if peers := l.peers.Load(); peers != nil {
		for _, o := range *peers {
			p := tick & 1
			if o.phone || !l.phone {
				p = 1 - p // spoke, or will speak, in the second phase
			}
			if o.has[p] {
				add(dst, o.out[p][:])
				live = true
			}
		}
	}
	if plays := l.between.Load(); plays != nil && len(*plays) > 0 {
		var f Frame
		(*plays)[0].shared(tick, &f)
		add(dst, f[:])
		live = true
	}
	return live
}

// talk is the second phase: a telephone hears its frame and says its own.
func (l *Line) talk(tick int64, out []Done) []Done {
	var heard Frame
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.machine == nil || l.stopped {
		return out
	}
	live := true
	switch {
	case len(l.plays) > 0:
		if l.plays[0].frame(heard[:]) {
			out = append(out, Done{Line: l, Finished: l.plays[0]})
		}
	case l.silence:
	default:
		live = l.gather(&heard, tick) || l.comfort
	}
	if len(l.aside) > 0 {
		add(&heard, l.aside)
		l.aside, live = l.aside[:0], true
	}
	Compand(&heard)
	l.heard, l.live = heard, live
	var in []int16
	if live {
		in = heard[:]
	}
	said, act := l.machine.Tick(in)
	p := tick & 1
	copy(l.out[p][:], said)
	if len(l.over) > 0 {
		add(&l.out[p], l.over)
		l.over = l.over[:0]
	}
	Compand(&l.out[p])
	l.has[p] = true
	if act.Hangup || act.DTMF != 0 {
		out = append(out, Done{Line: l, Act: act})
	}
	for _, t := range l.tapes {
		t.take(l.out[p][:], heard[:])
	}
	if peers := l.peers.Load(); peers != nil {
		for _, o := range *peers {
			if o.source != nil {
				o.source.Say(l.out[p][:])
			}
		}
	}
	return out
}

func add(dst *Frame, src []int16) {
	for i := range min(len(dst), len(src)) {
		dst[i] = int16(max(-32768, min(32767, int(dst[i])+int(src[i]))))
	}
}

// Compand is what the carrier's G.711 leaves of a frame.
func Compand(f *Frame) {
	var wire [callee.FrameSamples]byte
	b, err := audio.Encode(wire[:0], f[:], audio.ULaw)
	if err == nil {
		_, _ = audio.Decode(f[:0], b, audio.ULaw)
	}
}
