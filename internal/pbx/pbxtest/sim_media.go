package pbxtest

import (
	"context"
	"io"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

// Bounds of a leg's audio, in frames.
const (
	writeAhead = 25  // 500 ms
	readBehind = 250 // 5 s; the oldest is dropped
)

// simMedia is the audio of a leg. Guarded by the exchange's lock; changed is
// closed and replaced whenever something a waiter waits for may have come.
type simMedia struct {
	leg     *simLeg
	format  audio.Format
	began   time.Time
	changed chan struct{}
	over    bool

	out     [][]int16 // to be heard, FrameSamples each at callee.Rate
	written int64     // frames ever accepted
	played  int64     // frames played out
	flushes int       // that threw something away

	in      []audio.Frame // arrived, at the format's rate
	delayed [][]int16     // on their way (Options.MediaDelay)
	pos     int64         // samples that arrived so far
	lost    int           // samples dropped since the last frame that was read
	last    int16
	silence [callee.FrameSamples]int16
}

func newSimMedia(l *simLeg, f audio.Format) *simMedia {
	return &simMedia{leg: l, format: f, began: time.Now().Add(l.sim.opts.MediaDelay), changed: make(chan struct{})}
}

var _ pbx.Media = (*simMedia)(nil)

// Format implements pbx.Media.
func (m *simMedia) Format() audio.Format { return m.format }

// wake needs the lock.
func (m *simMedia) wake() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// end needs the lock.
func (m *simMedia) end() {
	if !m.over {
		m.over = true
		m.wake()
	}
}

// play is the next frame to be heard; silence when nothing is queued.
func (m *simMedia) play() []int16 {
	if len(m.out) == 0 {
		return m.silence[:]
	}
	f := m.out[0]
	m.out = m.out[1:]
	m.played++
	m.wake()
	return f
}

// deliver takes what the party said in one frame.
func (m *simMedia) deliver(said []int16) {
	m.delayed = append(m.delayed, append([]int16(nil), said...))
	if time.Duration(len(m.delayed)-1)*frame < m.leg.sim.opts.MediaDelay {
		return
	}
	said = m.delayed[0]
	m.delayed = m.delayed[1:]
	wire := said
	if m.format.Rate == 2*callee.Rate {
		wire, m.last = callee.Upsample(nil, said, m.last)
	}
	m.in = append(m.in, audio.Frame{Pos: m.pos, Samples: m.compand(wire)})
	m.pos += int64(len(wire))
	if len(m.in) > readBehind {
		m.lost += len(m.in[0].Samples)
		m.in = m.in[1:]
	}
	m.wake()
}

// compand is what G.711 does to the samples, when the format is G.711.
func (m *simMedia) compand(s []int16) []int16 {
	wire, err := audio.Encode(nil, s, m.format.Encoding)
	if err != nil {
		return s
	}
	back, err := audio.Decode(nil, wire, m.format.Encoding)
	if err != nil {
		return s
	}
	return back
}

// Began implements pbx.Media.
func (m *simMedia) Began() time.Time { return m.began }

// ReadFrame implements pbx.Media.
func (m *simMedia) ReadFrame(dst *audio.Frame) error {
	for {
		m.leg.sim.mu.Lock()
		if len(m.in) > 0 {
			*dst = m.in[0]
			dst.Lost, m.lost = m.lost, 0
			m.in = m.in[1:]
			m.leg.sim.mu.Unlock()
			return nil
		}
		over, changed := m.over, m.changed
		m.leg.sim.mu.Unlock()
		if over {
			return io.EOF
		}
		<-changed
	}
}

// WriteFrame implements pbx.Media.
func (m *simMedia) WriteFrame(src audio.Frame) error {
	n := m.format.FrameSamples()
	if len(src.Samples) == 0 || len(src.Samples)%n != 0 {
		return refuse("%d samples are not whole frames of %d", len(src.Samples), n)
	}
	m.leg.sim.mu.Lock()
	flushes := m.flushes
	m.leg.sim.mu.Unlock()
	for at := 0; at < len(src.Samples); at += n {
		heard := m.compand(src.Samples[at : at+n])
		if m.format.Rate == 2*callee.Rate {
			heard = callee.Downsample(nil, heard)
		}
		if err := m.queue(append([]int16(nil), heard...), flushes); err != nil {
			return err
		}
	}
	return nil
}

func (m *simMedia) queue(f []int16, flushes int) error {
	for {
		m.leg.sim.mu.Lock()
		over, changed := m.over, m.changed
		if m.flushes != flushes {
			m.leg.sim.mu.Unlock()
			return pbx.ErrFlushed
		}
		if !over && len(m.out) < writeAhead {
			m.out = append(m.out, f)
			m.written++
			m.leg.sim.mu.Unlock()
			return nil
		}
		m.leg.sim.mu.Unlock()
		if over {
			return pbx.ErrGone
		}
		<-changed
	}
}

// Drain implements pbx.Media.
func (m *simMedia) Drain(ctx context.Context) error {
	m.leg.sim.mu.Lock()
	until, flushes := m.played+int64(len(m.out)), m.flushes
	m.leg.sim.mu.Unlock()
	for {
		m.leg.sim.mu.Lock()
		done := m.played >= until
		cut, over, changed := m.flushes != flushes, m.over, m.changed
		m.leg.sim.mu.Unlock()
		switch {
		case done:
			return nil
		case cut:
			return pbx.ErrFlushed
		case over:
			return pbx.ErrGone
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Flush implements pbx.Media.
func (m *simMedia) Flush() (time.Duration, error) {
	m.leg.sim.mu.Lock()
	defer m.leg.sim.mu.Unlock()
	m.out = nil
	m.flushes++
	m.wake()
	if m.over {
		return m.heard(), pbx.ErrGone
	}
	return m.heard(), nil
}

func (m *simMedia) heard() time.Duration { return time.Duration(m.played) * frame }

// Played implements pbx.Media.
func (m *simMedia) Played() time.Duration {
	m.leg.sim.mu.Lock()
	defer m.leg.sim.mu.Unlock()
	return m.heard()
}

// Close implements pbx.Media.
func (m *simMedia) Close() error {
	m.leg.sim.mu.Lock()
	defer m.leg.sim.mu.Unlock()
	m.end()
	if m.leg.media == m {
		m.leg.media = nil
	}
	return nil
}
