package media

import (
	"context"
	"sync"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// lateLimit is how far the pacer may fall behind before it lets time go instead
// of sending a burst.
const lateLimit = 5 * frameTime

// paced is a session over a transport that has no queue of its own: we send
// one frame every 20 ms, speech or silence, from the first moment to the last.
// What was handed to the transport counts as heard.
type paced struct {
	o     Options
	in    *inbox
	send  func(frame []byte, speech bool) error // by the pacer only
	shut  func()                                // closes the transport
	done  chan struct{}
	quiet []byte // one frame of silence
	due   bool   // of the pacer: what was taken last completes a Drain

	mu      sync.Mutex // never held during I/O
	queue   []byte
	written int64
	given   int64 // sent or thrown away
	heard   int64
	flushes int64
	held    bool // nobody listens: speech waits
	space   chan struct{}
	writers int // that wait for space
	drains  []pacedDrain
	over    bool
	err     error
}

type pacedDrain struct {
	until int64
	done  chan error
}

func newPaced(o Options, start time.Time, send func([]byte, bool) error, shut func()) *paced {
	return &paced{
		o: o, in: newInbox(o.Format, start, o.Dropped), send: send, shut: shut, done: make(chan struct{}), space: make(chan struct{}),
		quiet: silence(o.Format, 1),
	}
}

// pace sends frame after frame on an absolute schedule until the session ends.
// Sessions of an Endpoint share a wheel instead.
func (p *paced) pace() {
	frame := make([]byte, 0, len(p.quiet))
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-timer.C:
		}
		if time.Since(next) > lateLimit {
			next = time.Now()
		}
		for !next.After(time.Now()) {
			if err := p.tick(frame); err != nil {
				p.end(err)
				return
			}
			next = next.Add(frameTime)
		}
		timer.Reset(time.Until(next))
	}
}

// tick sends one frame.
func (p *paced) tick(buf []byte) error {
	out, speech := p.next(buf[:0])
	if !speech {
		out = p.quiet
	}
	if err := p.send(out, speech); err != nil {
		return err
	}
	if p.due {
		p.settle()
	}
	return nil
}

// next takes the next frame of speech into buf; false when there is none.
func (p *paced) next(buf []byte) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.quiet)
	if len(p.queue) < n || p.held {
		return nil, false
	}
	buf = append(buf, p.queue[:n]...)
	p.queue = append(p.queue[:0], p.queue[n:]...)
	p.given++
	p.heard++
	p.due = len(p.drains) > 0 && p.drains[0].until <= p.given
	p.makeSpace()
	return buf, true
}

// settle ends the Drains whose last frame is on its way.
func (p *paced) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = false
	kept := p.drains[:0]
	for _, d := range p.drains {
		if d.until <= p.given {
			d.done <- nil
		} else {
			kept = append(kept, d)
		}
	}
	p.drains = kept
}

// hold keeps speech back while nobody can hear it.
func (p *paced) hold(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = on
}

// makeSpace wakes writers; needs the lock.
func (p *paced) makeSpace() {
	if p.writers == 0 {
		return
	}
	p.writers = 0
	close(p.space)
	p.space = make(chan struct{})
}

// Format implements pbx.Media.
func (p *paced) Format() audio.Format { return p.o.Format }

// Began implements pbx.Media.
func (p *paced) Began() time.Time { return p.in.began() }

// ReadFrame implements pbx.Media.
func (p *paced) ReadFrame(dst *audio.Frame) error { return p.in.read(dst) }

// WriteFrame implements pbx.Media.
func (p *paced) WriteFrame(src audio.Frame) error {
	frames, err := wholeFrames(p.o.Format, len(src.Samples))
	if err != nil {
		return err
	}
	p.mu.Lock()
	flushes := p.flushes
	p.mu.Unlock()
	per := p.o.Format.FrameSamples()
	for at := int64(0); at < frames; {
		n, err := p.accept(src.Samples[int(at)*per:], frames-at, flushes)
		if err != nil {
			return err
		}
		at += n
	}
	return nil
}

func (p *paced) accept(samples []int16, frames, flushes int64) (int64, error) {
	for {
		p.mu.Lock()
		switch {
		case p.over:
			p.mu.Unlock()
			return 0, pbx.ErrGone
		case p.flushes != flushes:
			p.mu.Unlock()
			return 0, pbx.ErrFlushed
		}
		if room := min(maxQueued-(p.written-p.given), frames); room > 0 {
			var err error
			p.queue, err = audio.Encode(p.queue, samples[:int(room)*p.o.Format.FrameSamples()], p.o.Format.Encoding)
			p.written += room
			p.mu.Unlock()
			return room, err
		}
		space := p.space
		p.writers++
		p.mu.Unlock()
		select {
		case <-space:
		case <-p.done:
		}
	}
}

// Drain implements pbx.Media.
func (p *paced) Drain(ctx context.Context) error {
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		return pbx.ErrGone
	}
	if p.given == p.written {
		p.mu.Unlock()
		return nil
	}
	d := pacedDrain{until: p.written, done: make(chan error, 1)}
	p.drains = append(p.drains, d)
	p.mu.Unlock()
	select {
	case err := <-d.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Flush implements pbx.Media.
func (p *paced) Flush() (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return toTime(p.heard), pbx.ErrGone
	}
	p.queue, p.given = p.queue[:0], p.written
	p.flushes++
	for _, d := range p.drains {
		d.done <- pbx.ErrFlushed
	}
	p.drains = nil
	p.makeSpace()
	return toTime(p.heard), nil
}

// Played implements pbx.Media.
func (p *paced) Played() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return toTime(p.heard)
}

// Close implements pbx.Media.
func (p *paced) Close() error {
	p.end(nil)
	return nil
}

// Begin implements Session.
func (p *paced) Begin() { p.in.begin(time.Now()) }

// Abort implements Session.
func (p *paced) Abort(err error) { p.end(err) }

// Done implements Session.
func (p *paced) Done() <-chan struct{} { return p.done }

// Err implements Session.
func (p *paced) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// end announces the end to everybody, once.
func (p *paced) end(err error) {
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		return
	}
	p.over, p.err = true, err
	for _, d := range p.drains {
		d.done <- pbx.ErrGone
	}
	p.drains = nil
	p.mu.Unlock()
	close(p.done)
	p.in.end()
	p.shut()
	if err != nil {
		p.o.OnEnd(err)
	}
}
