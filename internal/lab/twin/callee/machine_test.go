package callee

import (
	"math"
	"testing"
	"time"
)

const ms = time.Millisecond

// run feeds the machine with a caller that is audible in the given stretches,
// and returns what happened and when.
func run(m *Machine, d time.Duration, caller ...Span) (hungup time.Duration, keys string) {
	voice, quiet := Tone(700, frame, 8000), make([]int16, FrameSamples)
	for at := time.Duration(0); at < d; at += frame {
		heard := quiet
		for _, s := range caller {
			if at >= s.Start && at < s.End {
				heard = voice
			}
		}
		_, act := m.Tick(heard)
		if act.DTMF != 0 {
			keys += string(rune(act.DTMF))
		}
		if act.Hangup {
			return at, keys
		}
	}
	return -1, keys
}

func say(d time.Duration, text string) Step { return Step{Say: Tone(500, d, 8000), Text: text} }

func TestTurns(t *testing.T) {
	m := New(Script{Steps: []Step{
		{Wait: 200 * ms}, say(300*ms, "hello"), {Listen: &Listen{Silence: 500 * ms}}, say(200*ms, "yes"), {DTMF: "1,#"}, {Hangup: true, Cause: 31},
	}})
	// The caller speaks from 1 s to 2 s with a pause of 300 ms that ends nothing.
	end, keys := run(m, 10*time.Second, Span{time.Second, 1400 * ms}, Span{1700 * ms, 2 * time.Second})
	r := m.Record()
	if len(r.Said) != 2 || r.Said[0] != (Utterance{"hello", 200 * ms, 500 * ms}) || r.Said[1].Start != 2480*ms {
		t.Errorf("said %+v", r.Said)
	}
	if keys != "1#" || end < 3*time.Second || end > 4*time.Second {
		t.Errorf("keys %q, hung up at %v", keys, end)
	}
	if r.FirstAudible != time.Second || r.LastAudible != 2*time.Second || r.Audible != 700*ms || len(r.Spoke) != 2 {
		t.Errorf("%+v", r)
	}
}

func TestListenGivesUp(t *testing.T) {
	for name, row := range map[string]struct {
		listen Listen
		caller []Span
		want   time.Duration
	}{
		"nobody speaks":     {Listen{Start: time.Second}, nil, time.Second},
		"speaks too long":   {Listen{Max: 2 * time.Second}, []Span{{0, 10 * time.Second}}, 2 * time.Second},
		"speaks in time":    {Listen{Start: time.Second}, []Span{{900 * ms, 1900 * ms}}, 2580 * ms},
		"waits for ever":    {Listen{}, nil, -1},
		"a pause of 700 ms": {Listen{}, []Span{{0, 500 * ms}, {1100 * ms, 1500 * ms}}, 2180 * ms},
	} {
		m := New(Script{Steps: []Step{{Listen: &row.listen}, {Hangup: true}}})
		if end, _ := run(m, 5*time.Second, row.caller...); end != row.want && (end < row.want-frame || end > row.want+frame) {
			t.Errorf("%s: over at %v, want %v", name, end, row.want)
		}
	}
}

func TestBargeInIsMeasured(t *testing.T) {
	m := New(Script{Steps: []Step{{BargeIn: 500 * ms}, say(time.Second, "wait")}})
	// The caller goes on for 260 ms into the interruption, and answers later.
	run(m, 6*time.Second, Span{time.Second, 1760 * ms}, Span{4 * time.Second, 5 * time.Second})
	b := m.Record().BargeIns
	if len(b) != 1 || b[0].Onset != 1480*ms || b[0].LastAudible != 1760*ms {
		t.Errorf("%+v", b)
	}
}

