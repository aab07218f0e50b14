package classify

import "math"

// sparse is a sentence as a vector.
type sparse struct {
	idx []int32
	val []float32
}

// vocabulary numbers the features of the training sentences and knows how rare
// each is.
type vocabulary struct {
	dict *dict
	idf  []float32
	view []uint8
}

// scratch is what one goroutine needs to turn sentences into vectors.
type scratch struct {
	reader
	place []int32 // by feature: where it stands in x, plus one
	x     sparse
	known [views]int // features of the sentence that the vocabulary has
}

// learn reads the sentences and keeps the features that occur in at least
// minDF of them.
//
//go:norace
func learn(texts []string, minDF int) *vocabulary {
	var rd reader
	all := newDict(1 << 16)
	var df, last []int32
	var view []uint8
	for i, s := range texts {
		rd.read(s)
		for v, hs := range rd.out {
			for _, h := range hs {
				f := all.add(h)
				if int(f) == len(df) {
					df, last, view = append(df, 0), append(last, -1), append(view, uint8(v))
				}
				if last[f] != int32(i) {
					last[f] = int32(i)
					df[f]++
				}
			}
		}
	}
	kept := 0
	for _, n := range df {
		if int(n) >= minDF {
			kept++
		}
	}
	v := &vocabulary{dict: newDict(kept), idf: make([]float32, kept), view: make([]uint8, kept)}
	for i, h := range all.keys {
		if h == 0 || int(df[all.vals[i]]) < minDF {
			continue
		}
		old := all.vals[i]
		f := v.dict.add(h)
		v.idf[f] = float32(math.Pow(math.Log(float64(1+len(texts))/float64(1+df[old]))+1, rarity))
		v.view[f] = view[old]
	}
	return v
}

// rarity is the power of the inverse document frequency: what tells two
// requests apart is often a common word.
const rarity = 0.7

// sublinear term frequency.
//
//go:norace
func sublinear(n float32) float32 {
	if n == 1 {
		return 1
	}
	return 1 + float32(math.Log(float64(n)))
}

// vector gives the sentence as a vector, each view of length weight[view].
// The result is valid until the next call.
//
//go:norace
func (v *vocabulary) vector(sc *scratch, s string) sparse {
	if len(sc.place) < len(v.idf) {
		sc.place = make([]int32, len(v.idf))
	}
	sc.read(s)
	sc.x.idx, sc.x.val = sc.x.idx[:0], sc.x.val[:0]
	for i, hs := range sc.out {
		from := len(sc.x.idx)
		sc.known[i] = 0
		for _, h := range hs {
			f := v.dict.find(h)
			if f < 0 {
				continue
			}
			sc.known[i]++
			if p := sc.place[f]; p > 0 {
				sc.x.val[p-1]++
				continue
			}
			sc.x.idx, sc.x.val = append(sc.x.idx, f), append(sc.x.val, 1)
			sc.place[f] = int32(len(sc.x.idx))
		}
		var norm float64
		for j := from; j < len(sc.x.idx); j++ {
			f := sc.x.idx[j]
			sc.place[f] = 0
			w := sublinear(sc.x.val[j]) * v.idf[f]
			sc.x.val[j] = w
			norm += float64(w) * float64(w)
		}
		if norm > 0 {
			k := float32(1 / math.Sqrt(norm))
			for j := from; j < len(sc.x.val); j++ {
				sc.x.val[j] *= k
			}
		}
	}
	return sc.x
}

func (x sparse) clone() sparse {
	return sparse{append([]int32(nil), x.idx...), append([]float32(nil), x.val...)}
}
