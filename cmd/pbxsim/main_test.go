package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The program prints where it listens, answers there, and ends when told to.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"--listen", "127.0.0.1:0", "--user", "u", "--password", "p"}, w, io.Discard)
		_ = w.Close()
	}()
	buf := make([]byte, 4096)
	n, err := r.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	url := regexp.MustCompile(`http://\S+/ari`).FindString(string(buf[:n]))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/asterisk/info", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("u", "p")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v %v", url, resp, err)
	}
	_ = resp.Body.Close()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it does not end")
	}
}

// With --esl it is a FreeSWITCH too, with the same subscribers.
func TestBothBrands(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"--listen", "127.0.0.1:0", "--esl", "127.0.0.1:0", "--esl-password", "p"}, w, io.Discard)
		_ = w.Close()
	}()
	addr := ""
	lines := bufio.NewScanner(r)
	for addr == "" && lines.Scan() {
		if a, ok := strings.CutPrefix(lines.Text(), "ESL"); ok {
			addr = strings.TrimSpace(a)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "auth p\n\nbgapi originate user/agent1 &park()\nJob-UUID: j\n\nevent plain BACKGROUND_JOB\n\n"); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	found := false
	for in := bufio.NewScanner(c); !found && in.Scan(); {
		found = strings.HasPrefix(in.Text(), "+OK ") && len(in.Text()) == 40 // the channel's uuid
	}
	if !found {
		t.Error("agent1 never answered")
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it does not end")
	}
}

func TestBadStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "callees.yaml")
	if err := os.WriteFile(file, []byte("format: pbxsim/1\ncallees: [{number: a, rings: 2}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"unexpected argument": {"x"}, "no such file": {"--callees", "none.yaml"}, "unknown field": {"--callees", file},
		"cannot listen": {"--listen", "256.0.0.1:1"}, "not defined": {"--no-such-flag"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}
