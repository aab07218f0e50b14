package audio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Errors of WAV files.
var (
	// ErrWAV is wrapped by every error about bytes that are not a WAV file.
	ErrWAV = errors.New("audio: not a usable WAV file")
	// ErrWAVFormat: a WAV file, but of samples that are not read here.
	ErrWAVFormat = errors.New("audio: this kind of WAV is not read: convert it to 16-bit PCM, mu-law or A-law")
	// ErrWAVTooLong: more samples than the reader was told to take, or more
	// than the 4 GiB that a WAV header can count.
	ErrWAVTooLong = errors.New("audio: WAV file too long")
)

// Bounds of what is read from a foreign file before its samples.
const (
	maxWAVChunks  = 64
	maxWAVSkipped = 1 << 20
	maxWAVRate    = 192000
	maxWAVTracks  = 8
)

// The format tags of a fmt chunk (RFC 2361).
const (
	wavPCM        = 1
	wavALaw       = 6
	wavULaw       = 7
	wavExtensible = 0xfffe
)

// streamedSize is from where on the length of a data chunk means "until the
// end": programs that write to a pipe leave 0xffffffff or about 2^31 there.
const streamedSize = 0x7fff0000

// WAVReader reads the samples of a RIFF/WAVE stream. It is bounded: whatever
// the header promises, memory is used only for what is asked for.
type WAVReader struct {
	Rate   int // samples per second and track
	Tracks int // 1 mono, 2 stereo

	r        io.Reader
	encoding Encoding
	left     int64 // bytes of the data chunk still to come, -1 until the end
	wire     []byte
}

// NewWAVReader reads the header up to the samples.
func NewWAVReader(r io.Reader) (*WAVReader, error) {
	var riff [12]byte
	if _, err := io.ReadFull(r, riff[:]); err != nil {
		return nil, fmt.Errorf("%w: shorter than its header", ErrWAV)
	}
	if string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return nil, fmt.Errorf("%w: it does not begin with RIFF and WAVE", ErrWAV)
	}
	w := &WAVReader{r: r}
	skipped := int64(0)
	for range maxWAVChunks {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, fmt.Errorf("%w: it ends before its samples", ErrWAV)
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		switch string(head[:4]) {
		case "data":
			return w, w.begin(size)
		case "fmt ":
			if err := w.format(size); err != nil {
				return nil, err
			}
		default:
			skipped += size
			if skipped > maxWAVSkipped {
				return nil, fmt.Errorf("%w: more than %d bytes before the samples", ErrWAV, maxWAVSkipped)
			}
			if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil {
				return nil, fmt.Errorf("%w: it ends before its samples", ErrWAV)
			}
		}
	}
	return nil, fmt.Errorf("%w: more than %d chunks before the samples", ErrWAV, maxWAVChunks)
}

func (w *WAVReader) begin(size int64) error {
	if w.Rate == 0 {
		return fmt.Errorf("%w: samples without a format", ErrWAV)
	}
	w.left = size
	if size >= streamedSize {
		w.left = -1
	}
	return nil
}

// format reads a fmt chunk.
func (w *WAVReader) format(size int64) error {
	if size < 16 || size > 1024 {
		return fmt.Errorf("%w: a format of %d bytes", ErrWAV, size)
	}
	b := make([]byte, size+size%2)
	if _, err := io.ReadFull(w.r, b); err != nil {
		return fmt.Errorf("%w: it ends within its format", ErrWAV)
	}
	tag, bits := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[14:])
	if tag == wavExtensible && size >= 26 {
		tag = binary.LittleEndian.Uint16(b[24:]) // the sub-format begins with the old tag
	}
	w.Tracks = int(binary.LittleEndian.Uint16(b[2:]))
	rate := binary.LittleEndian.Uint32(b[4:])
	if w.Tracks < 1 || w.Tracks > maxWAVTracks || rate < 1000 || rate > maxWAVRate {
		return fmt.Errorf("%w: %d tracks at %d Hz", ErrWAVFormat, w.Tracks, rate)
	}
	switch {
	case tag == wavPCM && bits == 16:
		w.encoding = Linear
	case tag == wavULaw && bits == 8:
		w.encoding = ULaw
	case tag == wavALaw && bits == 8:
		w.encoding = ALaw
	default:
		return fmt.Errorf("%w (tag %d, %d bits)", ErrWAVFormat, tag, bits)
	}
	w.Rate = int(rate)
	return nil
}

