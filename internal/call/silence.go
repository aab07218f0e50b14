package call

import (
	"log/slog"
	"math"
	"sync"
	"time"
)

// Silence is what the customer heard between their last sound and our first
// one, and where it went. Total is of the recording: positions of samples on
// its two tracks. The spans are of the clock, each from the end of the one
// before it; together they are what we can account for.
type Silence struct {
	At    time.Duration // when their speech ended, since the answer
	Total time.Duration
	// Recognition: until the last words that the turn was decided on arrived.
	Recognition time.Duration
	// Endpoint: until it was our turn; a pause of theirs is waited for.
	Endpoint time.Duration
	// Understanding: until we knew what to say, be it a filler.
	Understanding time.Duration
	// Synthesis: until there was sound to be sent.
	Synthesis time.Duration
	// Frame: until the first frame was handed to the leg.
	Frame time.Duration
	// Playout: until the leg said that it was being heard; the end of the frame
	// in which that is so may lie before the moment of writing.
	Playout time.Duration
	// Lead: silence with which our sound itself begins.
	Lead time.Duration
}

// Spans are the parts by name, in order.
func (s Silence) Spans() []Span {
	return []Span{{"recognition", s.Recognition}, {"endpoint", s.Endpoint}, {"understanding", s.Understanding}, {"synthesis", s.Synthesis},
		{"frame", s.Frame}, {"playout", s.Playout}, {"lead", s.Lead}}
}

// Span is one part of a silence.
type Span struct {
	Name string
	For  time.Duration
}

// Unexplained is what of the silence no span accounts for: the network's and
// our own unsteadiness, or a fault of this very account.
func (s Silence) Unexplained() time.Duration {
	rest := s.Total
	for _, p := range s.Spans() {
		rest -= p.For
	}
	return rest
}

// LogValue shows total, spans and remainder in milliseconds.
func (s Silence) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Int64("at_ms", s.At.Milliseconds()), slog.Int64("silence_ms", s.Total.Milliseconds())}
	for _, p := range s.Spans() {
		attrs = append(attrs, slog.Int64(p.Name+"_ms", p.For.Milliseconds()))
	}
	return slog.GroupValue(append(attrs, slog.Int64("unexplained_ms", s.Unexplained().Milliseconds()))...)
}

// silenceMeter accounts for silences. The listener feeds it both sides' sound,
// shell and speaker tell it what they do; a nil meter takes everything and
// does nothing.
type silenceMeter struct {
	rate   int
	report func(Silence)

	mu    sync.Mutex
	floor float64 // level of their line while nobody speaks
	end   int64   // end of their last sound on the leg's clock
	ended time.Time
	words time.Time // when the last words came
	gap   *openSilence
}

// openSilence is a turn of theirs that was taken and is not yet answered.
type openSilence struct {
	end                                             int64
	ended, words, taken, decided, sound, out, heard time.Time
	heardAt                                         int64
}

func newSilenceMeter(rate int, report func(Silence)) *silenceMeter {
	return &silenceMeter{rate: rate, report: report, floor: 50}
}

// loudness of sound, as the root of the mean square: theirs stands above the
// line's noise, ours has none.
const (
	ownLoud    = 100
	theirLoud  = 150
	aboveNoise = 3
)

// frame takes 20 ms (or so) of both sides from pos on, which have just come in.
func (m *silenceMeter) frame(pos int64, them, us []int16, sounding bool) {
	if m == nil {
		return
	}
	now := time.Now()
	m.mu.Lock()
	s, done := m.listen(now, pos, them, us, sounding)
	m.mu.Unlock()
	if done {
		m.report(s)
	}
}

func (m *silenceMeter) listen(now time.Time, pos int64, them, us []int16, sounding bool) (Silence, bool) {
	window := m.rate / 100
	for from := 0; from+window <= len(them); from += window {
		level := meanSquare(them[from : from+window])
		loud := level > theirLoud*theirLoud && level > aboveNoise*aboveNoise*m.floor*m.floor
		m.learn(level)
		if loud {
			m.end = pos + int64(from+window)
			m.ended = now.Add(-m.span(int64(len(them) - from - window)))
		}
	}
	g := m.gap
	switch {
	case g == nil:
		return Silence{}, false
	case m.end > g.end: // they went on
		m.gap = nil
		return Silence{}, false
	case g.out.IsZero() || !sounding:
		return Silence{}, false
	}
	if g.heard.IsZero() {
		g.heard, g.heardAt = now.Add(-m.span(int64(len(us)))), pos
	}
	for from := 0; from+window <= len(us); from += window {
		if meanSquare(us[from:from+window]) > ownLoud*ownLoud {
			m.gap = nil
			return m.account(g, pos+int64(from)), true
		}
	}
	return Silence{}, false
}

// learn follows the noise of the line: down at once, up slowly, so that speech
// does not become noise.
func (m *silenceMeter) learn(level float64) {
	const down, up = 0.1, 0.0002
	rate := up
	if level < m.floor*m.floor {
		rate = down
	}
	m.floor = max(1, m.floor+rate*(math.Sqrt(level)-m.floor))
}

func (m *silenceMeter) account(g *openSilence, start int64) Silence {
	return Silence{
		At: m.span(g.end), Total: m.span(start - g.end),
		Recognition: g.words.Sub(g.ended), Endpoint: g.taken.Sub(g.words), Understanding: g.decided.Sub(g.taken),
		Synthesis: g.sound.Sub(g.decided), Frame: g.out.Sub(g.sound), Playout: g.heard.Sub(g.out), Lead: m.span(start - g.heardAt),
	}
}

func (m *silenceMeter) span(samples int64) time.Duration {
	return time.Duration(samples) * time.Second / time.Duration(m.rate)
}

// heardWords: a result of the recognizer came.
func (m *silenceMeter) heardWords() {
	m.tell(func(now time.Time) { m.words = now })
}

// taken: it is our turn.
func (m *silenceMeter) taken() {
	m.tell(func(now time.Time) {
		m.gap = nil
		if m.ended.IsZero() {
			return
		}
		words := m.words
		if words.Before(m.ended) {
			words = m.ended
		}
		m.gap = &openSilence{end: m.end, ended: m.ended, words: words, taken: now}
	})
}

// decided: we know what to say.
func (m *silenceMeter) decided() {
	m.tell(func(now time.Time) {
		if g := m.gap; g != nil && g.decided.IsZero() {
			g.decided = now
		}
	})
}

// hasSound: there is sound of it.
func (m *silenceMeter) hasSound() {
	m.tell(func(now time.Time) {
		if g := m.gap; g != nil && !g.decided.IsZero() && g.sound.IsZero() {
			g.sound = now
		}
	})
}

// wrote: a frame of it goes out.
func (m *silenceMeter) wrote() {
	m.tell(func(now time.Time) {
		if g := m.gap; g != nil && !g.sound.IsZero() && g.out.IsZero() {
			g.out = now
		}
	})
}

func (m *silenceMeter) tell(f func(now time.Time)) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f(time.Now())
}

func meanSquare(samples []int16) float64 {
	var sum int64
	for _, v := range samples {
		sum += int64(v) * int64(v)
	}
	return float64(sum) / float64(max(1, len(samples)))
}
