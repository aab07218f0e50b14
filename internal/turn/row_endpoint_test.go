package turn

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	. "ringmaster/internal/turn/turntest"
)

// talk runs the ear and the judgement together over one call, frame by frame,
// as a call does: events and words become inputs, deadlines become ticks.
// Words are given by the time at which a recognizer would send them.
func talk(t testing.TB, p Policy, s scene, said []Input) (decisions []Decision, when []time.Duration) {
	t.Helper()
	k, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	k.Set(p)
	var state State
	step := func(in Input) {
		var d []Decision
		state, d = Step(state, p, in)
		for range d {
			when = append(when, in.Now)
		}
		decisions = append(decisions, d...)
	}
	for at := 0; at+160 <= len(s.mic); at += 160 {
		now := time.Duration(at+160) * time.Second / Rate
		speaking := false
		for _, u := range s.ours {
			if at <= u[0] && u[0] < at+160 {
				step(Input{Kind: InPlaying, Now: now, Length: time.Duration(u[1]-u[0]) * time.Second / Rate})
			}
			if at <= u[1] && u[1] < at+160 && state.Phase == Speaking {
				step(Input{Kind: InPlayed, Now: now})
			}
			speaking = speaking || at >= u[0] && at < u[1]
		}
		speaking = speaking && state.Phase == Speaking
		ref := s.ref[at : at+160]
		if !speaking {
			ref = nil
		}
		for _, e := range k.Frame(Frame{Pos: int64(at), Mic: s.mic[at : at+160], Ref: ref, Speaking: speaking}, nil) {
			in := InputOf(e, Rate)
			in.Now = now
			step(in)
		}
		for len(said) > 0 && said[0].Now <= now {
			step(said[0])
			said = said[1:]
		}
		if due, ok := state.Deadline(p); ok && due <= now {
			step(Input{Kind: InTick, Now: now})
		}
	}
	return decisions, when
}

// TestEndpointing measures, per kind of answer, how often a turn is ended in a
// pause that is shorter than the silence allowed, and how long after the true
// end of speech it is ended.
func TestEndpointing(t *testing.T) {
	_, callers := load(t, HeldOut)
	dur := func(n int) time.Duration { return time.Duration(n) * time.Second / Rate }
	for _, c := range []struct {
		expect   Expect
		from, to int // pause between the two clauses, ms
		want     time.Duration
	}{{YesNo, 60, 260, 400 * ms}, {Choice, 100, 450, 600 * ms}, {Open, 200, 700, 900 * ms}, {Digits, 300, 1300, 1500 * ms}} {
		r := rand.New(rand.NewPCG(31, uint64(c.to)))
		p := Policy{Expect: c.expect, NoInput: time.Hour}
		n, cut, lost := turns, 0, 0
		var late []int
		for i := range n {
			level := []float64{-26, -21, -16}[i%3]
			one, two := AtLevel(callers[r.IntN(len(callers))], level), AtLevel(callers[r.IntN(len(callers))], level)
			one, two = one[:min(len(one), 8*Rate/10)], two[:min(len(two), 8*Rate/10)] // no pauses of their own
			_, end := Edges(one)
			first, last := Edges(two)
			onset := Rate + end + (c.from+r.IntN(c.to-c.from))*8
			x := Noise(r, onset+last+4*Rate, -62)
			if i%2 == 0 {
				Add(x, Noise(r, len(x), level-15-5*float64(i%3)), 0)
			}
			Add(x, one[:end], Rate)
			Add(x, two[:last], onset-first)
			stop := onset - first + last
			said := []Input{
				{Kind: InWords, Now: dur(Rate + Rate/2), Text: "明天"},
				{Kind: InWords, Now: dur(onset + Rate/3), Text: "明天上午"},
				{Kind: InWords, Now: dur(stop) + 300*ms, Text: "明天上午。", Final: true},
			}
			d, when := talk(t, p, scene{mic: G711(Int16(x)), ref: make([]int16, len(x))}, said)
			ends := 0
			for j := range d {
				if d[j].Verdict != EndOfTurn {
					continue
				}
				if when[j] < dur(onset) {
					cut++
				} else if ends++; ends == 1 {
					late = append(late, int((when[j]-dur(stop))/ms))
				}
			}
			if ends == 0 {
				lost++
			}
		}
		slices.Sort(late)
		t.Logf("%-7s pauses %d-%d ms: ended in a pause %d of %d; never ended %d; after the end p5 %d p50 %d p95 %d ms (silence asked for: %v)",
			c.expect, c.from, c.to, cut, n, lost, late[len(late)/20], late[len(late)/2], late[len(late)*95/100], c.want)
		if cut*100 > 3*n || lost > 0 {
			t.Errorf("%s: %d of %d turns ended in a pause, %d never", c.expect, cut, n, lost)
		}
		if p95 := late[len(late)*95/100]; time.Duration(p95)*ms > c.want+200*ms {
			t.Errorf("%s: one turn in twenty ends later than %d ms, want %v", c.expect, p95, c.want+200*ms)
		}
	}
}

// TestRow_T14_YieldAndResumeBySound plays whole interruptions by sound over
// echo: real words stop us for good, a murmur and a burst of noise do not.
func TestRow_T14_YieldAndResumeBySound(t *testing.T) {
	agents, callers := load(t, HeldOut)
	dur := func(n int) time.Duration { return time.Duration(n) * time.Second / Rate }
	for name, c := range map[string]struct {
		text string
		want []Verdict
	}{
		"words":    {"我不需要。", []Verdict{Yield, Take, EndOfTurn}},
		"murmur":   {"嗯嗯。", []Verdict{Yield, Resume}},
		"no words": {"", []Verdict{Yield, Resume}},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(41, 1))
			ok := 0
			for i := range stories {
				ours := AtLevel(agents[i], -18)
				played := make([]float64, 14*Rate)
				ours = ours[:min(len(ours), 5*Rate)]
				Add(played, ours, Rate/2)
				ref := Int16(played)
				x := Noise(r, len(played), -60)
				Add(x, NewPath(r, 8*(40+r.IntN(180)), -18).Apply(Float(G711(ref))), 0)
				word := AtLevel(callers[i*2%len(callers)], -19)
				word = word[:min(len(word), Rate*6/10)]
				first, last := Edges(word)
				onset := Rate/2 + Rate*3/2 + r.IntN(Rate)
				Add(x, word[:last], onset-first)
				var said []Input
				if stop := onset - first + last; c.text != "" {
					said = []Input{{Kind: InWords, Now: dur(stop) + 400*ms, Text: c.text, Final: true}}
				}
				d, when := talk(t, Policy{NoInput: time.Hour}, scene{mic: G711(Int16(x)), ref: ref, ours: [][2]int{{Rate / 2, Rate/2 + len(ours)}}}, said)
				var got []Verdict
				for _, v := range d {
					got = append(got, v.Verdict)
				}
				if len(got) >= len(c.want) && slices.Equal(got[:len(c.want)], c.want) && when[0]-dur(onset) < 600*ms {
					ok++
				} else {
					t.Logf("call %d: %v at %v, onset %v", i, got, when, dur(onset))
				}
			}
			if ok < stories*9/10 {
				t.Errorf("%d of %d as wanted", ok, stories)
			}
		})
	}
}
