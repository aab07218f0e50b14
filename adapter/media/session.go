package media

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// Session is pbx.Media as the exchange's adapter sees it.
type Session interface {
	pbx.Media
	// Begin says that the leg can be heard from now on: sample 0 of the clock.
	Begin()
	// Abort ends the session for a reason that the exchange told.
	Abort(err error)
	// Err is why the session ended, nil while it lives or after Close.
	Err() error
	// Done is closed when the session is over.
	Done() <-chan struct{}
}

// Options of every kind of session.
type Options struct {
	Format audio.Format
	// OnDTMF gets keys; it must not block.
	OnDTMF func(digit byte)
	// OnEnd is called once when the session ends other than by Close; it must
	// not block.
	OnEnd func(err error)
	// Dropped counts received frames that nobody read in time.
	Dropped *atomic.Uint64
	Log     *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.OnDTMF == nil {
		o.OnDTMF = func(byte) {}
	}
	if o.OnEnd == nil {
		o.OnEnd = func(error) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, o.Format.Validate()
}

// maxQueued is how much WriteFrame accepts ahead: 500 ms, in frames.
const maxQueued = 25

// wholeFrames checks what WriteFrame got.
func wholeFrames(f audio.Format, samples int) (int64, error) {
	n := f.FrameSamples()
	if samples == 0 || samples%n != 0 {
		return 0, fmt.Errorf("%w: %d samples are not whole frames of %d", pbx.ErrRefused, samples, n)
	}
	return int64(samples / n), nil
}

// silence is n frames of silence on the wire.
func silence(f audio.Format, n int64) []byte {
	out, err := audio.Encode(nil, make([]int16, int64(f.FrameSamples())*n), f.Encoding)
	if err != nil {
		return nil
	}
	return out
}

func toTime(frames int64) time.Duration { return time.Duration(frames) * frameTime }
