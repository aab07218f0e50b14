package lanes

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"
)

// TestTransform against the sum that defines it.
func TestTransform(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var x Block
	var in [Size]complex128
	for i := range in {
		x.Re[i], x.Im[i] = r.Float32()-0.5, r.Float32()-0.5
		in[i] = complex(float64(x.Re[i]), float64(x.Im[i]))
	}
	Transform(&x)
	for k := range Size {
		var want complex128
		for n, v := range in {
			want += v * cmplx.Rect(1, -2*math.Pi*float64(k*n)/Size)
		}
		got := complex(float64(x.Re[Place(k)]), float64(x.Im[Place(k)]))
		if cmplx.Abs(got-want) > 1e-4 {
			t.Fatalf("bin %d: %v, want %v", k, got, want)
		}
	}
}

func draw(r *rand.Rand, v []float32, scale float32) {
	for i := range v {
		v[i] = (r.Float32() - 0.5) * scale
	}
}

func spectrum(r *rand.Rand, scale float32) (s Spectrum) {
	draw(r, s.Re[:], scale)
	draw(r, s.Im[:], scale)
	return s
}

func positive(r *rand.Rand, scale float32) (v Values) {
	for i := range v {
		v[i] = r.Float32() * scale
	}
	return v
}

// near: the same, but for how often a compiler rounds.
func near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if d := math.Abs(float64(got[i] - want[i])); d > 1e-5*math.Abs(float64(want[i]))+1e-12 {
			t.Fatalf("%s: place %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

// TestLanesAgreeWithTheGoCode: whichever code this processor runs gives what
// the plain code gives.
func TestLanesAgreeWithTheGoCode(t *testing.T) {
	t.Logf("eight at a time: %v", vector)
	r := rand.New(rand.NewPCG(2, 3))
	plain := layout(false)
	for range 200 {
		scale := float32(math.Exp2(float64(-r.IntN(12))))
		var a, b Block
		draw(r, a.Re[:], scale)
		draw(r, a.Im[:], scale)
		b = a
		Transform(&a)
		transform(&b)
		var got, want [2 * Size]float32
		for k := range Size {
			got[k], got[Size+k] = a.Re[Place(k)], a.Im[Place(k)]
			want[k], want[Size+k] = b.Re[plain[k]], b.Im[plain[k]]
		}
		for i := range want {
			if d := got[i] - want[i]; max(d, -d) > 2e-6*scale*Size {
				t.Fatalf("transform: place %d is %g, want %g", i, got[i], want[i])
			}
		}

		var in [Size]int16
		var w, o1, o2 [Size]float32
		for i := range in {
			in[i] = int16(r.Uint32())
		}
		in[0], in[1] = -32768, 32767
		draw(r, w[:], 1)
		Window(&o1, &w, &in)
		window(&o2, &w, &in)
		near(t, "window", o1[:], o2[:])

		x, wt, m := spectrum(r, scale), spectrum(r, 0.5), spectrum(r, scale)
		var p1, p2 Values
		Power(&x, &p1)
		power(&x, &p2)
		near(t, "power", p1[:], p2[:])
		near(t, "sum", []float32{Sum(&p1)}, []float32{sum(&p2)})

		u1 := positive(r, 0.06)
		u2 := u1
		y1, r1 := spectrum(r, scale), positive(r, scale*scale)
		y2, r2 := y1, r1
		Accumulate(&wt, &x, &u1, &y1, &r1)
		accumulate(&wt, &x, &u2, &y2, &r2)
		for i := range y2.Re { // sums that cancel: bounded by what was added
			if max(abs(y1.Re[i]-y2.Re[i]), abs(y1.Im[i]-y2.Im[i])) > 1e-6*scale {
				t.Fatalf("accumulate: %v, want %v", y1.At(i), y2.At(i))
			}
		}
		near(t, "accumulated reach", r1[:], r2[:])

		s1 := positive(r, scale*scale)
		s2 := s1
		y2, r2 = y1, r1
		var e1, e2, g1, g2 Spectrum
		Innovate(&m, &y1, &s1, &r1, &e1, &g1)
		innovate(&m, &y2, &s2, &r2, &e2, &g2)
		near(t, "error", append(e1.Re[:], e1.Im[:]...), append(e2.Re[:], e2.Im[:]...))
		near(t, "psi", s1[:], s2[:])
		near(t, "inverse", r1[:], r2[:])
		near(t, "gain", append(g1.Re[:], g1.Im[:]...), append(g2.Re[:], g2.Im[:]...))

		w1, w2 := wt, wt
		r2, g2 = r1, g1
		Adapt(&w1, &x, &u1, &g1, &r1)
		adapt(&w2, &x, &u2, &g2, &r2)
		for i := range w2.Re {
			if max(abs(w1.Re[i]-w2.Re[i]), abs(w1.Im[i]-w2.Im[i])) > 1e-5 {
				t.Fatalf("adapt: %v, want %v", w1.At(i), w2.At(i))
			}
			if u1[i] < least || abs(u1[i]-u2[i]) > 1e-6 {
				t.Fatalf("uncertainty: %g, want %g", u1[i], u2[i])
			}
		}

		rows, now := make([][Levels]float32, r.IntN(45)), [Levels]float32{}
		for i := range rows {
			draw(r, rows[i][:], 6)
		}
		draw(r, now[:], 6)
		c1, c2 := make([]float32, len(rows)), make([]float32, len(rows))
		Correlate(rows, &now, c1)
		correlate(rows, &now, c2)
		for i := range c2 {
			if abs(c1[i]-c2[i]) > 1e-4 {
				t.Fatalf("correlate: row %d is %g, want %g", i, c1[i], c2[i])
			}
		}
	}
}

func abs(v float32) float32 { return max(v, -v) }

func BenchmarkLanes(b *testing.B) {
	var x, y, m, e, g Spectrum
	var p, reach, psi Values
	var blk Block
	run := func(name string, fast, plain func()) {
		for _, c := range []struct {
			name string
			f    func()
		}{{"/used", fast}, {"/plain", plain}} {
			b.Run(name+c.name, func(b *testing.B) {
				for b.Loop() {
					c.f()
				}
			})
		}
	}
	run("transform", func() { Transform(&blk) }, func() { transform(&blk) })
	run("accumulate", func() { Accumulate(&x, &m, &p, &y, &reach) }, func() { accumulate(&x, &m, &p, &y, &reach) })
	run("innovate", func() { Innovate(&m, &y, &psi, &reach, &e, &g) }, func() { innovate(&m, &y, &psi, &reach, &e, &g) })
	run("adapt", func() { Adapt(&x, &m, &p, &g, &reach) }, func() { adapt(&x, &m, &p, &g, &reach) })
}
