package speech

import (
	"context"
	"errors"
	"time"

	"ringmaster/internal/audio"
)

// Failures that every adapter reports by these names, wrapped with the
// provider's own words. Only ErrUnavailable may be retried elsewhere without
// having cost anything.
var (
	// ErrUnavailable: the provider could not be reached or refused to start.
	ErrUnavailable = errors.New("speech provider unavailable: check its address, credentials and quota with `ringmaster doctor`")
	// ErrTimeout: the provider accepted the work and then stayed silent.
	ErrTimeout = errors.New("speech provider gave no answer in time: raise its timeout or add a fallback provider")
	// ErrUnsupported: the language, voice or format is not offered by this provider.
	ErrUnsupported = errors.New("speech provider does not offer this language, voice or format")
	// ErrProtocol: the provider answered with something that is not its protocol.
	ErrProtocol = errors.New("speech provider broke its protocol: check that the address is the right service and version")
)

// Language is a spoken language as scripts name it: cmn (Mandarin), yue
// (Cantonese), hak (Hakka), ug (Uyghur), en. ISO 639-3, or 639-1 where usual.
type Language string

// RecognizeOptions say what the recognizer should expect. Format is the rate
// of the frames that will be written (samples are always linear).
type RecognizeOptions struct {
	Format   audio.Format
	Language Language
	// Hotwords are phrases to be favoured, with a weight of 1 to 100.
	Hotwords map[string]int
	// EndSilence is how much silence ends an utterance for a recognizer that
	// does its own endpointing; 0 leaves it to the provider's default.
	EndSilence time.Duration
}

// Recognizer opens streaming recognitions; safe for concurrent use.
type Recognizer interface {
	Recognize(ctx context.Context, o RecognizeOptions) (Recognition, error)
}

// Word is one recognized word (or Chinese character) with its place on the
// sample clock of the frames that were written.
type Word struct {
	Text       string
	Start, End time.Duration
}

// Result is a partial or final hypothesis. Partials of one utterance replace
// each other; a final closes the utterance. Times count from the first sample
// of the media leg's clock (audio.Frame.Pos), losses included.
type Result struct {
	Text       string
	Final      bool
	SpeechEnd  bool    // the provider judged that the speaker has finished
	Confidence float64 // 0 to 1; 0 when the provider gives none
	Start, End time.Duration
	Words      []Word // nil when the provider gives no word times
}

// Recognition is one open stream. Write and Recv may run in two goroutines;
// each on its own is called by one goroutine only.
type Recognition interface {
	// Write hands over the next frame; it never blocks on the network for
	// longer than one frame: a slow provider loses audio, counted, not time.
	Write(f audio.Frame) error
	// CloseWrite says that no more audio comes: the last final follows.
	CloseWrite() error
	// Recv blocks for the next result; io.EOF after the last.
	Recv() (Result, error)
	// Close ends the stream at once and frees everything.
	Close() error
}

// Utterance is text to be spoken.
type Utterance struct {
	Text     string
	Language Language
	Voice    string // the provider's voice name; empty = its default for Language
	Format   audio.Format
	Speed    float64 // 1 = normal; 0 means 1
	// Hints say how places of Text are read, ascending and apart from each
	// other. A provider that cannot heed them leaves them out.
	Hints []Hint
}

// Hint is how one place of a text is read.
type Hint struct {
	Start, End int           // byte offsets in Text; equal for a pause
	Reading    string        // pinyin with tone numbers, a syllable a character: chong2 qing4
	Pause      time.Duration // silence before Start
}

// Mark ties a place in the text to a time in the audio: the part of Text up
// to byte offset Text is spoken by At.
type Mark struct {
	Text int           // byte offset in Utterance.Text, exclusive end
	At   time.Duration // since the first sample of this synthesis
}

// Synthesizer starts syntheses; safe for concurrent use.
type Synthesizer interface {
	Synthesize(ctx context.Context, u Utterance) (Synthesis, error)
}

// Synthesis streams audio as it becomes ready, faster than real time where the
// provider can.
type Synthesis interface {
	// Read fills dst with samples at the Utterance's rate; io.EOF at the end.
	Read(dst []int16) (int, error)
	// Marks known so far, ascending; complete after io.EOF. A provider without
	// word times returns nil and the heard text is estimated by proportion.
	Marks() []Mark
	Close() error
}
