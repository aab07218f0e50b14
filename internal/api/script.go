package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"time"

	"github.com/gin-gonic/gin"
)

// maxScript bounds a draft: eight times what a script file may have, for its
// lexicon and parts.
const maxScript = 4 << 20

var (
	scriptID      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	scriptVersion = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
)

type scriptView struct {
	ScriptID  string    `json:"script_id"`
	Version   string    `json:"version,omitempty"` // in force
	UpdatedAt time.Time `json:"updated_at"`
}

type versionView struct {
	Version   string          `json:"version"`
	CreatedBy string          `json:"created_by"`
	CreatedAt time.Time       `json:"created_at"`
	Current   bool            `json:"current"`
	Check     json.RawMessage `json:"check,omitempty"`
}

type releaseView struct {
	Seq     int64        `json:"seq"`
	Version string       `json:"version"`
	Action  ScriptAction `json:"action"`
	By      string       `json:"by"`
	Note    string       `json:"note,omitempty"`
	At      time.Time    `json:"at"`
}

func viewRelease(r ScriptRelease) releaseView {
	return releaseView{Seq: r.Seq, Version: r.Version, Action: r.Action, By: r.By, Note: r.Note, At: r.At}
}

// scriptParam is the script that the path names.
func (s *Server) scriptParam(c *gin.Context) (string, error) {
	id := c.Param("script_id")
	if !scriptID.MatchString(id) {
		return "", ErrNotFound
	}
	entry(c).Object = "script/" + clip(id)
	if s.deps.Desk == nil {
		return "", errors.New("no script desk")
	}
	return id, nil
}

func (s *Server) listScripts(c *gin.Context) {
	limit, ok := s.limitParam(c)
	if !ok {
		return
	}
	list, err := s.deps.Store.Scripts(c.Request.Context(), tenant(c), c.Query("after"), limit)
	if err != nil {
		s.fail(c, err)
		return
	}
	views := make([]scriptView, 0, len(list))
	for _, r := range list {
		views = append(views, scriptView{r.ID, r.Version, r.UpdatedAt})
	}
	c.JSON(http.StatusOK, gin.H{"scripts": views})
}

// draftScript keeps a version that is not in force, when it compiles and its
// check finds nothing.
func (s *Server) draftScript(c *gin.Context) {
	id, err := s.scriptParam(c)
	var src []byte
	if err == nil {
		src, err = readYAML(c.Request)
	}
	var found CheckedScript
	if err == nil {
		found, err = s.deps.Desk.Check(c.Request.Context(), src)
	}
	switch {
	case err != nil:
	case len(found.Findings) > 0:
		s.refuseScript(c, found)
		return
	case found.ID != id:
		err = badField("id", "the script's id is not the one in the path")
	}
	var v ScriptVersion
	var created bool
	if err == nil {
		entry(c).Detail.What = "draft " + short(found.Version)
		v, created, err = s.deps.Store.SaveDraft(c.Request.Context(), ScriptVersion{Tenant: tenant(c), Script: id, Version: found.Version, Source: found.Source,
			By: entry(c).Actor, At: s.deps.Now()})
	}
	current := ""
	if err == nil {
		current, err = s.inForce(c, id)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	c.Header("Location", "/api/v1/scripts/"+id+"/versions/"+v.Version)
	c.JSON(status, versionView{Version: v.Version, CreatedBy: v.By, CreatedAt: v.At, Current: v.Version == current, Check: found.Report})
}

// short names a version in the audit log.
func short(version string) string { return version[:min(12, len(version))] }

// readYAML reads a script as it is: its lines are those of the findings.
func readYAML(r *http.Request) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/yaml" && kind != "text/yaml" && kind != "text/plain" {
		return nil, problem(http.StatusUnsupportedMediaType, "wrong media type", "send application/yaml (RFC 9512)")
	}
	src, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxScript))
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return nil, problem(http.StatusRequestEntityTooLarge, "body too large", fmt.Sprintf("at most %d bytes", maxScript))
	case err != nil:
		return nil, problem(http.StatusBadRequest, "body could not be read", "the connection broke")
	case len(src) == 0:
		return nil, problem(http.StatusBadRequest, "empty body", "send the script")
	}
	return src, nil
}

// refuseScript answers with every finding (RFC 9457 lets a problem have members
// of its own).
func (s *Server) refuseScript(c *gin.Context, found CheckedScript) {
	out, _ := json.Marshal(struct {
		*Problem
		Findings []json.RawMessage `json:"findings"`
	}{problem(http.StatusUnprocessableEntity, "the script is refused", "each finding says where and why; nothing was kept or published"), found.Findings})
	c.Abort()
	c.Data(http.StatusUnprocessableEntity, "application/problem+json", out)
}

// inForce is the current version; empty while there is none.
func (s *Server) inForce(c *gin.Context, id string) (string, error) {
	version, _, err := s.deps.Store.ScriptVersion(c.Request.Context(), tenant(c), id)
	if isNotFound(err) {
		return "", nil
	}
	return version, err
}

