package cache

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// recognitionPump reads one provider's results in a goroutine of its own, so
// that its silence can be noticed.
type recognitionPump struct {
	rec     speech.Recognition
	cancel  context.CancelFunc
	results chan speech.Result
	err     error // why results was closed
	once    sync.Once
}

// connect opens a recognition, or gives up after the time-out: a provider that
// answers later is closed.
func (s *fallbackRecognition) connect(r speech.Recognizer) (*recognitionPump, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	type opened struct {
		rec speech.Recognition
		err error
	}
	answer := make(chan opened)
	o := s.options()
	go func() {
		rec, err := r.Recognize(ctx, o)
		select {
		case answer <- opened{rec, err}:
		case <-ctx.Done():
			if err == nil {
				_ = rec.Close()
			}
		}
	}()
	timer := time.NewTimer(s.f.timeouts.Connect)
	defer timer.Stop()
	select {
	case o := <-answer:
		if o.err != nil {
			cancel()
			return nil, o.err
		}
		p := &recognitionPump{rec: o.rec, cancel: cancel, results: make(chan speech.Result, 64)}
		go p.run(ctx)
		return p, nil
	case <-timer.C:
		cancel()
		return nil, fmt.Errorf("%w: no recognition opened in %v", speech.ErrTimeout, s.f.timeouts.Connect)
	case <-s.ctx.Done():
		cancel()
		return nil, s.ctx.Err()
	}
}

func (p *recognitionPump) run(ctx context.Context) {
	defer close(p.results)
	for {
		r, err := p.rec.Recv()
		if err != nil {
			p.err = err
			return
		}
		select {
		case p.results <- r:
		case <-ctx.Done():
			p.err = ctx.Err()
			return
		}
	}
}

func (p *recognitionPump) stop() {
	p.once.Do(func() {
		p.cancel()
		_ = p.rec.Close() // whatever it says, we have left it
	})
}

// frames is what a second provider would have to hear again, numbered from 0.
type frames struct {
	limit   int // samples
	kept    []audio.Frame
	first   int64 // number of kept[0]
	samples int
	lost    int // samples that had to go since the last final result
}

// push keeps a copy of a frame; the oldest go when there are too many.
func (b *frames) push(f audio.Frame) {
	f.Samples = slices.Clone(f.Samples)
	b.kept = append(b.kept, f)
	b.samples += len(f.Samples)
	for b.samples > b.limit && len(b.kept) > 1 {
		b.lost += len(b.kept[0].Samples)
		b.drop()
	}
}

func (b *frames) drop() {
	b.samples -= len(b.kept[0].Samples)
	b.kept[0] = audio.Frame{}
	b.kept = b.kept[1:]
	b.first++
}

// forget drops the frames before a position of the sample clock, or all.
func (b *frames) forget(pos int64, all bool) {
	b.lost = 0
	for len(b.kept) > 0 && (all || b.kept[0].Pos+int64(len(b.kept[0].Samples)) <= pos) {
		b.drop()
	}
}

// from is the first kept frame with this number or a later one.
func (b *frames) from(number int64) (audio.Frame, int64, bool) {
	number = max(number, b.first)
	if i := number - b.first; i < int64(len(b.kept)) {
		return b.kept[i], number, true
	}
	return audio.Frame{}, number, false
}

// sounds tells whether a frame is louder than -45 dBFS.
func sounds(samples []int16) bool {
	var sum float64
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return len(samples) > 0 && math.Sqrt(sum/float64(len(samples))) > 184
}
