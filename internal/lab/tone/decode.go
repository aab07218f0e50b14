package tone

import (
	"fmt"
	"hash/crc32"
	"strings"
)

// Char is one character as it was heard.
type Char struct {
	Text string // one character; U+FFFD for a codeword that could not be read
	// Start and End are positions in samples at the decoder's rate, counted
	// from the first sample written. The header belongs to the first
	// character and the trailer to the last.
	Start, End int64
}

// Utterance is what is known of one text.
type Utterance struct {
	Text       string
	Chars      []Char
	Start, End int64 // samples at the decoder's rate
	// Intact: the text is proven complete and right by its checksum.
	Intact bool
	// Cut: the signal stopped, or another began, before the trailer.
	Cut bool
	// Erased and Symbols count symbols: how many of those that were due could
	// not be read. Repaired counts symbols that were read wrongly and corrected.
	Erased, Symbols, Repaired int
	// Lost counts codewords beyond repair: each is one U+FFFD in Text.
	Lost int
}

// Kind of an Event.
type Kind int

// Kinds of Event, in the order in which one utterance yields them.
const (
	Begin Kind = iota + 1 // an utterance was recognised as such
	Text                  // characters became known
	End                   // the utterance is over
)

// Event is one step of decoding. Utterance is a snapshot; New is how many of
// its last Chars a Text event adds.
type Event struct {
	Kind      Kind
	New       int
	Utterance Utterance
}

// NewText is the text that a Text event adds.
func (e Event) NewText() string {
	var b strings.Builder
	for _, c := range e.Utterance.Chars[len(e.Utterance.Chars)-e.New:] {
		b.WriteString(c.Text)
	}
	return b.String()
}

// Decoder hears tone text in a stream of samples; not safe for concurrent use.
// Anything that is not tone text yields no event.
type Decoder struct {
	ears   listener
	events []Event
	track  *track // nil while nothing is being heard
	guess  guess
	free   int64 // first hop that no utterance has used
}

// NewDecoder hears samples at rate: 8000 or a multiple of it up to 48000.
func NewDecoder(rate int) (*Decoder, error) {
	if rate < baseRate || rate > 6*baseRate || rate%baseRate != 0 {
		return nil, fmt.Errorf("tone: rate %d is not offered: use 8000, 16000, 24000 or 48000", rate)
	}
	d := new(Decoder)
	d.ears.down = newDecimator(rate / baseRate)
	return d, nil
}

// Write hears more samples and returns what became known.
func (d *Decoder) Write(samples []int16) []Event {
	d.events = nil
	d.ears.write(samples, d.step)
	return d.events
}

// Flush says that no more sound comes and ends an utterance that is still open:
// as a cut one, unless all of it was heard. The decoder is of no further use.
func (d *Decoder) Flush() []Event {
	d.events = nil
	tail := (blocks*block + int(d.ears.down.delay())) * d.ears.down.factor
	d.ears.write(make([]int16, tail), d.step)
	for d.track != nil && d.track.wordReady(&d.ears, true) {
		d.finishWord()
	}
	if d.track != nil {
		d.end(true)
	}
	return d.events
}

// Hearing reports whether an utterance is open.
func (d *Decoder) Hearing() bool { return d.track != nil }

// DecodeAll hears a whole recording.
func DecodeAll(samples []int16, rate int) ([]Utterance, error) {
	d, err := NewDecoder(rate)
	if err != nil {
		return nil, err
	}
	var all []Utterance
	for _, e := range append(d.Write(samples), d.Flush()...) {
		if e.Kind == End {
			all = append(all, e.Utterance)
		}
	}
	return all, nil
}

// step runs after every new slot.
func (d *Decoder) step() {
	if start, ok := d.search(); ok {
		d.begin(start)
	}
	for d.track != nil && d.track.wordReady(&d.ears, false) {
		d.finishWord()
	}
	if d.track != nil && d.track.bad > patience {
		d.end(true)
	}
}

// guess is a codeword that was found where none was expected; it waits two hops
// for a better aligned view of the same codeword.
type guess struct {
	start  int64 // hop of its first symbol
	purity float32
	until  int64
}

// search looks for a whole codeword that ends at the newest slot. Seven of its
// eight symbols must be in place and the check symbols must agree, so that
// sound which is not tone text does not pass.
func (d *Decoder) search() (start int64, ok bool) {
	newest := d.ears.hop - 1
	if d.guess.purity > 0 && newest >= d.guess.until {
		start = d.guess.start
		d.guess = guess{}
		return start, start >= d.free-2 && (d.track == nil || !d.track.onGrid(start))
	}
	first := newest - wordHops + hops
	if first < d.free-2 {
		return 0, false
	}
	w, erased, purity := d.view(first, symbolsPerWord, 1)
	if len(erased) > 1 {
		return 0, false
	}
	if d.track != nil && (len(erased) > 0 || d.track.onGrid(first)) {
		return 0, false // the codeword that the track is reading anyway
	}
	if _, ok := w.repair(erased); !ok || !known(&w) {
		return 0, false
	}
	if d.guess.purity == 0 {
		d.guess.until = newest + 2
	}
	if purity > d.guess.purity {
		d.guess.start, d.guess.purity = first, purity
	}
	return 0, false
}