func TestDeadLineAndNoise(t *testing.T) {
	m := New(Script{Noise: 200, Keep: true, Limit: 400 * ms})
	loudest := 0
	for i := range 20 {
		var heard []int16
		if i < 5 || i > 15 {
			heard = make([]int16, FrameSamples)
		}
		said, act := m.Tick(heard)
		for _, v := range said {
			loudest = max(loudest, int(math.Abs(float64(v))))
		}
		if Audible(said) {
			t.Fatal("noise is heard as speech")
		}
		if act.Hangup != (i == 19) {
			t.Errorf("frame %d: hang-up %v", i, act.Hangup)
		}
	}
	r := m.Record()
	if r.Missing != 11 || r.LongestGap != 220*ms || len(r.Heard) != 20*FrameSamples || loudest < 150 || loudest > 200 {
		t.Errorf("%d missing, gap %v, %d samples, noise %d", r.Missing, r.LongestGap, len(r.Heard), loudest)
	}
}

func TestAgainAndValidate(t *testing.T) {
	m := New(Script{Steps: []Step{say(100*ms, "a"), {Wait: 100 * ms}, {Again: true}}})
	run(m, time.Second)
	if n := len(m.Record().Said); n != 5 {
		t.Errorf("said %d times", n)
	}
	for name, s := range map[string]Script{
		"reject 200":        {Reject: 200},
		"two things":        {Steps: []Step{{Wait: ms, DTMF: "1"}}},
		"nothing":           {Steps: []Step{{}}},
		"no key":            {Steps: []Step{{DTMF: "x"}}},
		"negative":          {Steps: []Step{{Wait: -1}}},
		"loops in no time":  {Steps: []Step{{Listen: &Listen{}}, {Again: true}}},
		"cause":             {Steps: []Step{{Hangup: true, Cause: 128}}},
		"noise":             {Noise: 5000},
		"early is bad too":  {Early: []Step{{}}},
		"negative ring":     {Ring: -1},
		"reason":            {Reject: 486, Reason: 200},
		"negative listen":   {Steps: []Step{{Listen: &Listen{Max: -1}}}},
		"wait under a tick": {Steps: []Step{{Wait: ms}, {Again: true}}},
	} {
		if s.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSound(t *testing.T) {
	s := Tone(1000, time.Second, 8000)
	if len(s) != Rate || Power(s, 1000) < 0.99 || Power(s, 1200) > 0.01 || Power(make([]int16, 100), 1000) != 0 {
		t.Errorf("%d samples, %.3f %.3f", len(s), Power(s, 1000), Power(s, 1200))
	}
	up, _ := Upsample(nil, s, 0)
	down := Downsample(nil, up)
	if len(down) != len(s) || Power(down, 1000) < 0.99 {
		t.Errorf("%d samples, %.3f", len(down), Power(down, 1000))
	}
	if Audible(Tone(500, frame, 300)) || !Audible(Tone(500, frame, 600)) || Audible(nil) {
		t.Error("the threshold lies between peaks of 300 and 600")
	}
}

// Whatever the script and the caller, a machine ends no loop late and says
// exactly one frame.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{1, 50, 2, 10, 3, 0, 4, 20, 5, 1, 6, 0}, uint64(0x0f0f))
	f.Fuzz(func(t *testing.T, raw []byte, caller uint64) {
		var s Script
		for i := 0; i+1 < len(raw) && i < 40; i += 2 {
			d := time.Duration(raw[i+1]) * 10 * ms
			switch raw[i] % 7 {
			case 0:
				s.Steps = append(s.Steps, Step{Wait: d})
			case 1:
				s.Steps = append(s.Steps, say(d, "x"))
			case 2:
				s.Steps = append(s.Steps, Step{Listen: &Listen{Start: d, Silence: d / 2, Max: 2 * d}})
			case 3:
				s.Steps = append(s.Steps, Step{BargeIn: d})
			case 4:
				s.Steps = append(s.Steps, Step{DTMF: "1,2"})
			case 5:
				s.Steps = append(s.Steps, Step{Again: true})
			case 6:
				s.Steps = append(s.Steps, Step{Hangup: raw[i+1] < 10})
			}
		}
		if s.Validate() != nil {
			return
		}
		m := New(s)
		voice := Tone(700, frame, 8000)
		for i := range 200 {
			heard := voice
			if caller>>(i%64)&1 == 0 {
				heard = nil
			}
			if said, _ := m.Tick(heard); len(said) != FrameSamples {
				t.Fatalf("%d samples", len(said))
			}
		}
		if m.Record().Elapsed != 200*frame {
			t.Fatal("time")
		}
	})
}
