package turn

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	. "ringmaster/internal/turn/turntest"
)

// listen runs far-side sound with nothing of ours through a Taker.
func listen(t testing.TB, cfg Config, x []float64, speaking bool) []Event {
	t.Helper()
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mic := G711(Int16(x))
	var out []Event
	for at := 0; at+160 <= len(mic); at += 160 {
		out = k.Frame(Frame{Pos: int64(at), Mic: mic[at : at+160], Speaking: speaking}, out)
	}
	return out
}

func count(ev []Event, k Kind) (n int) {
	for _, e := range ev {
		if e.Kind == k {
			n++
		}
	}
	return n
}

func find(t testing.TB, ev []Event, k Kind) Event {
	t.Helper()
	for _, e := range ev {
		if e.Kind == k {
			return e
		}
	}
	t.Fatalf("no %s in %+v", k, ev)
	return Event{}
}

func TestTonesAreNotSpeech(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	cadence := func(on, off, total int, hz ...float64) []float64 {
		x := make([]float64, total)
		for at := 0; at < total; at += (on + off) * 8 {
			Add(x, Tone(on*8, -16, hz...), at)
		}
		return x
	}
	dial := func(on, off int) []float64 {
		x := make([]float64, 3*Rate)
		rows, cols := []float64{697, 770, 852, 941}, []float64{1209, 1336, 1477, 1633}
		for at := 0; at < len(x); at += (on + off) * 8 {
			Add(x, Tone(on*8, -16, rows[r.IntN(4)], cols[r.IntN(4)]), at)
		}
		return x
	}
	sit := make([]float64, 2*Rate)
	for i, f := range []float64{950, 1400, 1800} {
		Add(sit, Tone(330*8, -16, f), i*330*8)
	}
	tests := map[string][]float64{
		"ringback cn":  cadence(1000, 4000, 6*Rate, 450),
		"ringback us":  cadence(2000, 4000, 6*Rate, 440, 480),
		"ringback uk":  cadence(400, 200, 6*Rate, 400, 450),
		"busy":         cadence(350, 350, 4*Rate, 450),
		"busy us":      cadence(500, 500, 4*Rate, 480, 620),
		"dial tone":    cadence(3000, 1000, 4*Rate, 350, 440),
		"beep":         cadence(300, 5000, 3*Rate, 1000),
		"beep high":    cadence(200, 5000, 3*Rate, 1950),
		"fax cng":      cadence(500, 3000, 4*Rate, 1100),
		"special info": sit,
		"dtmf slow":    dial(200, 200),
		"dtmf 100/100": dial(100, 100),
		"dtmf 70/60":   dial(70, 60),
		"dtmf 50/50":   dial(50, 50),
	}
	for name, x := range tests {
		t.Run(name, func(t *testing.T) {
			for _, noise := range []float64{-66, -45} {
				y := Noise(r, len(x)+Rate, noise)
				Add(y, x, Rate)
				for _, speaking := range []bool{false, true} {
					for _, e := range listen(t, Config{}, y, speaking) {
						if e.Kind != ToneEnd {
							t.Errorf("noise %.0f speaking %v: %+v", noise, speaking, e)
						}
					}
				}
			}
		})
	}
}

func TestToneEdges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		hz := 400 + 1800*r.Float64()
		ms := 100 + r.IntN(600)
		at := Rate + r.IntN(80)
		x := Noise(r, 3*Rate, -60)
		Add(x, Tone(ms*8, -20, hz), at)
		e := find(t, listen(t, Config{}, x, false), ToneEnd)
		end, length := (int(e.At)-at)/8-ms, int(e.Length)/8-ms
		if math.Abs(float64(e.Hz)-hz) > 5 || max(end, -end) > 12 || max(length, -length) > 35 {
			t.Errorf("%.0f Hz for %d ms: heard %.1f Hz, end %+d ms, length %+d ms", hz, ms, e.Hz, end, length)
		}
	}
}

