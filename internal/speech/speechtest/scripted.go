package speechtest

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
	"unicode/utf8"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// Scripted is a recognizer in memory, for tests of those who listen. What it
// "hears" comes from three sources, in any mixture:
//
//   - audio made by its own Speak (which needs no decoding to be understood);
//   - Cues, at times since the recognition was opened, on the clock of package
//     time and so on the fake one of testing/synctest;
//   - Push, at once.
//
// The zero value is ready. Fields are set before the first Recognize.
type Scripted struct {
	Cues []Cue
	// Refuse is returned by every Recognize.
	Refuse error
	// Languages offered; nil offers cmn, yue, hak, ug, en.
	Languages []speech.Language
	// BreakOff is the silence that ends an utterance of Speak which was cut
	// short; 400 ms when 0.
	BreakOff time.Duration

	mu     sync.Mutex
	texts  []string
	opened []speech.RecognizeOptions
	live   []*scripted
}

// Cue is one result, or the end of the stream, at a time since it was opened.
type Cue struct {
	At     time.Duration
	Result speech.Result
	Err    error // io.EOF or a failure; Result is then ignored
}

// The sound of Speak: each frame of 160 samples names text, place and length.
const (
	speakMagic    = 0x3A5C
	framesPerRune = 6 // 120 ms
)

// Speak is the sound of text: 8 kHz, 120 ms a character. Only this Scripted
// understands it, and only in whole frames of 160 samples.
func (s *Scripted) Speak(text string) []int16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := -1
	for i, t := range s.texts {
		if t == text {
			id = i
		}
	}
	if id < 0 {
		id, s.texts = len(s.texts), append(s.texts, text)
	}
	total := framesPerRune * utf8.RuneCountInString(text)
	pcm := make([]int16, 160*total)
	for i := range pcm {
		switch i % 160 {
		case 0:
			pcm[i] = speakMagic
		case 1:
			pcm[i] = int16(id)
		case 2:
			pcm[i] = int16(i / 160)
		case 3:
			pcm[i] = int16(total)
		default:
			pcm[i] = int16(5000 * math.Sin(float64(i*(7+i/160%5))/10))
		}
	}
	return pcm
}

// Opened is what every recognition so far was asked for.
func (s *Scripted) Opened() []speech.RecognizeOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]speech.RecognizeOptions(nil), s.opened...)
}

// Push makes every open recognition say r at once.
func (s *Scripted) Push(r speech.Result) {
	for _, rec := range s.open() {
		rec.say(r)
	}
}

// Fail ends every open recognition with err.
func (s *Scripted) Fail(err error) {
	for _, rec := range s.open() {
		rec.finish(err)
	}
}

func (s *Scripted) open() []*scripted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*scripted(nil), s.live...)
}

// Recognize opens a stream that ends with ctx.
func (s *Scripted) Recognize(ctx context.Context, o speech.RecognizeOptions) (speech.Recognition, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.Refuse != nil {
		return nil, s.Refuse
	}
	if err := o.Format.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", speech.ErrUnsupported, err)
	}
	offered := s.Languages
	if offered == nil {
		offered = []speech.Language{"cmn", "yue", "hak", "ug", "en"}
	}
	known := o.Language == ""
	for _, l := range offered {
		known = known || l == o.Language
	}
	if !known {
		return nil, fmt.Errorf("%w: %s", speech.ErrUnsupported, o.Language)
	}
	r := &scripted{owner: s, rate: o.Format.Rate}
	r.changed = sync.NewCond(&r.mu)
	for _, c := range s.Cues {
		r.timers = append(r.timers, time.AfterFunc(c.At, func() {
			if c.Err != nil {
				r.finish(c.Err)
				return
			}
			r.say(c.Result)
		}))
	}
	r.stop = context.AfterFunc(ctx, func() { r.finish(context.Cause(ctx)) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, o)
	s.live = append(s.live, r)
	return r, nil
}

// scripted is one recognition.
type scripted struct {
	owner  *Scripted
	rate   int
	timers []*time.Timer
	stop   func() bool

	mu       sync.Mutex
	changed  *sync.Cond
	results  []speech.Result
	end      error
	noMore   bool
	id       int // of the text that is being heard
	runes    int // of it that are known
	speaking bool
	from, to int64
}

func (r *scripted) at(pos int64) time.Duration {
	return time.Duration(pos) * time.Second / time.Duration(r.rate)
}

func (r *scripted) Write(f audio.Frame) error {
	r.owner.mu.Lock()
	texts, breakOff := r.owner.texts, r.owner.BreakOff
	r.owner.mu.Unlock()
	if breakOff <= 0 {
		breakOff = 400 * time.Millisecond
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end != nil || r.noMore {
		return io.ErrClosedPipe
	}
	s := f.Samples
	if len(s) < 4 || s[0] != speakMagic || int(s[1]) < 0 || int(s[1]) >= len(texts) {
		if r.speaking && r.at(f.Pos-r.to) >= breakOff {
			r.close(texts)
		}
		return nil
	}
	id, place, total := int(s[1]), int(s[2]), int(s[3])
	if r.speaking && r.id != id {
		r.close(texts)
	}
	if !r.speaking {
		r.speaking, r.id, r.runes, r.from = true, id, 0, f.Pos
	}
	r.to = f.Pos + int64(len(s))
	if n := (place + 1) / framesPerRune; n > r.runes {
		r.runes = n
		r.add(speech.Result{Text: first(texts[id], n), Start: r.at(r.from), End: r.at(r.to)})
	}
	if place == total-1 {
		r.close(texts)
	}
	return nil
}

func first(text string, n int) string { return string([]rune(text)[:n]) }

// close makes a final of what is being heard.
func (r *scripted) close(texts []string) {
	r.speaking = false
	if r.runes > 0 {
		r.add(speech.Result{Text: first(texts[r.id], r.runes), Final: true, SpeechEnd: true, Confidence: 1, Start: r.at(r.from), End: r.at(r.to)})
	}
}

func (r *scripted) add(res speech.Result) {
	r.results = append(r.results, res)
	r.changed.Broadcast()
}

func (r *scripted) say(res speech.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end == nil {
		r.add(res)
	}
}

func (r *scripted) finish(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end == nil {
		r.end = err
		r.changed.Broadcast()
	}
}

func (r *scripted) CloseWrite() error {
	r.owner.mu.Lock()
	texts := r.owner.texts
	r.owner.mu.Unlock()
	r.mu.Lock()
	if r.end == nil && r.speaking {
		r.close(texts)
	}
	r.noMore = true
	r.mu.Unlock()
	r.finish(io.EOF)
	return nil
}

func (r *scripted) Recv() (speech.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.results) == 0 && r.end == nil {
		r.changed.Wait()
	}
	if len(r.results) == 0 {
		return speech.Result{}, r.end
	}
	res := r.results[0]
	r.results = r.results[1:]
	return res, nil
}

func (r *scripted) Close() error {
	r.finish(io.ErrClosedPipe)
	r.stop()
	for _, t := range r.timers {
		t.Stop()
	}
	r.owner.mu.Lock()
	defer r.owner.mu.Unlock()
	for i, other := range r.owner.live {
		if other == r {
			r.owner.live = append(r.owner.live[:i:i], r.owner.live[i+1:]...)
			break
		}
	}
	return nil
}
