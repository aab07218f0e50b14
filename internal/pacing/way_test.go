package pacing

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestWaysShareByTheirWeights(t *testing.T) {
	a, b := &Node{Name: "a", Up: true}, &Node{Name: "b", Up: true}
	ways := []*Way{{Name: "x", Node: a, Lines: 100, Weight: 3}, {Name: "y", Node: b, Lines: 100, Weight: 1}, {Name: "z", Node: b, Lines: 100, Weight: 0.001}}
	for range 40 {
		if Take(start, ways) == nil {
			t.Fatal("no way, and all are free")
		}
	}
	if ways[0].Busy != 30 || ways[1].Busy != 10 || ways[2].Busy != 0 || a.Busy != 30 || b.Busy != 10 {
		t.Errorf("%d %d %d", ways[0].Busy, ways[1].Busy, ways[2].Busy)
	}
	// Without weights the lines are the weights; of equals each has its turn.
	ways = []*Way{{Name: "x", Node: a, Lines: 10}, {Name: "y", Node: a, Lines: 10}, {Name: "z", Node: a, Lines: 20}}
	took := map[string]int{}
	for range 400 {
		w := Take(start, ways)
		took[w.Name]++
		w.Release(start, GotThrough)
	}
	if took["z"] != 400 {
		t.Errorf("one call at a time belongs to the widest way: %v", took)
	}
	ways[2].Drained, took = true, map[string]int{}
	for range 400 {
		w := Take(start, ways)
		took[w.Name]++
		w.Release(start, GotThrough)
	}
	if took["x"] != 200 || took["y"] != 200 {
		t.Errorf("equals do not take turns: %v", took)
	}
}

// Whatever happens, no limit is exceeded, nothing shut is taken, and a way
// with room is found.
func TestNoLimitIsExceeded(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var nodes []*Node
		var ways []*Way
		for i := range 1 + rng.IntN(3) {
			n := &Node{Name: fmt.Sprint(i), Up: true, Lines: rng.IntN(6), CPS: CPS{Rate: float64(rng.IntN(4)), Burst: 1 + rng.IntN(3)}}
			nodes = append(nodes, n)
			for j := range 1 + rng.IntN(3) {
				ways = append(ways, &Way{Name: fmt.Sprint(i, j), Node: n, Lines: rng.IntN(5), Weight: float64(rng.IntN(3)), CPS: CPS{Rate: float64(rng.IntN(3)), Burst: 1 + rng.IntN(2)}})
			}
		}
		var live []*Way
		started := map[any]int{}
		now := start
		for range 400 {
			now = now.Add(time.Duration(rng.IntN(300)) * time.Millisecond)
			switch rng.IntN(8) {
			case 0:
				n := nodes[rng.IntN(len(nodes))]
				n.Up = !n.Up
			case 1:
				w := ways[rng.IntN(len(ways))]
				w.Drained = !w.Drained
			case 2:
				n := nodes[rng.IntN(len(nodes))]
				n.Drained = rng.IntN(3) == 0
			case 3, 4:
				if len(live) > 0 {
					i := rng.IntN(len(live))
					live[i].Release(now, Result(rng.IntN(3)))
					live = append(live[:i], live[i+1:]...)
				}
			default:
				room := Room(now, ways)
				shut := map[*Way]string{}
				for _, w := range ways {
					shut[w] = w.Shut(now)
				}
				w := Take(now, ways)
				if (w == nil) != (room == 0) {
					t.Fatalf("seed %d: room for %d, took %v", seed, room, w)
				}
				if w == nil {
					continue
				}
				if shut[w] != "" {
					t.Fatalf("seed %d: took a way that is shut: %s", seed, shut[w])
				}
				started[w]++
				started[w.Node]++
				live = append(live, w)
			}
			for _, w := range ways {
				if w.Busy > w.Lines || w.Busy < 0 {
					t.Fatalf("seed %d: %d of %d lines", seed, w.Busy, w.Lines)
				}
				over(t, w.CPS, started[w], now)
			}
			for _, n := range nodes {
				if n.Lines > 0 && n.Busy > n.Lines {
					t.Fatalf("seed %d: %d of the exchange's %d lines", seed, n.Busy, n.Lines)
				}
				over(t, n.CPS, started[n], now)
			}
		}
	}
}

func over(t *testing.T, c CPS, started int, now time.Time) {
	t.Helper()
	if limit := float64(c.Burst) + c.Rate*now.Sub(start).Seconds(); c.Rate > 0 && float64(started) > limit {
		t.Fatalf("%d set-ups started, %.1f allowed", started, limit)
	}
}

func TestABadWayRests(t *testing.T) {
	var b Breaker
	now := start
	for i := range enough {
		if !b.Allows(now) {
			t.Fatalf("rests after %d failures", i)
		}
		b.Took(now)
		b.Ended(now, WayFailed)
		now = now.Add(time.Second)
	}
	if b.Allows(now) || b.Resting().IsZero() {
		t.Fatal("nothing got through, and it goes on")
	}
	b.Ended(now, WayFailed) // one that was under way
	now = b.Resting()
	if !b.Allows(now) {
		t.Fatal("the rest is over")
	}
	b.Took(now)
	if b.Allows(now.Add(time.Second)) {
		t.Fatal("a second trial beside the first")
	}
	b.Ended(now.Add(time.Second), WayFailed)
	if got := b.Resting().Sub(now.Add(time.Second)); got != 2*rest {
		t.Fatalf("the next rest is %s", got)
	}
	now = b.Resting()
	b.Took(now)
	b.Ended(now, SaysNothing) // withdrawn: the next may try
	if !b.Allows(now) {
		t.Fatal("a trial that said nothing keeps the way shut")
	}
	b.Took(now)
	if !b.Allows(now.Add(longTrial + time.Second)) {
		t.Fatal("a trial that never ended keeps the way shut")
	}
	b.Ended(now, GotThrough)
	if !b.Allows(now) || !b.Resting().IsZero() {
		t.Fatal("it got through, and rests")
	}
}

func TestRestsGrowToALimit(t *testing.T) {
	var b Breaker
	now := start
	for range 100 {
		if b.Allows(now) {
			b.Took(now)
			b.Ended(now, WayFailed)
		}
		if until := b.Resting(); until.After(now) {
			if until.Sub(now) > longRest {
				t.Fatalf("a rest of %s", until.Sub(now))
			}
			now = until
		}
	}
}

func TestSomeFailuresAreNoBadWay(t *testing.T) {
	var b Breaker
	now := start
	for i := range 1000 {
		r := WayFailed
		if i%2 == 0 {
			r = GotThrough
		}
		b.Took(now)
		b.Ended(now, r)
		if !b.Allows(now) {
			t.Fatalf("half of the set-ups got through, and it rests after %d", i)
		}
	}
	// Old failures say nothing.
	b = Breaker{}
	for range 9 {
		b.Ended(now, WayFailed)
	}
	b.Ended(now.Add(memory+time.Second), WayFailed)
	if !b.Allows(now.Add(memory + time.Second)) {
		t.Fatal("rests for failures of long ago")
	}
}
