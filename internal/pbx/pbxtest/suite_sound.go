package pbxtest

import (
	"errors"
	"fmt"
	"io"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

func soundGuarantees() []guarantee {
	return []guarantee{
		{"S01 sound to the callee", false, soundOut},
		{"S02 sound from the callee", false, soundIn},
		{"S03 the clock of what is read", false, soundClock},
		{"S04 writing waits", true, soundBackpressure},
		{"S05 drain", true, soundDrain},
		{"S06 flush", true, soundFlush},
		{"S07 flush overtakes", true, soundOvertaken},
		{"S08 the line is never dead", true, soundSilence},
		{"S09 interruption", true, soundBargeIn},
		{"S10 a second opening replaces the first", false, soundReopened},
		{"S11 the end of the leg", false, soundEnd},
		{"S12 whole frames only", false, soundWhole},
	}
}

func formats() []audio.Format {
	return []audio.Format{audio.FormatSlin, audio.FormatSlin16, audio.FormatULaw, audio.FormatALaw}
}

// S01: once, whole, in order, in every format.
func soundOut(s *stage) {
	_, tune := melody()
	for _, f := range formats() {
		p := s.lab.Callee(s.T, callee.Script{Keep: true})
		leg := s.answered(p)
		m := s.open(leg, f)
		s.write(m, tune)
		if err := m.Drain(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.eventually("the callee heard all of it", func() bool { return s.now(p).Record.Audible > 880*ms })
		s.hangup(leg)
		if err := sings(s.over(p).Record.Heard, 2); err != nil {
			s.Errorf("%v: %v", f, err)
		}
	}
}

// S02: the same in the other direction.
func soundIn(s *stage) {
	_, tune := melody()
	for _, f := range formats() {
		p := s.lab.Callee(s.T, callee.Script{Steps: []callee.Step{{Listen: &callee.Listen{Silence: 200 * ms}}, {Say: tune}}})
		leg := s.answered(p)
		m := s.open(leg, f)
		s.write(m, callee.Tone(400, 300*ms, 8000)) // the telephones take 200 ms for speech, and a frame may be lost
		if err := sings(s.listen(m, 2500*ms), 2); err != nil {
			s.Errorf("%v: %v", f, err)
		}
		s.hangup(leg)
	}
}

// S03: Pos counts every sample, lost ones included, and time goes by as on
// the wall.
func soundClock(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{Noise: 100})
	_, m := s.talking(p)
	var f audio.Frame
	if err := m.ReadFrame(&f); err != nil {
		s.Fatal(err)
	}
	next, began := f.Pos+int64(len(f.Samples)), time.Now()
	first := next
	for range 100 {
		if err := m.ReadFrame(&f); err != nil {
			s.Fatal(err)
		}
		if f.Pos != next+int64(f.Lost) {
			s.Fatalf("position %d with %d lost after %d", f.Pos, f.Lost, next)
		}
		next = f.Pos + int64(len(f.Samples))
	}
	clock, wall := m.Format().Duration(next-first), time.Since(began)
	if clock < wall-400*ms || clock > wall+400*ms {
		s.Errorf("%v of sound in %v", clock, wall)
	}
}

// S04: no more than about half a second is taken ahead.
func soundBackpressure(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	_, m := s.talking(p)
	began := time.Now()
	for range 20 {
		s.write(m, callee.Tone(700, 100*ms, 8000))
	}
	if d := time.Since(began); d < 1000*ms || d > 2500*ms {
		s.Errorf("2 s of sound were taken in %v", d)
	}
	if played := m.Played(); played < 900*ms || played > 2*time.Second {
		s.Errorf("played %v", played)
	}
}

// S05: Drain returns when all was heard, not before, and Played says so.
func soundDrain(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	_, m := s.talking(p)
	began := time.Now()
	s.write(m, callee.Tone(700, 400*ms, 8000))
	if err := m.Drain(s.Context()); err != nil {
		s.Fatal(err)
	}
	if d := time.Since(began); d < 360*ms || d > 1200*ms {
		s.Errorf("drained after %v", d)
	}
	if m.Played() != 400*ms {
		s.Errorf("played %v of 400 ms", m.Played())
	}
	s.eventually("all of it was heard", func() bool { return s.now(p).Record.Audible >= 380*ms })
	if err := m.Drain(s.Context()); err != nil {
		s.Errorf("nothing queued: %v", err)
	}
}

// S06: what Flush reports is what was heard, to a frame or two, and nothing is
// heard after it; afterwards the leg speaks again.
func soundFlush(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	_, m := s.talking(p)
	done := make(chan error, 1)
	go func() { done <- m.WriteFrame(audio.Frame{Samples: callee.Tone(700, 3*time.Second, 8000)}) }()
	s.eventually("it is heard", func() bool { return s.now(p).Record.Audible > 500*ms })
	heard, err := m.Flush()
	if err != nil {
		s.Fatal(err)
	}
	if err := <-done; !errors.Is(err, pbx.ErrFlushed) {
		s.Errorf("what was being written: %v, want ErrFlushed", err)
	}
	s.wait(300 * ms)
	audible := s.now(p).Record.Audible
	if diff := heard - audible; diff < -60*ms || diff > 60*ms {
		s.Errorf("flush reports %v, the callee heard %v", heard, audible)
	}
	s.wait(400 * ms)
	if later := s.now(p).Record.Audible; later != audible {
		s.Errorf("%v were heard after the flush", later-audible)
	}
	if m.Played() != heard {
		s.Errorf("played %v, flushed at %v", m.Played(), heard)
	}
	s.write(m, callee.Tone(700, 200*ms, 8000))
	s.eventually("it is heard again", func() bool { return s.now(p).Record.Audible >= audible+160*ms })
}

// S07: a Drain and a WriteFrame that Flush overtakes say so.
func soundOvertaken(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	_, m := s.talking(p)
	wrote, drained := make(chan error, 1), make(chan error, 1)
	s.write(m, callee.Tone(700, 300*ms, 8000))
	go func() { drained <- m.Drain(s.Context()) }()
	go func() { wrote <- m.WriteFrame(audio.Frame{Samples: callee.Tone(700, 3*time.Second, 8000)}) }()
	s.wait(100 * ms)
	// How much was heard may be unknown; that it was thrown away may not.
	if _, err := m.Flush(); err != nil && !errors.Is(err, pbx.ErrUnknown) {
		s.Fatal(err)
	}
	for name, c := range map[string]chan error{"write": wrote, "drain": drained} {
		select {
		case err := <-c:
			if !errors.Is(err, pbx.ErrFlushed) {
				s.Errorf("%s: %v, want ErrFlushed", name, err)
			}
		case <-time.After(s.lab.Patience):
			s.Errorf("%s still waits", name)
		}
	}
}

// S08: silence is sound too: a callee whose line is dead hangs up.
func soundSilence(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	_, m := s.talking(p)
	s.write(m, callee.Tone(700, 100*ms, 8000))
	if err := m.Drain(s.Context()); err != nil {
		s.Fatal(err)
	}
	before := s.now(p).Record
	s.wait(1500 * ms)
	after := s.now(p).Record
	if missing := after.Missing - before.Missing; missing > 25 { // a starved machine loses some; without our silence it is all of them
		s.Errorf("%d of about 75 frames never came", missing)
	}
	if after.Audible-before.Audible > 40*ms {
		s.Errorf("%v of silence were audible", after.Audible-before.Audible)
	}
}

// S09: from the callee's first word to our silence.
func soundBargeIn(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{Steps: []callee.Step{{BargeIn: 400 * ms}, {Say: callee.Tone(900, 800*ms, 8000)}}})
	_, m := s.talking(p)
	go func() { _ = m.WriteFrame(audio.Frame{Samples: callee.Tone(700, 5*time.Second, 8000)}) }()
	var f audio.Frame
	for {
		if err := m.ReadFrame(&f); err != nil {
			s.Fatal(err)
		}
		if callee.Audible(f.Samples) {
			break
		}
	}
	if _, err := m.Flush(); err != nil {
		s.Fatal(err)
	}
	s.wait(500 * ms)
	r := s.now(p).Record
	if len(r.BargeIns) != 1 {
		s.Fatalf("%+v", r)
	}
	if d := r.BargeIns[0].LastAudible - r.BargeIns[0].Onset; d > 200*ms {
		s.Errorf("we were heard for %v after the interruption began", d)
	} else {
		s.Logf("silent %v after the interruption began", d)
	}
}

