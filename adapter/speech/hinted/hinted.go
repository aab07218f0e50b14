package hinted

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"ringmaster/internal/speech"
)

// maxPause bounds the silence at one place, and maxPieces the pieces of one
// utterance: further pauses are left out.
const (
	maxPause  = 10 * time.Second
	maxPieces = 50
)

// Options say which hints are heeded; the others are left out.
type Options struct{ Pauses, Readings bool }

// Synthesizer heeds hints in front of one provider; safe for concurrent use.
type Synthesizer struct {
	next speech.Synthesizer
	o    Options
}

// New stands in front of a provider that leaves no silence of its own at the
// ends of what it says, or has a level.Synthesizer before it that cuts it.
func New(next speech.Synthesizer, o Options) *Synthesizer { return &Synthesizer{next: next, o: o} }

// piece is a part of the text between two pauses.
type piece struct {
	from, to int           // in the text
	before   time.Duration // silence
}

// Synthesize implements speech.Synthesizer. The first piece is asked for at
// once; each next one when the one before begins to be read.
func (s *Synthesizer) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	hints := u.Hints
	u.Hints = nil
	pieces := []piece{{0, len(u.Text), 0}}
	if s.o.Pauses {
		pieces = cut(u.Text, hints)
	}
	if s.o.Readings && u.Language == "cmn" {
		u.Text, _ = spelled(u.Text, hints)
	}
	if len(pieces) == 1 && pieces[0].before == 0 {
		return s.next.Synthesize(ctx, u)
	}
	ctx, cancel := context.WithCancel(ctx)
	syn := &synthesis{next: s.next, u: u, ctx: ctx, cancel: cancel, pieces: pieces, buf: make([]int16, max(u.Format.FrameSamples(), 1)*5)}
	first, err := syn.ask(0)
	if err != nil {
		cancel()
		return nil, err
	}
	syn.open(first)
	return syn, nil
}

// cut gives the pieces of a text at its pauses. Hints outside the text, within a
// character or out of order are left out.
func cut(text string, hints []speech.Hint) []piece {
	out := []piece{{0, len(text), 0}}
	for _, h := range hints {
		last := &out[len(out)-1]
		switch {
		case h.Pause <= 0 || h.Start < last.from || h.Start > len(text) || h.Start < len(text) && !utf8.RuneStart(text[h.Start]):
		case h.Start == last.from:
			last.before = min(last.before+h.Pause, maxPause)
		case len(out) < maxPieces:
			last.to = h.Start
			out = append(out, piece{h.Start, len(text), min(h.Pause, maxPause)})
		}
	}
	return out
}

// synthesis joins the pieces. Read is called by one goroutine; Marks and Close
// by any.
type synthesis struct {
	next   speech.Synthesizer
	u      speech.Utterance
	ctx    context.Context
	cancel context.CancelFunc
	pieces []piece

	// Only the reader touches these.
	buf, out []int16
	given    int64 // samples given out
	quiet    int64 // of these, the silent ones at the end
	lead     []int16
	joined   bool // the silence before the piece has been given out
	end      error

	mu      sync.Mutex // guards what Marks and Close need
	at      int        // the piece that is read
	cur     speech.Synthesis
	began   time.Duration // of the piece, without its silence; negative while it has not begun
	marks   []speech.Mark
	ahead   chan answer // the next piece; nil when none is asked for
	pending sync.WaitGroup
	closed  bool
}

type answer struct {
	syn speech.Synthesis
	err error
}

// ask begins to make a piece; nil for one without text.
func (s *synthesis) ask(i int) (speech.Synthesis, error) {
	p, u := s.pieces[i], s.u
	if u.Text = u.Text[p.from:p.to]; u.Text == "" {
		return nil, nil //nolint:nilnil // silence alone
	}
	return s.next.Synthesize(s.ctx, u)
}

