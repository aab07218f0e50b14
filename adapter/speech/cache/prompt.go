package cache

import (
	"context"
	"io"
	"sync"

	"ringmaster/adapter/speech/level"
	"ringmaster/internal/speech"
)

// prompt is one utterance's audio, complete or growing, with any number of
// readers.
type prompt struct {
	key    key
	rate   int
	cancel context.CancelFunc
	refs   int // readings of an unfinished prompt; guarded by Cache.mu

	mu      sync.Mutex
	samples []int16
	marks   []speech.Mark
	done    bool
	err     error
	changed chan struct{} // closed and replaced whenever something was added
}

func (p *prompt) size() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(len(p.samples)*2 + len(p.marks)*16 + 128)
}

func (p *prompt) append(samples []int16, marks []speech.Mark) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.samples = append(p.samples, samples...)
	p.marks = marks
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *prompt) finish(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.err = true, err
	close(p.changed)
	p.changed = make(chan struct{})
}

// levelled is a complete prompt at the loudness that all have.
func (p *prompt) levelled(u speech.Utterance) *prompt {
	p.mu.Lock()
	made, marks := p.samples, p.marks // complete: they do not change any more
	p.mu.Unlock()
	start, end := level.Pauses(u)
	samples, cut := level.Whole(made, p.rate, start, end)
	marks = level.Shift(marks, u.Format.Duration(cut), u.Format.Duration(int64(len(samples))))
	return &prompt{key: p.key, rate: p.rate, cancel: func() {}, samples: samples, marks: marks, done: true, changed: make(chan struct{})}
}

// reading is one caller's place in a prompt.
type reading struct {
	ctx    context.Context
	cache  *Cache
	prompt *prompt
	at     int
	once   sync.Once
	closed chan struct{}
}

func newReading(ctx context.Context, c *Cache, p *prompt) *reading {
	return &reading{ctx: ctx, cache: c, prompt: p, closed: make(chan struct{})}
}

// Read implements speech.Synthesis.
func (r *reading) Read(dst []int16) (int, error) {
	for {
		select {
		case <-r.closed:
			return 0, io.ErrClosedPipe
		default:
		}
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		p := r.prompt
		p.mu.Lock()
		n := copy(dst, p.samples[r.at:])
		r.at += n
		done, err, changed, left := p.done, p.err, p.changed, len(p.samples)-r.at
		p.mu.Unlock()
		switch {
		case n > 0 || len(dst) == 0 && left > 0:
			return n, nil
		case done && err != nil:
			return 0, err
		case done:
			return 0, io.EOF
		}
		select {
		case <-changed:
		case <-r.closed:
		case <-r.ctx.Done():
		}
	}
}

// Marks implements speech.Synthesis.
func (r *reading) Marks() []speech.Mark {
	r.prompt.mu.Lock()
	defer r.prompt.mu.Unlock()
	return append([]speech.Mark(nil), r.prompt.marks...)
}

// Close implements speech.Synthesis.
func (r *reading) Close() error {
	r.once.Do(func() {
		close(r.closed)
		r.cache.release(r.prompt)
	})
	return nil
}