// S10: and the first ends.
func soundReopened(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{Keep: true})
	leg, first := s.talking(p)
	second := s.open(leg, audio.FormatSlin16)
	var f audio.Frame
	ended := make(chan error, 1)
	go func() {
		for {
			if err := first.ReadFrame(&f); err != nil {
				ended <- err
				return
			}
		}
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, io.EOF) {
			s.Errorf("the first: %v, want io.EOF", err)
		}
	case <-time.After(s.lab.Patience):
		s.Error("the first one still reads")
	}
	_, tune := melody()
	s.write(second, tune)
	if err := second.Drain(s.Context()); err != nil {
		s.Fatal(err)
	}
	s.eventually("the callee heard all of it", func() bool { return s.now(p).Record.Audible > 880*ms })
	s.hangup(leg)
	if err := sings(s.over(p).Record.Heard, 2); err != nil {
		s.Error(err)
	}
}

// S11: the leg's end ends its audio: readers, writers and waiters return.
func soundEnd(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{Limit: 2500 * ms})
	leg, m := s.talking(p)
	errs := make(chan error, 3)
	go func() {
		var f audio.Frame
		var err error
		for err == nil {
			err = m.ReadFrame(&f)
		}
		if !errors.Is(err, io.EOF) {
			err = fmt.Errorf("read: %w, want io.EOF", err)
		} else {
			err = nil
		}
		errs <- err
	}()
	go func() {
		if m.WriteFrame(audio.Frame{Samples: callee.Tone(700, 20*time.Second, 8000)}) == nil {
			errs <- errors.New("20 s were written in one")
			return
		}
		errs <- nil
	}()
	_, h := s.rest(leg)
	if h.By != pbx.ByRemote {
		s.Errorf("%+v", h)
	}
	for range 2 {
		select {
		case err := <-errs:
			if err != nil {
				s.Error(err)
			}
		case <-time.After(s.lab.Patience):
			s.Fatal("a reader or writer still waits")
		}
	}
	if err := m.Drain(s.Context()); err == nil {
		s.Error("drain after the end: nil, but not all of it was heard")
	}
	if err := m.Close(); err != nil {
		s.Errorf("close: %v", err)
	}
	s.gone(leg)
}

// S12: half a frame is refused and leaves nothing behind.
func soundWhole(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	leg, m := s.talking(p)
	for _, n := range []int{0, 1, frameSamples - 1, frameSamples + 1} {
		if err := m.WriteFrame(audio.Frame{Samples: make([]int16, n)}); err == nil {
			s.Errorf("%d samples were taken", n)
		}
	}
	s.hangup(leg)
}
