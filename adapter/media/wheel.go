package media

import (
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"
)

// A wheel turns once in 20 ms and stops at each spoke; a leg hangs on one
// spoke and sends one frame per turn.
const (
	wheelSpokes = 10
	wheelStep   = frameTime / wheelSpokes
)

// rider is what hangs on a wheel: turn sends the frame of that turn, counted
// from the wheel's beginning, also through turns that had to be left out.
type rider interface {
	turn(n int64, buf []byte) error
	end(err error)
}

// wheel paces many legs with one goroutine and one timer.
type wheel struct {
	mu     sync.Mutex
	spokes [wheelSpokes][]rider
	riders int
	wake   chan struct{}
	quit   chan struct{}
	gone   chan struct{}
}

func newWheel() *wheel {
	w := &wheel{wake: make(chan struct{}, 1), quit: make(chan struct{}), gone: make(chan struct{})}
	go w.run()
	return w
}

// add hangs a leg on the spoke with the fewest.
func (w *wheel) add(r rider) {
	w.mu.Lock()
	defer w.mu.Unlock()
	least := 0
	for i := range w.spokes {
		if len(w.spokes[i]) < len(w.spokes[least]) {
			least = i
		}
	}
	w.spokes[least] = append(w.spokes[least], r)
	if w.riders++; w.riders == 1 {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

func (w *wheel) remove(r rider) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, on := range w.spokes {
		if at := slices.Index(on, r); at >= 0 {
			w.spokes[i] = slices.Delete(on, at, at+1)
			w.riders--
			return
		}
	}
}

func (w *wheel) load() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.riders
}

func (w *wheel) close() {
	close(w.quit)
	<-w.gone
}

// run turns the wheel on an absolute schedule; while it is empty it stands.
func (w *wheel) run() {
	defer close(w.gone)
	timer := time.NewTimer(0)
	defer timer.Stop()
	buf := make([]byte, 0, 1024)
	var batch []rider
	next, stop := time.Now(), int64(0)
	for {
		select {
		case <-w.quit:
			return
		case <-timer.C:
		}
		if late := time.Since(next); late > lateLimit {
			left := int64(late / wheelStep)
			stop, next = stop+left, next.Add(time.Duration(left)*wheelStep)
		}
		for !next.After(time.Now()) {
			var empty bool
			if batch, empty = w.take(int(stop%wheelSpokes), batch[:0]); empty {
				select {
				case <-w.quit:
					return
				case <-w.wake:
				}
				next = time.Now()
				continue
			}
			for _, r := range batch {
				if err := r.turn(stop/wheelSpokes, buf); err != nil {
					r.end(err)
					w.remove(r)
				}
			}
			stop, next = stop+1, next.Add(wheelStep)
		}
		timer.Reset(time.Until(next))
	}
}

func (w *wheel) take(spoke int, batch []rider) ([]rider, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append(batch, w.spokes[spoke]...), w.riders == 0
}

// pollers shares lines out to one poller per processor; none where there is no
// such thing.
type pollers []*poller

func newPollers(log *slog.Logger) (ps pollers) {
	for range runtime.GOMAXPROCS(0) {
		p, err := newPoller()
		if err != nil {
			log.Debug("media endpoint: every call reads its own socket", "err", err)
			return ps
		}
		ps = append(ps, p)
	}
	return ps
}

// listen takes a line's packets from now on.
func (ps pollers) listen(l *line) {
	if len(ps) > 0 && slices.MinFunc(ps, func(a, b *poller) int { return a.load() - b.load() }).add(l) == nil {
		return
	}
	go l.read()
}

// leave forgets a line whose socket is closed.
func (ps pollers) leave(l *line) {
	for _, p := range ps {
		p.remove(l)
	}
}

func (ps pollers) close() {
	for _, p := range ps {
		p.close()
	}
}

// wheels shares legs out to one wheel per processor.
type wheels []*wheel

func newWheels() wheels {
	ws := make(wheels, runtime.GOMAXPROCS(0))
	for i := range ws {
		ws[i] = newWheel()
	}
	return ws
}

// least is the wheel with the fewest legs.
func (ws wheels) least() *wheel {
	return slices.MinFunc(ws, func(a, b *wheel) int { return a.load() - b.load() })
}

func (ws wheels) close() {
	for _, w := range ws {
		w.close()
	}
}
