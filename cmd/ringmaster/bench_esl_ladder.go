package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// step is one pace of the ladder.
type step struct {
	pace int // calls a second
	left sync.WaitGroup

	mu       sync.Mutex
	times    []time.Duration // from originate to answer
	failures map[string]int

	wall, client, exchange time.Duration // processor time used meanwhile
	late                   time.Duration // behind the pace at its end
}

func (s *step) took(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, d)
}

func (s *step) fail(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == nil {
		s.failures = map[string]int{}
	}
	s.failures[why]++
}

// A call that has no answer by then has failed; a pace that we are behind by so
// much was not offered.
const (
	callPatience = 5 * time.Second
	maxLate      = 250 * time.Millisecond
	firstPace    = 25
	lastPace     = 10_000
)

// ladder makes calls at a growing pace, each hung up when it is answered, until
// the first error, and says what the last pace without one was.
func (b *caller) ladder(ctx context.Context, out io.Writer, each time.Duration, last int) error {
	if last < firstPace { // no calls are wanted
		return nil
	}
	fmt.Fprintf(out, "\ncalls from originate to answer, each hung up then, %v at each pace (%s)\n", each, b.endpoint)
	var best, s *step
	for pace := firstPace; pace <= last; pace += pace / 2 {
		s = b.step(ctx, pace, each)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.error() != "" {
			break
		}
		best = s
		slices.Sort(s.times)
		fmt.Fprintf(out, "  %4d/s  p50 %v  p99 %v  client %s%s\n", pace, s.at(50), s.at(99), cores(s.client, s.wall), b.exchangeUsed(s))
	}
	rate := 0.0
	if best != nil {
		rate = float64(len(best.times)) / each.Seconds()
	}
	fmt.Fprintf(out, "set-up rate  %.0f calls/s without an error\n", rate)
	if e := s.error(); e != "" {
		fmt.Fprintf(out, "first error  at %d/s: %s\nbound by     %s\n", s.pace, e, b.bound(s))
	}
	return nil
}

// step makes calls at one pace and waits for all of them.
func (b *caller) step(ctx context.Context, pace int, each time.Duration) *step {
	s := &step{pace: pace}
	n := max(1, int(float64(pace)*each.Seconds()))
	s.left.Add(n)
	begin, client, exchange := time.Now(), cpuTime(), processorOf(b.pid)
	due := make(chan struct{}, n)
	var working sync.WaitGroup
	for range 64 {
		working.Go(func() {
			for range due {
				b.place(ctx, s)
			}
		})
	}
	for i := range n {
		select {
		case <-time.After(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(pace)))):
		case <-ctx.Done():
		}
		due <- struct{}{}
	}
	close(due)
	working.Wait()
	s.late = time.Since(begin.Add(time.Duration(n-1) * time.Second / time.Duration(pace)))
	s.wall, s.client, s.exchange = time.Since(begin), cpuTime()-client, processorOf(b.pid)-exchange
	done := make(chan struct{})
	go func() { s.left.Wait(); close(done) }()
	limit := time.NewTimer(callPatience)
	defer limit.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-limit.C:
	}
	b.giveUp(s)
	<-done
	return s
}

// giveUp ends what is left of a step.
func (b *caller) giveUp(s *step) {
	b.mu.Lock()
	var left []string
	for id, c := range b.live {
		if c.step == s {
			left = append(left, id)
		}
	}
	b.mu.Unlock()
	for _, id := range left {
		select {
		case b.answered <- id: // to be hung up
		default:
		}
		b.over(id, fmt.Sprintf("no answer within %v", callPatience))
	}
}

// error is what went wrong in a step, "" for nothing.
func (s *step) error() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for why, n := range s.failures {
		all = append(all, fmt.Sprintf("%d x %s", n, why))
	}
	slices.Sort(all)
	if len(all) == 0 && s.late > maxLate {
		all = append(all, fmt.Sprintf("the pace was not kept: %v behind at the end", s.late.Round(time.Millisecond)))
	}
	return strings.Join(all, ", ")
}

// at is the time within which so many of a hundred calls were answered.
func (s *step) at(percent int) time.Duration {
	if len(s.times) == 0 {
		return 0
	}
	return s.times[min(len(s.times)-1, len(s.times)*percent/100)].Round(100 * time.Microsecond)
}

func (b *caller) exchangeUsed(s *step) string {
	if b.pid == 0 {
		return ""
	}
	return "  exchange " + cores(s.exchange, s.wall)
}

// bound names what keeps the rate from growing, as far as it can be told here.
func (b *caller) bound(s *step) string {
	used := (s.client + s.exchange).Seconds() / max(s.wall.Seconds(), 1e-9)
	text := fmt.Sprintf("client %s%s", cores(s.client, s.wall), b.exchangeUsed(s))
	switch {
	case strings.Contains(s.error(), "DESTINATION_OUT_OF_ORDER"):
		return "the exchange's own limits (max-sessions, sessions-per-second): " + text
	case s.client > s.exchange && s.client.Seconds() > 0.8*s.wall.Seconds()*float64(runtime.NumCPU()):
		return "the client's processor: " + text
	case b.pid != 0 && used > 0.8*float64(runtime.NumCPU()):
		return "the processors, which both share: " + text
	case b.pid != 0 && s.exchange > s.client:
		return "the exchange, or what else runs on this machine: " + text
	}
	return "the exchange, or the way to it: " + text
}
