package pbxtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

// C16: whoever picked up was reached, however short it was, and nothing is left.
func callBlink(s *stage) {
	var legs []pbx.Leg
	for i := range 8 {
		p := s.lab.Callee(s.T, callee.Script{Limit: time.Duration(i+1) * 20 * ms})
		leg := s.place(s.request(p))
		events, h := s.rest(leg)
		if got := strings.Join(events, " "); !h.Answered || !strings.HasSuffix(got, "Answered Hungup") {
			s.Errorf("answered for %d ms: %s, %+v", 20*(i+1), got, h)
		}
		legs = append(legs, leg)
	}
	s.gone(legs...)
}

// C15: calls do not disturb each other: every callee hears its own tone.
func callMany(s *stage) {
	type result struct {
		i   int
		err error
	}
	results := make(chan result)
	phones := make([]Phone, s.lab.Calls)
	for i := range phones {
		phones[i] = s.lab.Callee(s.T, callee.Script{Ring: time.Duration(i%5) * 40 * ms, Keep: true, Steps: []callee.Step{
			{Listen: &callee.Listen{Start: 20 * time.Second, Silence: 300 * ms}}, {Say: callee.Tone(own(i+3), 400*ms, 8000)},
			{Wait: 200 * ms}, {Hangup: true},
		}})
	}
	legs := make([]pbx.Leg, s.lab.Calls)
	for i := range phones {
		go func() {
			leg, err := s.conversation(i, phones[i])
			legs[i] = leg
			results <- result{i, err}
		}()
	}
	for range phones {
		if r := <-results; r.err != nil {
			s.Errorf("call %d: %v", r.i, r.err)
		}
	}
	if s.Failed() {
		return
	}
	for i, p := range phones {
		c := s.over(p)
		if n := len(p.Calls()); n != 1 {
			s.Errorf("call %d: %d rings", i, n)
		}
		if got := share(c.Record.Heard, own(i)); got < 0.7 || c.Record.Audible < 500*ms { // another call's tone instead of ours would leave none of it
			s.Errorf("call %d: heard %v, share of its own tone %.2f", i, c.Record.Audible, got)
		}
	}
	s.gone(legs...)
}

// own is the tone of a call: thirteen of them, far apart.
func own(i int) float64 { return 500 + 150*float64(i%13) }

func (s *stage) conversation(i int, p Phone) (pbx.Leg, error) {
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	leg, err := s.lab.Switch.Originate(ctx, s.request(p))
	if err != nil {
		return nil, err
	}
	for {
		e, err := leg.Next(ctx)
		if err != nil {
			return leg, err
		}
		if _, ok := e.(pbx.Answered); ok {
			break
		}
	}
	m, err := leg.OpenMedia(ctx, audio.FormatSlin)
	if err != nil {
		return leg, err
	}
	defer func() { _ = m.Close() }()
	var heard []int16
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		var f audio.Frame
		for m.ReadFrame(&f) == nil {
			heard = append(heard, f.Samples...)
		}
	}()
	if err := m.WriteFrame(audio.Frame{Samples: callee.Tone(own(i), 600*ms, 8000)}); err != nil {
		return leg, err
	}
	for {
		e, err := leg.Next(ctx)
		if err != nil {
			return leg, err
		}
		if h, ok := e.(pbx.Hungup); ok {
			<-reading
			if h.By != pbx.ByRemote || h.Q850 != pbx.CauseNormal {
				return leg, fmt.Errorf("%+v", h)
			}
			if got := share(heard, own(i+3)); got < 0.8 {
				return leg, fmt.Errorf("share of the callee's own tone %.2f", got)
			}
			return leg, nil
		}
	}
}
