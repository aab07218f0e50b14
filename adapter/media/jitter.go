package media

import (
	"time"

	"github.com/pion/rtp"

	"ringmaster/internal/audio"
)

const (
	// jitterDepth is how many packets wait for one that is late: 60 ms.
	jitterDepth = 3
	// jitterWait is how long they wait when nothing more comes.
	jitterWait = 60 * time.Millisecond
	// maxPayloadFrames bounds a packet: 80 ms.
	maxPayloadFrames = 4
)

// jitter puts received packets in order and on the sample clock (RFC 3550):
// what is in order passes at once, what overtook another waits for it. Pure:
// the time since the leg's start is handed in.
type jitter struct {
	format  audio.Format
	out     func(pos int64, wire []byte) // takes frames in order; wire is lent
	started bool
	ssrc    uint32
	next    uint16 // sequence number that is due
	ts0     uint32 // timestamp at pos0
	pos0    int64
	end     int64 // position after the last frame
	waiting []waitingPacket
	spare   [][]byte

	late, twice uint64 // packets that came too late, or more than once
}

// waitingPacket is ahead of one that has not come. Without sound it only keeps
// its place: a key has a place in the same row (RFC 4733, 2.3).
type waitingPacket struct {
	seq   uint16
	ts    uint32
	sound []byte
}

func newJitter(f audio.Format, out func(pos int64, wire []byte)) *jitter {
	return &jitter{format: f, out: out}
}

// fits says whether a payload can be sound of the format.
func (j *jitter) fits(payload []byte) bool {
	return len(payload) > 0 && len(payload) <= maxPayloadFrames*j.format.FrameBytes() &&
		(j.format.Encoding != audio.Linear || len(payload)%2 == 0)
}

// push takes one packet of sound.
func (j *jitter) push(elapsed time.Duration, h *rtp.Header, sound []byte) {
	if !j.fits(sound) {
		return
	}
	if !j.started || h.SSRC != j.ssrc || j.leapt(elapsed, int32(h.Timestamp-j.ts0)) {
		j.anchor(elapsed, h)
	}
	j.take(h, sound)
}

// pass notes a packet of the same row that holds no sound.
func (j *jitter) pass(h *rtp.Header) {
	if j.started && h.SSRC == j.ssrc {
		j.take(h, nil)
	}
}

func (j *jitter) take(h *rtp.Header, sound []byte) {
	switch ahead := int16(h.SequenceNumber - j.next); {
	case ahead < 0:
		j.late++
		return
	case ahead == 0 && len(j.waiting) == 0:
		j.next++
		j.give(h.Timestamp, sound)
		return
	}
	j.wait(h, sound)
	j.due(false)
}

// leapt: the timestamp says something that the clock on the wall denies.
func (j *jitter) leapt(elapsed time.Duration, leap int32) bool {
	pos := j.pos0 + int64(leap)
	wall := j.format.Samples(elapsed)
	return pos > wall+j.format.Samples(2*time.Second) || pos < wall-j.format.Samples(10*time.Second)
}

func (j *jitter) anchor(elapsed time.Duration, h *rtp.Header) {
	j.due(true) // of the source before
	frame := int64(j.format.FrameSamples())
	pos := max(j.end, j.format.Samples(elapsed)/frame*frame-frame)
	if pos-j.end < j.format.Samples(sureGap) {
		pos = j.end
	}
	j.started, j.ssrc, j.next, j.ts0, j.pos0 = true, h.SSRC, h.SequenceNumber, h.Timestamp, pos
}

// wait keeps a packet among the waiting, in order, once.
func (j *jitter) wait(h *rtp.Header, sound []byte) {
	at := len(j.waiting)
	for i, w := range j.waiting {
		if w.seq == h.SequenceNumber {
			j.twice++
			return
		}
		if int16(w.seq-h.SequenceNumber) > 0 {
			at = i
			break
		}
	}
	var own []byte
	if sound != nil {
		if n := len(j.spare); n > 0 {
			own, j.spare = j.spare[n-1], j.spare[:n-1]
		}
		own = append(own[:0], sound...)
	}
	j.waiting = append(j.waiting, waitingPacket{})
	copy(j.waiting[at+1:], j.waiting[at:])
	j.waiting[at] = waitingPacket{h.SequenceNumber, h.Timestamp, own}
}

// due releases what is in order, and gives a missing packet up when too many
// wait for it, or when they have waited long enough.
func (j *jitter) due(enough bool) {
	for len(j.waiting) > 0 && (j.waiting[0].seq == j.next || len(j.waiting) > jitterDepth || enough) {
		p := j.waiting[0]
		j.waiting = append(j.waiting[:0], j.waiting[1:]...)
		j.next = p.seq + 1
		j.give(p.ts, p.sound)
		if p.sound != nil {
			j.spare = append(j.spare, p.sound)
		}
	}
}

// give places sound on the clock.
func (j *jitter) give(ts uint32, sound []byte) {
	if sound == nil {
		return
	}
	samples := int64(len(sound))
	if j.format.Encoding == audio.Linear {
		swap(sound)
		samples /= 2
	}
	pos := j.pos0 + int64(int32(ts-j.ts0))
	if pos < j.end {
		return // overlaps what was given out
	}
	j.end = pos + samples
	j.out(pos, sound)
}
