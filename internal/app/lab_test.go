package app

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/audio"
	"ringmaster/internal/lab/asr"
	"ringmaster/internal/lab/mariadb"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
)

var databases mariadb.Pool

func TestMain(m *testing.M) { os.Exit(databases.Around(m).Run()) }

// house is a whole controller in a test, with the instruments around it.
type house struct {
	t      *testing.T
	cfg    config.Config
	asr    *asr.Server
	voice  *speechtest.Tones // nil: that of the configuration
	app    *App
	api    string
	key    string
	hooks  *receiver
	logs   *buffer
	stop   func()
	sights *sights
	// ears replaces the recognizer of the configuration; nil = it is used.
	ears func(url string) speech.Recognizer
}

// toneVoice speaks the tone alphabet, so that what the phone and the recording
// hear from us can be decoded word by word.
func toneVoice() *speechtest.Tones {
	return &speechtest.Tones{Audio: func(u speech.Utterance) ([]int16, []speech.Mark) { return tone.Encode(u.Text, u.Format.Rate), nil }}
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type sights struct {
	mu      sync.Mutex
	all     []Sight
	outcome func() // called before an outcome is written; may be nil
}

func (s *sights) saw(x Sight) {
	if x.Outcome != nil && s.outcome != nil {
		s.outcome()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, x)
}

// labConfig is a configuration for the exchange p.
func labConfig(t *testing.T, p config.PBX, dialect, dsn, asrURL, hook string) config.Config {
	t.Helper()
	c := config.Default()
	c.Controller.ID, c.Controller.Grace = "test", time.Second
	c.Database = config.Database{Dialect: dialect, DSN: config.NewSecret(dsn), NumberKey: config.NewSecret(strings.Repeat("1f", 32)), CryptKey: config.NewSecret(strings.Repeat("2e", 32))}
	c.PBX = []config.PBX{p}
	c.Speech.Recognizers = []config.Recognizer{{Name: "lab", Kind: "funasr", URL: asrURL}}
	c.Speech.Cache.Dir = filepath.Join(t.TempDir(), "prompts")
	c.Recordings.Dir = filepath.Join(t.TempDir(), "recordings")
	c.Scripts.Dir = "testdata/scripts"
	c.Understanding.Embedded, c.Understanding.Reports = "keyword", "" // no trainings beside calls in real time
	c.Dialling.Concurrency, c.Dialling.CPS, c.Dialling.RingTimeout = 50, 0, 5*time.Second
	c.Compliance.Caps = []config.Cap{{ID: "person_24h", Subject: "person", Per: "24h", AtMost: 50}}
	c.Webhooks = []config.Webhook{{Name: "crm", URL: hook, Secret: config.NewSecret("0123456789abcdef"), Idempotent: true, AllowPrivate: true}}
	return c
}

// newHouse starts a controller on the exchange p.
func newHouse(t *testing.T, p config.PBX, dialect string, change ...func(*config.Config)) *house {
	t.Helper()
	h := buildHouse(t, p, dialect, change...)
	h.start()
	return h
}

// buildHouse is a house that is not started yet.
func buildHouse(t *testing.T, p config.PBX, dialect string, change ...func(*config.Config)) *house {
	t.Helper()
	h := &house{t: t, asr: asr.New(asr.Config{Logger: slog.New(slog.DiscardHandler)}), voice: toneVoice(), hooks: newReceiver(t), logs: &buffer{}, sights: &sights{}}
	url, stopASR, err := h.asr.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stopASR)
	dsn := filepath.Join(t.TempDir(), "ringmaster.db")
	if dialect == "mysql" {
		dsn = databases.Database(t, mariadb.MariaDB)
	}
	h.cfg = labConfig(t, p, dialect, dsn, url, h.hooks.URL)
	for _, f := range change {
		f(&h.cfg)
	}
	return h
}

