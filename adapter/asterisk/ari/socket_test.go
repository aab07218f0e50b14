package ari

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/adapter/asterisk/ari/aritest"
)

func acceptKey(key string) string {
	h := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(h[:])
}

// recorder notes what a Handler is told.
type recorder struct {
	mu        sync.Mutex
	events    []Event
	lost      []error
	restarted []bool
	restoreBy func() error
	signal    chan struct{}
	ready     int
}

func newRecorder() *recorder { return &recorder{signal: make(chan struct{}, 1)} }

func (r *recorder) poke() {
	select {
	case r.signal <- struct{}{}:
	default:
	}
}

func (r *recorder) Event(e *Event) {
	r.mu.Lock()
	r.events = append(r.events, *e)
	r.mu.Unlock()
	r.poke()
}
func (r *recorder) Lost(err error) {
	r.mu.Lock()
	r.lost = append(r.lost, err)
	r.mu.Unlock()
	r.poke()
}
func (r *recorder) Ready() { r.mu.Lock(); r.ready++; r.mu.Unlock(); r.poke() }
func (r *recorder) Restored(_ context.Context, _ Info, restarted bool) error {
	r.mu.Lock()
	r.restarted = append(r.restarted, restarted)
	by := r.restoreBy
	r.mu.Unlock()
	if by != nil {
		return by()
	}
	return nil
}

func (r *recorder) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		r.mu.Lock()
		done := ok()
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-r.signal:
		case <-deadline:
			t.Fatalf("waited in vain for %s: %d events, lost %v, ready %d", what, len(r.events), r.lost, r.ready)
		}
	}
}

func run(t *testing.T, c *Client) <-chan error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done, out := make(chan struct{}), make(chan error, 1)
	go func() { defer close(done); out <- c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return out
}

func TestEventsKeepOrderAndNoneIsLost(t *testing.T) {
	s := aritest.New(t)
	r := newRecorder()
	run(t, client(t, s.ARI(), r))
	r.await(t, "ready", func() bool { return r.ready == 1 })
	const n = 5000
	for i := range n {
		s.Emit(t, fmt.Sprintf(`{"type":"ChannelDtmfReceived","digit":"1","duration_ms":%d,"channel":{"id":"c%d"}}`, i, i%7))
	}
	r.await(t, "all events", func() bool { return len(r.events) == n })
	for i, e := range r.events {
		if e.DurationMS != i {
			t.Fatalf("event %d carries %d", i, e.DurationMS)
		}
	}
}

func TestFilterAtEveryConnect(t *testing.T) {
	s := aritest.New(t)
	r := newRecorder()
	run(t, client(t, s.ARI(), r))
	for i := 1; i <= 3; i++ {
		r.await(t, "ready", func() bool { return r.ready == i })
		s.DropSockets()
	}
	r.await(t, "fourth", func() bool { return r.ready == 4 })
	if n := s.Count("PUT", "/applications/rm-c1/eventFilter"); n != 4 {
		t.Fatalf("filter was set %d times in 4 connections", n)
	}
	for _, q := range s.Requests() {
		if q.Method != http.MethodPut {
			continue
		}
		var body struct{ Disallowed []struct{ Type string } }
		if err := json.Unmarshal([]byte(q.Body), &body); err != nil || len(body.Disallowed) < 10 {
			t.Fatalf("%s: %v", q.Body, err)
		}
		for _, d := range body.Disallowed {
			switch d.Type {
			case TypeStasisStart, TypeStasisEnd, TypeChannelDestroyed, TypeHangupRequest, TypeStateChange, TypeDial, TypeDTMF,
				TypePlaybackStarted, TypePlaybackFinished, TypeRecordingDone, TypeRecordingFailed, TypeEnteredBridge, TypeLeftBridge:
				t.Fatalf("%s is filtered but needed", d.Type)
			}
		}
	}
	if r.lost[0] == nil || len(r.lost) != 3 {
		t.Fatalf("lost: %v", r.lost)
	}
}

func TestRestartIsSeen(t *testing.T) {
	s := aritest.New(t)
	r := newRecorder()
	run(t, client(t, s.ARI(), r))
	r.await(t, "ready", func() bool { return r.ready == 1 })
	s.DropSockets()
	r.await(t, "again", func() bool { return r.ready == 2 })
	s.Restart(time.Date(2026, 1, 2, 9, 0, 0, 0, time.UTC))
	r.await(t, "third", func() bool { return r.ready == 3 })
	if got := fmt.Sprint(r.restarted); got != "[false false true]" {
		t.Fatal(got)
	}
}

