package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/twin"
)

// demo --listen first prints where the API is and a key, so that anyone can
// post; and ends on a signal.
func TestDemoListenPrintsAPIAndKeyFirst(t *testing.T) {
	t.Parallel()
	env.Need(t, env.Espeak)
	cmd := exec.CommandContext(t.Context(), binary(t, ""), "demo", "--listen", "127.0.0.1:0", "--json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var at struct{ API, Key string }
	if err := json.Unmarshal([]byte(first), &at); err != nil || at.Key == "" || !strings.HasPrefix(at.API, "http://127.0.0.1:") {
		t.Fatalf("first line %q: %v", first, err)
	}
	// The mission's JSON with the shipped customer, once it is there.
	body := `{"customer_id":"12345","script_id":"promotion_001","call_time":"2023-10-01T14:00:00"}`
	deadline := time.Now().Add(20 * time.Second)
	for {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", at.API+"/api/v1/call/task", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+at.Key)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			State    string
			Resolved string `json:"call_time_resolved"`
		}
		_ = json.NewDecoder(resp.Body).Decode(&v)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusCreated {
			if v.State != "expired" || v.Resolved != "2023-10-01T14:00:00+08:00" {
				t.Errorf("%+v", v)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("status %d", resp.StatusCode)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after Ctrl-C: %v", err)
		}
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		t.Error("did not end within 20 s of Ctrl-C")
	}
}

func TestConfigExampleAndCheck(t *testing.T) {
	bin := binary(t, "")
	out, _, code := run(t, bin, "config", "example")
	if code != 0 || out != config.Example() {
		t.Errorf("config example: %d", code)
	}
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	text := strings.NewReplacer("env:RINGMASTER_NUMBER_KEY", `"`+strings.Repeat("5a", 32)+`"`, "env:RINGMASTER_CRYPT_KEY", `"`+strings.Repeat("5b", 32)+`"`,
		"env:RINGMASTER_DSN", "u:p@tcp(127.0.0.1:1)/x", "env:RINGMASTER_ARI_PASSWORD", "pw", "env:RINGMASTER_WEBHOOK_SECRET", "0123456789abcdef0123").Replace(out)
	must(t, os.WriteFile(good, []byte(text), 0o600))
	if out, complaints, code := run(t, bin, "config", "check", good); code != 0 || !strings.Contains(out, "usable") {
		t.Errorf("good: %d %s %s", code, out, complaints)
	}
	broken := strings.NewReplacer("lines: 30", "lines: -1", "dialect: mysql ", "dialect: oracle ", "zone: Asia/Shanghai", "zone: Asia/Nowhere").Replace(text)
	must(t, os.WriteFile(bad, []byte(broken), 0o600))
	_, complaints, code := run(t, bin, "config", "check", bad)
	if code == 0 {
		t.Error("bad: exit 0")
	}
	for _, key := range []string{"lines", "database.dialect", "tenant.zone"} {
		if !strings.Contains(complaints, key) {
			t.Errorf("bad: %q is not named in %s", key, complaints)
		}
	}
	if _, complaints, code := run(t, bin, "config", "check", filepath.Join(dir, "none.yaml")); code == 0 || !strings.Contains(complaints, "none.yaml") {
		t.Errorf("missing: %d %s", code, complaints)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDoctorSaysWhatToDo(t *testing.T) {
	h := newHouse(t, "", twin.Cast{}, "")
	out, complaints, code := run(t, h.bin, "doctor", "--config", h.config)
	if code != 0 || strings.Contains(out, "FAIL") {
		t.Fatalf("on a good configuration: %d\n%s%s", code, out, complaints)
	}
	for _, part := range []string{"database", "pbx twin", "pbx twin media", "voice espeak", "recognizer lab", "recordings"} {
		if !strings.Contains(out, "ok    "+part) {
			t.Errorf("%q was not checked:\n%s", part, out)
		}
	}
	text, err := os.ReadFile(h.config)
	h.must(err)
	for i, c := range []struct{ what, old, new, part, fix string }{
		{"exchange away", h.twin.URL(), "http://127.0.0.1:1/ari", "pbx twin", "is Asterisk running"},
		{"password", "twin-password", "wrong-password", "pbx twin", "user and password"},
		{"recognizer away", "kind: funasr, url: \"ws://", "kind: funasr, url: \"ws://127.0.0.1:1/?", "recognizer lab", "is the recognition server running"},
		{"database folder", h.dir + "/ringmaster.db", h.dir + "/none/ringmaster.db", "database", "database.dsn"},
		{"recordings folder", h.dir + "/recordings", "/proc/recordings", "recordings", "may write"},
		{"voice", "  cache:", "  synthesizers: [{name: espeak, kind: espeak, command: /nonexistent/espeak}]\n  cache:", "voice espeak", "espeak-ng"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel() // a doctor mostly waits
			file := filepath.Join(t.TempDir(), "broken.yaml")
			broken := strings.Replace(string(text), c.old, c.new, 1)
			broken = strings.Replace(broken, "app: ringmaster", fmt.Sprintf("app: doctor%d", i), 1) // an application has one controller
			must(t, os.WriteFile(file, []byte(broken), 0o600))
			out, complaints, code := run(t, h.bin, "doctor", "--config", file)
			if code == 0 || !strings.Contains(out, "FAIL  "+c.part) || !strings.Contains(out, c.fix) || strings.Count(out, "FAIL") != 1 {
				t.Errorf("%s: exit %d, want only %q to fail, with %q\n%s%s", c.what, code, c.part, c.fix, out, complaints)
			}
			for _, secret := range []string{"twin-password", strings.Repeat("5a", 32)} {
				if strings.Contains(out+complaints, secret) {
					t.Errorf("%s: a secret is printed:\n%s", c.what, out)
				}
			}
		})
	}
}

func TestKeysWorkWithTheirScopes(t *testing.T) {
	h := newHouse(t, "", crowd(), "")
	if !strings.HasPrefix(h.key, "rm_") || strings.ContainsAny(h.key, " \n") {
		t.Errorf("key %q", h.key)
	}
	reader, _, code := run(t, h.bin, "key", "create", "--config", h.config, "--name", "reader", "--scope", "tasks:read", "--expires", "1h")
	if code != 0 {
		t.Fatal("key create")
	}
	if !h.start() {
		t.Fatal("did not start")
	}
	h.until(10*time.Second, "ready", func() bool { return h.ask("GET", "/readyz", "", nil) == 200 })
	all := h.key
	h.key = strings.TrimSpace(reader)
	if code := h.ask("GET", "/api/v1/call/task", "", nil); code != 200 {
		t.Errorf("reading with the reader's key: %d", code)
	}
	h.key = all
	if code := h.ask("POST", "/api/v1/contacts", `{"customer_id":"c1","phone":"lab:c1","variables":{"discount":8,"ends":"2036-01-01"}}`, nil); code != 201 {
		t.Errorf("contact: %d", code)
	}
	h.stop()
}

// The mission's body, ten seconds ahead, rings within a second of its time.
func TestRow_S33_TenSecondsAheadRingsAtItsTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", crowd(), "")
	if !h.start() {
		t.Fatal("did not start")
	}
	h.until(10*time.Second, "ready", func() bool { return h.ask("GET", "/readyz", "", nil) == 200 })
	if code := h.ask("POST", "/api/v1/contacts", `{"customer_id":"12345","name":"赵 ten","phone":"lab:c1","variables":{"discount":8,"ends":"2036-01-01"}}`, nil); code != 201 {
		t.Errorf("contact: %d", code)
	}
	zone, err := time.LoadLocation("Asia/Shanghai")
	h.must(err)
	at := time.Now().Add(10 * time.Second).Truncate(time.Second)
	var v taskSeen
	if code := h.ask("POST", "/api/v1/call/task", fmt.Sprintf(`{"customer_id":"12345","script_id":"promotion_001","call_time":%q}`, at.In(zone).Format("2006-01-02T15:04:05")), &v); code != 201 || v.State != "scheduled" {
		t.Fatalf("%d %+v", code, v)
	}
	h.until(30*time.Second, "it rings", func() bool { return len(h.twin.Calls("")) == 1 })
	late := h.twin.Calls("")[0].Rang.Sub(at)
	t.Logf("rang %s after its time", late)
	if late < 0 || late > time.Second {
		t.Errorf("rang %s after its time", late)
	}
	h.stop()
	if n := h.twin.Stats().Live; n != 0 {
		t.Errorf("%d channels after the end", n)
	}
}

func TestMigrateTellsTheVersion(t *testing.T) {
	h := newHouse(t, "", twin.Cast{}, "")
	out, complaints, code := run(t, h.bin, "migrate", "--config", h.config)
	if code != 0 || !strings.HasPrefix(out, "schema version ") {
		t.Errorf("%d %s %s", code, out, complaints)
	}
	if _, _, code := run(t, h.bin, "serve", "--config", filepath.Join(h.dir, "none.yaml")); code != 1 {
		t.Errorf("serve without a file: exit %d", code)
	}
}

// What a signal ends takes its lives calls along within the grace.
func TestSIGTERMEndsInOrder(t *testing.T) {
	h := newHouse(t, "", crowd(), "")
	if !h.start() {
		t.Fatal("did not start")
	}
	orders := map[string]string{}
	h.order(orders, 5)
	h.until(15*time.Second, "calls ring", func() bool { return len(h.twin.Calls("")) >= 3 })
	begun := time.Now()
	h.must(h.process().Stop(context.Background(), 15*time.Second))
	t.Logf("ended within %s", time.Since(begun).Round(time.Millisecond))
	if n := h.twin.Stats().Live; n != 0 {
		t.Errorf("%d channels are left", n)
	}
	rang := len(h.twin.Calls(""))
	if !h.start() {
		t.Fatal("did not start again")
	}
	for _, id := range orders {
		var list struct{ Attempts []attemptSeen }
		h.ask("GET", "/api/v1/call/task/"+id+"/attempts", "", &list)
		for _, a := range list.Attempts {
			if a.State == "placed" || a.Reason == "controller_died" {
				t.Errorf("an orderly end left attempt %+v", a)
			}
		}
	}
	t.Logf("%d calls had been placed", rang)
}
