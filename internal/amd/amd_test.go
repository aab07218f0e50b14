package amd

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"ringmaster/internal/turn"
)

const ms = time.Millisecond

// speech is the log of one piece of speech, reported as late as a Taker does.
func speech(from, to time.Duration) []turn.Input {
	return []turn.Input{
		{Kind: turn.InSpeechStart, At: from, Now: from + 100*ms},
		{Kind: turn.InSpeechEnd, At: to, Now: to + 200*ms},
	}
}

// run folds inputs into one state, ticking at every deadline in between.
func run(t testing.TB, c Config, until time.Duration, in ...turn.Input) (out []Result) {
	t.Helper()
	var s State
	step := func(i turn.Input) {
		var r Result
		var ok bool
		if s, r, ok = Step(s, c, i); ok {
			out = append(out, r)
		}
	}
	in = append(in, turn.Input{Kind: turn.InTick, Now: until})
	for _, i := range in {
		for {
			at, ok := s.Deadline(c)
			if !ok || at >= i.Now {
				break
			}
			step(turn.Input{Kind: turn.InTick, Now: at})
			if again, ok := s.Deadline(c); ok && again <= at {
				t.Fatalf("the deadline %v does not move", at)
			}
		}
		step(i)
	}
	return out
}

func join(pieces ...[]turn.Input) (out []turn.Input) {
	for _, p := range pieces {
		out = append(out, p...)
	}
	return out
}

func TestVerdicts(t *testing.T) {
	beep := func(end, length time.Duration, hz, hz2 float32) []turn.Input {
		return []turn.Input{{Kind: turn.InTone, At: end, Now: end + 20*ms, Length: length, Hz: [2]float32{hz, hz2}}}
	}
	tests := []struct {
		name    string
		in      []turn.Input
		verdict Verdict
		reason  Reason
		at      time.Duration
	}{
		{"hello and wait", speech(400*ms, 900*ms), Human, ShortGreeting, 1600 * ms},
		{"hello hello", join(speech(400*ms, 700*ms), speech(1100*ms, 1400*ms)), Human, ShortGreeting, 2100 * ms},
		{"who is this", speech(300*ms, 1900*ms), Human, ShortGreeting, 2600 * ms},
		{"long greeting", speech(300*ms, 6*time.Second), Voicemail, LongGreeting, 2350 * ms},
		{"long greeting in pieces", join(speech(300*ms, 1200*ms), speech(1500*ms, 5*time.Second)), Voicemail, LongGreeting, 2350 * ms},
		{"hello again and again", join(speech(300*ms, 600*ms), speech(1100*ms, 1400*ms), speech(1900*ms, 2200*ms)), Uncertain, Broken, 2350 * ms},
		{"nobody", nil, Uncertain, Silence, 5 * time.Second},
		{"a tone only", beep(2*time.Second, 400*ms, 1000, 0), Uncertain, Silence, 5 * time.Second},
		{"a key", join(speech(400*ms, 900*ms), beep(1200*ms, 200*ms, 697, 1209)), Human, ShortGreeting, 1600 * ms},
		{"greeting and beep", join(speech(300*ms, 6*time.Second), beep(6800*ms, 400*ms, 1000, 0)), Voicemail, Beep, 6820 * ms},
		{"short greeting, then a beep", join(speech(300*ms, 1300*ms), beep(2500*ms, 300*ms, 800, 0)), Voicemail, Beep, 2520 * ms},
		{"a click is no beep", join(speech(300*ms, 1300*ms), beep(2500*ms, 60*ms, 800, 0)), Human, ShortGreeting, 2000 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := run(t, Config{}, 12*time.Second, tt.in...)
			if len(out) == 0 {
				t.Fatal("no verdict")
			}
			r := out[len(out)-1]
			if r.Verdict != tt.verdict || r.Reason != tt.reason || r.At != tt.at {
				t.Errorf("got %s %s at %v, want %s %s at %v (%+v)", r.Verdict, r.Reason, r.At, tt.verdict, tt.reason, tt.at, r.Evidence)
			}
			if r.Reason == Beep && r.Evidence.BeepEnd != r.At-20*ms {
				t.Errorf("beep end %v", r.Evidence.BeepEnd)
			}
		})
	}
}

// A call is replayed from its log: the state survives JSON between any two
// inputs.
func TestStateIsPlain(t *testing.T) {
	in := join(speech(300*ms, 1200*ms), speech(1500*ms, 5*time.Second))
	var s, k State
	for _, i := range in {
		s, _, _ = Step(s, Config{}, i)
		b, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		var back State
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		k, _, _ = Step(back, Config{}, i)
	}
	if s != k {
		t.Errorf("%+v, after JSON %+v", s, k)
	}
}

func FuzzStep(f *testing.F) {
	f.Add([]byte{1, 5, 20, 2, 30, 0, 3, 40, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := rand.New(rand.NewPCG(uint64(len(b)), 1))
		kinds := []turn.InputKind{turn.InSpeechStart, turn.InSpeechEnd, turn.InTone, turn.InTick, turn.InWords, "?"}
		var s State
		var now time.Duration
		verdicts := 0
		for _, v := range b {
			now += time.Duration(v) * 7 * ms
			in := turn.Input{Kind: kinds[int(v)%len(kinds)], Now: now, At: now - time.Duration(r.IntN(900))*ms, Length: time.Duration(v) * 5 * ms, Hz: [2]float32{float32(v) * 20, 0}}
			var ok bool
			if s, _, ok = Step(s, Config{}, in); ok {
				verdicts++
			}
			if s.Speech < 0 {
				t.Fatalf("negative speech: %+v", s)
			}
			if at, ok := s.Deadline(Config{}); ok && s.Verdict != "" {
				t.Fatalf("decided, and yet a deadline at %v", at)
			}
		}
		if verdicts > 2 {
			t.Fatalf("%d verdicts", verdicts)
		}
	})
}
