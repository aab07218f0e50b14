package api

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

// pageRows is how many rows of a stream are in memory at a time.
const pageRows = 1000

// rows writes a stream of rows as JSON lines or as CSV, whatever was asked for.
type rows struct {
	c      *gin.Context
	json   *json.Encoder
	csv    *csv.Writer
	header []string
	n      int
}

// stream begins an answer of many rows. ?format= is ndjson (the default) or
// csv; columns are the CSV's header.
func (s *Server) stream(c *gin.Context, name string, columns ...string) (*rows, error) {
	r := &rows{c: c, header: columns}
	switch c.DefaultQuery("format", "ndjson") {
	case "ndjson":
		c.Header("Content-Type", "application/x-ndjson")
		r.json = json.NewEncoder(c.Writer)
		r.json.SetEscapeHTML(false)
	case "csv":
		c.Header("Content-Type", "text/csv; charset=utf-8")
		c.Header("Content-Disposition", `attachment; filename="`+name+`.csv"`)
		r.csv = csv.NewWriter(c.Writer)
	default:
		return nil, badField("format", "must be ndjson or csv")
	}
	c.Header("Cache-Control", "no-store")
	c.Header("X-Content-Type-Options", "nosniff")
	return r, nil
}

// begin sends the first bytes: from here an error can only cut the answer.
func (r *rows) begin() error {
	r.c.Status(http.StatusOK)
	if r.csv == nil {
		r.c.Writer.WriteHeaderNow()
		return r.c.Request.Context().Err()
	}
	return r.csv.Write(r.header)
}

// row writes one row: v as JSON, or the cells.
func (r *rows) row(v any, cells ...string) error {
	r.n++
	entry(r.c).Detail.Rows = r.n
	if r.csv == nil {
		return r.json.Encode(v)
	}
	safe := make([]string, len(cells))
	for i, cell := range cells {
		safe[i] = harmless(cell)
	}
	return r.csv.Write(safe)
}

// page sends what was written.
func (r *rows) page() error {
	if r.csv != nil {
		r.csv.Flush()
		if err := r.csv.Error(); err != nil {
			return err
		}
	}
	r.c.Writer.Flush()
	return r.c.Request.Context().Err()
}

// cut ends a stream that failed after its first byte: the client sees a broken
// connection and not a shorter list.
func (s *Server) cut(c *gin.Context, err error) {
	if errors.Is(err, errUnlogged) {
		return // 503 was answered in its place
	}
	s.deps.Log.Error("a stream was cut", "route", c.FullPath(), "err", err)
	panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's own way to cut a response
}

// harmless keeps a spreadsheet from running a cell as a formula (OWASP, CSV
// injection): a cell that begins like one gets an apostrophe, which import
// takes off again.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// auditView is an entry of the audit log as the API shows it.
type auditView struct {
	ID      uuid.UUID `json:"id"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`
	Name    string    `json:"name,omitempty"`
	Role    Role      `json:"role,omitempty"`
	Action  string    `json:"action"`
	Object  string    `json:"object,omitempty"`
	Objects []string  `json:"objects,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Status  int       `json:"status"`
	Rows    int       `json:"rows,omitempty"`
	What    string    `json:"what,omitempty"`
	Route   string    `json:"route,omitempty"`
	Request string    `json:"request_id,omitempty"`
}

func viewAudit(e AuditEntry) auditView {
	d := e.Detail
	return auditView{ID: e.ID, At: e.At, Actor: e.Actor, Name: d.Name, Role: d.Role, Action: e.Action, Object: e.Object, Objects: d.Objects,
		Reason: e.Reason, Status: d.Status, Rows: d.Rows, What: d.What, Route: d.Route, Request: e.Request}
}

// streamAudit sends the audit log, oldest first, page by page: its memory does
// not grow with the log.
func (s *Server) streamAudit(c *gin.Context) {
	q, after, err := auditQuery(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	out, err := s.stream(c, "audit", "id", "at", "actor", "name", "role", "action", "object", "objects", "reason", "status", "rows", "what", "route", "request_id")
	if err != nil {
		s.fail(c, err)
		return
	}
	ctx := c.Request.Context()
	page, err := s.deps.Store.AuditPage(ctx, tenant(c), q, after, pageRows)
	if err != nil {
		s.fail(c, err)
		return
	}
	err = out.begin()
	for err == nil {
		for _, e := range page {
			v := viewAudit(e)
			if err = out.row(v, v.ID.String(), v.At.Format(time.RFC3339Nano), v.Actor, v.Name, string(v.Role), v.Action, v.Object,
				strings.Join(v.Objects, " "), v.Reason, strconv.Itoa(v.Status), strconv.Itoa(v.Rows), v.What, v.Route, v.Request); err != nil {
				break
			}
			after = e.ID
		}
		if err == nil {
			err = out.page()
		}
		if err != nil || len(page) < pageRows {
			break
		}
		page, err = s.deps.Store.AuditPage(ctx, tenant(c), q, after, pageRows)
	}
	if err != nil {
		s.cut(c, err)
	}
}

func auditQuery(c *gin.Context) (q AuditQuery, after uuid.UUID, err error) {
	for name, to := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		if text := c.Query(name); text != "" {
			if *to, err = time.Parse(time.RFC3339, text); err != nil {
				return q, after, badField(name, "write it as 2026-01-02T15:04:05+08:00")
			}
		}
	}
	if text := c.Query("after"); text != "" {
		if after, err = uuid.Parse(text); err != nil {
			return q, after, badField("after", "must be the id of a row")
		}
	}
	q.Action, q.Object, q.Actor = c.Query("action"), c.Query("object"), c.Query("actor")
	for name, v := range map[string]string{"action": q.Action, "object": q.Object, "actor": q.Actor} {
		if len(v) > 255 {
			return q, after, badField(name, "must be at most 255 bytes")
		}
	}
	return q, after, nil
}
