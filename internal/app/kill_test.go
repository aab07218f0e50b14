package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/asr"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/mariadb"
	"ringmaster/internal/lab/sipphone"
)

// process is the real program, as its user starts it.
type process struct {
	t      *testing.T
	binary string
	config string
	api    string
	key    string
	log    buffer
	cmd    *exec.Cmd
}

func build(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "ringmaster")
	cmd := exec.Command("go", "build", "-o", out, "ringmaster/cmd/ringmaster")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	return out
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.binary, "serve", "--config", p.config)
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(p.api + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == 200 {
				return
			}
		}
		if time.Now().After(end) {
			p.kill()
			p.t.Fatalf("the controller did not become ready:\n%s", tail(p.log.String(), 3000))
		}
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_, _ = p.cmd.Process.Wait()
}

func (p *process) do(method, path string, body any, into any) int {
	p.t.Helper()
	data, _ := json.Marshal(body)
	req, _ := http.NewRequest(method, p.api+path, bytes.NewReader(data))
	req.Header.Set("Authorization", "Bearer "+p.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if into != nil {
		_ = json.NewDecoder(resp.Body).Decode(into)
	}
	return resp.StatusCode
}

// TestControllerKilledUnderLiveCalls kills the real program with -9 while one
// call is answered and one rings, on the real Asterisk and MariaDB: after the
// restart no leg is left, every attempt has its end, and no attempt rang twice.
func TestControllerKilledUnderLiveCalls(t *testing.T) {
	env.Need(t, env.Asterisk, env.MariaDB, env.Espeak)
	r := newReal(t, map[string]sipphone.Script{
		"waits": {sipphone.Answer(100 * time.Millisecond), sipphone.Silence(2 * time.Minute)},
		"later": {sipphone.Ring(0), sipphone.Silence(2 * time.Minute)},
	})
	ears := asr.New(asr.Config{Logger: slog.New(slog.DiscardHandler)})
	url, stopEars, err := ears.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stopEars()
	dir, addr := t.TempDir(), freePort(t)
	scripts, err := filepath.Abs("testdata/scripts")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, binary: build(t), config: filepath.Join(dir, "config.yaml"), api: "http://" + addr}
	text := fmt.Sprintf(`
controller: {id: killed, grace: 1s}
http: {listen: %q}
database: {dialect: mysql, dsn: %q, number_key: %s, crypt_key: %s}
pbx:
  - {name: asterisk, kind: asterisk, url: %q, user: %q, password: %q, app: ringmaster, media: {format: ulaw},
     trunks: [{name: lab, endpoint: "PJSIP/{number}@lab", lab: true, lines: 20}]}
speech:
  recognizers: [{name: lab, kind: funasr, url: %q}]
  cache: {dir: %q, max_bytes: 10000000}
recordings: {dir: %q}
understanding: {embedded: keyword, reports: ""}
scripts: {dir: %q, shipped: false}
dialling: {ring_timeout: 60s, retry: {max_tries: 2, delay: {failed: 1h, uncertain: 1h}}}
log: {level: info, format: text}
`, addr, databases.Database(t, mariadb.MariaDB), strings.Repeat("1f", 32), strings.Repeat("2e", 32), r.pbx.URL, r.pbx.User, r.pbx.Password.Reveal(),
		url, filepath.Join(dir, "prompts"), filepath.Join(dir, "recordings"), scripts)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(p.binary, "key", "create", "--config", p.config).Output()
	if err != nil {
		t.Fatalf("key create: %v", err)
	}
	p.key = strings.TrimSpace(string(out))
	p.start()
	defer p.kill()
	tasks := map[string]string{}
	for _, user := range []string{"waits", "later"} {
		p.do("POST", "/api/v1/contacts", map[string]any{"customer_id": user, "phone": "lab:" + user}, nil)
		var task struct {
			TaskID string `json:"task_id"`
		}
		if s := p.do("POST", "/api/v1/call/task", map[string]any{"customer_id": user, "script_id": "e2e_001"}, &task); s != 201 {
			t.Fatalf("task: %d", s)
		}
		tasks[user] = task.TaskID
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	answered, err := r.phone.WaitCall(ctx, "waits")
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(p.log.String(), 2000))
	}
	ringing, err := r.phone.WaitCall(ctx, "later")
	if err != nil {
		t.Fatal(err)
	}
	if err := answered.WaitAnswered(ctx); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	p.kill()
	p.start()
	for user, task := range tasks {
		var list struct{ Attempts []attempt }
		for end := time.Now().Add(40 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			p.do("GET", "/api/v1/call/task/"+task+"/attempts", nil, &list)
			if len(list.Attempts) == 1 && list.Attempts[0].State == "finished" {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %+v\n%s", user, list.Attempts, tail(p.log.String(), 3000))
			}
		}
		a := list.Attempts[0]
		t.Logf("%s: %s (%s)", user, a.Disposition, a.Reason)
		if a.Disposition != "failed" && a.Disposition != "uncertain" {
			t.Errorf("%s: %s", user, a.Disposition)
		}
	}
	for _, c := range []*sipphone.Call{answered, ringing} {
		select {
		case <-c.Done():
		case <-time.After(10 * time.Second):
			t.Errorf("the phone of %s is still connected: an orphan", c.User())
		}
	}
	if n := len(r.phone.Calls()); n != 2 {
		t.Errorf("%d rings for two attempts", n)
	}
}