func TestToneAlphabetIsSpeech(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 60 {
		x := Noise(r, 5*Rate, -66)
		n := Rate*4/10 + r.IntN(Rate*2)
		Add(x, ToneAlphabet(r, n, -16), Rate)
		ev := listen(t, Config{}, x, i%2 == 0)
		if count(ev, SpeechStart) != 1 || count(ev, SpeechEnd) != 1 || count(ev, BargeIn) != (i+1)%2 {
			t.Fatalf("%d ms: %+v", n/8, ev)
		}
		start, end := find(t, ev, SpeechStart), find(t, ev, SpeechEnd)
		if off := start.At - Rate; off < -160 || off > 160 {
			t.Errorf("starts %+d samples off", off)
		}
		if off := end.At - int64(Rate+n); off < -240 || off > 240 {
			t.Errorf("ends %+d samples off", off)
		}
	}
}

// The minimum duration is what the name says, whatever it is set to.
func TestRow_T14_MinimumDuration(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, least := range []int{100, 160, 200, 300, 500} {
		for _, d := range []int{least - 40, least + 40} {
			n := 0
			for range 20 {
				x := Noise(r, 3*Rate, -60)
				Add(x, ToneAlphabet(r, d*8, -18), Rate)
				n += count(listen(t, Config{MinSpeech: time.Duration(least) * time.Millisecond}, x, true), BargeIn)
			}
			if d > least && n != 20 || d < least && n != 0 {
				t.Errorf("minimum %d ms: %d of 20 interruptions of %d ms", least, n, d)
			}
		}
	}
}

func TestProtectedIsNotInterruptedButHeard(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	x := Noise(r, 4*Rate, -60)
	Add(x, ToneAlphabet(r, 2*Rate, -18), Rate)
	mic := G711(Int16(x))
	k, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	k.Set(Policy{Protected: true})
	var out []Event
	for at := 0; at+160 <= len(mic); at += 160 {
		if at == 2*Rate { // the next utterance may be interrupted, and is, at once
			if count(out, BargeIn) != 0 || count(out, SpeechStart) != 1 {
				t.Fatalf("while protected: %+v", out)
			}
			k.Set(Policy{})
		}
		out = k.Frame(Frame{Pos: int64(at), Mic: mic[at : at+160], Speaking: true}, out)
	}
	if e := find(t, out, BargeIn); e.Now > 2*Rate+Rate/20 {
		t.Errorf("interrupted %d ms after protection ended", (e.Now-2*Rate)/8)
	}
}

// up doubles the rate.
func up(x []float64) []int16 {
	y := make([]int16, 2*len(x))
	for i := range y {
		f := float64(i) / 2
		var s float64
		for j := max(0, int(f)-12); j <= min(len(x)-1, int(f)+12); j++ {
			d := f - float64(j)
			w := 1.0
			if d != 0 {
				w = math.Sin(math.Pi*d) / (math.Pi * d) * (0.5 + 0.5*math.Cos(math.Pi*d/13))
			}
			s += x[j] * w
		}
		y[i] = int16(s * 32768)
	}
	return y
}

func TestSixteenKilohertz(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	ours := ToneAlphabet(r, 5*Rate, -18)
	x := Noise(r, 5*Rate, -60)
	Add(x, NewPath(r, 1000, -15).Apply(ours), 0)
	Add(x, ToneAlphabet(r, Rate, -20), 3*Rate)
	mic, ref := up(x), up(ours)
	k, err := New(Config{Rate: 16000})
	if err != nil {
		t.Fatal(err)
	}
	var out []Event
	for at := 0; at+320 <= len(mic); at += 320 {
		out = k.Frame(Frame{Pos: int64(at), Mic: mic[at : at+320], Ref: ref[at : at+320], Speaking: true}, out)
	}
	if n := count(out, BargeIn); n != 1 {
		t.Fatalf("%d interruptions: %+v", n, out)
	}
	if off := find(t, out, BargeIn).At - 3*16000; off < -480 || off > 640 {
		t.Errorf("onset is %+d samples off", off)
	}
}

// The echo may move (a jitter buffer adapts); that must not look like speech.
func TestEchoThatMoves(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 1))
	falses, found := 0, 0
	for i := range stories {
		ours := ToneAlphabet(r, 12*Rate, -18)
		x := Noise(r, 12*Rate, -62)
		first := NewPath(r, 400+r.IntN(1200), -15)
		second := first
		second.Shift(160 * (1 + i%3))
		a, b := first.Apply(ours), second.Apply(ours)
		copy(a[6*Rate:], b[6*Rate:])
		Add(x, a, 0)
		Add(x, ToneAlphabet(r, Rate, -20), 10*Rate)
		s := scene{mic: G711(Int16(x)), ref: Int16(ours), ours: [][2]int{{0, 12 * Rate}}}
		for _, e := range hear(t, Config{}, s) {
			if e.Kind == BargeIn && e.Now < 10*Rate {
				falses++
			}
			if e.Kind == BargeIn && e.Now > 10*Rate && e.Now < 10*Rate+Rate/2 {
				found++
			}
		}
	}
	t.Logf("%d moves of the echo: %d false interruptions; %d real ones heard 4 s later", stories, falses, found)
	if falses*10 > stories || found < stories-1 {
		t.Error("an echo that moves is not followed")
	}
}

