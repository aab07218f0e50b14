package twin

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// tick is the time of one frame.
const tick = 20 * time.Millisecond

// maxCatchUp is how many late ticks are made up for; beyond them sound is lost
// and counted.
const maxCatchUp = 10

// clock is the one clock of all sound: one goroutine, and on a busy exchange
// one helper a processor, move every line by 20 ms at the same moment.
type clock struct {
	ex *Exchange
	n  int64

	mu      sync.Mutex
	phones  []*line
	sources []*line // media legs and snoops
	place   map[*line]int
	wake    chan struct{}
}

// audioStats is what the clock saw.
type audioStats struct {
	Ticks, Late, Lost atomic.Int64 // Late: more than one tick behind
	MaxLag            atomic.Int64 // nanoseconds
}

func newClock(ex *Exchange) *clock {
	return &clock{ex: ex, place: map[*line]int{}, wake: make(chan struct{}, 1)}
}

func (c *clock) list(l *line) *[]*line {
	if l.ch.kind == phoneKind {
		return &c.phones
	}
	return &c.sources
}

// add lets a channel's sound begin.
func (c *clock) add(ch *channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := ch.line
	if _, ok := c.place[l]; ok {
		return
	}
	at := c.list(l)
	c.place[l] = len(*at)
	*at = append(*at, l)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *clock) remove(ch *channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := ch.line
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
}

func (c *clock) run() {
	var phones, sources []*line
	next := time.Now()
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		c.mu.Lock()
		phones = append(phones[:0], c.phones...)
		sources = append(sources[:0], c.sources...)
		c.mu.Unlock()
		if len(phones)+len(sources) == 0 {
			clear(phones[:cap(phones)])
			select { // nothing sounds: sleep
			case <-c.wake:
			case <-c.ex.stopped:
				return
			}
			next = time.Now()
			continue
		}
		c.beat(phones, sources)
		next = c.pace(next)
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-c.ex.stopped:
			return
		}
	}
}

// pace is when the next tick is due, and keeps the books of lateness.
func (c *clock) pace(due time.Time) time.Time {
	s := &c.ex.stats
	s.Ticks.Add(1)
	next := due.Add(tick)
	lag := time.Since(next)
	if lag <= 0 {
		return next
	}
	s.Late.Add(1)
	if int64(lag) > s.MaxLag.Load() {
		s.MaxLag.Store(int64(lag))
	}
	if behind := int64(lag / tick); behind > maxCatchUp {
		s.Lost.Add(behind)
		return time.Now()
	}
	return next
}

func (c *clock) beat(phones, sources []*line) {
	c.n++
	n := c.n
	each(sources, func(part []*line) []done {
		for _, l := range part {
			l.source(n)
		}
		return nil
	})
	what := each(phones, func(part []*line) (out []done) {
		for _, l := range part {
			out = l.talk(n, out)
		}
		return out
	})
	if len(what) > 0 || n%5 == 0 {
		c.ex.happened(what)
	}
}

// each works through lines, on every processor when they are many.
func each(lines []*line, work func([]*line) []done) []done {
	const enough = 128
	if len(lines) < enough {
		return work(lines)
	}
	parts := min(runtime.GOMAXPROCS(0), len(lines)/(enough/2))
	results := make([][]done, parts)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			results[i] = work(lines[i*len(lines)/parts : (i+1)*len(lines)/parts])
		}()
	}
	wg.Wait()
	var all []done
	for _, r := range results {
		all = append(all, r...)
	}
	return all
}

// happened carries out what frames brought about.
func (ex *Exchange) happened(what []done) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	for _, d := range what {
		ch := d.line.ch
		switch {
		case ch.gone:
		case d.finished != nil:
			ex.finish(d.finished, "done")
		case d.act.DTMF != 0:
			ex.pressed(ch, d.act.DTMF)
		case d.act.Hangup:
			ch.bye(d.act.Cause)
		}
	}
	for _, b := range ex.bridges {
		if len(b.plays) > 0 && b.plays[0].wasGiven() {
			ex.finish(b.plays[0], "done")
		}
	}
}

// pressed is a key that a subscriber pressed.
func (ex *Exchange) pressed(ch *channel, digit byte) {
	if ch.stasis {
		ch.emit(event{Type: "ChannelDtmfReceived", Digit: string(rune(digit)), DurationMS: 100})
	}
	if ch.bridge == nil {
		return
	}
	for _, m := range ch.bridge.members {
		if m == ch {
			continue
		}
		m.line.key(digit)
		if m.line.media != nil {
			m.line.media.tell("DTMF_END", "digit", string(rune(digit)))
		}
	}
}
