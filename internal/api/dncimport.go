package api

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

const (
	maxCSV      = 8 << 20
	maxCSVRows  = 200_000
	importBatch = 500
)

// csvRow is one row of an import: what it says, or what is wrong with it.
type csvRow struct {
	line  int
	entry DNCEntry
	why   string // not empty: invalid
}

// Verdicts on a row of an import. Every row has exactly one.
const (
	rowAccepted  = "accepted"
	rowDuplicate = "duplicate"
	rowInvalid   = "invalid"
)

type rowVerdict struct {
	Line    int    `json:"line"`
	Verdict string `json:"verdict"`
	Why     string `json:"why,omitempty"`
	Phone   string `json:"phone,omitempty"` // masked
}

// importDNC takes a CSV with a header: phone is wanted, reason and until are
// understood, other columns are left alone. Every row gets a verdict.
func (s *Server) importDNC(c *gin.Context) {
	rows, base, err := s.readImport(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	verdicts := make([]rowVerdict, 0, len(rows))
	count := map[string]int{}
	for len(rows) > 0 {
		batch := rows[:min(importBatch, len(rows))]
		rows = rows[len(batch):]
		some, err := s.importBatch(c, batch)
		if err != nil {
			entry(c).Detail.Rows = len(verdicts)
			s.deps.Log.Error("an import stopped", "rows", len(verdicts), "err", err)
			s.fail(c, problem(http.StatusServiceUnavailable, "temporarily unavailable",
				fmt.Sprintf("the first %d rows were taken: send the same list again, a row that is there is a duplicate", len(verdicts))))
			return
		}
		for _, v := range some {
			count[v.Verdict]++
		}
		verdicts = append(verdicts, some...)
	}
	entry(c).Detail.Rows = len(verdicts)
	entry(c).Detail.What = fmt.Sprintf("layer %s: %d accepted, %d duplicate, %d invalid", base.Layer, count[rowAccepted], count[rowDuplicate], count[rowInvalid])
	c.JSON(http.StatusOK, gin.H{"rows": len(verdicts), "accepted": count[rowAccepted], "duplicate": count[rowDuplicate], "invalid": count[rowInvalid], "verdicts": verdicts})
}

func (s *Server) readImport(c *gin.Context) ([]csvRow, DNCEntry, error) {
	base := DNCEntry{Source: SourceImport, By: entry(c).Actor, CreatedAt: s.deps.Now()}
	var err error
	if base.Reason, err = because(c, c.DefaultQuery("reason", "imported")); err != nil {
		return nil, base, err
	}
	if base.DNCKey, err = s.dncLayer(c, c.Query("layer"), c.Query("task_id")); err != nil {
		return nil, base, err
	}
	kind, params, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || kind != "text/csv" {
		return nil, base, problem(http.StatusUnsupportedMediaType, "wrong media type", "send text/csv")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, c.Request.Body, maxCSV))
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return nil, base, problem(http.StatusRequestEntityTooLarge, "body too large", fmt.Sprintf("at most %d bytes: send the list in parts", maxCSV))
	} else if err != nil {
		return nil, base, problem(http.StatusBadRequest, "body could not be read", "the connection broke")
	}
	text, err := decodeText(body, params["charset"])
	if err != nil {
		return nil, base, err
	}
	rows, err := s.parseCSV(text, base)
	return rows, base, err
}

// importBatch gives each row of a batch its verdict; a row that stands twice
// in one batch is accepted once.
func (s *Server) importBatch(c *gin.Context, batch []csvRow) ([]rowVerdict, error) {
	var entries []DNCEntry
	for _, r := range batch {
		if r.why == "" {
			entries = append(entries, r.entry)
		}
	}
	added, err := s.deps.Store.AddDNC(c.Request.Context(), entries)
	if err != nil {
		return nil, err
	}
	out := make([]rowVerdict, 0, len(batch))
	for _, r := range batch {
		v := rowVerdict{Line: r.line, Verdict: rowInvalid, Why: r.why}
		if r.why == "" {
			v.Phone, v.Verdict = r.entry.Number.Masked(), rowDuplicate
			if added[0] {
				v.Verdict = rowAccepted
			}
			added = added[1:]
		}
		out = append(out, v)
	}
	return out, nil
}

