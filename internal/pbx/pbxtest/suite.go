package pbxtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// guarantee is one numbered promise of the port.
type guarantee struct {
	name  string
	alone bool // breaks the exchange under everybody, or measures time: not beside others
	test  func(s *stage)
}

// Main is for TestMain of a package that calls Run: the guarantees wait much
// and work little, so sixteen of them run at once. It checks for goroutines
// that were left and returns the exit code.
func Main(m *testing.M) int {
	flag.Parse()
	// While fuzzing it is the number of worker processes, and the caller's own.
	if f := flag.Lookup("test.fuzz"); f == nil || f.Value.String() == "" {
		if err := flag.Set("test.parallel", "16"); err != nil {
			return 2
		}
	}
	code := m.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		return 1
	}
	return 0
}

// Run holds a Switch to the contract of the pbx port, one sub-test for each
// guarantee. open makes a lab for one of them; it is called from several
// sub-tests at once, but for those that break the exchange or measure time.
func Run(t *testing.T, open func(t *testing.T) Lab) {
	t.Helper()
	var all []guarantee
	for _, part := range [][]guarantee{faultGuarantees(), callGuarantees(), mediaGuarantees(), soundGuarantees(), connectGuarantees()} {
		all = append(all, part...)
	}
	seen := map[string]bool{}
	for _, g := range all {
		if seen[g.name[:3]] {
			t.Fatalf("two guarantees are numbered %s", g.name[:3])
		}
		seen[g.name[:3]] = true
		if g.alone {
			t.Run(g.name, func(t *testing.T) { g.test(newStage(t, open(t))) })
		}
	}
	for _, g := range all {
		if !g.alone {
			t.Run(g.name, func(t *testing.T) {
				t.Parallel()
				g.test(newStage(t, open(t)))
			})
		}
	}
}

// stage is a lab and the means to look at it.
type stage struct {
	*testing.T
	lab Lab
}

func newStage(t *testing.T, lab Lab) *stage {
	t.Helper()
	if lab.Patience == 0 {
		lab.Patience = 5 * time.Second
	}
	if lab.Calls == 0 {
		lab.Calls = 50
	}
	if lab.Cause == nil {
		lab.Cause = AsteriskCause
	}
	return &stage{T: t, lab: lab}
}

// without names what a lab cannot do.
func (s *stage) without(what string) {
	s.Helper()
	s.Skipf("this lab has no %s", what)
}

// request is a call to a phone that rings for 10 s.
func (s *stage) request(p Phone) pbx.OriginateRequest {
	s.Helper()
	n, err := phone.Short("95588")
	if err != nil {
		s.Fatal(err)
	}
	return pbx.OriginateRequest{
		ID: newID(), To: p.Endpoint(), CallerID: pbx.CallerID{Number: n, Name: "Ring Master"}, RingTimeout: 10 * time.Second, Tag: "task-7",
	}
}

func (s *stage) place(req pbx.OriginateRequest) pbx.Leg {
	s.Helper()
	leg, err := s.lab.Switch.Originate(s.Context(), req)
	if err != nil {
		s.Fatalf("originate: %v", err)
	}
	if leg.ID() != req.ID {
		s.Fatalf("leg %s was asked for, %s came", req.ID, leg.ID())
	}
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = leg.Hangup(ctx, pbx.CauseNormal)
	})
	return leg
}

// answered places a call and waits for the answer.
func (s *stage) answered(p Phone) pbx.Leg {
	s.Helper()
	leg := s.place(s.request(p))
	await[pbx.Answered](s, leg)
	return leg
}

// talking is an answered call with open audio.
func (s *stage) talking(p Phone) (pbx.Leg, pbx.Media) {
	s.Helper()
	leg := s.answered(p)
	return leg, s.open(leg, audio.FormatSlin)
}

func (s *stage) open(leg pbx.Leg, f audio.Format) pbx.Media {
	s.Helper()
	m, err := leg.OpenMedia(s.Context(), f)
	if err != nil {
		s.Fatalf("open media: %v", err)
	}
	if m.Format() != f {
		s.Fatalf("format %v was asked for, %v came", f, m.Format())
	}
	s.Cleanup(func() { _ = m.Close() })
	return m
}

// await reads events until one of type T.
func await[T pbx.Event](s *stage, leg pbx.Leg) T {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), s.lab.Patience+10*time.Second)
	defer cancel()
	var seen []string
	for {
		e, err := leg.Next(ctx)
		if err != nil {
			var want T
			s.Fatalf("waiting for %T: %v; seen %v", want, err, seen)
		}
		if v, ok := e.(T); ok {
			return v
		}
		seen = append(seen, fmt.Sprintf("%T", e))
	}
}

// rest reads a leg to its end: the names of its events, and Hungup, which must
// be the last and only one, with io.EOF after it.
func (s *stage) rest(leg pbx.Leg) ([]string, pbx.Hungup) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), s.lab.Patience+15*time.Second)
	defer cancel()
	var seen []string
	var last pbx.Event
	hangups := 0
	for {
		e, err := leg.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.Fatalf("waiting for the end: %v; seen %v", err, seen)
		}
		last = e
		seen = append(seen, fmt.Sprintf("%T", e)[len("pbx."):])
		if _, ok := e.(pbx.Hungup); ok {
			hangups++
		}
	}
	h, ok := last.(pbx.Hungup)
	if !ok || hangups != 1 {
		s.Fatalf("%d Hungup, last event %T: %v", hangups, last, seen)
	}
	if _, err := leg.Next(ctx); !errors.Is(err, io.EOF) {
		s.Fatalf("after Hungup: %v, want io.EOF for ever", err)
	}
	return seen, h
}

func (s *stage) hangup(leg pbx.Leg) pbx.Hungup {
	s.Helper()
	if err := leg.Hangup(s.Context(), pbx.CauseNormal); err != nil {
		s.Fatalf("hangup: %v", err)
	}
	_, h := s.rest(leg)
	return h
}

// wait lets time go by.
func (s *stage) wait(d time.Duration) {
	s.Helper()
	select {
	case <-time.After(d):
	case <-s.Context().Done():
		s.Fatal("the test ended")
	}
}

// eventually waits for what must happen soon.
func (s *stage) eventually(what string, f func() bool) {
	s.Helper()
	for end := time.Now().Add(s.lab.Patience); time.Now().Before(end); s.wait(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	s.Fatalf("never: %s", what)
}

// over waits until the last call of a phone is over.
func (s *stage) over(p Phone) callee.Call {
	s.Helper()
	var c callee.Call
	s.eventually("the phone's call is over", func() bool {
		all := p.Calls()
		if len(all) == 0 {
			return false
		}
		c = all[len(all)-1]
		return !c.Ended.IsZero()
	})
	return c
}

// now is the phone's only call as it stands.
func (s *stage) now(p Phone) callee.Call {
	s.Helper()
	all := p.Calls()
	if len(all) != 1 {
		s.Fatalf("%d rings, want 1", len(all))
	}
	return all[0]
}

// gone waits until the exchange has none of these legs any more.
func (s *stage) gone(legs ...pbx.Leg) {
	s.Helper()
	s.eventually("the exchange has none of our legs", func() bool {
		list, err := s.lab.Switch.Legs(s.Context())
		if err != nil {
			return false
		}
		for _, l := range list {
			for _, ours := range legs {
				if l.ID == ours.ID() {
					return false
				}
			}
		}
		return true
	})
}
