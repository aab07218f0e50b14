package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"ringmaster/internal/audio"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/pbx"
	"ringmaster/internal/speech"
)

// errMedia marks a fault of the leg, as opposed to one of the voice.
var errMedia = errors.New("media leg takes no audio")

// speaker says lines one after the other on a media leg. It is driven from
// one goroutine (the shell's) and owns another, which carries frames.
type speaker struct {
	media  pbx.Media
	synth  speech.Synthesizer
	ref    *reference
	report func(Kind, LineReport)
	clock  func() int64 // ms since the answer
	// silence is set before the first Say; nil = nobody wants to know.
	silence *silenceMeter

	mu        sync.Mutex
	job       *job
	suspended *job               // stopped before its end
	current   *job               // being said
	again     int64              // ID under which current goes on once its stop is done
	running   context.CancelFunc // stops the job that is being said
	changed   chan struct{}
	closed    bool
	done      chan struct{}
}

// job is a Say with its progress; a stopped job can be resumed.
type job struct {
	say     int64
	lines   []dialogue.Line
	index   int     // line being said
	audio   []int16 // of that line, as far as synthesized
	whole   bool    // audio is complete
	marks   []speech.Mark
	from    int // sample to (re)start at
	resumed bool
	fill    dialogue.Line // covers a voice that is late
}

func newSpeaker(m pbx.Media, s speech.Synthesizer, ref *reference, clock func() int64, report func(Kind, LineReport)) *speaker {
	sp := &speaker{media: m, synth: s, ref: ref, clock: clock, report: report,
		changed: make(chan struct{}, 1), done: make(chan struct{})}
	go sp.run()
	return sp
}

// say replaces whatever was to be said. A job that is running is stopped.
func (s *speaker) say(e Say) {
	s.silence.decided()
	s.start(&job{say: e.ID, lines: e.Lines, index: e.From, fill: e.Fill})
}

// resume goes on with the job that was stopped, from the last phrase boundary
// that was heard. A job that is just being stopped is taken up as soon as that
// is done; one that never began to be said, or is lost, is said anew.
func (s *speaker) resume(e ResumeSaying) {
	s.mu.Lock()
	j := s.suspended
	s.suspended = nil
	if (j == nil || j.say != e.Stopped) && s.current != nil && s.current.say == e.Stopped {
		s.again = e.ID
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	if j == nil || j.say != e.Stopped {
		s.say(Say{ID: e.ID, Lines: e.Lines, From: e.From})
		return
	}
	s.rewind(j, e.ID)
	s.start(j)
}

// rewind readies a stopped job to go on under another ID.
func (s *speaker) rewind(j *job, id int64) {
	j.say, j.from, j.resumed = id, phraseBoundary(j.audio, j.from, s.media.Format().Rate), true
}

func (s *speaker) start(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running()
	}
	s.job, s.again = j, 0
	s.notify()
}

// stop silences the leg at once. What has been heard is reported by the
// running job as its end.
func (s *speaker) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.job, s.again = nil, 0
	if s.running != nil {
		s.running()
		_, _ = s.media.Flush() // at once; the job flushes again when it notices
	}
}

// speaking reports that a job is under way.
func (s *speaker) speaking() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running != nil
}

func (s *speaker) close() {
	s.mu.Lock()
	s.closed = true
	if s.running != nil {
		s.running()
	}
	s.notify()
	s.mu.Unlock()
	<-s.done
}

func (s *speaker) notify() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *speaker) run() {
	defer close(s.done)
	for range s.changed {
		for {
			s.mu.Lock()
			j := s.job
			s.job = nil
			if s.closed {
				s.mu.Unlock()
				return
			}
			if j == nil {
				s.mu.Unlock()
				break
			}
			ctx, cancel := context.WithCancel(context.Background())
			s.running, s.current = cancel, j
			s.mu.Unlock()
			s.ended(j, s.perform(ctx, j))
			cancel()
		}
	}
}

// ended takes a job off. One that was to go on when it was stopped goes on; if
// it had come to its end meanwhile, that is its end under the other ID too.
func (s *speaker) ended(j *job, last LineReport) {
	s.mu.Lock()
	id := s.again
	s.running, s.current, s.again = nil, nil, 0
	stopped := !last.Complete && last.Fault == ""
	if id != 0 && stopped {
		s.suspended = nil
		s.rewind(j, id)
		s.job = j
	}
	s.mu.Unlock()
	if id != 0 && !stopped {
		last.Say, last.Heard, last.Last = id, "", true
		s.report(InLineEnded, last)
	}
}

// perform says a job and returns its last report.
func (s *speaker) perform(ctx context.Context, j *job) (r LineReport) {
	for ; j.index < len(j.lines); j.index++ {
		r = s.sayLine(ctx, j)
		r.Last = j.index == len(j.lines)-1 || (!r.Complete && r.Fault == "")
		if !r.Complete && r.Fault == "" {
			s.mu.Lock()
			s.suspended = j
			s.mu.Unlock()
		}
		s.report(InLineEnded, r)
		if r.Last {
			return r
		}
		j.audio, j.whole, j.marks, j.from, j.resumed = nil, false, nil, 0, false
	}
	return r
}