// decodeText makes UTF-8 of what spreadsheets write: UTF-8 with or without a
// byte order mark, UTF-16 with one, GB 18030 (GBK) when it is no UTF-8.
func decodeText(body []byte, charset string) (string, error) {
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8", "gbk", "gb2312", "gb18030", "utf-16":
	default:
		return "", problem(http.StatusUnsupportedMediaType, "unknown charset", "utf-8, gbk, gb18030 or utf-16")
	}
	chinese := strings.HasPrefix(strings.ToLower(charset), "gb")
	var err error
	switch {
	case bytes.HasPrefix(body, []byte{0xEF, 0xBB, 0xBF}):
		body, chinese = body[3:], false
	case bytes.HasPrefix(body, []byte{0xFF, 0xFE}), bytes.HasPrefix(body, []byte{0xFE, 0xFF}):
		body, err = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(body)
		chinese = false
	}
	if err == nil && (chinese || !utf8.Valid(body)) {
		body, err = simplifiedchinese.GB18030.NewDecoder().Bytes(body)
	}
	if err != nil || !utf8.Valid(body) {
		return "", problem(http.StatusBadRequest, "body is no text", "save the list as CSV in UTF-8")
	}
	return string(body), nil
}

// parseCSV reads the rows; line counts rows, the header being 1.
func (s *Server) parseCSV(text string, base DNCEntry) ([]csvRow, error) {
	in := csv.NewReader(strings.NewReader(text))
	in.FieldsPerRecord, in.ReuseRecord, in.LazyQuotes = -1, true, true
	if head, _, _ := strings.Cut(text, "\n"); !strings.Contains(head, ",") {
		for _, sep := range []rune{';', '\t'} {
			if strings.ContainsRune(head, sep) {
				in.Comma = sep
			}
		}
	}
	header, err := in.Read()
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "the list is empty", "its first row names the columns: phone, and if you like reason and until")
	}
	col := columns(header)
	if col["phone"] < 0 {
		return nil, badField("phone", "the first row must name the columns, one of them phone (电话, 手机号)")
	}
	var rows []csvRow
	for line := 2; ; line++ {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if len(rows) == maxCSVRows {
			return nil, problem(http.StatusRequestEntityTooLarge, "too many rows", fmt.Sprintf("at most %d: send the list in parts", maxCSVRows))
		}
		if err != nil {
			rows = append(rows, csvRow{line: line, why: "quotes do not match"})
			continue
		}
		rows = append(rows, s.parseRow(line, record, col, base))
	}
}

// columns finds the columns that are understood; -1 for one that is not there.
func columns(header []string) map[string]int {
	names := map[string][]string{"phone": {"phone", "number", "mobile", "tel", "电话", "手机", "手机号", "号码", "电话号码", "手机号码"},
		"reason": {"reason", "原因"}, "until": {"until", "expires", "到期", "有效期", "截止"}}
	col := map[string]int{"phone": -1, "reason": -1, "until": -1}
	for i, cell := range header {
		cell = strings.ToLower(strings.TrimSpace(plainCell(cell)))
		for name, known := range names {
			for _, k := range known {
				if cell == k && col[name] < 0 {
					col[name] = i
				}
			}
		}
	}
	return col
}

var (
	forcedText = regexp.MustCompile(`^="([^"]*)"$`)
	scientific = regexp.MustCompile(`^[0-9][0-9.,]*[eE]\+?[0-9]+$`)
)

// plainCell takes off what spreadsheets put around text: ="..." and a leading
// apostrophe.
func plainCell(cell string) string {
	cell = strings.TrimSpace(strings.Trim(cell, "\ufeff\u00a0\u200b"))
	if m := forcedText.FindStringSubmatch(cell); m != nil {
		cell = m[1]
	}
	return strings.TrimPrefix(cell, "'")
}

func (s *Server) parseRow(line int, record []string, col map[string]int, base DNCEntry) csvRow {
	cell := func(name string) string {
		if i := col[name]; i >= 0 && i < len(record) {
			return plainCell(record[i])
		}
		return ""
	}
	r := csvRow{line: line, entry: base}
	raw := cell("phone")
	var err error
	switch {
	case raw == "":
		r.why = "phone is empty"
	case scientific.MatchString(raw):
		r.why = "the spreadsheet turned the number into " + strconv.Quote("1.38E+10") + ": format the column as text and save again"
	case len(cell("reason")) > 200:
		r.why = "reason is longer than 200 bytes"
	}
	if r.why != "" {
		return r
	}
	if r.entry.Number, err = s.number(raw); err != nil {
		r.why = err.Error()
		return r
	}
	if reason := cell("reason"); reason != "" {
		r.entry.Reason = digits.ReplaceAllString(strings.Map(printable, reason), "****")
	}
	if r.entry.Expires, err = s.until(cell("until")); err != nil {
		var p *Problem
		errors.As(err, &p)
		r.why = p.Detail
	}
	return r
}

func printable(r rune) rune {
	if r < 32 || r == 127 {
		return ' '
	}
	return r
}
