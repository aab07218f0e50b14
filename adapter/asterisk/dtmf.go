package asterisk

import (
	"strings"
	"time"
)

// dtmfWindow is how far apart the two reports of one key may come.
const dtmfWindow = 2 * time.Second

// dtmfSource is where a key was reported.
type dtmfSource int

const (
	fromARI   dtmfSource = iota // ChannelDtmfReceived, with a duration
	fromMedia                   // DTMF_END of the media websocket
)

// dtmfMerge makes one key of the two reports that Asterisk gives of it, in
// whatever order they come, and loses none when one source is silent. Pure.
type dtmfMerge struct {
	open []dtmfReport // not yet confirmed by the other source
}

type dtmfReport struct {
	digit  byte
	source dtmfSource
	at     time.Time
}

// add reports whether the key is news.
func (m *dtmfMerge) add(digit byte, source dtmfSource, at time.Time) bool {
	kept := m.open[:0]
	for _, r := range m.open {
		if at.Sub(r.at) < dtmfWindow {
			kept = append(kept, r)
		}
	}
	m.open = kept
	for i, r := range m.open {
		if r.digit == digit && r.source != source {
			m.open = append(m.open[:i], m.open[i+1:]...)
			return false
		}
	}
	if len(m.open) >= 64 { // nobody presses that fast
		m.open = m.open[1:]
	}
	m.open = append(m.open, dtmfReport{digit, source, at})
	return true
}

// dtmfDigit reads one key as Asterisk writes it; ok is false for anything else.
func dtmfDigit(s string) (byte, bool) {
	if len(s) != 1 || !strings.Contains("0123456789*#ABCD", strings.ToUpper(s)) {
		return 0, false
	}
	return strings.ToUpper(s)[0], true
}
