//go:build !amd64

package lanes

const vector = false

// Transform of x, in place: bin k is found at Place(k).
func Transform(x *Block) { transform(x) }

// Window makes floats (full scale 1) of samples and multiplies them by w.
func Window(out, w *[Size]float32, in *[Size]int16) { window(out, w, in) }

// Power is |x| squared.
func Power(x *Spectrum, out *Values) { power(x, out) }

// Sum of all values.
func Sum(x *Values) float32 { return sum(x) }

// Accumulate adds w*x to y and p*|x|^2 to reach.
func Accumulate(w, x *Spectrum, p *Values, y *Spectrum, reach *Values) { accumulate(w, x, p, y, reach) }

// Innovate writes m-y into e, follows its power in psi, replaces reach by
// g = 1/(reach+psi), and writes e*g into gain.
func Innovate(m, y *Spectrum, psi, reach *Values, e, gain *Spectrum) {
	innovate(m, y, psi, reach, e, gain)
}

// Adapt moves w by p*conj(x)*gain and makes its uncertainty p follow.
func Adapt(w, x *Spectrum, p *Values, gain *Spectrum, inv *Values) { adapt(w, x, p, gain, inv) }

// Correlate writes the product of each row with now into out.
func Correlate(rows [][Levels]float32, now *[Levels]float32, out []float32) {
	correlate(rows, now, out[:len(rows)])
}
