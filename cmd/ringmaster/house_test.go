package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/internal/lab/asr"
	"ringmaster/internal/lab/child"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin"
)

var built = struct {
	mu  sync.Mutex
	dir string
	bin map[string]string
}{bin: map[string]string{}}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// binary is the real program, built once for each tag.
func binary(t *testing.T, tag string) string {
	t.Helper()
	built.mu.Lock()
	defer built.mu.Unlock()
	if path := built.bin[tag]; path != "" {
		return path
	}
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "ringmaster-test-")
		if err != nil {
			t.Fatal(err)
		}
		built.dir = dir
	}
	path := filepath.Join(built.dir, "ringmaster"+tag)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", tag, "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	built.bin[tag] = path
	return path
}

// run runs the program to its end.
func run(t *testing.T, bin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), complaints.String(), cmd.ProcessState.ExitCode()
}

// house is everything around the program: an exchange twin, a recognition
// server, a database file and a configuration.
type house struct {
	*testing.T
	dir, config, bin, key string
	twin                  *twin.Exchange
	second                *fstwin.Exchange // nil = there is none
	log                   string

	// shaky: the database is restarted now and then, and says so.
	shaky bool

	mu    sync.Mutex
	proc  *child.Process
	api   string
	lives int
}

// of FreeSWITCH, beside the first.
const secondPBX = `
  - name: second
    kind: freeswitch
    address: %s
    password: twin-password
    app: ringmaster
    media: {format: slin}
    trunks: [{name: lab, endpoint: "sofia/gateway/lab/{number}", lab: true, lines: 50}]
`

const rest = `
controller: {id: crash, grace: 3s}
http: {listen: "127.0.0.1:0"}
database: {%[10]s, number_key: "%[2]s", crypt_key: "%[2]s"}
pbx:
  - name: twin
    kind: asterisk
    url: %[3]s
    user: ringmaster
    password: twin-password
    app: ringmaster
    media: {format: slin}
    trunks: [{name: lab, endpoint: "PJSIP/{number}@lab", lab: true, lines: 50}]%[6]s
speech:
  recognizers: [{name: lab, kind: funasr, url: "%[4]s"}]
  cache: {dir: %[5]s}
recordings: {dir: %[1]s/recordings}
understanding: {embedded: keyword, reports: ""}
compliance: {caps: [%[8]s]}
dialling: {concurrency: %[7]d, cps: 0, ring_timeout: %[9]s,
  retry: {max_tries: 2, delay: {uncertain: 10s, failed: 10s, congestion: 10s}}}
log: {level: info, format: text}
`

// newHouse starts exchange and recognizer; the program is started by start.
func newHouse(t *testing.T, tag string, cast twin.Cast, more string) *house {
	t.Helper()
	return setting{tag: tag, cast: cast, more: more}.house(t)
}

// setting says what stands around the program.
type setting struct {
	tag         string
	cast        twin.Cast
	more        string
	both        bool // a FreeSWITCH beside the Asterisk
	concurrency int  // 0 = 20
	caps        string
	ring        time.Duration // how long it may ring; 0 = 10 s
	database    string        // dialect and dsn; empty = a file of SQLite
}

func (s setting) house(t *testing.T) *house {
	t.Helper()
	env.Need(t, env.Espeak)
	h := &house{T: t, dir: t.TempDir(), bin: binary(t, s.tag)}
	h.config, h.log = filepath.Join(h.dir, "config.yaml"), filepath.Join(h.dir, "log")
	var err error
	h.twin, err = twin.Start(twin.Config{User: "ringmaster", Password: "twin-password", Cast: s.cast, MaxCalls: keptCalls}, "127.0.0.1:0")
	h.must(err)
	t.Cleanup(h.twin.Close)
	second := ""
	if s.both {
		h.second, err = fstwin.Start(fstwin.Config{Password: "twin-password", Cast: s.cast, Gateways: []string{"lab"}, MaxCalls: keptCalls}, "127.0.0.1:0")
		h.must(err)
		t.Cleanup(h.second.Close)
		second = fmt.Sprintf(secondPBX, h.second.Addr())
	}
	url, stop, err := asr.New(asr.Config{}).Start("127.0.0.1:0")
	h.must(err)
	t.Cleanup(stop)
	prompts := filepath.Join(built.dir, "prompts") // shared: they are synthesized once
	h.must(os.WriteFile(h.config, fmt.Appendf(nil, rest+s.more, h.dir, strings.Repeat("5a", 32), h.twin.URL(), url, prompts, second, cmp.Or(s.concurrency, 20), s.caps, cmp.Or(s.ring, 10*time.Second),
		cmp.Or(s.database, "dialect: sqlite, dsn: "+h.dir+"/ringmaster.db")), 0o600))
	out, complaints, code := run(t, h.bin, "key", "create", "--config", h.config, "--scope", "*")
	if code != 0 {
		t.Fatalf("key create: %s", complaints)
	}
	h.key = strings.TrimSpace(out)
	t.Cleanup(func() {
		if os.Getenv("KEEPLOG") != "" {
			b, _ := os.ReadFile(h.log)
			_ = os.WriteFile(os.Getenv("KEEPLOG"), b, 0o600)
		}
	})
	t.Cleanup(h.kill)
	return h
}