// open makes a synthesis the one that is read, and asks for the next piece. The
// caller holds s.mu, or is the only one that knows s.
func (s *synthesis) open(syn speech.Synthesis) {
	s.cur, s.joined, s.lead, s.began = syn, false, s.lead[:0], -1
	s.ahead = nil
	if s.at+1 < len(s.pieces) {
		ch := make(chan answer, 1)
		i := s.at + 1
		s.ahead = ch
		s.pending.Go(func() {
			syn, err := s.ask(i)
			ch <- answer{syn, err}
			close(ch) // of two that wait, both go on
		})
	}
}

// Read implements speech.Synthesis.
func (s *synthesis) Read(dst []int16) (int, error) {
	for len(s.out) == 0 {
		if s.end != nil {
			return 0, s.end
		}
		s.end = s.more()
	}
	n := copy(dst, s.out)
	s.out = s.out[n:]
	return n, nil
}

// more reads on; at the end of a piece it goes to the next.
func (s *synthesis) more() error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	n, err := 0, io.EOF
	if s.cur != nil {
		n, err = s.cur.Read(s.buf)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s.out = s.join(s.out[:0], s.buf[:n], err != nil)
	if err == nil {
		return nil
	}
	return s.turn()
}

// join adds the silence before a piece, less what is silent already at the end
// of the piece before and at the beginning of this one.
func (s *synthesis) join(dst, src []int16, last bool) []int16 {
	if !s.joined {
		wanted := s.u.Format.Samples(s.pieces[s.at].before)
		s.lead = append(s.lead, src...)
		own := 0
		for own < len(s.lead) && silent(s.lead[own]) {
			own++
		}
		if !last && own == len(s.lead) && int64(own) < wanted {
			return dst // all silent so far
		}
		if more := wanted - s.quiet - int64(own); wanted > 0 && more > 0 {
			dst = s.give(dst, make([]int16, more))
		}
		src, s.joined = s.lead, true
		s.mu.Lock()
		s.began = s.u.Format.Duration(s.given)
		s.mu.Unlock()
	}
	return s.give(dst, src)
}

func (s *synthesis) give(dst, src []int16) []int16 {
	for _, v := range src {
		if s.quiet++; !silent(v) {
			s.quiet = 0
		}
	}
	s.given += int64(len(src))
	return append(dst, src...)
}

// silent: below -50 dB of full scale, as package level counts it.
func silent(v int16) bool { return v >= -103 && v <= 103 }

// turn goes to the next piece; io.EOF after the last.
func (s *synthesis) turn() error {
	s.mu.Lock()
	ahead := s.ahead
	s.mu.Unlock()
	if ahead == nil {
		return io.EOF
	}
	a := <-ahead // it obeys s.ctx
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead = nil
	if a.err != nil {
		return a.err
	}
	if s.closed {
		if a.syn != nil {
			_ = a.syn.Close() // nobody wants it
		}
		return context.Canceled
	}
	if s.cur != nil {
		s.marks = s.allMarks()
		_ = s.cur.Close() // read to its end
	}
	s.at++
	s.open(a.syn)
	return nil
}

// Marks implements speech.Synthesis: those of the pieces at their places, nil
// where the provider gives none.
func (s *synthesis) Marks() []speech.Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.allMarks()
}

func (s *synthesis) allMarks() []speech.Mark {
	out := append([]speech.Mark(nil), s.marks...)
	if s.cur == nil || s.began < 0 {
		return out
	}
	for _, m := range s.cur.Marks() {
		out = append(out, speech.Mark{Text: m.Text + s.pieces[s.at].from, At: m.At + s.began})
	}
	return out
}

// Close implements speech.Synthesis.
func (s *synthesis) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	cur := s.cur
	s.mu.Unlock()
	if !first {
		return nil
	}
	s.cancel()
	var err error
	if cur != nil {
		err = cur.Close()
	}
	s.pending.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case a := <-s.ahead: // nil: blocks, so that default is taken
		if a.syn != nil {
			err = errors.Join(err, a.syn.Close())
		}
	default:
	}
	return err
}

var _ speech.Synthesizer = (*Synthesizer)(nil)
