package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/mariadb"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
)

// soaked is one look at the controller.
type soaked struct {
	at                          time.Duration
	rss, heap, goroutines, open float64
	live, ended, bad            float64
}

// TestSoak holds calls on one controller, a process of its own over MariaDB and
// the exchange twin, for RINGMASTER_SOAK (such as 1h), RINGMASTER_SOAK_CALLS at
// once (20), and prints what grows: resident memory and the heap that was left
// by the last collection, descriptors, goroutines, by least squares over all
// looks but the first fifth. Failed are attempts that ended as failed or
// uncertain.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("RINGMASTER_SOAK"))
	if err != nil {
		t.Log("for so long as RINGMASTER_SOAK says: make soak (SOAK=1h)")
		return
	}
	together := 20
	if n, err := strconv.Atoi(os.Getenv("RINGMASTER_SOAK_CALLS")); err == nil {
		together = n
	}
	env.Need(t, env.MariaDB)
	db, err := mariadb.Start(t.Context(), mariadb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Stop(context.Background()) }()
	if err := db.CreateDatabase(t.Context(), "soak"); err != nil {
		t.Fatal(err)
	}
	dsn, err := mysql.ParseDSN(db.DSN("soak"))
	if err != nil {
		t.Fatal(err)
	}
	said := tone.Encode("没有收到", callee.Rate)
	cast := twin.Cast{Rules: []twin.Rule{{Number: "*", Jitter: time.Second, Mix: []twin.Share{
		{Weight: 4, Script: callee.Script{Ring: time.Second, Steps: []callee.Step{{Listen: &callee.Listen{Silence: 900 * time.Millisecond}}, {Say: said}, {Wait: 3 * time.Second}, {Hangup: true}}}},
		{Weight: 2, Script: callee.Script{Ring: 2 * time.Second, Steps: []callee.Step{{Wait: 4 * time.Second}, {Hangup: true}}}},
		{Weight: 1, Script: callee.Script{Ring: time.Second, Reject: 486}},
	}}}}
	h := setting{tag: "failpoint", cast: cast, concurrency: together}.house(t)
	h.over(fmt.Sprintf("dialect: mysql, dsn: %q", dsn.FormatDSN()))
	if !h.start() {
		t.Fatal("the controller did not start")
	}
	var looks []soaked
	ordered, begun := 0, time.Now()
	for time.Since(begun) < length {
		now := h.look(time.Since(begun))
		looks = append(looks, now)
		for float64(ordered) < now.ended+now.live+float64(2*together) { // there is always somebody to be called
			h.ask("POST", "/api/v1/contacts", fmt.Sprintf(`{"customer_id":"s%d","phone":"lab:s%d","language":"cmn","variables":{"discount":8,"ends":"2036-01-01"}}`, ordered, ordered), nil)
			h.ask("POST", "/api/v1/call/task", fmt.Sprintf(`{"customer_id":"s%d","script_id":"promotion_001"}`, ordered), nil, fmt.Sprintf("Idempotency-Key: s%d", ordered))
			ordered++
		}
		select {
		case <-time.After(2 * time.Second):
		case <-h.process().Done():
			t.Fatal("the controller ended")
		}
	}
	last := h.look(time.Since(begun))
	steady := looks[len(looks)/5:]
	slope := func(of func(soaked) float64) float64 { return hourly(steady, of) }
	mean := func(of func(soaked) float64) (sum float64) {
		for _, s := range steady {
			sum += of(s) / float64(len(steady))
		}
		return sum
	}
	const mb = 1 << 20
	rss, heap := func(s soaked) float64 { return s.rss / mb }, func(s soaked) float64 { return s.heap / mb }
	fds, gos := func(s soaked) float64 { return s.open }, func(s soaked) float64 { return s.goroutines }
	live := mean(func(s soaked) float64 { return s.live })
	failed := 100 * last.bad / max(1, last.ended)
	t.Logf("%s, %d looks, %.0f calls ended, %.1f live on average, failed %.3f %% (aim < 0.1)\n"+
		"                     mean      an hour\n"+
		"resident memory   %7.1f MB  %+8.2f MB (aim < 1)\n"+
		"heap after GC     %7.1f MB  %+8.2f MB (aim < 1)\n"+
		"goroutines        %7.1f     %+8.2f    (aim: flat)\n"+
		"descriptors       %7.1f     %+8.2f    (aim: flat)",
		length, len(looks), last.ended, live, failed, mean(rss), slope(rss), mean(heap), slope(heap), mean(gos), slope(gos), mean(fds), slope(fds))
	if failed >= 0.1 || last.ended < 10 {
		t.Errorf("%.0f of %.0f calls failed", last.bad, last.ended)
	}
	if length >= time.Hour && slope(heap) >= 1 {
		t.Errorf("the heap grows by %.2f MB an hour", slope(heap))
	}
	h.stop()
}

// look reads the controller's own metrics. The heap after a collection is half
// of the size at which the next one begins (GOGC=100).
func (h *house) look(at time.Duration) soaked {
	h.Helper()
	req, err := http.NewRequestWithContext(h.Context(), http.MethodGet, h.base()+"/metrics", nil)
	h.must(err)
	req.Header.Set("Authorization", "Bearer "+h.key)
	resp, err := client.Do(req)
	h.must(err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	h.must(err)
	s := soaked{at: at}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch {
		case name == "process_resident_memory_bytes":
			s.rss = v
		case name == "go_memstats_next_gc_bytes":
			s.heap = v / 2
		case name == "go_goroutines":
			s.goroutines = v
		case name == "process_open_fds":
			s.open = v
		case name == "ringmaster_calls_live":
			s.live = v
		case strings.HasPrefix(name, "ringmaster_calls_total{"):
			s.ended += v
			if strings.Contains(name, `"failed"`) || strings.Contains(name, `"uncertain"`) {
				s.bad += v
			}
		}
	}
	return s
}

// hourly is the slope of a line through all looks by least squares, an hour.
func hourly(looks []soaked, of func(soaked) float64) float64 {
	var n, x, y, xx, xy float64
	for _, s := range looks {
		a, b := s.at.Hours(), of(s)
		n, x, y, xx, xy = n+1, x+a, y+b, xx+a*a, xy+a*b
	}
	if d := n*xx - x*x; d != 0 {
		return (n*xy - x*y) / d
	}
	return 0
}

func TestTheSlopeIsThatOfALine(t *testing.T) {
	var looks []soaked
	for i := range 50 {
		looks = append(looks, soaked{at: time.Duration(i) * time.Minute, rss: 100 + float64(i%2) + 3*float64(i)/60})
	}
	if got := hourly(looks, func(s soaked) float64 { return s.rss }); got < 2.9 || got > 3.1 {
		t.Errorf("%f an hour, want 3", got)
	}
}
