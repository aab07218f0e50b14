package pbxtest

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

func lab(t *testing.T, ext string) phone.Number {
	t.Helper()
	n, err := phone.Lab(ext)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func events(t *testing.T, leg pbx.Leg) []pbx.Event {
	t.Helper()
	var all []pbx.Event
	for {
		e, err := leg.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
}

// A conversation of several seconds takes no real time, and every time in it
// is exact.
func TestSimInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSim(Options{})
		defer s.Close()
		s.Callee("talks", callee.Script{Ring: 2 * time.Second, Keep: true, Steps: []callee.Step{
			{Listen: &callee.Listen{}},
			{Say: callee.Tone(500, time.Second, 8000), Text: "hello"},
			{BargeIn: 400 * time.Millisecond},
			{Say: callee.Tone(500, time.Second, 8000), Text: "stop"},
			{Wait: time.Second},
			{Hangup: true},
		}})
		began := time.Now()
		leg, err := s.Originate(t.Context(), pbx.OriginateRequest{ID: "a", To: pbx.Endpoint{Trunk: "lab", Number: lab(t, "talks")}, RingTimeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []pbx.Event{pbx.Ringing{}, pbx.Answered{}} {
			if e, err := leg.Next(t.Context()); err != nil {
				t.Fatal(err)
			} else if _, ok := e.(pbx.Answered); ok && time.Since(began) != 2*time.Second {
				t.Fatalf("%T after %v, want %T", e, time.Since(began), want)
			}
		}
		m, err := leg.OpenMedia(t.Context(), audio.FormatSlin16)
		if err != nil {
			t.Fatal(err)
		}
		one := make([]int16, 0, 16000)
		one, _ = callee.Upsample(one, callee.Tone(1000, time.Second, 8000), 0)
		if err := m.WriteFrame(audio.Frame{Samples: one}); err != nil {
			t.Fatal(err)
		}
		if err := m.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m.Played() != time.Second {
			t.Fatalf("played %v after Drain", m.Played())
		}
		until(t, m, true)
		until(t, m, false)
		go func() { _ = m.WriteFrame(audio.Frame{Samples: append(one, one...)}) }()
		until(t, m, true)
		if heard, err := m.Flush(); err != nil || heard < 1400*time.Millisecond || heard > 1500*time.Millisecond {
			t.Fatalf("flush after a barge-in at 400 ms of the second utterance: heard %v, %v", heard, err)
		}
		h := last(t, events(t, leg))
		if h.By != pbx.ByRemote || h.Q850 != pbx.CauseNormal || !h.Answered {
			t.Fatalf("%+v", h)
		}
		rec := s.Calls("talks")[0].Record
		if len(rec.BargeIns) != 1 || rec.BargeIns[0].LastAudible-rec.BargeIns[0].Onset > 60*time.Millisecond {
			t.Fatalf("barge-ins %+v", rec.BargeIns)
		}
		if p := callee.Power(rec.Heard[800:8000], 1000); p < 0.9 {
			t.Fatalf("1 kHz share of what was heard: %.2f", p)
		}
	})
}

// until reads until the party is audible, or is not.
func until(t *testing.T, m pbx.Media, audible bool) {
	t.Helper()
	var f audio.Frame
	for {
		if err := m.ReadFrame(&f); err != nil {
			t.Fatal(err)
		}
		if callee.Audible(f.Samples) == audible {
			return
		}
	}
}

func last(t *testing.T, all []pbx.Event) pbx.Hungup {
	t.Helper()
	if len(all) == 0 {
		t.Fatal("no events")
	}
	h, ok := all[len(all)-1].(pbx.Hungup)
	if !ok {
		t.Fatalf("last event is %T", all[len(all)-1])
	}
	return h
}

func TestSimLinkAndFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSim(Options{})
		defer s.Close()
		s.Callee("x", callee.Script{Ring: time.Second, Limit: 5 * time.Second})
		req := pbx.OriginateRequest{ID: "a", To: pbx.Endpoint{Trunk: "lab", Number: lab(t, "x")}, RingTimeout: 10 * time.Second}
		s.Fail("originate", Fault{Err: pbx.ErrUnknown, Done: true})
		if _, err := s.Originate(t.Context(), req); !errors.Is(err, pbx.ErrUnknown) {
			t.Fatal(err)
		}
		leg, err := s.Attach(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		s.CutLink(nil)
		if err := leg.SendDTMF(t.Context(), "1"); !errors.Is(err, pbx.ErrUnavailable) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		s.RestoreLink()
		all := events(t, leg)
		if h := last(t, all); h.By != pbx.ByUnknown || len(s.Calls("x")) != 1 {
			t.Fatalf("%+v after %d rings", h, len(s.Calls("x")))
		}
		if _, ok := all[len(all)-2].(pbx.LinkLost); !ok {
			t.Fatalf("%T before Hungup", all[len(all)-2])
		}
		if err := leg.Hangup(context.Background(), pbx.CauseNormal); err != nil {
			t.Fatalf("hang-up of what is over: %v", err)
		}
	})
}
