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
// What was sent counts as heard.
type paced struct {
	o    Options
	in   *inbox
	send func(frame []byte, speech bool) error // by the pacer only
	shut func()                                // closes the transport
	done chan struct{}

	mu      sync.Mutex // never held during I/O
	queue   []byte
	written int64
	given   int64 // sent or thrown away
	heard   int64
	flushes int64
	space   chan struct{}
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
	}
}

// pace sends frame after frame on an absolute schedule until the session ends.
func (p *paced) pace() {
	quiet := silence(p.o.Format, 1)
	frame := make([]byte, 0, len(quiet))
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
			out, speech := p.next(frame[:0])
			if !speech {
				out = quiet
			}
			if err := p.send(out, speech); err != nil {
				p.end(err)
				return
			}
			p.sent(speech)
			next = next.Add(frameTime)
		}
		timer.Reset(time.Until(next))
	}
}

// next takes the next frame of speech into buf; false when there is none.
func (p *paced) next(buf []byte) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.o.Format.FrameBytes()
	if len(p.queue) < n {
		return nil, false
	}
	buf = append(buf, p.queue[:n]...)
	p.queue = append(p.queue[:0], p.queue[n:]...)
	p.given++
	return buf, true
}

// sent counts a frame of speech that is on its way.
func (p *paced) sent(speech bool) {
	if !speech {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard++
	kept := p.drains[:0]
	for _, d := range p.drains {
		if d.until <= p.given {
			d.done <- nil
		} else {
			kept = append(kept, d)
		}
	}
	p.drains = kept
	p.makeSpace()
}

func (p *paced) makeSpace() {
	close(p.space)
	p.space = make(chan struct{})
}

// Format implements pbx.Media.
func (p *paced) Format() audio.Format { return p.o.Format }

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