// beside is a second controller of the same house: on the same database and
// exchanges.
func (h *house) beside(t *testing.T) *house {
	t.Helper()
	b := &house{T: t, dir: h.dir, bin: h.bin, key: h.key, twin: h.twin, second: h.second, shaky: h.shaky,
		config: filepath.Join(h.dir, "beside.yaml"), log: filepath.Join(h.dir, "beside.log")}
	text, err := os.ReadFile(h.config)
	h.must(err)
	h.must(os.WriteFile(b.config, bytes.Replace(text, []byte("{id: crash,"), []byte("{id: beside,"), 1), 0o600))
	t.Cleanup(b.kill)
	return b
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// keptCalls is how many calls an exchange keeps for the judge.
const keptCalls = 100000

// rings are all calls that any exchange made a telephone ring for.
func (h *house) rings() []twin.Call {
	all := h.twin.Calls("")
	if h.second != nil {
		all = append(all, h.second.Calls("")...)
	}
	return all
}

var listening = regexp.MustCompile(`ringmaster serves" listen=(\S+)`)

// start runs the program with that environment until it listens. It returns
// false when the program ended before (a failpoint).
func (h *house) start(environ ...string) bool {
	h.Helper()
	before, _ := os.ReadFile(h.log)
	p, err := child.Start(child.Config{Path: h.bin, Args: []string{"serve", "--config", h.config}, Dir: h.dir, Log: h.log, Env: append(os.Environ(), environ...)})
	h.must(err)
	h.mu.Lock()
	h.proc, h.lives = p, h.lives+1
	h.mu.Unlock()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		text, _ := os.ReadFile(h.log)
		if m := listening.FindSubmatch(text[len(before):]); m != nil {
			h.mu.Lock()
			h.api = "http://" + string(m[1])
			h.mu.Unlock()
			return true
		}
		select {
		case <-p.Done():
			return false
		case <-deadline:
			h.Fatalf("not up within 30 s\n%s", child.Tail(h.log, 4000))
		case <-tick.C:
		}
	}
}

func (h *house) base() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.api
}

func (h *house) process() *child.Process {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.proc
}

// kill is kill -9.
func (h *house) kill() {
	if p := h.process(); p != nil {
		p.Kill()
	}
}

// stop is SIGTERM, and everything of the shutdown within its time.
func (h *house) stop() {
	h.Helper()
	h.must(h.process().Stop(context.Background(), 20*time.Second))
}

var client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// ask is one request; code 0 means that there was no answer.
func (h *house) ask(method, path, body string, into any, headers ...string) (code int) {
	h.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, h.base()+path, strings.NewReader(body))
	h.must(err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+h.key)
	for _, kv := range headers {
		name, value, _ := strings.Cut(kv, ": ")
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0
	}
	if into != nil && resp.StatusCode < 300 {
		h.must(json.Unmarshal(answer, into))
	}
	if resp.StatusCode >= 400 && resp.StatusCode != http.StatusServiceUnavailable && (!h.shaky || resp.StatusCode < 500) {
		h.Errorf("%s %s: %d %s", method, path, resp.StatusCode, answer)
	}
	return resp.StatusCode
}

// until waits for something that the program does.
func (h *house) until(limit time.Duration, what string, ok func() bool) {
	h.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	stop := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-stop:
			h.Fatalf("not within %s: %s\n%s", limit, what, child.Tail(h.log, 6000))
		}
	}
}