// start starts the controller (again); h.stop stops it.
func (h *house) start() {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var ears speech.Recognizer
	if h.ears != nil {
		ears = h.ears(h.cfg.Speech.Recognizers[0].URL)
	}
	var voice speech.Synthesizer
	if h.voice != nil {
		voice = h.voice
	}
	a, err := New(h.t.Context(), Options{Config: h.cfg, Recognizer: ears, Log: log, Synthesizer: voice, Watch: h.sights.saw})
	if err != nil {
		h.t.Fatal(err)
	}
	srv := httptest.NewServer(a.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	var once sync.Once
	h.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				h.t.Errorf("the controller ended with %v", err)
			}
			srv.Close()
			if err := a.Close(); err != nil {
				h.t.Error(err)
			}
		})
	}
	h.t.Cleanup(h.stop)
	h.app, h.api = a, srv.URL
	if h.key, err = a.CreateKey(h.t.Context(), "test", []string{"*"}, time.Time{}); err != nil {
		h.t.Fatal(err)
	}
	h.until("the exchange is ready", 20*time.Second, func() bool {
		for _, c := range a.Ready(h.t.Context()) {
			if !c.OK {
				return false
			}
		}
		return true
	})
}

func (h *house) until(what string, limit time.Duration, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("not within %v: %s\n%s", limit, what, tail(h.logs.String(), 4000))
		}
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// do calls the API; want 0 accepts any status.
func (h *house) do(method, path string, body any, want int) map[string]any {
	h.t.Helper()
	status, raw := h.raw(method, path, body, nil)
	if want != 0 && status != want {
		h.t.Fatalf("%s %s: %d, want %d: %s", method, path, status, want, raw)
	}
	var out map[string]any
	_ = json.Unmarshal(raw, &out)
	return out
}

func (h *house) raw(method, path string, body any, header map[string]string) (int, []byte) {
	h.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		r = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.api+path, r)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.key)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, raw
}

// contact makes a customer behind a lab extension.
func (h *house) contact(id, extension string) {
	h.t.Helper()
	h.do("POST", "/api/v1/contacts", map[string]any{"customer_id": id, "name": "张三", "phone": "lab:" + extension, "language": "cmn",
		"variables": map[string]any{"discount": 8, "ends": "2027-01-31"}}, 0)
}

// order orders a call now and returns its task ID.
func (h *house) order(customer, script string) string {
	h.t.Helper()
	return h.do("POST", "/api/v1/call/task", map[string]any{"customer_id": customer, "script_id": script}, 201)["task_id"].(string)
}

// ring makes a customer of the extension and orders a call.
func (h *house) ring(extension, script string) string {
	h.t.Helper()
	h.contact(extension, extension)
	return h.order(extension, script)
}

// attempt waits until the task's n-th attempt is finished and returns it.
func (h *house) attempt(task string, n int, limit time.Duration) attempt {
	h.t.Helper()
	var a attempt
	h.until(fmt.Sprintf("attempt %d of task %s is finished", n, task), limit, func() bool {
		_, raw := h.raw("GET", "/api/v1/call/task/"+task+"/attempts", nil, nil)
		var list struct{ Attempts []attempt }
		if err := json.Unmarshal(raw, &list); err != nil || len(list.Attempts) < n || list.Attempts[n-1].State != "finished" {
			return false
		}
		a = list.Attempts[n-1]
		return true
	})
	_, raw := h.raw("GET", "/api/v1/attempts/"+a.AttemptID, nil, nil)
	if err := json.Unmarshal(raw, &a); err != nil {
		h.t.Fatal(err)
	}
	return a
}

