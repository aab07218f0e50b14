package twin

import (
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// maxRecording bounds one recording: ten minutes.
const maxRecording = 600 * callee.Rate

// recording is a live or stored recording. samples, paused and muted are
// guarded by the line's lock while it is live, the rest by the exchange's.
type recording struct {
	name, format, target string
	state                string
	ch                   *channel
	samples              []int16
	paused, muted        bool
	ended                time.Time
}

func (r *recording) json() *recordingJSON {
	j := &recordingJSON{Name: r.name, Format: r.format, State: r.state, Target: r.target}
	if r.state == "done" {
		j.Duration = ptr(len(r.samples) / callee.Rate)
	}
	return j
}

// record is POST /channels/{id}/record: what comes from the channel.
func (ex *Exchange) record(p params, ch *channel) (*recording, *apiError) {
	name, format := p.get("name"), p.get("format")
	switch {
	case name == "":
		return nil, bad(http.StatusBadRequest, "Missing parameter name")
	case strings.Contains(name, ".."):
		return nil, bad(http.StatusInternalServerError, "Error parsing request")
	case format != "wav" && format != "ulaw" && format != "sln":
		return nil, bad(http.StatusUnprocessableEntity, "specified format is unknown on this system")
	case ex.live[name] != nil || ex.stored[name] != nil && (p.get("ifExists") == "" || p.get("ifExists") == "fail"):
		return nil, bad(http.StatusConflict, "Recording '"+name+"' already exists and can not be overwritten")
	}
	r := &recording{name: name, format: format, target: "channel:" + ch.id, state: "queued", ch: ch}
	ex.live[name] = r
	first := *r
	r.state = "recording"
	ch.line.mu.Lock()
	ch.line.tapes = append(ch.line.tapes, r)
	ch.line.mu.Unlock()
	ex.emit(ch, event{Type: "RecordingStarted", Recording: r.json()})
	return &first, nil
}

func (ex *Exchange) stopRecording(r *recording, keep bool) {
	l := r.ch.line
	l.mu.Lock()
	for i, o := range l.tapes {
		if o == r {
			l.tapes = append(l.tapes[:i:i], l.tapes[i+1:]...)
			break
		}
	}
	l.mu.Unlock()
	delete(ex.live, r.name)
	r.state, r.ended = "done", time.Now()
	if !keep {
		r.state = "canceled"
	}
	ex.emit(r.ch, event{Type: "RecordingFinished", Recording: r.json()})
	if keep {
		ex.stored[r.name] = r
	}
}

func (ex *Exchange) endRecordings(ch *channel) {
	for _, r := range ex.live {
		if r.ch == ch {
			ex.stopRecording(r, true)
		}
	}
}

// wav is the file of a stored recording: 8 kHz, 16 bit, mono.
func (r *recording) wav() []byte {
	n := len(r.samples) * 2
	b := make([]byte, 0, 44+n)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(36+n))
	b = append(b, "WAVEfmt "...)
	for _, v := range []uint32{16, 1 | 1<<16, callee.Rate, 2 * callee.Rate, 2 | 16<<16} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	for _, s := range r.samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}
