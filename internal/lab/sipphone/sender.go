package sipphone

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/pion/rtp"

	"ringmaster/internal/audio"
)

const frameTime = 20 * time.Millisecond

// maxBehind is how late the sender may be before it gives up catching up: the
// audio then has a hole, which is counted. Up to there what is late is sent at
// once: on a busy machine words arrive late, but whole.
const maxBehind = time.Second

// send paces one packet every 20 ms until ctx ends.
func (m *media) send(ctx context.Context) {
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	buf := make([]byte, 0, 256)
	for {
		select {
		case <-ctx.Done():
			m.abandon()
			return
		case <-timer.C:
		}
		if late := time.Since(next); late > maxBehind {
			skipped := late.Truncate(frameTime)
			m.mu.Lock()
			m.stalls++
			m.ts += uint32(toSamples(skipped))
			m.sentPos += toSamples(skipped)
			m.mu.Unlock()
			next = next.Add(skipped)
		}
		for !next.After(time.Now()) {
			m.tick(buf)
			next = next.Add(frameTime)
		}
		timer.Reset(time.Until(next))
	}
}

// abandon frees whoever waits for a sound that will not be sent any more.
func (m *media) abandon() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.queue {
		m.finish(s, time.Now())
	}
	m.queue = nil
}

// finish closes a sound and notes when it was on the line.
func (m *media) finish(s *sound, end time.Time) {
	if s.key == 0 && !s.started.IsZero() {
		m.spoken = append(m.spoken, Span{s.started, end})
	}
	close(s.done)
}

// tick sends one packet.
func (m *media) tick(buf []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.sent.Start.IsZero() {
		m.sent.Start = now
	}
	var frame [frameSamples]int16
	if len(m.queue) > 0 && m.queue[0].key != 0 && m.events != 0 {
		m.tickKey(buf, now)
	} else {
		full := m.fill(frame[:], now)
		m.mix(frame[:], now)
		payload, _ := audio.Encode(buf[:0], frame[:], m.codec.encoding)
		m.emit(m.codec.payload, m.ts, m.marker, payload, full, now)
	}
	m.store(frame[:])
	m.ts += frameSamples
}

// fill takes the next samples from the queue; silence where there are none.
func (m *media) fill(frame []int16, now time.Time) bool {
	n := 0
	for n < len(frame) && len(m.queue) > 0 && m.queue[0].key == 0 {
		s := m.queue[0]
		if s.started.IsZero() {
			s.started = now.Add(toDuration(n))
		}
		k := copy(frame[n:], s.samples[s.total:])
		s.total += k
		n += k
		if s.total >= len(s.samples) {
			m.finish(s, now.Add(toDuration(n)))
			m.queue = m.queue[1:]
		}
	}
	return n > 0
}

// mix adds background noise and the echo of what was heard.
func (m *media) mix(frame []int16, now time.Time) {
	for i := range frame {
		v := int(frame[i])
		if len(m.noise) > 0 {
			v += int(m.noise[m.noiseAt%len(m.noise)])
			m.noiseAt++
		}
		frame[i] = clip(v)
	}
	if m.echo == nil || !m.heard.started {
		return
	}
	at := toSamples(now.Sub(m.heard.line.Start) - m.echo.delay)
	for i := range frame {
		if p := at + i; p >= 0 && p < len(m.heard.line.Samples) {
			frame[i] = clip(int(frame[i]) + int(float64(m.heard.line.Samples[p])*m.echo.gain))
		}
	}
}

func clip(v int) int16 { return int16(min(max(v, -32768), 32767)) }

func (m *media) store(frame []int16) {
	if pos := m.sentPos; m.keep && pos+len(frame) <= m.heard.limit {
		if pos+len(frame) > len(m.sent.Samples) {
			m.sent.Samples = append(m.sent.Samples, make([]int16, pos+len(frame)-len(m.sent.Samples))...)
		}
		copy(m.sent.Samples[pos:], frame)
	}
	m.sentPos += len(frame)
}

// tickKey sends one step of a key (RFC 4733): all packets of an event carry
// its first timestamp, the first the marker, the last three the end bit.
func (m *media) tickKey(buf []byte, now time.Time) {
	s := m.queue[0]
	first := s.started.IsZero()
	if first {
		s.started, s.startTS, s.remaining = now, m.ts, s.total
	}
	s.remaining -= frameSamples
	end := s.remaining <= 0
	payload := append(buf[:0], keyCode(s.key), 10, 0, 0)
	binary.BigEndian.PutUint16(payload[2:], uint16(s.total-max(s.remaining, 0)))
	repeat := 1
	if end {
		payload[1] |= 0x80
		repeat = 3
	}
	for range repeat {
		m.emit(m.events, s.startTS, first, payload, false, now)
	}
	if end {
		m.finish(s, now)
		m.queue = m.queue[1:]
		m.marker = true
	}
}

func keyCode(key byte) byte {
	for i := range keys {
		if keys[i] == key {
			return byte(i)
		}
	}
	return 0
}

func (m *media) emit(payloadType uint8, ts uint32, marker bool, payload []byte, full bool, now time.Time) {
	if !m.sending || m.muted {
		m.marker = true
		return
	}
	header := rtp.Header{
		Version: 2, Marker: marker, PayloadType: payloadType,
		SequenceNumber: m.seq, Timestamp: ts, SSRC: m.ssrc,
	}
	m.seq++
	m.sentCount++
	if payloadType != m.events {
		m.marker = false
	}
	if m.keep {
		m.sentLog = append(m.sentLog, Packet{At: now, Seq: header.SequenceNumber, Timestamp: ts, Marker: marker, Payload: payloadType, Audible: full})
	}
	if m.loss.Send > 0 && m.sendRand.Float64() < m.loss.Send {
		m.dropped++
		return
	}
	var packet [12 + 512]byte
	n, err := header.MarshalTo(packet[:])
	if err != nil {
		return
	}
	n += copy(packet[n:], payload)
	_ = m.sock.write(packet[:n], m.remote) // a refused port is the peer's loss
}

// play queues samples and waits until the last of them was sent or ctx ends.
func (m *media) play(ctx context.Context, samples []int16) error {
	if len(samples) == 0 {
		return nil
	}
	return m.enqueue(ctx, &sound{samples: samples, done: make(chan struct{})})
}

// press queues one key.
func (m *media) press(ctx context.Context, key byte, d time.Duration) error {
	return m.enqueue(ctx, &sound{key: key, total: max(toSamples(d), frameSamples), done: make(chan struct{})})
}

func (m *media) enqueue(ctx context.Context, s *sound) error {
	m.mu.Lock()
	m.queue = append(m.queue, s)
	m.mu.Unlock()
	select {
	case <-s.done:
	case <-ctx.Done():
	}
	return ctx.Err()
}