// Read fills dst with samples, interleaved if there are several tracks, and
// returns how many; io.EOF after the last, io.ErrUnexpectedEOF where the file
// ends before its header says (what was there has been delivered).
func (w *WAVReader) Read(dst []int16) (int, error) {
	per := 1
	if w.encoding == Linear {
		per = 2
	}
	want := int64(min(len(dst), 1<<16) * per)
	if w.left >= 0 {
		want = min(want, w.left-w.left%int64(per))
	}
	if len(dst) == 0 {
		return 0, nil
	}
	if want == 0 {
		return 0, io.EOF
	}
	if int64(cap(w.wire)) < want {
		w.wire = make([]byte, want)
	}
	n, err := io.ReadFull(w.r, w.wire[:want])
	if w.left >= 0 {
		w.left -= int64(n)
	}
	samples, decodeErr := Decode(dst[:0], w.wire[:n-n%per], w.encoding)
	if decodeErr != nil {
		return 0, decodeErr
	}
	switch {
	case err == nil:
		return len(samples), nil
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return len(samples), err
	case w.left > 0:
		w.left = 0
		return len(samples), io.ErrUnexpectedEOF
	}
	w.left = 0
	if len(samples) == 0 {
		return 0, io.EOF
	}
	return len(samples), nil
}

// WAV is a whole recording.
type WAV struct {
	Rate   int
	Tracks [][]int16 // one slice of equal length for each track
}

// Duration is the length of the recording.
func (w WAV) Duration() time.Duration {
	if len(w.Tracks) == 0 || w.Rate == 0 {
		return 0
	}
	return time.Duration(len(w.Tracks[0])) * time.Second / time.Duration(w.Rate)
}

// ReadWAV reads a whole file of at most limit samples a track; more is
// ErrWAVTooLong. A file that was cut short gives what there is, without error:
// it is how recordings of a killed process look.
func ReadWAV(r io.Reader, limit int) (WAV, error) {
	in, err := NewWAVReader(r)
	if err != nil {
		return WAV{}, err
	}
	wav := WAV{Rate: in.Rate, Tracks: make([][]int16, in.Tracks)}
	buf := make([]int16, 4096*in.Tracks)
	total := 0
	for {
		n, err := in.Read(buf)
		for i, s := range buf[:n] {
			track := (total + i) % in.Tracks
			wav.Tracks[track] = append(wav.Tracks[track], s)
		}
		total += n
		if total > limit*in.Tracks {
			return WAV{}, fmt.Errorf("%w: more than %d samples", ErrWAVTooLong, limit)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return WAV{}, err
		}
	}
	whole := len(wav.Tracks[in.Tracks-1]) // a last incomplete moment is dropped
	for i := range wav.Tracks {
		wav.Tracks[i] = wav.Tracks[i][:whole]
	}
	return wav, nil
}

// wavHeaderSize is what wavHeader takes.
const wavHeaderSize = 44

// wavHeader is what stands before 16-bit PCM samples.
func wavHeader(rate, tracks int, dataBytes uint32) []byte {
	b := make([]byte, 0, wavHeaderSize)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, 36+dataBytes)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, wavPCM)
	b = binary.LittleEndian.AppendUint16(b, uint16(tracks))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*tracks*2))
	b = binary.LittleEndian.AppendUint16(b, uint16(tracks*2))
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	return binary.LittleEndian.AppendUint32(b, dataBytes)
}

func checkWAV(rate, tracks int) error {
	if rate < 1000 || rate > maxWAVRate || tracks < 1 || tracks > maxWAVTracks {
		return fmt.Errorf("%w: %d tracks at %d Hz", ErrWAVFormat, tracks, rate)
	}
	return nil
}

// WriteWAV writes a whole recording as 16-bit PCM; the tracks must be of equal
// length.
func WriteWAV(w io.Writer, wav WAV) error {
	if err := checkWAV(wav.Rate, len(wav.Tracks)); err != nil {
		return err
	}
	n := len(wav.Tracks[0])
	for _, t := range wav.Tracks {
		if len(t) != n {
			return fmt.Errorf("%w: tracks of %d and %d samples", ErrWAVFormat, n, len(t))
		}
	}
	bytes := int64(n) * int64(len(wav.Tracks)) * 2
	if bytes > math.MaxUint32-36 {
		return ErrWAVTooLong
	}
	out := make([]byte, 0, 44+bytes)
	out = append(out, wavHeader(wav.Rate, len(wav.Tracks), uint32(bytes))...)
	for i := range n {
		for _, t := range wav.Tracks {
			out = append(out, byte(t[i]), byte(uint16(t[i])>>8))
		}
	}
	_, err := w.Write(out)
	return err
}

// WAVWriter writes a recording as it happens. Its header never counts what is
// not in the file: whoever kills the process loses at most the last second.
type WAVWriter struct {
	w       io.WriterAt
	tracks  int
	rate    int
	pending []byte // of samples, less than a block
	bytes   int64  // of samples in the file
	patched int64  // of samples that the header counts
	err     error
}

// NewWAVWriter writes the header of an empty recording to w, which holds
// nothing yet (and is not opened for appending). What w is given stays in
// order; it may write later and answer with an error then.
func NewWAVWriter(w io.WriterAt, rate, tracks int) (*WAVWriter, error) {
	if err := checkWAV(rate, tracks); err != nil {
		return nil, err
	}
	if _, err := w.WriteAt(wavHeader(rate, tracks, 0), 0); err != nil {
		return nil, fmt.Errorf("audio: cannot begin a recording: %w", err)
	}
	return &WAVWriter{w: w, rate: rate, tracks: tracks, pending: make([]byte, 0, wavBlock)}, nil
}

