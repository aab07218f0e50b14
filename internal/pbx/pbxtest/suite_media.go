package pbxtest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

func mediaGuarantees() []guarantee {
	return []guarantee{
		{"P01 a prompt to its end", false, promptEnds},
		{"P02 a prompt that is stopped", false, promptStopped},
		{"P03 a prompt that does not exist", false, promptMissing},
		{"P04 a prompt when the leg ends", false, promptCut},
		{"P05 a recording", false, recordStopped},
		{"P06 a recording when the leg ends", false, recordCut},
	}
}

// P01: it is heard, and told to have ended by itself.
func promptEnds(s *stage) {
	if s.lab.Prompt == "" {
		s.without("prompt of its own")
	}
	p := s.lab.Callee(s.T, callee.Script{})
	leg := s.answered(p)
	if err := leg.Play(s.Context(), pbx.Playback{ID: "p1", Media: s.lab.Prompt}); err != nil {
		s.Fatal(err)
	}
	if e := await[pbx.PlaybackEnded](s, leg); e.ID != "p1" || e.Stopped || e.Err != nil {
		s.Errorf("%+v", e)
	}
	s.hangup(leg)
	if c := s.over(p); c.Record.Audible < 100*ms {
		s.Errorf("heard %v", c.Record.Audible)
	}
}

// P02: Stop silences it at once; stopping what has ended is no error.
func promptStopped(s *stage) {
	if s.lab.Endless == "" {
		s.without("endless prompt")
	}
	p := s.lab.Callee(s.T, callee.Script{})
	leg, m := s.talking(p)
	if err := leg.Play(s.Context(), pbx.Playback{ID: "p1", Media: s.lab.Endless}); err != nil {
		s.Fatal(err)
	}
	s.eventually("it is heard", func() bool { return s.now(p).Record.Audible > 100*ms })
	if err := leg.Stop(s.Context(), "p1"); err != nil {
		s.Fatal(err)
	}
	if e := await[pbx.PlaybackEnded](s, leg); e.ID != "p1" || !e.Stopped || e.Err != nil {
		s.Errorf("%+v", e)
	}
	if err := leg.Stop(s.Context(), "p1"); err != nil {
		s.Errorf("again: %v", err)
	}
	s.wait(100 * ms)
	before := s.now(p).Record.Audible
	s.wait(300 * ms)
	if after := s.now(p).Record.Audible; after != before {
		s.Errorf("%v heard after the stop", after-before)
	}
	s.write(m, callee.Tone(700, 200*ms, 8000))
	s.eventually("our own sound is heard again", func() bool { return s.now(p).Record.Audible >= before+160*ms })
	s.hangup(leg)
}

// P03: refused, or told as failed; never silence about it.
func promptMissing(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	leg := s.answered(p)
	err := leg.Play(s.Context(), pbx.Playback{ID: "p1", Media: "file:no-such-prompt"})
	switch {
	case err == nil:
		if e := await[pbx.PlaybackEnded](s, leg); e.ID != "p1" || e.Err == nil {
			s.Errorf("%+v", e)
		}
	case !errors.Is(err, pbx.ErrRefused):
		s.Errorf("%v, want ErrRefused", err)
	}
	s.hangup(leg)
}

// P04: its end is told before Hungup.
func promptCut(s *stage) {
	if s.lab.Endless == "" {
		s.without("endless prompt")
	}
	p := s.lab.Callee(s.T, callee.Script{Limit: time.Second})
	leg := s.answered(p)
	if err := leg.Play(s.Context(), pbx.Playback{ID: "p1", Media: s.lab.Endless}); err != nil {
		s.Fatal(err)
	}
	events, _ := s.rest(leg)
	if strings.Count(strings.Join(events, " "), "PlaybackEnded") != 1 {
		s.Errorf("%v", events)
	}
}

// P05: it closes when it is stopped, with about its length.
func recordStopped(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	leg, m := s.talking(p)
	if err := leg.Record(s.Context(), pbx.Recording{ID: "r1", Name: "suite/" + string(leg.ID())}); err != nil {
		s.Fatal(err)
	}
	s.write(m, callee.Tone(700, 2*time.Second, 8000))
	if err := m.Drain(s.Context()); err != nil {
		s.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		if err := leg.Mute(s.Context(), "r1", on); err != nil {
			s.Errorf("mute %v: %v", on, err)
		}
	}
	if err := leg.Stop(s.Context(), "r1"); err != nil {
		s.Fatal(err)
	}
	if e := await[pbx.RecordingEnded](s, leg); e.ID != "r1" || e.Err != nil || e.Duration < time.Second || e.Duration > 4*time.Second {
		s.Errorf("%+v", e)
	}
	if err := leg.Mute(s.Context(), "r2", true); !errors.Is(err, pbx.ErrRefused) {
		s.Errorf("mute of what is not recorded: %v, want ErrRefused", err)
	}
	if err := leg.Record(s.Context(), pbx.Recording{ID: "r3", Name: "../escape"}); !errors.Is(err, pbx.ErrRefused) {
		s.Errorf("a name that climbs: %v, want ErrRefused", err)
	}
	s.hangup(leg)
}

// P06: its end is told before Hungup.
func recordCut(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{Limit: 1500 * ms})
	leg := s.answered(p)
	if err := leg.Record(s.Context(), pbx.Recording{ID: "r1", Name: "suite/" + string(leg.ID())}); err != nil {
		s.Fatal(err)
	}
	if events, _ := s.rest(leg); !slices.Contains(events, "RecordingEnded") {
		s.Errorf("%v", events)
	}
}