// attempt is what the API says of one.
type attempt struct {
	AttemptID     string `json:"attempt_id"`
	State         string
	Try           int
	Disposition   string
	Reason        string
	SIP, Q850     int
	EndedBy       string `json:"ended_by"`
	ScriptVersion string `json:"script_version"`
	AMD           string
	Tags          []string
	Degraded      []string
	Disclosure    *struct {
		Complete bool
		EndMS    int64 `json:"end_ms"`
	}
	Turns []struct {
		Side, Text, Planned, Intent string
		StartMS                     int64 `json:"start_ms"`
		EndMS                       int64 `json:"end_ms"`
		Interrupted                 bool
	}
	Recordings []struct{ URL, SHA256, Incomplete string }
}

// side is what one side said, interrupted lines left out.
func (a attempt) side(side string) []string {
	var out []string
	for _, t := range a.Turns {
		if t.Side == side && !t.Interrupted {
			out = append(out, t.Text)
		}
	}
	return out
}

func (a attempt) show(t *testing.T) {
	t.Helper()
	t.Logf("%s (%s) sip %d q850 %d by %s tags %v degraded %v", a.Disposition, a.Reason, a.SIP, a.Q850, a.EndedBy, a.Tags, a.Degraded)
	for _, x := range a.Turns {
		t.Logf("  %6d-%6d %-4s %s [%s] %v", x.StartMS, x.EndMS, x.Side, x.Text, x.Intent, x.Interrupted)
	}
}

// recording downloads a recording and decodes the words of both sides.
func (h *house) recording(a attempt) (them, us []string, wav audio.WAV) {
	h.t.Helper()
	if len(a.Recordings) == 0 {
		h.t.Fatal("the call was not recorded")
	}
	status, raw := h.raw("GET", a.Recordings[0].URL, nil, nil)
	if status != 200 {
		h.t.Fatalf("recording: %d", status)
	}
	if sum := sha256.Sum256(raw); fmt.Sprintf("%x", sum) != a.Recordings[0].SHA256 {
		h.t.Error("the recording does not match its hash")
	}
	wav, err := audio.ReadWAV(bytes.NewReader(raw), 8000*600)
	if err != nil || len(wav.Tracks) != 2 {
		h.t.Fatalf("%d tracks, %v", len(wav.Tracks), err)
	}
	return words(h.t, wav.Tracks[0], wav.Rate), words(h.t, wav.Tracks[1], wav.Rate), wav
}

// words decodes tone text; what is cut off is marked.
func words(t *testing.T, samples []int16, rate int) []string {
	t.Helper()
	us, err := tone.DecodeAll(samples, rate)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, u := range us {
		if u.Cut {
			u.Text += "…"
		}
		out = append(out, u.Text)
	}
	return out
}

// receiver is a CRM that keeps what it is told and checks every signature.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []map[string]any
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil { // cut off: the controller stops, or gave up waiting on a busy machine
			return
		}
		m := hmac.New(sha256.New, []byte("0123456789abcdef"))
		m.Write([]byte(req.Header.Get("Webhook-Id") + "." + req.Header.Get("Webhook-Timestamp") + "."))
		m.Write(body)
		if "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)) != req.Header.Get("Webhook-Signature") {
			t.Error("a webhook's signature is wrong")
		}
		var v map[string]any
		_ = json.Unmarshal(body, &v)
		r.mu.Lock()
		r.bodies = append(r.bodies, v)
		r.mu.Unlock()
	}))
	t.Cleanup(r.Close)
	return r
}

// about waits for the message about an attempt.
func (r *receiver) about(h *house, attempt string) map[string]any {
	h.t.Helper()
	var found map[string]any
	h.until("the CRM hears of attempt "+attempt, 10*time.Second, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, b := range r.bodies {
			if b["attempt_id"] == attempt {
				found = b
			}
		}
		return found != nil
	})
	return found
}

// noLegs checks that the exchange has no leg of ours left.
func (h *house) noLegs() {
	h.t.Helper()
	for name, sw := range h.app.fleet.switches() {
		h.until("no leg is left on "+name, 10*time.Second, func() bool {
			legs, err := sw.Legs(h.t.Context())
			return err == nil && len(legs) == 0
		})
	}
}
