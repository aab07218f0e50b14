package asterisk

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/pbx"
)

// Barge-in: after Flush nothing of the utterance is heard, and what Flush says
// was heard is what the phone heard.
func TestRealBargeInIsInstantAndExact(t *testing.T) {
	a := realAsterisk(t)
	s := newStage(t, a, talker)
	for _, f := range []audio.Format{audio.FormatULaw, audio.FormatALaw, audio.FormatSlin, audio.FormatSlin16} {
		ok := false
		for try := 0; try < 4 && !ok; try++ {
			ok = bargeIn(t, s, f)
		}
		if !ok {
			t.Errorf("%s: this machine stood still in every try", f)
		}
	}
	s.nothingLeft()
}

// bargeIn is one interruption; false when the machine stood still meanwhile.
func bargeIn(t *testing.T, s *stage, f audio.Format) bool {
	t.Helper()
	l := s.originate(s.request("ben" + f.String()))
	next[pbx.Answered](t, l)
	m, err := l.OpenMedia(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() { wrote <- m.WriteFrame(audio.Frame{Samples: tone(f.Rate, 3*time.Second)}) }()
	for i := 0; m.Played() < 700*time.Millisecond && i < 500; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	at := time.Now()
	heardTime, err := m.Flush()
	took := time.Since(at)
	if errors.Is(err, pbx.ErrUnknown) {
		t.Logf("%s: the exchange stood still", f)
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; !errors.Is(err, pbx.ErrFlushed) {
		t.Errorf("%s: the writer was told %v", f, err)
	}
	time.Sleep(400 * time.Millisecond) // of silence of ours
	if p := m.Played(); p != heardTime {
		t.Errorf("%s: played %v after flush, want %v", f, p, heardTime)
	}
	again := time.Now()
	if err := m.WriteFrame(audio.Frame{Samples: tone(f.Rate, 200*time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	if err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	drained := time.Since(again)
	if p := m.Played(); p != heardTime+200*time.Millisecond {
		t.Errorf("%s: played %v, want %v", f, p, heardTime+200*time.Millisecond)
	}
	_ = l.Hangup(t.Context(), pbx.CauseNormal)
	hungup(t, l)
	calls := s.phone.Calls()
	r, _ := calls[len(calls)-1].Wait(t.Context())
	if len(r.BotSpans) != 2 {
		t.Logf("%s: the phone heard %d spans: the machine stood still for 300 ms", f, len(r.BotSpans))
		return false
	}
	first := r.BotSpans[0]
	// A starved Asterisk stretches what it plays: count packets of sound.
	loud := loudPackets(calls[len(calls)-1], first)
	t.Logf("%s: flush took %v; last sound at the phone %v after it; heard says %v, the phone heard %v in %v; next utterance after %v, drained after %v; lost %d",
		f, took, first.End.Sub(at), heardTime, loud, first.Duration(), r.BotSpans[1].Start.Sub(again), drained, r.Lost)
	if over := first.End.Sub(at); over > 200*time.Millisecond {
		t.Errorf("%s: %v of the utterance were heard after the barge-in", f, over)
	}
	if d := heardTime - loud; d > 20*time.Millisecond || d < -20*time.Millisecond {
		t.Errorf("%s: heard %v, the phone heard %v", f, heardTime, loud)
	}
	if d := r.BotSpans[1].Start.Sub(again); d > 300*time.Millisecond {
		t.Errorf("%s: speech after silence took %v to be heard", f, d)
	}
	return true
}

// The times that a caller notices, over twenty calls one after the other:
// printed, and bounded loosely enough for a busy machine.
func TestRealTimesThatACallerNotices(t *testing.T) {
	a := realAsterisk(t)
	s := newStage(t, a, talker)
	var first, place, flush []time.Duration
	for i := range 20 {
		began := time.Now()
		l := s.originate(s.request(fmt.Sprintf("time%d", i)))
		place = append(place, time.Since(began))
		next[pbx.Answered](t, l)
		m, err := l.OpenMedia(t.Context(), audio.FormatULaw)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = m.WriteFrame(audio.Frame{Samples: tone(8000, time.Second)}) }()
		time.Sleep(150 * time.Millisecond)
		at := time.Now()
		if _, err := m.Flush(); err != nil && !errors.Is(err, pbx.ErrUnknown) {
			t.Error(err)
		}
		time.Sleep(80 * time.Millisecond)
		_ = l.Hangup(t.Context(), pbx.CauseNormal)
		hungup(t, l)
		calls := s.phone.Calls()
		r, _ := calls[len(calls)-1].Wait(t.Context())
		first = append(first, r.FirstSoundAt.Sub(r.AckAt))
		flush = append(flush, r.LastSoundAt.Sub(at))
	}
	for name, d := range map[string][]time.Duration{
		"originate until it returns": place, "ACK of the answer until the first audible sample": first, "Flush until after the last audible sample": flush,
	} {
		slices.Sort(d)
		t.Logf("%s: median %v, longest of %d %v", name, d[len(d)/2], len(d), d[len(d)-1])
	}
	if m := first[len(first)/2]; m > 300*time.Millisecond {
		t.Errorf("first sound: median %v after the answer", m)
	}
	if m := flush[len(flush)/2]; m > 150*time.Millisecond {
		t.Errorf("barge-in: median %v until silence", m)
	}
}

// loudPackets is how much sound arrived in a span, 20 ms a packet.
func loudPackets(c *sipphone.Call, in sipphone.Span) time.Duration {
	got, _ := c.Packets()
	n := time.Duration(0)
	for _, p := range got {
		if p.Audible && !p.At.Before(in.Start.Add(-30*time.Millisecond)) && !p.At.After(in.End.Add(30*time.Millisecond)) {
			n += 20 * time.Millisecond
		}
	}
	return n
}

// The line is never dead: packets flow while nothing is said, without a gap.
func TestRealLineIsNeverDead(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	s := newStage(t, a, talker)
	l := s.originate(s.request("quiet"))
	next[pbx.Answered](t, l)
	m, err := l.OpenMedia(t.Context(), audio.FormatULaw)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	_ = m.WriteFrame(audio.Frame{Samples: tone(8000, 500*time.Millisecond)})
	_ = m.Drain(t.Context())
	time.Sleep(time.Second)
	_ = l.Hangup(t.Context(), pbx.CauseNormal)
	hungup(t, l)
	c := s.phone.Calls()[0]
	_, _ = c.Wait(t.Context())
	got, _ := c.Packets()
	gap := time.Duration(0)
	for i := 1; i < len(got); i++ {
		gap = max(gap, got[i].At.Sub(got[i-1].At))
	}
	t.Logf("%d packets in 3.5 s, longest gap %v", len(got), gap)
	if len(got) < 120 || gap > 700*time.Millisecond {
		t.Errorf("%d packets in 3.5 s, longest gap %v", len(got), gap)
	}
}

// The media leg dies, the call goes on and gets another one.
func TestRealMediaLegDies(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	s := newStage(t, a, talker)
	l := s.originate(s.request("max"))
	next[pbx.Answered](t, l)
	m, err := l.OpenMedia(t.Context(), audio.FormatSlin)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.sw.ari.Hangup(t.Context(), m.(*mediaLeg).channel, pbx.CauseNormal); err != nil {
		t.Fatal(err)
	}
	if e := next[pbx.MediaLost](t, l); e.Err == nil {
		t.Error("no reason")
	}
	var f audio.Frame
	for err = nil; err == nil; {
		err = m.ReadFrame(&f)
	}
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if _, err := m.Flush(); !errors.Is(err, pbx.ErrGone) {
		t.Errorf("flush: %v", err)
	}
	began := time.Now()
	if m, err = l.OpenMedia(t.Context(), audio.FormatSlin); err != nil {
		t.Fatal(err)
	}
	t.Logf("replaced in %v", time.Since(began))
	_ = m.WriteFrame(audio.Frame{Samples: tone(8000, 100*time.Millisecond)})
	if err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	// Closed by us: no MediaLost.
	_ = l.Hangup(t.Context(), pbx.CauseNormal)
	for _, e := range collect(t, l) {
		if _, ok := e.(pbx.MediaLost); ok {
			t.Error("MediaLost after Close")
		}
	}
	s.nothingLeft()
}

// What the phone says arrives whole, on the sample clock.
func TestRealWhatThePhoneSaysArrives(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	said := tone(8000, time.Second)
	s := newStage(t, a, func(string) sipphone.Script {
		return sipphone.Script{sipphone.Answer(0), sipphone.Silence(1200 * time.Millisecond), sipphone.Speak(said), sipphone.Silence(200 * time.Millisecond), sipphone.Hangup("")}
	})
	l := s.originate(s.request("sam"))
	next[pbx.Answered](t, l)
	m, err := l.OpenMedia(t.Context(), audio.FormatSlin16)
	if err != nil {
		t.Fatal(err)
	}
	opened := time.Now()
	var f audio.Frame
	pos, loud, first, lost := int64(0), 0, int64(-1), 0
	for {
		if err := m.ReadFrame(&f); err != nil {
			break
		}
		if f.Pos != pos+int64(f.Lost) {
			t.Errorf("frame at %d with %d lost after %d", f.Pos, f.Lost, pos)
		}
		pos = f.Pos + int64(len(f.Samples))
		lost += f.Lost
		if x := f.Samples[100]; x > 3000 || x < -3000 {
			loud++
			if first < 0 {
				first = f.Pos
			}
		}
	}
	c := s.phone.Calls()[0]
	r, _ := c.Wait(t.Context())
	want := r.SpokenSpans[0].Start.Sub(opened)
	got := time.Duration(first) * time.Second / 16000
	t.Logf("%d loud frames, first at %v on the clock, said at %v; lost %d samples", loud, got, want, lost)
	if loud < 35 || loud > 52 || got-want > 500*time.Millisecond || want-got > 500*time.Millisecond {
		t.Errorf("%d loud frames, first at %v on the clock, said at %v", loud, got, want)
	}
}