// Lost samples are neither speech nor noise, and times stay on the clock.
func TestLostFrames(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 1))
	ours := ToneAlphabet(r, 10*Rate, -18)
	x := Noise(r, 10*Rate, -60)
	Add(x, NewPath(r, 640, -15).Apply(ours), 0)
	Add(x, ToneAlphabet(r, Rate, -18), 8*Rate)
	mic, ref := G711(Int16(x)), Int16(ours)
	k, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	var out []Event
	last := 0
	for at := 0; at+160 <= len(mic); at += 160 {
		if at > 3*Rate && r.IntN(20) == 0 || at >= 5*Rate && at < 5*Rate+Rate/2 {
			continue
		}
		out = k.Frame(Frame{Pos: int64(at), Mic: mic[at : at+160], Ref: ref[last : at+160], Speaking: true}, out)
		last = at + 160
	}
	if n := count(out, BargeIn); n != 1 {
		t.Fatalf("%d interruptions with 5 %% loss, want the one at 8 s: %+v", n, out)
	}
	if e := find(t, out, BargeIn); e.At < 8*Rate-800 || e.At > 8*Rate+800 {
		t.Errorf("onset at %d, want about %d", e.At, 8*Rate)
	}
}

func TestSameInputSameEvents(t *testing.T) {
	mic, ref := pair()
	s := scene{mic: mic, ref: ref, ours: [][2]int{{0, len(mic)}}}
	if a, b := hear(t, Config{}, s), hear(t, Config{}, s); len(a) == 0 || !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []Config{{Rate: 44100}, {MinSpeech: time.Millisecond}, {MinListen: 2 * time.Second}, {Gap: time.Second}, {Rate: -1}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

// FuzzTaker feeds arbitrary samples, gaps, lengths and rates: no panic, only
// finite numbers, events in order and within the clock.
func FuzzTaker(f *testing.F) {
	f.Add([]byte("seed"), uint16(160), uint16(0), true)
	f.Add([]byte{0xff, 0x7f, 0, 0x80, 1, 2, 3}, uint16(320), uint16(7000), false)
	f.Fuzz(func(t *testing.T, b []byte, size, gap uint16, wide bool) {
		cfg := Config{}
		if wide {
			cfg.Rate = 16000
		}
		k, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 || len(b) > 4096 {
			return
		}
		sample := func(i int) int16 {
			j := i * 2 % len(b)
			return int16(uint16(b[j]) | uint16(b[(j+1)%len(b)])<<8)
		}
		pos := int64(0)
		var out []Event
		for n := range 24 {
			m := make([]int16, int(size)%700)
			r := make([]int16, (int(size)+n*int(b[n%len(b)]))%900)
			for i := range m {
				m[i] = sample(n*31 + i)
			}
			for i := range r {
				r[i] = sample(n*17 + i)
			}
			if n%9 == 5 {
				pos += int64(gap) % 9000
			}
			if n%13 == 7 {
				pos -= int64(gap) / 2 // a clock that goes back is not followed
			}
			out = k.Frame(Frame{Pos: pos, Mic: m, Ref: r, Speaking: n%4 != 0}, out)
			pos += int64(len(m))
		}
		for _, e := range out {
			if e.At < 0 || e.Now < e.At || math.IsNaN(float64(e.Level)) || math.IsInf(float64(e.Level), 0) || math.IsNaN(float64(e.Hz)) {
				t.Fatalf("%+v", e)
			}
		}
		d := &k.det
		for b := range bands {
			for _, v := range []float32{d.noise[b], d.left.lambda[b], d.left.leak[b], d.left.ref[b], d.left.fit[b].slope(), d.echo.reach[b]} {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Fatalf("band %d: not finite", b)
				}
			}
		}
	})
}
