package classify

// views of a sentence: tokens and characters.
const views = 2

// Seeds keep the kinds of features apart.
const (
	seedOne  = 0x1E3779B97F4A7C15
	seedPair = 0x2F58476D1CE4E5B9
	seedSkip = 0x3D049BB133111EB1
	seedChar = 0x4CBE9B5A0E6F2D37
	seedHan  = 0x5A2B1C9D8E7F6031
	edge     = 0x1F // stands for the beginning and the end
)

// read gives the features of a sentence, by view, repeated as often as they
// occur.
func (rd *reader) read(s string) {
	rd.tokenise(s)
	for v := range rd.out {
		rd.out[v] = rd.out[v][:0]
	}
	rd.grams()
	rd.chars()
}

// grams: tokens one by one, in pairs (with the edges), and in Chinese in pairs
// with one between them.
//
//go:norace
func (rd *reader) grams() {
	out := rd.out[0]
	prev := uint64(edge)
	for i, t := range rd.tokens {
		one := step(seedOne, t.hash)
		out = append(out, finish(one), finish(step(step(seedPair, prev), t.hash)))
		prev = t.hash
		if t.han && i >= 2 {
			out = append(out, finish(step(step(seedSkip, rd.tokens[i-2].hash), t.hash)))
		}
	}
	if len(rd.tokens) > 0 {
		out = append(out, finish(step(step(seedPair, prev), edge)))
	}
	rd.out[0] = out
}

// chars: in a word with its edges, 2 to 5 letters; in Chinese, 1 to 3
// characters across the sentence, signs and numbers among them.
//
//go:norace
func (rd *reader) chars() {
	out := rd.out[1]
	for i := 0; i < len(rd.tokens); i++ {
		t := rd.tokens[i]
		if t.han || i+1 < len(rd.tokens) && rd.tokens[i+1].han {
			h := uint64(seedHan)
			for j := i; j < min(i+hanMax, len(rd.tokens)); j++ {
				h = step(h, rd.tokens[j].hash)
				out = append(out, finish(h))
			}
			if t.han {
				continue
			}
		}
		out = rd.letters(out, t)
	}
	rd.out[1] = out
}

const (
	hanMax  = 3
	charMin = 2
	charMax = 5
)

//go:norace
func (rd *reader) letters(out []uint64, t token) []uint64 {
	n := t.to - t.from + 2
	at := func(i int) uint64 {
		if i == 0 || i == n-1 {
			return ' '
		}
		r := rd.runes[t.from+i-1]
		if r >= '0' && r <= '9' {
			r = '0'
		}
		return uint64(r)
	}
	for i := range n - 1 {
		h := uint64(seedChar)
		for j := i; j < min(i+charMax, n); j++ {
			h = step(h, at(j))
			if j-i+1 >= charMin {
				out = append(out, finish(h))
			}
		}
	}
	return out
}
