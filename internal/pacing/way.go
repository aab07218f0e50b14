package pacing

import "time"

// Node is an exchange as far as starting calls goes. 0 lines or no CPS is no
// limit of its own.
type Node struct {
	Name    string
	Up      bool
	Drained bool // no new calls; live ones go on
	Lines   int
	Busy    int
	CPS     CPS
}

// Way is a trunk of an exchange.
type Way struct {
	Name    string
	Node    *Node
	Lines   int // calls at once
	Busy    int
	Weight  float64 // its share of the calls beside other ways; 0 = Lines
	Drained bool
	CPS     CPS
	Breaker Breaker
	last    uint64
}

// Shut says why no new call takes the way whatever is free; "" when one may.
func (w *Way) Shut(now time.Time) string {
	switch {
	case !w.Node.Up:
		return "the exchange is not connected"
	case w.Node.Drained:
		return "the exchange is drained"
	case w.Drained:
		return "the trunk is drained"
	case !w.Breaker.Allows(now):
		return "the trunk rests: most of its last set-ups failed on the way"
	}
	return ""
}

// room is how many calls could start on the way now, its exchange's own limits
// left out.
func (w *Way) room(now time.Time) int {
	if w.Shut(now) != "" {
		return 0
	}
	n := max(0, w.Lines-w.Busy)
	if !w.Breaker.Resting().IsZero() {
		n = min(n, 1)
	}
	c := w.CPS // a copy: nothing is taken
	return c.Take(now, n)
}

func (n *Node) room(now time.Time, wanted int) int {
	if n.Lines > 0 {
		wanted = min(wanted, max(0, n.Lines-n.Busy))
	}
	c := n.CPS
	return c.Take(now, wanted)
}

// Room is how many calls could start now over all ways: more would be claimed
// in vain.
func Room(now time.Time, ways []*Way) int {
	per := map[*Node]int{}
	for _, w := range ways {
		per[w.Node] += w.room(now)
	}
	total := 0
	for n, wanted := range per {
		total += n.room(now, wanted)
	}
	return total
}

// Take picks the way for a call and takes a line of it; nil when none has one.
// Of the ways that have room the one is taken that carries least for its
// weight (weighted least connections), and of equals the one that was not
// taken for longest.
func Take(now time.Time, ways []*Way) *Way {
	var best *Way
	for _, w := range ways {
		if w.room(now) == 0 || w.Node.room(now, 1) == 0 {
			continue
		}
		if best == nil || w.load() < best.load() || w.load() == best.load() && w.last < best.last {
			best = w
		}
	}
	if best == nil {
		return nil
	}
	for _, w := range ways {
		best.last = max(best.last, w.last+1)
	}
	best.CPS.Take(now, 1)
	best.Node.CPS.Take(now, 1)
	best.Breaker.Took(now)
	best.Busy++
	best.Node.Busy++
	return best
}

// load of the way with one call more.
func (w *Way) load() float64 {
	weight := w.Weight
	if weight <= 0 {
		weight = float64(w.Lines)
	}
	return float64(w.Busy+1) / weight
}

// Release gives the line back and says how the set-up went.
func (w *Way) Release(now time.Time, r Result) {
	w.Busy--
	w.Node.Busy--
	w.Breaker.Ended(now, r)
}
