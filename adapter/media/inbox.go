package media

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/internal/audio"
)

// inboxFrames bounds what is received and not read: 2 s. Then the oldest frame
// is dropped and counted.
const inboxFrames = 100

// inbox is the bounded ring between the reader of a socket and ReadFrame.
type inbox struct {
	format  audio.Format
	dropped *atomic.Uint64
	signal  chan struct{}

	mu    sync.Mutex
	ring  [inboxFrames]inFrame
	head  int
	n     int
	ended bool
	clock sampleClock

	// Of the one reader.
	expect  int64
	samples []int16
	wire    []byte
}

type inFrame struct {
	pos  int64
	wire []byte
}

func newInbox(f audio.Format, start time.Time, dropped *atomic.Uint64) *inbox {
	if dropped == nil {
		dropped = new(atomic.Uint64)
	}
	return &inbox{format: f, dropped: dropped, signal: make(chan struct{}, 1), clock: sampleClock{format: f, start: start}}
}

// put takes a copy of one frame's wire bytes that came at now.
func (b *inbox) put(now time.Time, wire []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	samples := len(wire)
	if b.format.Encoding == audio.Linear {
		samples /= 2
	}
	b.store(b.clock.place(now, samples), wire)
}

// putAt takes a frame whose position the protocol told (RTP).
func (b *inbox) putAt(pos int64, wire []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.store(pos, wire)
}

// store needs the lock.
func (b *inbox) store(pos int64, wire []byte) {
	if b.ended || len(wire) == 0 {
		return
	}
	if b.n == 0 {
		b.head = 0 // the same few slots over and over: memory grows with the backlog only
	}
	if b.n == inboxFrames {
		b.head, b.n = (b.head+1)%inboxFrames, b.n-1
		b.dropped.Add(1)
	}
	f := &b.ring[(b.head+b.n)%inboxFrames]
	f.pos, f.wire = pos, append(f.wire[:0], wire...)
	b.n++
	b.wake()
}

func (b *inbox) wake() {
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// begin moves the clock's start to now unless something was received.
func (b *inbox) begin(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.clock.next == 0 && b.n == 0 {
		b.clock.start = now
	}
}

// began is the clock's start.
func (b *inbox) began() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clock.start
}

// elapsed is the time since the clock's start.
func (b *inbox) elapsed(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Sub(b.clock.start)
}

// end lets the reader see io.EOF after what is queued.
func (b *inbox) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.wake()
}

// read is ReadFrame.
func (b *inbox) read(dst *audio.Frame) error {
	for {
		pos, ok, ended := b.take()
		if ok {
			samples, err := audio.Decode(b.samples[:0], b.wire, b.format.Encoding)
			if err != nil {
				return err
			}
			b.samples = samples
			dst.Pos, dst.Samples = pos, samples
			dst.Lost = int(max(0, pos-b.expect))
			b.expect = pos + int64(len(samples))
			return nil
		}
		if ended {
			b.wake() // for a second call
			return io.EOF
		}
		<-b.signal
	}
}

func (b *inbox) take() (pos int64, ok, ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n == 0 {
		return 0, false, b.ended
	}
	f := &b.ring[b.head]
	b.wire = append(b.wire[:0], f.wire...)
	b.head, b.n = (b.head+1)%inboxFrames, b.n-1
	return f.pos, true, false
}