// view is the codeword whose first symbol is at hop first and of which the
// symbol at place gone is missing, its sound cut out (symbolsPerWord: none). It
// gives up after more than limit erasures.
func (d *Decoder) view(first int64, gone, limit int) (w word, erased []int, purity float32) {
	for p, h := 0, first; p < symbolsPerWord; p++ {
		if s := d.ears.at(h); p != gone && s.is(p) {
			w[p] = s.data
			purity += s.purity
		} else if erased = append(erased, p); len(erased) > limit {
			return w, erased, 0
		}
		if p != gone {
			h += hops
		}
	}
	return w, erased, purity
}

// viewBefore is the codeword that ends where the one at hop start begins, whole
// or with one symbol cut out of it.
func (d *Decoder) viewBefore(start int64) (w word, from int64, ok bool) {
	for gone := symbolsPerWord; gone >= 0; gone-- {
		from = start - wordHops
		if gone < symbolsPerWord {
			from += hops
		}
		if from < d.free-2 {
			continue
		}
		w, erased, _ := d.view(from, gone, paritySymbols)
		if _, ok := w.repair(erased); !ok || !known(&w) {
			continue
		}
		if len(erased) < paritySymbols || isHeader(&w) {
			return w, from, true
		}
	}
	return w, 0, false
}

// known reports whether w is a codeword that words can make.
func known(w *word) bool {
	kind, _, payload := w.unpack()
	if kind == kindMark {
		return payload>>20 == markHeader || payload>>20 == markTrailer
	}
	_, ok := runes(kind, payload)
	return ok
}

func isHeader(w *word) bool {
	kind, _, payload := w.unpack()
	return kind == kindMark && payload>>20 == markHeader
}

// begin follows the codeword at hop start. When it is not a header, the header
// was damaged: what can still be read before it is read.
func (d *Decoder) begin(start int64) {
	w, erased, _ := d.view(start, symbolsPerWord, 1)
	w.repair(erased)
	if d.track != nil {
		if !isHeader(&w) {
			d.track.jump(start)
			return
		}
		d.end(true)
	}
	for !isHeader(&w) {
		before, from, ok := d.viewBefore(start)
		if !ok {
			break
		}
		w, start = before, from
	}
	d.track = newTrack(start)
	d.track.u.Start = d.position(start)
	d.track.u.End = d.track.u.Start
	d.emit(Begin, 0)
}

// position is the sample at which the symbol begins whose slot is at hop h.
func (d *Decoder) position(h int64) int64 {
	at := (h-(blocks-1))*block - block/2 - d.ears.down.delay()
	return max(0, at*int64(d.ears.down.factor))
}

func (d *Decoder) emit(k Kind, added int) {
	u := d.track.u
	u.Chars = u.Chars[:len(u.Chars):len(u.Chars)]
	d.events = append(d.events, Event{Kind: k, New: added, Utterance: u})
}

// finishWord takes the codeword that the track has collected.
func (d *Decoder) finishWord() {
	t := d.track
	w, erased, from, to := t.takeWord()
	repaired, ok := w.repair(erased)
	ok = ok && known(&w)
	if t.moved { // what was taken for one codeword may be the joint of two
		t.moved = false
		other, erased, _ := d.view(to-wordHops, symbolsPerWord, 1)
		if n, good := other.repair(erased); good && len(erased) <= 1 && known(&other) && (!ok || isHeader(&other)) {
			w, repaired, ok = other, n, true
		}
	}
	kind, odd, payload := w.unpack()
	switch {
	case !ok:
		t.pendingLost = append(t.pendingLost, span{from, to})
	case kind == kindMark && payload>>20 == markHeader:
		if t.index > 0 { // another utterance on the same grid
			from = to - wordHops
			d.end(true)
			d.track = newTrack(from)
			d.track.next, d.track.wordStart, d.track.lastGood = t.next, to, t.lastGood
			d.track.u.Start = d.position(from)
			d.emit(Begin, 0)
			t = d.track
		}
		t.header, t.hasHeader = payload, true
		t.accept(repaired)
	case kind == kindMark:
		t.trailer, t.hasTrailer = payload, true
		t.addLost(d, odd)
		t.accept(repaired)
		t.u.End = d.position(to)
		d.end(false)
	default:
		lost := t.addLost(d, odd)
		t.accept(repaired)
		rs, _ := runes(kind, payload)
		t.addChars(rs, d.position(from), d.position(to))
		d.emit(Text, len(rs)+lost)
	}
}

func (d *Decoder) end(cut bool) {
	t := d.track
	t.u.Cut = cut
	t.u.Intact = t.intact()
	t.u.End = max(t.u.End, d.position(t.lastGood+hops))
	if n := len(t.u.Chars); n > 0 {
		t.u.Chars = append([]Char(nil), t.u.Chars...)
		t.u.Chars[n-1].End = max(t.u.Chars[n-1].End, t.u.End)
	}
	d.emit(End, 0)
	d.free = t.lastGood + hops
	d.track = nil
}

// intact: the checksum of header or trailer, and the length, say so.
func (t *track) intact() bool {
	if t.u.Lost > 0 {
		return false
	}
	crc := crc32.ChecksumIEEE([]byte(t.u.Text))
	if t.hasHeader && (crc&0xfff != t.header&0xfff || uint32(t.textWords)&0xff != t.header>>12&0xff) {
		return false
	}
	if t.hasTrailer && crc>>12 != t.trailer&(1<<20-1) {
		return false
	}
	return t.hasHeader || t.hasTrailer
}
