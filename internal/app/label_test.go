package app

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/audio"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
	"ringmaster/internal/lab/twin/callee"
)

// deafToUs is a recorder that loses our side: the notice was played, and is not
// in the recorded audio.
type deafToUs struct{ call.Recorder }

type deafTracks struct{ call.Tracks }

func (d deafToUs) Create(ctx context.Context, tenant, attempt string, f audio.Format, at time.Time) (call.Tracks, error) {
	t, err := d.Recorder.Create(ctx, tenant, attempt, f, at)
	return deafTracks{t}, err
}

func (d deafTracks) Write(them, us []int16) error {
	return d.Tracks.Write(them, make([]int16, len(us)))
}

// recordings are the recordings of an attempt as the database has them.
func (h *house) recordings(attempt string) []campaign.Recording {
	h.t.Helper()
	a, err := h.app.store.Attempt(h.t.Context(), h.cfg.Tenant.ID, uuid.MustParse(attempt))
	if err != nil || a.Outcome == nil || len(a.Outcome.Recordings) == 0 {
		h.t.Fatalf("recordings of %s: %v", attempt, err)
	}
	return a.Outcome.Recordings
}

func (h *house) verdict(attempt string, want campaign.Label) string {
	h.t.Helper()
	h.until("the recording is "+string(want), 15*time.Second, func() bool { return h.recordings(attempt)[0].Label != campaign.LabelUnchecked })
	r := h.recordings(attempt)[0]
	if r.Label != want {
		h.t.Errorf("the recording is %s (%s), want %s", r.Label, r.LabelDetail, want)
	}
	return r.LabelDetail
}

var brief = callee.Script{Ring: 100 * time.Millisecond, Steps: []callee.Step{{Wait: time.Minute}}}

// The notice is looked for in the recorded audio of a call, by the next life of
// the controller if need be. A call whose recording lacks it is flagged, told,
// counted, and its task dials nobody any more.
func TestRow_M13_TheNoticeIsProvenInTheRecordingOrTheTaskPauses(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("talks", brief)
	ex.Callee("next", brief)
	h := newHouse(t, p, "sqlite")
	away := h.cfg.Recordings.Dir + "-away"
	h.sights.outcome = func() { // the disk is away when the recording is to be examined
		if err := os.Rename(h.cfg.Recordings.Dir, away); err != nil {
			t.Error(err)
		}
	}
	a := h.attempt(h.ring("talks", "brief_001"), 1, 60*time.Second)
	h.until("the examination fails", 10*time.Second, func() bool { return strings.Contains(h.logs.String(), "could not be examined") })
	if r := h.recordings(a.AttemptID)[0]; r.Label != campaign.LabelUnchecked {
		t.Fatalf("a recording that cannot be read is %s", r.Label)
	}
	h.stop()
	h.sights.outcome = nil
	if err := os.Rename(away, h.cfg.Recordings.Dir); err != nil {
		t.Fatal(err)
	}
	h.start()
	t.Logf("after a restart: %s", h.verdict(a.AttemptID, campaign.LabelProven))
	_, raw := h.raw("GET", a.Recordings[0].URL, nil, nil)
	info, err := ReadRecordingInfo(bytes.NewReader(raw))
	if err != nil || !info.Complete || info.AIGC == nil || info.AIGC.Label != "1" || info.AIGC.ContentProducer != "ringmaster" || info.AIGC.ProduceID == "" {
		t.Errorf("the file says of itself %+v (%+v), %v", info, info.AIGC, err)
	}

	h.app.caller.deps.Recorder = deafToUs{h.app.archive}
	a = h.attempt(h.order("talks", "brief_001"), 1, 60*time.Second)
	if a.Disclosure == nil || !a.Disclosure.Complete {
		t.Fatal("the notice was played")
	}
	t.Logf("our side is not in the recording: %s", h.verdict(a.AttemptID, campaign.LabelMissing))
	if !h.metric(`ringmaster_labels_total{verdict="missing"} 1`) || !h.metric(`ringmaster_labels_total{verdict="proven"} 1`) {
		t.Error("the verdicts are no metric")
	}
	h.until("the CRM hears of it", 10*time.Second, func() bool {
		h.hooks.mu.Lock()
		defer h.hooks.mu.Unlock()
		for _, b := range h.hooks.bodies {
			if b["event"] == "call.label_missing" && b["attempt_id"] == a.AttemptID && b["customer_id"] == "talks" {
				return true
			}
		}
		return false
	})
	h.ring("next", "brief_001")
	time.Sleep(2 * time.Second)
	if n := len(ex.Calls("next")); n != 0 {
		t.Errorf("%d calls of a paused task", n)
	}
}