// sayLine says j's present line from j.from and reports what was heard of it.
func (s *speaker) sayLine(ctx context.Context, j *job) LineReport {
	line := j.lines[j.index]
	r := LineReport{Say: j.say, Index: j.index, Line: line.ID, Resumed: j.resumed}
	format := s.media.Format()
	syn, err := s.open(ctx, j, line)
	if syn != nil {
		defer func() { _ = syn.Close() }()
	}
	s.silence.hasSound()
	r.StartMS = s.clock()
	before, from := s.media.Played(), j.from
	if err == nil {
		if j.whole {
			r.LengthMS = format.Duration(int64(len(j.audio) - j.from)).Milliseconds()
		}
		s.report(InLineStarted, r)
		if err = s.stream(ctx, j, syn); err == nil {
			if err = s.media.Drain(ctx); err != nil {
				err = fmt.Errorf("%w: %w", errMedia, err)
			}
		}
	}
	r.EndMS = s.clock()
	switch {
	case err == nil:
		r.Complete, r.Heard = true, line.Text
	case ctx.Err() != nil, errors.Is(err, errMedia): // stopped, or the leg ended
		heard, flushErr := s.media.Flush()
		if flushErr != nil {
			heard = s.media.Played()
		}
		s.ref.flushed(heard)
		j.from = from + int(format.Samples(max(0, heard-before)))
		r.EndMS = r.StartMS + (heard - before).Milliseconds()
		r.Heard = heardText(line.Text, j, format)
	default:
		r.Fault, r.Unsupported = err.Error(), errors.Is(err, speech.ErrUnsupported)
		r.Heard = heardText(line.Text, j, format)
	}
	return r
}

// open starts the synthesis of a line whose audio is not there yet, and takes
// what is ready at once: a cached prompt is whole before its first frame, so
// that its length is known.
func (s *speaker) open(ctx context.Context, j *job, line dialogue.Line) (speech.Synthesis, error) {
	if j.whole {
		return nil, nil
	}
	flow, drop := watch(ctx, line.Text, s.media.Format())
	f, err := s.begin(flow.ctx, speech.Utterance{Text: line.Text, Language: line.Language, Voice: line.Voice, Hints: line.Hints, Format: s.media.Format()}, j.fill)
	if err != nil || f.syn == nil {
		drop()
		return nil, errors.Join(err, f.err)
	}
	flow.Synthesis = f.syn
	syn := flow
	j.audio = append(j.audio[:0], f.chunk...)
	if err := j.took(syn, flow.note(len(f.chunk), f.err)); err != nil {
		return syn, err
	}
	for start := time.Now(); !j.whole; {
		began := time.Now()
		if err := j.more(syn); err != nil {
			return syn, err
		}
		if time.Since(began) > 2*time.Millisecond || time.Since(start) > 20*time.Millisecond {
			break
		}
	}
	return syn, ctx.Err()
}

// more reads some of the synthesis.
func (j *job) more(syn speech.Synthesis) error {
	var chunk [800]int16
	n, err := syn.Read(chunk[:])
	j.audio = append(j.audio, chunk[:n]...)
	return j.took(syn, err)
}

// took notes the end of a synthesis.
func (j *job) took(syn speech.Synthesis, err error) error {
	if errors.Is(err, io.EOF) && syn != nil {
		j.whole, j.marks = true, syn.Marks()
		return nil
	}
	return err
}

// stream writes everything from j.from on, synthesizing what is missing.
func (s *speaker) stream(ctx context.Context, j *job, syn speech.Synthesis) error {
	frame := s.media.Format().FrameSamples()
	for pos := j.from; ; pos += frame {
		for !j.whole && len(j.audio) < pos+frame {
			if err := j.more(syn); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if pos >= len(j.audio) {
			return nil
		}
		if err := s.write(ctx, j.audio[pos:min(pos+frame, len(j.audio))], frame); err != nil {
			return err
		}
	}
}

func (s *speaker) write(ctx context.Context, samples []int16, frame int) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(samples) < frame {
		samples = append(append(make([]int16, 0, frame), samples...), make([]int16, frame-len(samples))...)
	}
	s.silence.hasSound() // a filler that covers a late voice is no line
	s.silence.wrote()
	s.ref.wrote(samples)
	if err := s.media.WriteFrame(audio.Frame{Samples: samples}); err != nil {
		return fmt.Errorf("%w: %w", errMedia, err)
	}
	return nil
}

// heardText is the part of text that was heard when j.from samples had been
// played: by the synthesizer's marks, or else in proportion.
func heardText(text string, j *job, f audio.Format) string {
	played := f.Duration(int64(j.from))
	if len(j.marks) > 0 {
		end := 0
		for _, m := range j.marks {
			if m.At > played {
				break
			}
			end = m.Text
		}
		return text[:min(end, len(text))]
	}
	total := f.Duration(int64(len(j.audio)))
	if !j.whole { // about five characters a second
		total = max(total, time.Duration(utf8.RuneCountInString(text))*200*time.Millisecond)
	}
	if total <= 0 || played <= 0 {
		return ""
	}
	runes := []rune(text)
	n := int(int64(len(runes)) * int64(played) / int64(total))
	return string(runes[:min(n, len(runes))])
}

// phraseBoundary finds where to go on: the end of the last pause of 60 ms or
// more within 1.5 s before pos, or else 200 ms before pos.
func phraseBoundary(samples []int16, pos, rate int) int {
	pos = min(pos, len(samples))
	window := rate / 100
	quiet, floor := 0, pos-rate*3/2
	for end := pos; end-window >= max(0, floor); end -= window {
		var sum int64
		for _, v := range samples[end-window : end] {
			sum += int64(v) * int64(v)
		}
		if sum/int64(window) < 100*100 {
			quiet++
			if quiet >= 6 {
				return end + (quiet-1)*window
			}
		} else {
			quiet = 0
		}
	}
	return max(0, pos-rate/5)
}
