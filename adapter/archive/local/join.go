package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
)

// Scratch is a file beside the recordings that only we can read; the caller
// removes it.
func (a *Archive) Scratch() (*os.File, error) {
	f, err := os.CreateTemp(a.root, ".fetch-*")
	if err != nil {
		return nil, fmt.Errorf("recording folder cannot be written: %w", err)
	}
	return f, nil
}

// Join stores two mono recordings (WAV) of one conversation as one of two
// tracks: left = them, right = us. The shorter one is filled up with silence.
func (a *Archive) Join(_ context.Context, tenant, attempt string, at time.Time, left, right io.Reader, p call.Publication) (campaign.Recording, error) {
	var sides [2]*audio.WAVReader
	for i, r := range []io.Reader{left, right} {
		w, err := audio.NewWAVReader(r)
		if err != nil {
			return campaign.Recording{}, err
		}
		if sides[i] = w; w.Tracks != 1 || w.Rate != sides[0].Rate {
			return campaign.Recording{}, fmt.Errorf("%w: two mono files of one rate are joined, not %d tracks at %d/s", audio.ErrWAV, w.Tracks, w.Rate)
		}
	}
	t, err := a.create(tenant, attempt, audio.Format{Rate: sides[0].Rate}, at, func(file *os.File) output { return direct{file} })
	if err != nil {
		return campaign.Recording{}, err
	}
	copied := join(t, sides)
	if err := errors.Join(copied, t.Close()); err != nil && p.Withhold == "" {
		p.Withhold = err.Error()
	}
	return t.Publish(p)
}

func join(t call.Tracks, sides [2]*audio.WAVReader) error {
	var bufs [2][8000]int16
	for {
		most := 0
		for i, s := range sides {
			n, err := fill(s, bufs[i][:])
			if err != nil {
				return err
			}
			clear(bufs[i][n:])
			most = max(most, n)
		}
		if most == 0 {
			return nil
		}
		if err := t.Write(bufs[0][:most], bufs[1][:most]); err != nil {
			return err
		}
	}
}

// fill reads until dst is full or the recording over, be it before its time.
func fill(r *audio.WAVReader, dst []int16) (n int, err error) {
	for n < len(dst) && err == nil {
		var k int
		k, err = r.Read(dst[n:])
		n += k
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}
