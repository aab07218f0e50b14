package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"ringmaster/internal/campaign"
)

// attemptView is an attempt as the API shows it; the number is masked.
type attemptView struct {
	AttemptID     uuid.UUID             `json:"attempt_id"`
	TaskID        uuid.UUID             `json:"task_id"`
	Try           int                   `json:"try"`
	State         campaign.AttemptState `json:"state"`
	Number        string                `json:"number"`
	Direction     string                `json:"direction"` // out, or in: they called us
	PBX           string                `json:"pbx,omitempty"`
	ScriptVersion string                `json:"script_version,omitempty"`
	Disposition   campaign.Disposition  `json:"disposition,omitempty"`
	Label         map[string]string     `json:"label,omitempty"`
	Reason        string                `json:"reason,omitempty"`
	SIP           int                   `json:"sip,omitempty"`
	Q850          int                   `json:"q850,omitempty"`
	EndedBy       string                `json:"ended_by,omitempty"`
	StartedAt     *time.Time            `json:"started_at,omitempty"`
	AnsweredAt    *time.Time            `json:"answered_at,omitempty"`
	EndedAt       *time.Time            `json:"ended_at,omitempty"`
	AMD           string                `json:"amd,omitempty"`
	Grade         string                `json:"grade,omitempty"`
	Tags          []string              `json:"tags,omitempty"`
	Slots         map[string]string     `json:"slots,omitempty"`
	Disclosure    *campaign.Disclosure  `json:"disclosure,omitempty"`
	Recordings    []recordingView       `json:"recordings,omitempty"`
	Degraded      []string              `json:"degraded,omitempty"`
	Turns         []campaign.Turn       `json:"turns,omitempty"`
}

type recordingView struct {
	RecordingID uuid.UUID `json:"recording_id"`
	URL         string    `json:"url"`
	SHA256      string    `json:"sha256"`
	Bytes       int64     `json:"bytes"`
	DurationMS  int64     `json:"duration_ms"`
	Channels    int       `json:"channels"`
	Incomplete  string    `json:"incomplete,omitempty"`
	// Withheld says why nobody may hear it.
	Withheld string             `json:"withheld,omitempty"`
	Silenced []campaign.Silence `json:"silenced,omitempty"`
	// Notice is whether the AI notice was found in the audio: unchecked, proven,
	// missing; NoticeDetail is where, and how sure.
	Notice       campaign.Label `json:"notice,omitempty"`
	NoticeDetail string         `json:"notice_detail,omitempty"`
}

func viewRecording(r campaign.Recording) recordingView {
	v := recordingView{RecordingID: r.ID, URL: "/api/v1/recordings/" + r.ID.String(), SHA256: r.SHA256, Bytes: r.Bytes, DurationMS: r.Duration.Milliseconds(),
		Channels: r.Channels, Incomplete: r.Incomplete, Withheld: r.Withheld, Silenced: r.Silenced, Notice: r.Label}
	if r.Label != campaign.LabelUnchecked { // until then it is what to look for
		v.NoticeDetail = r.LabelDetail
	}
	return v
}

func viewAttempt(a AttemptView, turns bool) attemptView {
	v := attemptView{AttemptID: a.ID, TaskID: a.Contact, Try: a.Try, State: a.State, Number: a.Masked, PBX: a.PBX, ScriptVersion: a.Version, Reason: a.Reason, Direction: "out"}
	if a.Inbound {
		v.Direction = "in"
	}
	o := a.Outcome
	if o == nil {
		return v
	}
	v.Disposition, v.Reason, v.SIP, v.Q850, v.EndedBy = o.Disposition, o.Reason, o.SIP, o.Q850, o.By
	v.Label = map[string]string{"zh": o.Disposition.Label("zh"), "en": o.Disposition.Label("en")}
	v.StartedAt, v.AnsweredAt, v.EndedAt = stamp(o.StartedAt), stamp(o.AnsweredAt), stamp(o.EndedAt)
	v.AMD, v.Grade, v.Tags, v.Slots, v.Disclosure, v.Degraded = o.AMD, o.Grade, o.Tags, o.Slots, o.Disclosure, o.Degraded
	for _, r := range o.Recordings {
		v.Recordings = append(v.Recordings, viewRecording(r))
	}
	if turns {
		v.Turns = o.Turns
	}
	return v
}

func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (s *Server) getAttempts(c *gin.Context) {
	id, ok := s.idParam(c)
	if !ok {
		return
	}
	ct, err := s.deps.Store.Contact(c.Request.Context(), tenant(c), id)
	if err != nil {
		s.fail(c, err)
		return
	}
	touched(c, "person", ct.Person)
	list, err := s.deps.Store.Attempts(c.Request.Context(), tenant(c), id)
	if err != nil {
		s.fail(c, err)
		return
	}
	views := make([]attemptView, 0, len(list))
	for _, a := range list {
		views = append(views, viewAttempt(a, false))
	}
	c.JSON(http.StatusOK, gin.H{"attempts": views})
}

func (s *Server) attempt(c *gin.Context) (AttemptView, bool) {
	id, ok := s.idParam(c)
	if !ok {
		return AttemptView{}, false
	}
	a, err := s.deps.Store.Attempt(c.Request.Context(), tenant(c), id)
	if err != nil {
		s.fail(c, err)
		return a, false
	}
	return a, true
}

func (s *Server) getAttempt(c *gin.Context) {
	if a, ok := s.attempt(c); ok {
		c.JSON(http.StatusOK, viewAttempt(a, true))
	}
}

func (s *Server) getTranscript(c *gin.Context) {
	a, ok := s.attempt(c)
	if !ok {
		return
	}
	turns := []campaign.Turn{}
	if a.Outcome != nil && a.Outcome.Turns != nil {
		turns = a.Outcome.Turns
	}
	c.JSON(http.StatusOK, gin.H{"attempt_id": a.ID, "turns": turns})
}

func (s *Server) getRecording(c *gin.Context) {
	id, ok := s.idParam(c)
	if !ok {
		return
	}
	rec, err := s.deps.Store.Recording(c.Request.Context(), tenant(c), id)
	if err != nil {
		s.fail(c, err)
		return
	}
	if rec.Withheld != "" {
		s.fail(c, problem(http.StatusNotFound, "recording is withheld", rec.Withheld))
		return
	}
	if s.deps.Archive == nil {
		s.fail(c, problem(http.StatusNotFound, "recording is not in the archive", "recordings are disabled on this controller"))
		return
	}
	f, err := s.deps.Archive.Open(rec.Path)
	if err != nil {
		s.deps.Log.Error("recording is in the database and not in the archive", "recording", id, "err", err)
		s.fail(c, problem(http.StatusNotFound, "recording is not in the archive", "an operator was told"))
		return
	}
	defer func() { _ = f.Close() }()
	c.Header("Content-Type", "audio/wav")
	c.Header("Content-Disposition", `attachment; filename="`+id.String()+`.wav"`)
	c.Header("ETag", `"`+rec.SHA256+`"`)
	c.Header("Cache-Control", "private, no-cache")
	c.Header("X-Content-Type-Options", "nosniff")
	http.ServeContent(c.Writer, c.Request, "", time.Time{}, f)
}
