package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// What a voice owes us once it has begun.
const (
	voiceStalls = 3500 * time.Millisecond // no further sound of a line; a chain of voices has changed over by then
	voiceSpare  = 15 * time.Second        // a line may last so long, and voiceSlow more for each of its characters
	voiceSlow   = time.Second
)

// Faults of a voice in the midst of a line.
var (
	errVoiceStalls = errors.New("the sound of the line broke off")
	errVoiceEmpty  = errors.New("the line has words and no sound")
	errVoiceLong   = errors.New("the sound of the line does not end")
)

// flow is a synthesis that is held to its promise: whoever stops in the midst
// of a line, says nothing of it, or never ends, has failed, and the call hears
// of it while there is still something to be done.
type flow struct {
	speech.Synthesis
	ctx    context.Context //nolint:containedctx // it lives as long as the synthesis
	cancel context.CancelCauseFunc
	words  bool
	left   int64 // samples that the line may still have
	any    bool
}

// watch prepares the flow of a line; whoever gets no synthesis calls stop.
func watch(ctx context.Context, text string, f audio.Format) (w *flow, stop func()) {
	w = &flow{words: strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })}
	w.left = f.Samples(voiceSpare + time.Duration(utf8.RuneCountInString(text))*voiceSlow)
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w, func() { w.cancel(nil) }
}

// Read implements speech.Synthesis.
func (w *flow) Read(dst []int16) (int, error) {
	t := time.AfterFunc(voiceStalls, func() { w.cancel(errVoiceStalls) }) // a synthesizer ends with its ctx
	n, err := w.Synthesis.Read(dst)
	t.Stop()
	return n, w.note(n, err)
}

// note judges what a Read gave.
func (w *flow) note(n int, err error) error {
	w.any = w.any || n > 0
	w.left -= int64(n)
	switch {
	case err != nil && errors.Is(context.Cause(w.ctx), errVoiceStalls):
		return fmt.Errorf("%w: %w", speech.ErrTimeout, errVoiceStalls)
	case errors.Is(err, io.EOF) && w.words && !w.any:
		return fmt.Errorf("%w: %w", speech.ErrProtocol, errVoiceEmpty)
	case err == nil && w.left < 0:
		return fmt.Errorf("%w: %w", speech.ErrProtocol, errVoiceLong)
	}
	return err
}

// Close implements speech.Synthesis.
func (w *flow) Close() error {
	w.cancel(nil)
	return w.Synthesis.Close() //nolint:wrapcheck // it is the synthesis
}
