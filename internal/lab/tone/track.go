package tone

// How far the track looks and how long it waits.
const (
	patience  = 12 // symbols in a row that cannot be read before the text is over
	lookahead = 4  // symbols whose places decide how the text has moved
	maxShift  = 8  // hops that it may have moved: two packets either way
)

type span struct{ from, to int64 } // hops

// track is an utterance being read.
type track struct {
	u         Utterance
	next      int64 // hop of the symbol that is due
	wordStart int64 // hop of the codeword being read
	place     int   // of the symbol that is due
	word      word
	erased    []int
	moved     bool  // the symbols shifted within the codeword
	bad       int   // symbols in a row that could not be read
	lastGood  int64 // hop of the last symbol that could

	index       int // codewords since the header, which is 0
	textWords   int
	header      uint32
	trailer     uint32
	hasHeader   bool
	hasTrailer  bool
	pendingLost []span // codewords that could not be read, until one can
}

func newTrack(start int64) *track {
	return &track{next: start, wordStart: start, lastGood: start}
}

// onGrid reports whether a codeword at hop start is one that the track reads.
func (t *track) onGrid(start int64) bool {
	off := ((start-t.wordStart)%wordHops + wordHops) % wordHops
	return off <= 2 || off >= wordHops-2
}

// jump goes on reading at hop start, where a codeword was found that does not
// lie on the track's grid: sound was lost or added.
func (t *track) jump(start int64) {
	kept := t.pendingLost[:0]
	for _, s := range t.pendingLost {
		if s.from+wordHops/2 < start {
			kept = append(kept, s)
		}
	}
	t.pendingLost = kept
	for from := t.wordStart; from+wordHops/2 < start; from += wordHops {
		t.pendingLost = append(t.pendingLost, span{from, from + wordHops})
	}
	t.word, t.erased, t.place, t.bad, t.moved = word{}, nil, 0, 0, false
	t.next, t.wordStart, t.lastGood = start, start, start-hops
}

// wordReady reads symbols until a codeword is complete; false when more sound
// is needed. At the end of all sound (last) nothing is waited for.
func (t *track) wordReady(l *listener, last bool) bool {
	for t.place < symbolsPerWord {
		if t.bad > patience || !t.readSymbol(l, last) {
			return false
		}
	}
	return true
}

// readSymbol reads the symbol that is due; false when its sound, or the sound
// needed to decide what became of it, is not there yet.
func (t *track) readSymbol(l *listener, last bool) bool {
	if t.next+1 >= l.hop && !(last && t.next < l.hop) {
		return false
	}
	best, at := slot{}, t.next
	for _, h := range [...]int64{t.next, t.next - 1, t.next + 1} {
		s := l.at(h)
		better := best.purity
		if h != t.next && best.purity > 0 {
			better += 0.1 // stay unless the neighbour is clearly better
		}
		if s.is(t.place) && s.purity > better {
			best, at = s, h
		}
	}
	if best.valid() {
		t.word[t.place] = best.data
		t.bad, t.lastGood = 0, at
		t.u.Symbols++
		t.place++
		t.next = at + hops
		return true
	}
	if t.next+lookahead*hops+maxShift >= l.hop && !last {
		return false
	}
	shift := t.shift(l)
	t.next += shift
	if t.place == 0 {
		t.wordStart = t.next
	} else if shift != 0 {
		t.moved = true
	}
	if shift == 0 {
		t.erase()
	}
	for t.place < symbolsPerWord && t.next <= t.lastGood+2 { // its sound is gone
		t.erase()
	}
	return true
}

// shift is how many hops the symbols that follow have moved (lost sound moves
// them to earlier hops): the shift under which most of the next places fit.
func (t *track) shift(l *listener) int64 {
	fits := func(shift int64) (n int) {
		run := 0 // of fitting symbols, from the first that is still to be read
		for i := range lookahead + 1 {
			h := t.next + shift + int64(i*hops)
			if h <= t.lastGood+2 {
				continue
			}
			if !l.at(h).is((t.place + i) % symbolsPerWord) {
				run = lookahead
				continue
			}
			n++
			if run++; run == 2 { // two in a row weigh as three
				n++
			}
		}
		return n
	}
	best, most := int64(0), fits(0)+1
	for s := int64(1); s <= maxShift; s++ {
		for _, shift := range [...]int64{-s, s} {
			if n := fits(shift); n > most && n >= 3 {
				best, most = shift, n
			}
		}
	}
	return best
}

func (t *track) erase() {
	t.erased = append(t.erased, t.place)
	t.bad++
	t.u.Symbols++
	t.u.Erased++
	t.place++
	t.next += hops
}

// takeWord hands over the codeword that is complete and starts the next.
func (t *track) takeWord() (w word, erased []int, from, to int64) {
	w, erased, from, to = t.word, t.erased, t.wordStart, t.next
	t.word, t.erased, t.place, t.wordStart = word{}, nil, 0, t.next
	return w, erased, from, to
}

// accept counts a codeword that was read.
func (t *track) accept(repaired int) {
	t.u.Repaired += repaired
	t.index++
}

// addLost puts U+FFFD for codewords that were lost before the one now read,
// whose parity is odd, and reports how many characters that adds.
func (t *track) addLost(d *Decoder, odd int) int {
	lost := t.pendingLost
	t.pendingLost = nil
	if t.hasHeader && t.index > 0 && (t.index+len(lost))&1 != odd {
		lost = append(lost, span{t.wordStart, t.wordStart})
	}
	for _, s := range lost {
		t.index++
		t.u.Lost++
		t.addChars([]rune{'\uFFFD'}, d.position(s.from), d.position(s.to))
	}
	return len(lost)
}

func (t *track) addChars(rs []rune, from, to int64) {
	if len(t.u.Chars) == 0 {
		from = t.u.Start
	}
	n := int64(len(rs))
	for i, r := range rs {
		c := Char{Text: string(r)}
		c.Start = from + (to-from)*int64(i)/n
		c.End = from + (to-from)*int64(i+1)/n
		t.u.Chars = append(t.u.Chars, c)
	}
	t.u.Text += string(rs)
	t.u.End = to
	t.textWords++
}
