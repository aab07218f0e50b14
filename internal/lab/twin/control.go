package twin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/wire"
)

// tell sends a control message.
func (m *media) tell(name string, pairs ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.send(name, pairs...)
}

// send needs the lock. pairs are keys and values after channel_id.
func (m *media) send(name string, pairs ...any) {
	if m.ws == nil {
		return
	}
	if name != "MEDIA_START" {
		pairs = append([]any{"channel_id", m.ch.id}, pairs...)
	}
	var b strings.Builder
	if m.json {
		b.WriteString(`{"event":` + string(encode(name)))
		for i := 0; i+1 < len(pairs); i += 2 {
			fmt.Fprintf(&b, ",%q:%s", pairs[i], encode(pairs[i+1]))
		}
		b.WriteByte('}')
	} else {
		b.WriteString(name)
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] != "channel_variables" {
				fmt.Fprintf(&b, " %s:%v", pairs[i], pairs[i+1])
			}
		}
	}
	m.enqueue(wire.Text, []byte(b.String()))
}

// command carries out a control message; true ends the leg.
func (m *media) command(raw []byte) (bye bool) {
	if len(raw) > commandMax {
		return false // a line in Asterisk's log, nothing else
	}
	var c struct {
		Command     string `json:"command"`
		Correlation string `json:"correlation_id"`
		Direction   string `json:"direction"`
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.json {
		if err := json.Unmarshal(raw, &c); err != nil {
			m.send("ERROR", "error_text", "Unable to parse JSON command")
			return false
		}
	} else {
		c.Command, c.Correlation, _ = strings.Cut(strings.TrimSpace(string(raw)), " ")
	}
	switch c.Command {
	case "HANGUP":
		return true
	case "START_MEDIA_BUFFERING":
		m.buffering = true
	case "STOP_MEDIA_BUFFERING":
		m.stopBuffering(c.Correlation)
	case "MARK_MEDIA":
		m.queue = append(m.queue, item{mark: c.Correlation, event: "MEDIA_MARK_PROCESSED"})
	case "FLUSH_MEDIA":
		m.queue, m.frames, m.partial, m.buffering = nil, 0, nil, false
		if m.full {
			m.full = false
			m.send("MEDIA_XON")
		}
	case "REPORT_QUEUE_DRAINED":
		m.draining = true
	case "GET_STATUS":
		m.send("STATUS", "queue_length", m.frames, "xon_level", queueOn, "xoff_level", queueOff,
			"queue_full", m.full, "bulk_media", m.buffering, "media_paused", m.paused)
	case "PAUSE_MEDIA", "CONTINUE_MEDIA":
		m.paused = c.Command == "PAUSE_MEDIA"
	case "SET_MEDIA_DIRECTION":
		if !m.json {
			m.send("ERROR", "error_text", "SET_MEDIA_DIRECTION needs JSON")
			return false
		}
		m.deaf = c.Direction == "out"
	}
	return false
}

func (m *media) stopBuffering(id string) {
	m.buffering = false
	if len(m.partial) > 0 {
		quiet := map[audio.Encoding]byte{audio.ULaw: 0xff, audio.ALaw: 0xd5}[m.format.Encoding]
		m.push(append(m.partial, bytes.Repeat([]byte{quiet}, m.format.FrameBytes()-len(m.partial))...))
		m.partial = nil
	}
	m.queue = append(m.queue, item{mark: id, event: "MEDIA_BUFFERING_COMPLETED"})
}