type releaseRequest struct {
	Version string `json:"version"`
	Note    string `json:"note"`
	// Replaces is the version that the author saw in force; empty = whichever is.
	Replaces string `json:"replaces"`
}

func (s *Server) publishScript(c *gin.Context)  { s.release(c, ScriptPublished) }
func (s *Server) rollBackScript(c *gin.Context) { s.release(c, ScriptRolledBack) }

// release puts a version in force after its check. Of two at once one wins: the
// other's From is not in force any more.
func (s *Server) release(c *gin.Context, action ScriptAction) {
	id, err := s.scriptParam(c)
	var req releaseRequest
	if err == nil {
		_, err = decode(c.Request, &req)
	}
	switch {
	case err != nil:
	case !scriptVersion.MatchString(req.Version):
		err = badField("version", "must be a version of the script")
	case req.Note == "" || len(req.Note) > 500 || hasControl(req.Note):
		err = badField("note", "must be 1 to 500 bytes without control characters: it stands in the history")
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	entry(c).Detail.What = string(action) + " " + short(req.Version)
	r := ScriptRelease{Tenant: tenant(c), Script: id, Version: req.Version, Action: action, By: entry(c).Actor, Note: digits.ReplaceAllString(req.Note, "****"), At: s.deps.Now()}
	v, found, err := s.releasable(c, &r, req.Replaces)
	if err == nil && len(found.Findings) > 0 {
		s.refuseScript(c, found)
		return
	}
	if err == nil {
		r.Report = string(found.Report)
		r, err = s.deps.Store.ReleaseScript(c.Request.Context(), r)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.deps.Desk.Released(tenant(c), id, v.Source)
	c.JSON(http.StatusOK, viewRelease(r))
}

// releasable checks a version anew: the rules may have become stricter since it
// was drafted.
func (s *Server) releasable(c *gin.Context, r *ScriptRelease, replaces string) (v ScriptVersion, found CheckedScript, err error) {
	ctx := c.Request.Context()
	if v, err = s.deps.Store.StoredScript(ctx, r.Tenant, r.Script, r.Version); err != nil {
		return v, found, err
	}
	var old []byte
	r.From, old, err = s.deps.Store.ScriptVersion(ctx, r.Tenant, r.Script)
	if err != nil && !isNotFound(err) {
		return v, found, err
	}
	if replaces != "" && replaces != r.From && r.From != r.Version {
		return v, found, problem(http.StatusConflict, "another version is in force", "replaces is not what is in force: read the history and decide again")
	}
	if found, err = s.deps.Desk.Check(ctx, v.Source); err != nil || len(found.Findings) > 0 || len(old) == 0 || r.From == r.Version {
		return v, found, err
	}
	was, err := s.deps.Desk.Outline(ctx, r.Script, old)
	if err == nil && was.Purpose != found.Purpose {
		err = badField("version", fmt.Sprintf("its purpose is %s and that of the version in force %s: contacts were accepted for that one, so give the script another id", found.Purpose, was.Purpose))
	}
	return v, found, err
}

func (s *Server) scriptHistory(c *gin.Context) {
	id, err := s.scriptParam(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	limit, ok := s.limitParam(c)
	if !ok {
		return
	}
	h, err := s.deps.Store.ScriptHistory(c.Request.Context(), tenant(c), id, limit)
	if err != nil {
		s.fail(c, err)
		return
	}
	versions, releases := make([]versionView, 0, len(h.Versions)), make([]releaseView, 0, len(h.Releases))
	for _, v := range h.Versions {
		versions = append(versions, versionView{Version: v.Version, CreatedBy: v.By, CreatedAt: v.At, Current: v.Version == h.Current})
	}
	for _, r := range h.Releases {
		releases = append(releases, viewRelease(r))
	}
	c.JSON(http.StatusOK, gin.H{"script_id": id, "current": h.Current, "versions": versions, "history": releases})
}

func (s *Server) scriptSource(c *gin.Context) {
	id, err := s.scriptParam(c)
	var v ScriptVersion
	if err == nil {
		v, err = s.deps.Store.StoredScript(c.Request.Context(), tenant(c), id, c.Param("version"))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("X-Content-Type-Options", "nosniff")
	c.Data(http.StatusOK, "application/yaml", v.Source)
}

// diffScript compares two versions; to is the one in force unless it is given.
func (s *Server) diffScript(c *gin.Context) {
	id, err := s.scriptParam(c)
	to := c.Query("to")
	if err == nil && to == "" {
		to, err = s.inForce(c, id)
	}
	var a, b ScriptVersion
	if err == nil {
		a, err = s.deps.Store.StoredScript(c.Request.Context(), tenant(c), id, c.Query("from"))
	}
	if err == nil {
		b, err = s.deps.Store.StoredScript(c.Request.Context(), tenant(c), id, to)
	}
	var was, is ScriptOutline
	if err == nil {
		was, err = s.deps.Desk.Outline(c.Request.Context(), id, a.Source)
	}
	if err == nil {
		is, err = s.deps.Desk.Outline(c.Request.Context(), id, b.Source)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, DiffScripts(id, a, b, was, is))
}
