package lanes

import "math"

const (
	// Size of a transform.
	Size = 256
	// Width of a Spectrum: room for the bins of the telephone band in whole
	// vectors of eight.
	Width = 104
	// Levels is how many values a row of Correlate has.
	Levels = 16
)

// Values of one spectrum, a power or an uncertainty for each bin.
type Values [Width]float32

// Spectrum is complex, its two parts apart.
type Spectrum struct{ Re, Im Values }

// At is bin k.
func (s *Spectrum) At(k int) complex64 { return complex(s.Re[k], s.Im[k]) }

// Block is what is transformed: 256 complex values, their parts apart.
type Block struct{ Re, Im [Size]float32 }

// Place says where Transform leaves bin k.
func Place(k int) int { return int(places[k]) }

var (
	places   = newPlaces()
	cos, sin = newTurns()
)

func newPlaces() [Size]uint8 { return layout(vector) }

// layout: a decimation in frequency by fours leaves its results with the
// digits of their places reversed; the vector code swaps the last two too.
func layout(vector bool) (out [Size]uint8) {
	for i := range out {
		r := 0
		for d, v := 0, i; d < 4; d, v = d+1, v/4 {
			r = r*4 + v%4
		}
		if vector {
			row, group, q := r/16, r/4%4, r%4
			r = row/2*32 + q*8 + row%2*4 + group
		}
		out[i] = uint8(r)
	}
	return out
}

func newTurns() (c, s [Size]float32) {
	for i := range Size {
		sin, cos := math.Sincos(-2 * math.Pi * float64(i) / Size)
		c[i], s[i] = float32(cos), float32(sin)
	}
	return c, s
}

// transform is a radix-4 Fourier transform in place, by decimation in
// frequency (Gentleman and Sande 1966).
func transform(x *Block) {
	re, im := &x.Re, &x.Im
	for size := Size; size >= 4; size /= 4 {
		q, step := size/4, Size/size
		for j := range q {
			c1, s1 := cos[j*step], sin[j*step]
			c2, s2 := cos[2*j*step], sin[2*j*step]
			c3, s3 := cos[(3*j*step)&(Size-1)], sin[(3*j*step)&(Size-1)]
			for i := j; i < Size; i += size {
				i0, i1, i2, i3 := uint8(i), uint8(i+q), uint8(i+2*q), uint8(i+3*q)
				ar, ai, br, bi := re[i0], im[i0], re[i1], im[i1]
				cr, ci, dr, di := re[i2], im[i2], re[i3], im[i3]
				t0r, t0i, t1r, t1i := ar+cr, ai+ci, ar-cr, ai-ci
				t2r, t2i, t3r, t3i := br+dr, bi+di, bi-di, dr-br
				re[i0], im[i0] = t0r+t2r, t0i+t2i
				yr, yi := t1r+t3r, t1i+t3i
				re[i1], im[i1] = yr*c1-yi*s1, yr*s1+yi*c1
				yr, yi = t0r-t2r, t0i-t2i
				re[i2], im[i2] = yr*c2-yi*s2, yr*s2+yi*c2
				yr, yi = t1r-t3r, t1i-t3i
				re[i3], im[i3] = yr*c3-yi*s3, yr*s3+yi*c3
			}
		}
	}
}

func window(out, w *[Size]float32, in *[Size]int16) {
	for i, v := range in {
		out[i] = float32(v) * (1.0 / 32768) * w[i]
	}
}

func power(x *Spectrum, out *Values) {
	for k := range out {
		out[k] = x.Re[k]*x.Re[k] + x.Im[k]*x.Im[k]
	}
}

func sum(x *Values) float32 {
	var s [8]float32
	for i := 0; i < Width; i += 8 {
		for l := range s {
			s[l] += x[i+l]
		}
	}
	return ladder(&s)
}

// ladder adds halves onto halves.
func ladder(s *[8]float32) float32 {
	for half := 4; half > 0; half /= 2 {
		for l := range half {
			s[l] += s[l+half]
		}
	}
	return s[0]
}

func accumulate(w, x *Spectrum, p *Values, y *Spectrum, reach *Values) {
	for k := range reach {
		wr, wi, xr, xi := w.Re[k], w.Im[k], x.Re[k], x.Im[k]
		y.Re[k] += wr*xr - wi*xi
		y.Im[k] += wr*xi + wi*xr
		reach[k] += p[k] * (xr*xr + xi*xi)
	}
}

// Constants of Innovate and Adapt, known to lanes_amd64.s too.
const (
	psiPace = 0.25
	tiny    = 1e-10
	forget  = 0.9993
	least   = 1e-9
)

func innovate(m, y *Spectrum, psi, reach *Values, e, gain *Spectrum) {
	for k := range reach {
		er, ei := m.Re[k]-y.Re[k], m.Im[k]-y.Im[k]
		e.Re[k], e.Im[k] = er, ei
		psi[k] += psiPace * (er*er + ei*ei - psi[k])
		g := 1 / (reach[k] + psi[k] + tiny)
		reach[k] = g
		gain.Re[k], gain.Im[k] = er*g, ei*g
	}
}

func adapt(w, x *Spectrum, p *Values, gain *Spectrum, inv *Values) {
	for k := range p {
		xr, xi, gr, gi := x.Re[k], x.Im[k], gain.Re[k], gain.Im[k]
		pk := p[k]
		wr := w.Re[k] + pk*(xr*gr+xi*gi)
		wi := w.Im[k] + pk*(xr*gi-xi*gr)
		w.Re[k], w.Im[k] = wr, wi
		pk -= 0.5 * pk * pk * (xr*xr + xi*xi) * inv[k]
		p[k] = max(forget*pk+(1-forget)*(wr*wr+wi*wi), least)
	}
}

func correlate(rows [][Levels]float32, now *[Levels]float32, out []float32) {
	for i := range rows {
		r := &rows[i]
		var s [8]float32
		for l := range s {
			s[l] = r[l]*now[l] + r[l+8]*now[l+8]
		}
		out[i] = ladder(&s)
	}
}
