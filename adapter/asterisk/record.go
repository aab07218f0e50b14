package asterisk

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/pbx"
)

// recording is one recording on the exchange: a snoop and a file a track.
// Snoops neither occupy the channel nor turn its bridge into a mixer.
type recording struct {
	id      string
	began   time.Time
	tracks  map[string]string // file name on the exchange -> snoop channel
	open    int               // tracks whose end was not told
	longest time.Duration
	failed  bool
}

// checkRecording: names become paths on the exchange.
func checkRecording(r pbx.Recording) error {
	if r.ID == "" || len(r.ID) > 64 || !identifier(r.ID) {
		return refuse("a recording ID is 1 to 64 of [A-Za-z0-9._-]")
	}
	n := r.Name
	if n == "" || len(n) > 150 || strings.Contains(n, "..") || strings.HasPrefix(n, "/") || strings.HasSuffix(n, "/") ||
		strings.Contains(n, "//") || !identifier(strings.ReplaceAll(n, "/", "")) {
		return refuse("a recording's name is a relative path of [A-Za-z0-9._/-] without ..")
	}
	return nil
}

// tracks are the files of a recording and what each one hears. Stereo is two
// mono files on the exchange, <name>-left.wav (the leg) and <name>-right.wav
// (what the leg hears), because ARI records mono only.
func tracks(r pbx.Recording) map[string]string {
	if !r.Stereo {
		return map[string]string{r.Name: ari.SnoopBoth}
	}
	return map[string]string{r.Name + "-left": ari.SnoopIn, r.Name + "-right": ari.SnoopOut}
}

// Record implements pbx.Leg.
func (l *leg) Record(ctx context.Context, r pbx.Recording) error {
	if err := checkRecording(r); err != nil {
		return err
	}
	if err := l.talking(ctx); err != nil {
		return err
	}
	rec := &recording{id: r.ID, began: time.Now(), tracks: map[string]string{}}
	l.mu.Lock()
	_, taken := l.records[r.ID]
	_, taken2 := l.plays[r.ID]
	if !taken && !taken2 {
		l.records[r.ID] = rec
	}
	l.mu.Unlock()
	if taken || taken2 {
		return refuse("recording %s exists", r.ID)
	}
	for name, spy := range tracks(r) {
		snoop, err := l.snoop(ctx, spy, ari.SnoopNone)
		if err == nil {
			l.mu.Lock()
			rec.tracks[name] = snoop
			rec.open++
			l.mu.Unlock()
			err = l.sw.ari.Record(ctx, snoop, name)
		}
		if err != nil {
			l.forgetRecording(rec)
			return err
		}
	}
	return nil
}

// forgetRecording undoes a recording that could not be started.
func (l *leg) forgetRecording(rec *recording) {
	l.mu.Lock()
	delete(l.records, rec.id)
	var snoops []string
	for _, s := range rec.tracks {
		snoops = append(snoops, s)
	}
	l.mu.Unlock()
	for _, s := range snoops {
		l.dropHelper(s)
	}
}

func (l *leg) recordingFinished(e *ari.Event) {
	l.mu.Lock()
	var rec *recording
	snoop := ""
	for _, r := range l.records {
		if s, ok := r.tracks[e.Recording.Name]; ok {
			rec, snoop = r, s
		}
	}
	if rec == nil {
		l.mu.Unlock()
		return
	}
	rec.open--
	rec.longest = max(rec.longest, time.Duration(max(0, e.Recording.Duration))*time.Second)
	rec.failed = rec.failed || e.Type == ari.TypeRecordingFailed
	last := rec.open <= 0
	if last {
		delete(l.records, rec.id)
	}
	l.mu.Unlock()
	l.dropHelper(snoop)
	if !last {
		return
	}
	end := pbx.RecordingEnded{At: time.Now(), ID: rec.id, Duration: rec.longest}
	if rec.failed {
		end.Err = errRecording
	}
	l.emit(end)
}

// files are the names of a recording's tracks.
func (l *leg) files(rec *recording) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]string, 0, len(rec.tracks))
	for name := range rec.tracks {
		out = append(out, name)
	}
	return out
}

func (l *leg) stopRecording(ctx context.Context, rec *recording) error {
	var first error
	for _, name := range l.files(rec) {
		err := l.sw.ari.StopRecording(ctx, name)
		if err != nil && ari.Status(err) != http.StatusNotFound && first == nil {
			first = err
		}
	}
	return first
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
		return refuse("no recording %s", printable(id))
	}
	for _, name := range l.files(rec) {
		if err := l.sw.ari.MuteRecording(ctx, name, on); err != nil {
			return err
		}
	}
	return nil
}

// maxFetch bounds a fetched recording: 24 hours of 8 kHz 16-bit mono.
const maxFetch = 24 * 3600 * 16000

// Fetch copies a finished recording of the exchange (one track, a WAV file of
// 8 kHz 16-bit mono) to w. name is Recording.Name, with -left or -right behind
// it for the tracks of a stereo one.
func (s *Switch) Fetch(ctx context.Context, name string, w io.Writer) error {
	if err := checkRecording(pbx.Recording{ID: "x", Name: name}); err != nil {
		return err
	}
	return s.ari.StoredRecording(ctx, name, w, maxFetch)
}

func printable(id string) string {
	if len(id) > 64 || !identifier(id) {
		return "of that ID"
	}
	return id
}
