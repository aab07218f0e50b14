package media

import (
	"encoding/binary"
	"strings"
	"time"

	"ringmaster/internal/audio"
)

// Keys as named telephone events (RFC 4733).
const (
	keyNames = "0123456789*#ABCD" // events 0 to 15
	// A key of ours lasts keyPress, then the line is quiet for keyPause; the
	// last packet is sent keyRepeats times (RFC 4733, 2.5.1.4).
	keyPress   = 100 * time.Millisecond
	keyPause   = 60 * time.Millisecond
	keyRepeats = 3
	keyVolume  = 10 // -10 dBm0
)

// keyEar tells keys from the packets that carry them: each key once, at its
// first packet, for its end may be lost.
type keyEar struct {
	heard bool
	ssrc  uint32
	ts    uint32
}

// hear returns the key of a payload that begins a new one.
func (k *keyEar) hear(ssrc, ts uint32, payload []byte) (key byte, ok bool) {
	if len(payload) < 4 || int(payload[0]) >= len(keyNames) {
		return 0, false
	}
	if k.heard && k.ssrc == ssrc && int32(ts-k.ts) <= 0 {
		return 0, false // the same key again, or one from before
	}
	k.heard, k.ssrc, k.ts = true, ssrc, ts
	return keyNames[payload[0]], true
}

// keyPress of ours under way.
type keyMouth struct {
	keys  string
	begun uint32 // timestamp of the first packet
	spent int64  // samples so far
	done  chan error
}

// validKeys refuses what no telephone has.
func validKeys(digits string) (string, bool) {
	digits = strings.ToUpper(digits)
	return digits, digits != "" && len(digits) <= 64 && strings.Trim(digits, keyNames) == ""
}

// say is the payload of the frame that begins at ts: nil while the line is
// quiet between keys. times is how often it is sent; first marks a key's
// beginning, and over says that the last key and its pause are through.
func (m *keyMouth) say(f audio.Format, ts uint32, buf []byte) (payload []byte, times int, first, over bool) {
	frame, press := int64(f.FrameSamples()), f.Samples(keyPress)
	if m.spent == 0 {
		m.begun, first = ts, true
	}
	m.spent += frame
	switch {
	case m.spent <= press:
		payload = append(buf[:0], byte(strings.IndexByte(keyNames, m.keys[0])), keyVolume)
		payload = binary.BigEndian.AppendUint16(payload, uint16(m.spent))
		times = 1
		if m.spent == press {
			payload[1] |= 0x80
			times = keyRepeats
		}
	case m.spent >= press+f.Samples(keyPause):
		m.keys, m.spent = m.keys[1:], 0
	}
	return payload, times, first, m.keys == ""
}
