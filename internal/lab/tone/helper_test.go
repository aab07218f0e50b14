package tone

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"ringmaster/internal/audio"
)

func silence(n int) []int16 { return make([]int16, n) }

func join(parts ...[]int16) (all []int16) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func hear(t testing.TB, pcm []int16, rate int) []Utterance {
	t.Helper()
	all, err := DecodeAll(pcm, rate)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantText(t *testing.T, pcm []int16, rate int, want ...string) {
	t.Helper()
	all := hear(t, pcm, rate)
	if len(all) != len(want) {
		t.Fatalf("%d utterances, want %d: %+v", len(all), len(want), all)
	}
	for i, u := range all {
		if u.Text != want[i] || !u.Intact || u.Cut {
			t.Errorf("utterance %d: %q intact=%v cut=%v erased=%d lost=%d, want %q", i, u.Text, u.Intact, u.Cut, u.Erased, u.Lost, want[i])
		}
	}
}

// through carries pcm over a wire encoding and back.
func through(t testing.TB, pcm []int16, enc audio.Encoding) []int16 {
	t.Helper()
	wire, err := audio.Encode(nil, pcm, enc)
	if err != nil {
		t.Fatal(err)
	}
	back, err := audio.Decode(nil, wire, enc)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func gain(pcm []int16, dB float64) []int16 {
	out := make([]int16, len(pcm))
	k := math.Pow(10, dB/20)
	for i, v := range pcm {
		out[i] = int16(math.Max(-32768, math.Min(32767, math.Round(float64(v)*k))))
	}
	return out
}

func noise(r *rand.Rand, n int, dBFS float64) []int16 {
	out := make([]int16, n)
	k := 32768 * math.Pow(10, dBFS/20)
	for i := range out {
		out[i] = int16(math.Max(-32768, math.Min(32767, math.Round(r.NormFloat64()*k))))
	}
	return out
}

func mix(a, b []int16) []int16 {
	out := append([]int16(nil), a...)
	for i := range min(len(a), len(b)) {
		out[i] = int16(max(-32768, min(32767, int(out[i])+int(b[i]))))
	}
	return out
}

// distance is the edit distance of two texts.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			up := row[j+1]
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, up+1, row[j]+1)
			diagonal = up
		}
	}
	return row[len(b)]
}

// lose takes 20 ms packets out of pcm: replaced by silence, cut out so that
// the sound moves together, or replaced by the packet before.
func lose(r *rand.Rand, pcm []int16, rate float64, how string) []int16 {
	var out []int16
	const n = 160
	for at := 0; at+n <= len(pcm); at += n {
		p := pcm[at : at+n]
		if r.Float64() >= rate {
			out = append(out, p...)
			continue
		}
		switch how {
		case "silence":
			out = append(out, silence(n)...)
		case "repeat":
			out = append(out, pcm[max(0, at-n):max(n, at)]...)
		case "double":
			out = append(append(out, p...), p...)
		case "gone":
		}
	}
	return out
}

func randomText(r *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() == 0 || len([]rune(b.String())) < n {
		switch r.IntN(10) {
		case 0:
			fmt.Fprintf(&b, "%d", r.IntN(1000))
		case 1:
			b.WriteRune(rune(0x1F600 + r.IntN(60)))
		case 2, 3:
			for range 1 + r.IntN(6) {
				b.WriteRune(rune(0x0626 + r.IntN(0x64)))
			}
		case 4:
			b.WriteString([]string{"ok ", "hello", " a", "\n", ", "}[r.IntN(5)])
		default:
			b.WriteRune(rune(0x4E00 + r.IntN(0x5000)))
		}
	}
	return b.String()
}

func BenchmarkDecode8k(b *testing.B)  { benchmark(b, 8000, Encode(samples[1], 8000)) }
func BenchmarkDecode16k(b *testing.B) { benchmark(b, 16000, Encode(samples[1], 16000)) }
func BenchmarkSilence8k(b *testing.B) { benchmark(b, 8000, silence(16000)) }
func BenchmarkNoise8k(b *testing.B) {
	benchmark(b, 8000, noise(rand.New(rand.NewPCG(1, 1)), 80000, -25))
}

func benchmark(b *testing.B, rate int, pcm []int16) {
	d, _ := NewDecoder(rate)
	n := 0
	for b.Loop() {
		for at := 0; at+rate/50 <= len(pcm); at += rate / 50 {
			d.Write(pcm[at : at+rate/50])
			n += rate / 50
		}
	}
	seconds := float64(n) / float64(rate)
	b.ReportMetric(float64(b.Elapsed().Microseconds())/seconds, "µs/audio-second")
}
