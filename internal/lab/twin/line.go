package twin

import (
	"sync"
	"sync/atomic"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
)

// pcm is 20 ms of sound at callee.Rate.
type pcm [callee.FrameSamples]int16

// line is the sound of a channel. The clock moves it, 20 ms at a time, in two
// phases: first every media leg and snoop says its frame, then every telephone
// hears and speaks. What a phase writes, only the other reads.
type line struct {
	ch      *channel
	peers   atomic.Pointer[[]*line]
	between atomic.Pointer[[]*playback] // played to the bridge

	mu      sync.Mutex // what commands touch
	machine *callee.Machine
	plays   []*playback
	tapes   []*recording
	silence bool // POST silence: masks everything
	media   *media
	spied   *channel // of a snoop
	spy     string   // none, in, out, both
	whisper string
	aside   []int16 // what snoops whisper to the telephone in this frame
	stopped bool

	// Only the clock touches these.
	out   [2]pcm // what came from the channel, by parity of the tick
	has   [2]bool
	heard pcm
	live  bool // heard is sound, not a dead line
}

// done is something that a frame brought about and that signalling must know.
type done struct {
	line     *line
	act      callee.Action
	finished *playback
}

func (l *line) begin(m *callee.Machine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.machine = m
}

// stop ends the sound; crash leaves a media socket without a word.
func (l *line) stop(crash bool) {
	l.ch.ex.clock.remove(l.ch)
	l.mu.Lock()
	l.stopped = true
	m := l.media
	l.mu.Unlock()
	if m != nil {
		m.goodbye(crash)
	}
}

// record is a copy of what the subscriber noticed so far.
func (l *line) record() callee.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.machine == nil {
		return callee.Record{FirstAudible: -1}
	}
	return l.machine.Record().Clone()
}

// key gives the subscriber a key that was pressed at the other end.
func (l *line) key(digit byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.machine != nil {
		l.machine.Key(digit)
	}
}

// source is the first phase for media legs and snoops.
func (l *line) source(tick int64) {
	p := tick & 1
	if l.media != nil {
		l.has[p] = l.media.play(&l.out[p])
		return
	}
	l.mu.Lock()
	spied, spy, whisper := l.spied, l.spy, l.whisper
	l.mu.Unlock()
	if spied == nil {
		return
	}
	from := spied.line
	l.out[p] = pcm{}
	if spy == "in" || spy == "both" {
		add(&l.out[p], from.out[1-p][:])
	}
	if spy == "out" || spy == "both" {
		add(&l.out[p], from.heard[:])
	}
	l.has[p] = true
	if whisper == "out" || whisper == "both" {
		var said pcm
		if l.gather(&said, tick) {
			from.mu.Lock()
			from.aside = append(from.aside[:0], said[:]...)
			from.mu.Unlock()
		}
	}
	l.tape(l.out[p][:])
}

// gather mixes what the bridge says to this line; false when nobody says
// anything, which on a telephone is no packet at all.
func (l *line) gather(dst *pcm, tick int64) bool {
	live := false
	if peers := l.peers.Load(); peers != nil {
		for _, o := range *peers {
			p := tick & 1
			if o.ch.kind == phoneKind || l.ch.kind != phoneKind {
				p = 1 - p // spoke, or will speak, in the second phase
			}
			if o.has[p] {
				add(dst, o.out[p][:])
				live = true
			}
		}
	}
	if plays := l.between.Load(); plays != nil && len(*plays) > 0 {
		var f pcm
		(*plays)[0].shared(tick, &f)
		add(dst, f[:])
		live = true
	}
	return live
}

// talk is the second phase: a telephone hears its frame and says its own.
func (l *line) talk(tick int64, out []done) []done {
	var heard pcm
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.machine == nil || l.stopped {
		return out
	}
	live := true
	switch {
	case len(l.plays) > 0:
		if l.plays[0].frame(heard[:]) {
			out = append(out, done{line: l, finished: l.plays[0]})
		}
	case l.silence:
	default:
		live = l.gather(&heard, tick)
	}
	if len(l.aside) > 0 {
		add(&heard, l.aside)
		l.aside, live = l.aside[:0], true
	}
	compand(&heard)
	l.heard, l.live = heard, live
	var in []int16
	if live {
		in = heard[:]
	}
	said, act := l.machine.Tick(in)
	p := tick & 1
	copy(l.out[p][:], said)
	compand(&l.out[p])
	l.has[p] = true
	if act.Hangup || act.DTMF != 0 {
		out = append(out, done{line: l, act: act})
	}
	for _, r := range l.tapes {
		r.take(l.out[p][:])
	}
	if peers := l.peers.Load(); peers != nil {
		for _, o := range *peers {
			if o.media != nil {
				o.media.say(l.out[p][:])
			}
		}
	}
	return out
}

func (l *line) tape(f []int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.tapes {
		r.take(f)
	}
}

func (r *recording) take(f []int16) {
	if r.paused || len(r.samples) >= maxRecording {
		return
	}
	if r.muted {
		f = make([]int16, len(f))
	}
	r.samples = append(r.samples, f...)
}

// shared is the frame of a playback that a whole bridge hears.
func (p *playback) shared(tick int64, dst *pcm) {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.tick != tick {
		p.tick = tick
		p.spent = p.frame(p.current[:])
	}
	*dst = p.current
}

func (p *playback) wasGiven() bool {
	p.turn.Lock()
	defer p.turn.Unlock()
	return p.spent
}

func add(dst *pcm, src []int16) {
	for i := range min(len(dst), len(src)) {
		dst[i] = int16(max(-32768, min(32767, int(dst[i])+int(src[i]))))
	}
}

// compand is what the carrier's G.711 leaves of a frame.
func compand(f *pcm) {
	var wire [callee.FrameSamples]byte
	b, err := audio.Encode(wire[:0], f[:], audio.ULaw)
	if err == nil {
		_, _ = audio.Decode(f[:0], b, audio.ULaw)
	}
}