// wavBlock is how many bytes of samples wait to be written together: every
// call that is recorded has them in memory (0.26 s of two tracks at 8 kHz).
const wavBlock = 8 << 10

// Write appends samples, interleaved if there are several tracks. They reach
// the file in blocks of 8 KiB and its header once a second of sound; after an
// error nothing more is written and every call returns it.
func (w *WAVWriter) Write(samples []int16) error {
	if len(samples)%w.tracks != 0 {
		return fmt.Errorf("%w: %d samples for %d tracks", ErrWAVFormat, len(samples), w.tracks)
	}
	if w.begin(len(samples)) != nil {
		return w.err
	}
	for len(samples) > 0 {
		n := min(len(samples), (wavBlock-len(w.pending))/2)
		w.pending, _ = Encode(w.pending, samples[:n], Linear)
		samples = samples[n:]
		if w.full() != nil {
			return w.err
		}
	}
	return w.end()
}

// WriteStereo appends the two sides of a conversation; the shorter one is
// followed by silence.
func (w *WAVWriter) WriteStereo(left, right []int16) error {
	if w.tracks != 2 {
		return fmt.Errorf("%w: two sides for %d tracks", ErrWAVFormat, w.tracks)
	}
	n := max(len(left), len(right))
	if w.begin(2*n) != nil {
		return w.err
	}
	for i := range n {
		var l, r uint16
		if i < len(left) {
			l = uint16(left[i])
		}
		if i < len(right) {
			r = uint16(right[i])
		}
		w.pending = append(w.pending, byte(l), byte(l>>8), byte(r), byte(r>>8))
		if w.full() != nil {
			return w.err
		}
	}
	return w.end()
}

// begin says why n more samples cannot be written.
func (w *WAVWriter) begin(n int) error {
	if w.err == nil && w.bytes+int64(len(w.pending)+2*n) > math.MaxUint32-36 {
		w.err = errors.Join(ErrWAVTooLong, w.flush())
	}
	return w.err
}

// full brings a whole block to the file.
func (w *WAVWriter) full() error {
	if len(w.pending) >= wavBlock {
		w.err = w.write()
	}
	return w.err
}

// end completes the header once a second of sound.
func (w *WAVWriter) end() error {
	if w.bytes+int64(len(w.pending))-w.patched >= int64(w.rate*w.tracks*2) {
		w.err = w.flush()
	}
	return w.err
}

// Duration is the length of what was written so far.
func (w *WAVWriter) Duration() time.Duration {
	n := (w.bytes + int64(len(w.pending))) / int64(2*w.tracks)
	return time.Duration(n) * time.Second / time.Duration(w.rate)
}

// flush writes samples first and the header after: a header never counts what
// is not there.
func (w *WAVWriter) flush() error {
	if err := w.write(); err != nil {
		return err
	}
	if w.bytes == w.patched {
		return nil
	}
	if err := w.patch(); err != nil {
		return fmt.Errorf("audio: recording stopped: %w", err)
	}
	w.patched = w.bytes
	return nil
}

// write brings pending samples to the file.
func (w *WAVWriter) write() error {
	if len(w.pending) == 0 {
		return nil
	}
	n, err := w.w.WriteAt(w.pending, wavHeaderSize+w.bytes)
	w.bytes += int64(n)
	w.pending = w.pending[:0]
	if err != nil {
		return fmt.Errorf("audio: recording stopped: %w", err)
	}
	return nil
}

func (w *WAVWriter) patch() error {
	_, err := w.w.WriteAt(wavHeader(w.rate, w.tracks, uint32(w.bytes)), 0)
	return err
}

// WAVSize is how long a file of a WAVWriter is as far as its header counts, in
// bytes, and how much sound that is: of one whose writing failed or was
// interrupted it is what can be relied on.
func WAVSize(r io.ReaderAt) (size int64, sound time.Duration, err error) {
	var h [wavHeaderSize]byte
	if _, err := r.ReadAt(h[:], 0); err != nil {
		return 0, 0, fmt.Errorf("%w: shorter than its header", ErrWAV)
	}
	samples := int64(binary.LittleEndian.Uint32(h[40:]))
	perSecond := int64(binary.LittleEndian.Uint32(h[28:]))
	if string(h[:4]) != "RIFF" || string(h[36:40]) != "data" || perSecond == 0 {
		return 0, 0, fmt.Errorf("%w: its header is not one of ours", ErrWAV)
	}
	return wavHeaderSize + samples, time.Duration(samples * int64(time.Second) / perSecond), nil
}

// Close writes what is pending and completes the header. It does not close the
// file.
func (w *WAVWriter) Close() error {
	if w.err != nil {
		return w.err
	}
	err := w.flush()
	w.err = errors.Join(err, errWAVClosed)
	return err
}

var errWAVClosed = errors.New("audio: the recording is closed")
