package lanes

import "golang.org/x/sys/cpu"

var vector = avx2()

func avx2() bool { return cpu.X86.HasAVX2 }

// twiddles are the turning factors as the vector code takes them: six vectors
// (cosine and sine of one, two and three times the angle) for each of its steps.
type twiddles struct {
	first  [8][6][8]float32 // 64 places
	second [2][6][8]float32 // 16
	third  [6][8]float32    // 4, twice
}

var turns = newTwiddles()

func newTwiddles() (t twiddles) {
	fill := func(v *[6][8]float32, lane, at int) {
		for m := range 3 {
			v[2*m][lane], v[2*m+1][lane] = cos[(m+1)*at%Size], sin[(m+1)*at%Size]
		}
	}
	for lane := range 8 {
		for i := range t.first {
			fill(&t.first[i], lane, 8*i+lane)
		}
		for i := range t.second {
			fill(&t.second[i], lane, 4*(8*i+lane))
		}
		fill(&t.third, lane, 16*(lane%4))
	}
	return t
}

// Transform of x, in place: bin k is found at Place(k).
func Transform(x *Block) {
	if vector {
		transform8(x, &turns)
		return
	}
	transform(x)
}

// Window makes floats (full scale 1) of samples and multiplies them by w.
func Window(out, w *[Size]float32, in *[Size]int16) {
	if vector {
		window8(out, w, in)
		return
	}
	window(out, w, in)
}

// Power is |x| squared.
func Power(x *Spectrum, out *Values) {
	if vector {
		power8(x, out)
		return
	}
	power(x, out)
}

// Sum of all values.
func Sum(x *Values) float32 {
	if vector {
		return sum8(x)
	}
	return sum(x)
}

// Accumulate adds w*x to y and p*|x|^2 to reach.
func Accumulate(w, x *Spectrum, p *Values, y *Spectrum, reach *Values) {
	if vector {
		accumulate8(w, x, p, y, reach)
		return
	}
	accumulate(w, x, p, y, reach)
}

// Innovate writes m-y into e, follows its power in psi, replaces reach by
// g = 1/(reach+psi), and writes e*g into gain.
func Innovate(m, y *Spectrum, psi, reach *Values, e, gain *Spectrum) {
	if vector {
		innovate8(m, y, psi, reach, e, gain)
		return
	}
	innovate(m, y, psi, reach, e, gain)
}

// Adapt moves w by p*conj(x)*gain and makes its uncertainty p follow.
func Adapt(w, x *Spectrum, p *Values, gain *Spectrum, inv *Values) {
	if vector {
		adapt8(w, x, p, gain, inv)
		return
	}
	adapt(w, x, p, gain, inv)
}

// Correlate writes the product of each row with now into out.
func Correlate(rows [][Levels]float32, now *[Levels]float32, out []float32) {
	out = out[:len(rows)]
	if vector && len(rows) > 0 {
		correlate8(&rows[0], now, &out[0], len(rows))
		return
	}
	correlate(rows, now, out)
}

//go:noescape
func transform8(x *Block, t *twiddles)

//go:noescape
func window8(out, w *[Size]float32, in *[Size]int16)

//go:noescape
func power8(x *Spectrum, out *Values)

//go:noescape
func sum8(x *Values) float32

//go:noescape
func accumulate8(w, x *Spectrum, p *Values, y *Spectrum, reach *Values)

//go:noescape
func innovate8(m, y *Spectrum, psi, reach *Values, e, gain *Spectrum)

//go:noescape
func adapt8(w, x *Spectrum, p *Values, gain *Spectrum, inv *Values)

//go:noescape
func correlate8(rows *[Levels]float32, now *[Levels]float32, out *float32, n int)
