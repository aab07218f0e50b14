package audio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Chunk is a named part of a WAV file besides format and samples.
type Chunk struct {
	ID   string // four characters
	Data []byte
}

// readWriterAt is what a finished recording is edited through: an *os.File.
type readWriterAt interface {
	io.ReaderAt
	io.WriterAt
}

// AppendChunks writes chunks behind the samples of a finished recording of size
// bytes, and lets its header count them. It returns the new size.
func AppendChunks(f readWriterAt, size int64, chunks ...Chunk) (int64, error) {
	var tail []byte
	if size%2 == 1 {
		tail = append(tail, 0)
	}
	for _, c := range chunks {
		if len(c.ID) != 4 {
			return size, fmt.Errorf("%w: a chunk is named by four characters, not %q", ErrWAV, c.ID)
		}
		tail = append(tail, c.ID...)
		tail = binary.LittleEndian.AppendUint32(tail, uint32(len(c.Data)))
		tail = append(tail, c.Data...)
		if len(c.Data)%2 == 1 {
			tail = append(tail, 0)
		}
	}
	if size+int64(len(tail)) > math.MaxUint32 {
		return size, ErrWAVTooLong
	}
	if _, err := f.WriteAt(tail, size); err != nil {
		return size, err
	}
	size += int64(len(tail))
	_, err := f.WriteAt(binary.LittleEndian.AppendUint32(nil, uint32(size-8)), 4)
	return size, err
}

// Bounds of what is read of a foreign file's chunks.
const (
	maxChunks    = 64
	maxChunkKept = 1 << 20
)

// ReadChunks returns what a WAV file holds besides format and samples, wherever
// it stands. Larger chunks than 1 MiB are left out.
func ReadChunks(r io.ReadSeeker) ([]Chunk, error) {
	var riff [12]byte
	if _, err := io.ReadFull(r, riff[:]); err != nil || string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return nil, fmt.Errorf("%w: it does not begin with RIFF and WAVE", ErrWAV)
	}
	var out []Chunk
	for range maxChunks {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return out, nil
		} else if err != nil {
			return out, err
		}
		id, size := string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:]))
		if id == "fmt " || id == "data" || size > maxChunkKept {
			if _, err := r.Seek(size+size%2, io.SeekCurrent); err != nil {
				return out, err
			}
			continue
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(r, data); err != nil {
			return out, fmt.Errorf("%w: it ends within a chunk", ErrWAV)
		}
		if size%2 == 1 {
			if _, err := r.Seek(1, io.SeekCurrent); err != nil {
				return out, err
			}
		}
		out = append(out, Chunk{ID: id, Data: data})
	}
	return out, fmt.Errorf("%w: more than %d chunks", ErrWAV, maxChunks)
}

// SilenceWAV overwrites samples from to to (of each track, counted from the
// beginning) with zeros in a recording that WAVWriter wrote; track -1 means all
// of them. What lies beyond the end is ignored.
func SilenceWAV(f readWriterAt, size int64, tracks, track int, from, to int64) error {
	const header = 44
	frame := int64(2 * tracks)
	from, to = max(0, from), min(to, (size-header)/frame)
	if tracks < 1 || track >= tracks {
		return fmt.Errorf("%w: no track %d of %d", ErrWAVFormat, track, tracks)
	}
	buf := make([]byte, 32<<10/frame*frame)
	for at := from; at < to; {
		part := buf[:min(int64(len(buf)), (to-at)*frame)]
		if track < 0 {
			clear(part)
		} else {
			if _, err := f.ReadAt(part, header+at*frame); err != nil {
				return err
			}
			for i := 2 * track; i < len(part); i += int(frame) {
				part[i], part[i+1] = 0, 0
			}
		}
		if _, err := f.WriteAt(part, header+at*frame); err != nil {
			return err
		}
		at += int64(len(part)) / frame
	}
	return nil
}
