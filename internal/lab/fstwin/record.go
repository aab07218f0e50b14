package fstwin

import (
	"path"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/lab/twin/sound"
)

// taping is a recording that runs.
type taping struct {
	path  string
	tape  *sound.Tape
	began time.Time
}

// record begins a recording; false where FreeSWITCH says that it cannot.
func (ch *channel) record(file string) bool {
	if !strings.HasPrefix(file, "/") || strings.HasPrefix(file, "/proc/") || path.Ext(file) == "" || ch.tapes[file] != nil || !ch.answered && !ch.early {
		return false
	}
	side := sound.Mixed
	switch {
	case isTrue(ch.vars["RECORD_STEREO"]):
		side = sound.Stereo
	case isTrue(ch.vars["RECORD_READ_ONLY"]):
		side = sound.From
	}
	t := &taping{path: file, tape: sound.NewTape(side), began: time.Now()}
	ch.tapes[file] = t
	ch.ex.files[file] = t.tape
	ch.line.Tape(t.tape)
	// The recording begins with the channel's next frame.
	ch.limit(10*time.Millisecond, func() {
		ch.emit("MEDIA_BUG_START", "Media-Bug-Function", "session_record", "Media-Bug-Target", file)
		ch.emit("RECORD_START", "Record-File-Path", file)
	})
	return true
}

// stopTape ends a recording; false when there is none of that path.
func (ch *channel) stopTape(file string) bool {
	t := ch.tapes[file]
	if t == nil {
		return false
	}
	delete(ch.tapes, file)
	ch.line.Untape(t.tape)
	ms := t.tape.Len() / 8
	ch.set("record_ms", strconv.Itoa(ms))
	ch.set("record_samples", strconv.Itoa(t.tape.Len()))
	ch.set("record_seconds", strconv.Itoa(ms/1000))
	ch.set("record_completion_cause", "success-maxtime")
	ch.emit("RECORD_STOP", "Record-File-Path", file, "Record-Completion-Cause", "success-maxtime")
	ch.emit("MEDIA_BUG_STOP", "Media-Bug-Function", "session_record", "Media-Bug-Target", file)
	return true
}

func (ch *channel) closeTapes() {
	for _, file := range names(keysOf(ch.tapes)) {
		ch.stopTape(file)
	}
}

func keysOf(m map[string]*taping) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// mask writes silence while on; false when nothing is recorded there.
func (ch *channel) mask(file string, on bool) bool {
	t := ch.tapes[file]
	if t == nil {
		return false
	}
	t.tape.Mute(on)
	return true
}

func (r *running) recordSession() {
	r.ch.record(r.arg)
	r.done("")
}

func (r *running) stopRecord() {
	if r.arg == "all" {
		r.ch.closeTapes()
	} else {
		r.ch.stopTape(r.arg)
	}
	r.done("")
}
