package sound

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// tick is the time of one frame. Lines that hear each other move together, at
// one of the spokes of a tick: an exchange's calls have clocks of their own, and
// do not all send in the same moment.
const (
	tick   = 20 * time.Millisecond
	spokes = 10

	anySpoke = spokes // of a leg or tap: that of who hears it
)

// maxCatchUp is how many late ticks are made up for; beyond them sound is lost
// and counted.
const maxCatchUp = 10

// Done is something that a frame brought about and that signalling must know.
type Done struct {
	Line     *Line
	Act      callee.Action
	Finished *Clip
}

// Clock is the one clock of all sound: one goroutine, and on a busy exchange
// one helper a processor, move every line by 20 ms in every 20 ms.
type Clock struct {
	happened func([]Done)
	stopped  <-chan struct{}
	n        int64

	mu     sync.Mutex
	phones []*Line
	legs   []*Line // legs and taps
	place  map[*Line]int
	seats  [spokes]int // telephones that have it
	wake   chan struct{}
	stats  audioStats
}

type audioStats struct {
	ticks, late, lost, maxLag atomic.Int64
}

// Stats is what the clock saw. Late counts ticks that came more than one tick
// behind, Lost those that were never made up for.
type Stats struct {
	Ticks, Late, Lost int64
	MaxLag            time.Duration
}

// NewClock is a clock that runs until stopped is closed. happened is told, from
// the clock's goroutine, what frames brought about; at least every 100 ms.
func NewClock(stopped <-chan struct{}, happened func([]Done)) *Clock {
	return &Clock{happened: happened, stopped: stopped, place: map[*Line]int{}, wake: make(chan struct{}, 1)}
}

// Stats is a snapshot.
func (c *Clock) Stats() Stats {
	s := &c.stats
	return Stats{s.ticks.Load(), s.late.Load(), s.lost.Load(), time.Duration(s.maxLag.Load())}
}

func (c *Clock) list(l *Line) *[]*Line {
	if l.phone {
		return &c.phones
	}
	return &c.legs
}

// Add lets a line's sound begin.
func (c *Clock) Add(l *Line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.place[l]; ok {
		return
	}
	if l.seat = anySpoke; l.phone {
		l.seat = slices.Index(c.seats[:], slices.Min(c.seats[:]))
		c.seats[l.seat]++
	}
	at := c.list(l)
	c.place[l] = len(*at)
	*at = append(*at, l)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Remove ends a line's sound.
func (c *Clock) Remove(l *Line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, ok := c.place[l]
	if !ok {
		return
	}
	at := c.list(l)
	last := len(*at) - 1
	(*at)[i] = (*at)[last]
	c.place[(*at)[i]] = i
	(*at)[last] = nil
	*at = (*at)[:last]
	delete(c.place, l)
	if l.phone {
		c.seats[l.seat]--
	}
}

// Run moves the lines until the clock is stopped.
func (c *Clock) Run() {
	var phones, legs []*Line
	var on [spokes]spoke
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		c.mu.Lock()
		phones = append(phones[:0], c.phones...)
		legs = append(legs[:0], c.legs...)
		seat(&on, phones, legs)
		c.mu.Unlock()
		if len(phones)+len(legs) == 0 {
			clear(phones[:cap(phones)])
			clear(legs[:cap(legs)])
			on = [spokes]spoke{}
			select { // nothing sounds: sleep
			case <-c.wake:
			case <-c.stopped:
				return
			}
			next = time.Now()
			continue
		}
		c.n++
		for i := range on {
			if len(on[i].phones)+len(on[i].legs) == 0 {
				continue
			}
			timer.Reset(time.Until(next.Add(time.Duration(i) * tick / spokes)))
			select {
			case <-timer.C:
			case <-c.stopped:
				return
			}
			c.beat(on[i].phones, on[i].legs)
		}
		if c.n%5 == 0 {
			c.happened(nil)
		}
		next = c.pace(next)
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-c.stopped:
			return
		}
	}
}

// spoke is who moves at the same moment.
type spoke struct{ phones, legs []*Line }

// seat gives every line its spoke: the lowest of all who hear each other,
// directly or not.
func seat(on *[spokes]spoke, phones, legs []*Line) {
	for i := range on {
		on[i].phones, on[i].legs = on[i].phones[:0], on[i].legs[:0]
	}
	for _, lines := range [][]*Line{phones, legs} {
		for _, l := range lines {
			l.spoke = l.seat
		}
	}
	for changed := true; changed; {
		changed = false
		for _, lines := range [][]*Line{phones, legs} {
			for _, l := range lines {
				changed = l.join() || changed
			}
		}
	}
	for _, l := range phones {
		on[l.spoke].phones = append(on[l.spoke].phones, l)
	}
	for _, l := range legs {
		i := l.spoke % anySpoke
		on[i].legs = append(on[i].legs, l)
	}
}

// join brings a line and those whom it hears together.
func (l *Line) join() (changed bool) {
	peers := l.peers.Load()
	if peers == nil {
		return false
	}
	for _, o := range *peers {
		if low := min(l.spoke, o.spoke); l.spoke != low || o.spoke != low {
			l.spoke, o.spoke, changed = low, low, true
		}
	}
	return changed
}

// pace is when the next tick is due, and keeps the books of lateness.
func (c *Clock) pace(due time.Time) time.Time {
	s := &c.stats
	s.ticks.Add(1)
	next := due.Add(tick)
	lag := time.Since(next)
	if lag <= 0 {
		return next
	}
	s.late.Add(1)
	if int64(lag) > s.maxLag.Load() {
		s.maxLag.Store(int64(lag))
	}
	if behind := int64(lag / tick); behind > maxCatchUp {
		s.lost.Add(behind)
		return time.Now()
	}
	return next
}

func (c *Clock) beat(phones, legs []*Line) {
	n := c.n
	each(legs, func(part []*Line) []Done {
		for _, l := range part {
			l.fetch(n)
		}
		return nil
	})
	what := each(phones, func(part []*Line) (out []Done) {
		for _, l := range part {
			out = l.talk(n, out)
		}
		return out
	})
	if len(what) > 0 {
		c.happened(what)
	}
}

// each works through lines, on every processor when they are many.
func each(lines []*Line, work func([]*Line) []Done) []Done {
	const enough = 128
	if len(lines) < enough {
		return work(lines)
	}
	parts := min(runtime.GOMAXPROCS(0), len(lines)/(enough/2))
	results := make([][]Done, parts)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			results[i] = work(lines[i*len(lines)/parts : (i+1)*len(lines)/parts])
		}()
	}
	wg.Wait()
	var all []Done
	for _, r := range results {
		all = append(all, r...)
	}
	return all
}