func TestReplacedStopsForGood(t *testing.T) {
	s := aritest.New(t)
	r := newRecorder()
	out := run(t, client(t, s.ARI(), r))
	r.await(t, "ready", func() bool { return r.ready == 1 })
	s.Emit(t, `{"type":"ApplicationReplaced","application":"somebody-else"}`)
	s.Emit(t, `{"type":"ApplicationReplaced","application":"rm-c1"}`)
	select {
	case err := <-out:
		if !errors.Is(err, ErrReplaced) {
			t.Fatal(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("it goes on")
	}
	s.AwaitSocket(t, 1)
	if !errors.Is(r.lost[len(r.lost)-1], ErrReplaced) || len(r.events) != 1 {
		t.Fatalf("%v %v", r.lost, r.events)
	}
}

func TestHalfOpenSocketIsNoticed(t *testing.T) {
	r := newRecorder()
	cfg := config(silentExchange(t))
	cfg.PingPeriod = 50 * time.Millisecond
	c, err := New(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	run(t, c)
	begin := time.Now()
	r.await(t, "lost", func() bool { return len(r.lost) > 0 })
	if d := time.Since(begin); d > 2*time.Second || d < 100*time.Millisecond {
		t.Fatalf("noticed after %s, three periods are 150 ms", d)
	}
}

func TestFailedResyncIsTriedAgain(t *testing.T) {
	s := aritest.New(t)
	r := newRecorder()
	tries := 0
	r.restoreBy = func() error {
		if tries++; tries < 3 {
			return errors.New("no")
		}
		return nil
	}
	run(t, client(t, s.ARI(), r))
	r.await(t, "ready", func() bool { return r.ready == 1 })
	if tries != 3 || len(r.lost) != 2 {
		t.Fatalf("%d tries, %d lost", tries, len(r.lost))
	}
}

func TestGarbageEventsDoNotStopTheReader(t *testing.T) {
	s := aritest.New(t)
	r := newRecorder()
	c := client(t, s.ARI(), r)
	run(t, c)
	r.await(t, "ready", func() bool { return r.ready == 1 })
	for _, g := range []string{
		"", "x", "null", "[]", "7", `{"type":7}`, strings.Repeat(`{"a":`, 5000), `{"type":"ChannelDestroyed","cause":"17","channel":[]}`,
		"{\"type\":\"\xff\xfe\"}", `{"type":"Unheard","new":{"a":[1,2,{"b":null}]}}`, `{"type":"StasisStart","args":"no"}`,
	} {
		s.Emit(t, g)
	}
	s.Emit(t, `{"type":"StasisEnd","channel":{"id":"last"}}`)
	r.await(t, "the good one", func() bool { return len(r.events) > 0 && r.events[len(r.events)-1].Channel.ID == "last" })
	if c.Malformed() < 6 {
		t.Fatalf("%d malformed counted", c.Malformed())
	}
	// One beyond the bound costs the connection, not the process.
	s.Emit(t, `{"type":"`+strings.Repeat("x", maxEvent)+`"}`)
	r.await(t, "reconnect", func() bool { return r.ready == 2 })
}

func TestBackoffIsJittered(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		d := jitter(time.Second)
		if d < 500*time.Millisecond || d >= 1500*time.Millisecond {
			t.Fatal(d)
		}
		seen[d] = true
	}
	if len(seen) < 50 {
		t.Fatalf("%d different waits of 100", len(seen))
	}
}

func TestVersion(t *testing.T) {
	for v, want := range map[string]string{
		"22.10.1": "false true", "22.10.0": "true true", "22.9.9": "true true", "23.0.0": "false true", "20.18.0": "true true",
		"22.10.1~dfsg+~cs6.15.60671435-1": "false true", "GIT-master-abc": "false false", "22.10.1+dfsg+~cs6.17.60671434-1": "false true", "": "false false", "22.10": "true true",
		"certified/22.8-cert1": "true true",
	} {
		older, ok := olderThan(v, 22, 10, 1)
		if got := fmt.Sprint(older, ok); got != want {
			t.Errorf("%q: %s, want %s", v, got, want)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, s := range []string{
		`{"type":"StasisStart","timestamp":"2026-01-02T03:04:05.678+0000","args":["out","a"],"channel":{"id":"a","state":"Up","channelvars":{"A":"b"}}}`,
		`{"type":"ChannelDestroyed","cause":17,"tech_cause":486,"cause_txt":"User busy","channel":{"id":"a"}}`,
		`{"type":"Dial","dialstatus":"PROGRESS","peer":{"id":"x"}}`, `{"type":1}`, `[[[[`, `{"timestamp":5}`, `{"channel":null,"args":[null,1]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, _, err := ParseEvent(data)
		if err == nil {
			_ = e.ChannelID()
			_ = e.Channel.Created.String()
		}
		_ = refusalText(data)
	})
}
