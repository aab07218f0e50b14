package freeswitch

import (
	"context"
	"strings"
	"time"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/internal/pbx"
)

// recording is one file on the exchange.
type recording struct {
	id    string
	path  string
	began time.Time
}

// recordPath is where a recording goes on the exchange.
func (s *Switch) recordPath(r pbx.Recording) (string, error) {
	if r.ID == "" || len(r.ID) > 64 || !identifier(r.ID) {
		return "", refuse("a recording ID is 1 to 64 of [A-Za-z0-9._-]")
	}
	if len(r.Name) > 150 || !pathLike(r.Name) || strings.HasPrefix(r.Name, "/") || strings.HasSuffix(r.Name, "/") {
		return "", refuse("a recording's name is a relative path of [A-Za-z0-9._/-] without ..")
	}
	dir := s.cfg.Recordings
	if dir == "" {
		s.mu.Lock()
		dir = s.folders.recordings
		s.mu.Unlock()
	}
	if dir == "" {
		return "", refuse("the exchange names no recordings_dir: set the folder of recordings")
	}
	return strings.TrimSuffix(dir, "/") + "/" + r.Name + ".wav", nil
}

// Record implements pbx.Leg: one WAV file on the exchange, stereo with the leg
// on the left and us on the right.
func (l *leg) Record(ctx context.Context, r pbx.Recording) error {
	path, err := l.sw.recordPath(r)
	if err != nil {
		return err
	}
	if err := l.talking(ctx); err != nil {
		return err
	}
	rec := &recording{id: r.ID, path: path, began: time.Now()}
	l.mu.Lock()
	taken := l.records[r.ID] != nil
	for _, o := range l.records {
		taken = taken || o.path == path
	}
	for _, p := range l.plays {
		taken = taken || p.id == r.ID
	}
	if !taken && !l.over {
		l.records[r.ID] = rec
	}
	l.mu.Unlock()
	if taken {
		return refuse("recording %s exists", r.ID)
	}
	err = l.api(ctx, "uuid_setvar %s RECORD_STEREO %t", l.id, r.Stereo)
	if err == nil {
		err = l.api(ctx, "uuid_record %s start %s", l.id, path)
	}
	if err != nil && !isUnknown(err) {
		l.mu.Lock()
		delete(l.records, r.ID)
		l.mu.Unlock()
	}
	return err
}

func (l *leg) recordStopped(e *esl.Event) {
	path := e.Get("Record-File-Path")
	l.mu.Lock()
	var rec *recording
	for id, r := range l.records {
		if r.path == path {
			rec = r
			delete(l.records, id)
		}
	}
	l.mu.Unlock()
	if rec == nil {
		return
	}
	length := time.Since(rec.began)
	if ms := atoi(e.Get("variable_record_ms")); ms > 0 {
		length = min(length, time.Duration(ms)*time.Millisecond)
	}
	l.emit(pbx.RecordingEnded{At: time.Now(), ID: rec.id, Duration: length.Truncate(time.Millisecond)})
}

// Mute implements pbx.Leg: silence is recorded, so the timeline is kept.
func (l *leg) Mute(ctx context.Context, id string, on bool) error {
	if err := l.gate(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	rec := l.records[id]
	l.mu.Unlock()
	if rec == nil {
		return refuse("no recording of that ID")
	}
	verb := "unmask"
	if on {
		verb = "mask"
	}
	return l.api(ctx, "uuid_record %s %s %s", l.id, verb, rec.path)
}
