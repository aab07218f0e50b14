package turn

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	. "ringmaster/internal/turn/turntest"
)

// hear runs a call through a Taker in 20 ms frames.
func hear(t testing.TB, cfg Config, s scene) []Event {
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var out []Event
	for at := 0; at+160 <= len(s.mic); at += 160 {
		speaking := false
		for _, u := range s.ours {
			speaking = speaking || at >= u[0] && at < u[1]
		}
		before := len(out)
		out = k.Frame(Frame{Pos: int64(at), Mic: s.mic[at : at+160], Ref: s.ref[at : at+160], Speaking: speaking}, out)
		for i := before; i < len(out); i++ {
			out[i].Now = int64(at + 160) // the frame is complete only now
		}
	}
	return out
}

func TestTune(t *testing.T) {
	if os.Getenv("EXPLORE") == "" {
		t.Skip("no")
	}
	agents, callers := load(context.Background(), t, Half(len(os.Getenv("HELD"))))
	n, _ := strconv.Atoi(os.Getenv("N"))
	if n == 0 {
		n = 600
	}
	var cpu time.Duration
	type tally struct {
		utt, false_, calls, miss int
		lat, off                 []int
	}
	by := map[string]*tally{}
	add := func(key string) *tally {
		if by[key] == nil {
			by[key] = new(tally)
		}
		return by[key]
	}
	for i := range n {
		r := rand.New(rand.NewPCG(7, uint64(i)))
		c := drawCondition(r)
		s := play(r, c, agents, callers, i%2 == 1)
		c0 := time.Now()
		ev := hear(t, Config{}, s)
		cpu += time.Since(c0)
		keys := []string{"all", "noise " + c.noise, fmt.Sprintf("snr %.0f", c.snr), fmt.Sprintf("echo %.0f", c.echo), fmt.Sprintf("caller %.0f", c.caller)}
		if s.onset < 0 {
			for k, u := range s.ours {
				got := 0
				for _, e := range ev {
					if e.Kind == BargeIn && e.Now > int64(u[0]) && e.Now <= int64(u[1]+160) {
						got = 1
						fmt.Printf("FALSE call %d u%d at %.2f len %.2f level %.0f: %v\n", i, k, float64(e.Now-int64(u[0]))/8000, float64(e.Now-e.At)/8000, e.Level, c)
					}
				}
				for _, key := range append(keys, fmt.Sprintf("u%d", k)) {
					add(key).utt++
					add(key).false_ += got
				}
			}
			continue
		}
		lat := -1
		off := 0
		for _, e := range ev {
			if e.Kind == BargeIn && e.Now > int64(s.onset) && e.Now < int64(min(s.onset+8000, s.end+800)) && lat < 0 {
				lat = int(e.Now) - s.onset
				off = int(e.At) - s.onset
			}
		}
		cold := s.turn == 0 && s.onset-s.ours[0][0] < 8000
		if cold {
			keys = []string{"cold"}
		}
		if lat < 0 {
			fmt.Printf("MISS call %d u%d at %.2f cold %v len %.2f: %v\n", i, s.turn, float64(s.onset-s.ours[s.turn][0])/8000, cold, float64(s.end-s.onset)/8000, c)
		}
		for _, key := range keys {
			a := add(key)
			a.calls++
			if lat < 0 {
				a.miss++
			} else {
				a.lat = append(a.lat, lat/8)
				a.off = append(a.off, off/8)
			}
		}
	}
	var names []string
	for k := range by {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		a := by[k]
		q := func(x []int, p float64) int {
			slices.Sort(x)
			if len(x) == 0 {
				return 0
			}
			return x[int(p*float64(len(x)-1))]
		}
		fmt.Printf("%-14s false %3d/%4d = %.2f%%  miss %3d/%4d = %.1f%%  latency p50 %d p90 %d p95 %d p99 %d  onset p5 %d p50 %d p95 %d\n", k, a.false_, a.utt, 100*float64(a.false_)/float64(max(1, a.utt)), a.miss, a.calls, 100*float64(a.miss)/float64(max(1, a.calls)),
			q(a.lat, .5), q(a.lat, .9), q(a.lat, .95), q(a.lat, .99), q(a.off, .05), q(a.off, .5), q(a.off, .95))
	}
	fmt.Printf("cpu %.1f s for %d calls\n", cpu.Seconds(), n)
}
