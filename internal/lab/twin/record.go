package twin

import (
	"net/http"
	"strings"
	"time"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/lab/twin/sound"
)

// recording is a live or stored recording; guarded by the exchange's lock.
type recording struct {
	name, format, target string
	state                string
	ch                   *channel
	tape                 *sound.Tape
	ended                time.Time
}

func (r *recording) json() *recordingJSON {
	j := &recordingJSON{Name: r.name, Format: r.format, State: r.state, Target: r.target}
	if r.state == "done" {
		j.Duration = ptr(r.tape.Len() / callee.Rate)
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
	r := &recording{name: name, format: format, target: "channel:" + ch.id, state: "queued", ch: ch, tape: sound.NewTape(sound.From)}
	ex.live[name] = r
	first := *r
	r.state = "recording"
	ch.line.Tape(r.tape)
	ex.emit(ch, event{Type: "RecordingStarted", Recording: r.json()})
	return &first, nil
}

func (ex *Exchange) stopRecording(r *recording, keep bool) {
	r.ch.line.Untape(r.tape)
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
