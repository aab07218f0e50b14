package fstwin_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin/callee"
)

func numbers(c *client, name string) int {
	n := 0
	for _, e := range c.all() {
		if e.name() == name {
			n++
		}
	}
	return n
}

func TestFaultsOfEvents(t *testing.T) {
	t.Parallel()
	ex := cast(t, listener())
	c := login(t, ex, "ALL")
	for _, f := range []fstwin.Fault{
		{Kind: fstwin.LoseEvent, Match: "CHANNEL_PROGRESS"}, {Kind: fstwin.Duplicate, Match: "CHANNEL_ANSWER"},
		{Kind: fstwin.Reorder, Match: "CHANNEL_CREATE"}, {Kind: fstwin.Garbage, Match: "CHANNEL_PARK"},
	} {
		inject(t, ex, f)
	}
	c.parked("A", "", "sofia/gateway/x/138")
	c.kill("A")
	if numbers(c, "CHANNEL_PROGRESS") != 0 || numbers(c, "CHANNEL_ANSWER") != 2 {
		t.Errorf("%d of the lost, %d of the doubled", numbers(c, "CHANNEL_PROGRESS"), numbers(c, "CHANNEL_ANSWER"))
	}
	at := map[string]int{}
	for i, e := range c.all() {
		if _, ok := at[e.name()]; !ok {
			at[e.name()] = i
		}
	}
	if at["CHANNEL_CREATE"] < at["CHANNEL_ORIGINATE"] {
		t.Error("the reordered one was in order")
	}
	if err := ex.Inject(fstwin.Fault{Kind: "flood"}); !errors.Is(err, fstwin.ErrFault) {
		t.Errorf("an unknown fault: %v", err)
	}
}

// By chance: a share of all events is lost, doubled, overtaken, until it ends.
func TestFaultsByShare(t *testing.T) {
	t.Parallel()
	ex := start(t, fstwin.Config{Disorder: 0.07})
	ex.Callee("1*", callee.Script{Limit: 20 * time.Millisecond})
	inject(t, ex, fstwin.Fault{Kind: fstwin.LoseEvent, Match: "CHANNEL_STATE", Share: 1})
	inject(t, ex, fstwin.Fault{Kind: fstwin.Duplicate, Match: "CHANNEL_ANSWER", Share: 1})
	c := login(t, ex, "ALL")
	const calls = 20
	for i := range calls {
		c.do(fmt.Sprintf("bgapi originate sofia/gateway/x/1%d &park()", i))
	}
	c.eventually("all are over", func() bool { return numbers(c, "CHANNEL_DESTROY") == calls })
	late := 0
	last := 0
	for _, e := range c.all() {
		n := 0
		_, _ = fmt.Sscan(e.heads["Event-Sequence"], &n)
		if n < last {
			late++
		}
		last = max(last, n)
	}
	if numbers(c, "CHANNEL_STATE") != 0 || numbers(c, "CHANNEL_ANSWER") != 2*calls || late == 0 {
		t.Errorf("%d states, %d answers, %d overtaken", numbers(c, "CHANNEL_STATE"), numbers(c, "CHANNEL_ANSWER"), late)
	}
	inject(t, ex, fstwin.Fault{Kind: fstwin.LoseEvent, Count: -1})
	c.do("bgapi originate sofia/gateway/x/199 &park()")
	c.until("CHANNEL_STATE")
}

func TestFaultsOfCommands(t *testing.T) {
	t.Parallel()
	ex := start(t, fstwin.Config{})
	ex.Callee("138", callee.Script{Never: true})
	c := login(t, ex, "ALL")
	inject(t, ex, fstwin.Fault{Kind: fstwin.Fail, Match: "api status"})
	if got := c.do("api status"); got != "-ERR injected by the test\n" {
		t.Errorf("%q", got)
	}
	inject(t, ex, fstwin.Fault{Kind: fstwin.LateReply, Match: "api echo", Delay: 200 * time.Millisecond})
	began := time.Now()
	if got := c.do("api echo x"); got != "x" || time.Since(began) < 190*time.Millisecond {
		t.Errorf("%q after %v", got, time.Since(began))
	}
	// The command is carried out, its answer never comes.
	inject(t, ex, fstwin.Fault{Kind: fstwin.LoseReply, Match: "bgapi originate"})
	c.send("bgapi originate {origination_uuid=A}sofia/gateway/x/138 &park()")
	c.eventually("cut off", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.closed
	})
	c = login(t, ex, "ALL")
	if got := c.do("api uuid_exists A"); got != "true" {
		t.Errorf("exists: %q", got)
	}
	c.kill("A")
}

// A restart forgets every call without a word and has another Core-UUID; a
// shutdown says so first.
func TestRestartAndShutdown(t *testing.T) {
	t.Parallel()
	ex := start(t, fstwin.Config{})
	ex.Callee("138", callee.Script{Never: true})
	cores := map[string]bool{}
	for _, kind := range []fstwin.Kind{fstwin.Restart, fstwin.Shutdown} {
		c := login(t, ex, "ALL")
		cores[c.do("api global_getvar core_uuid")] = true
		c.originate("A", "", "sofia/gateway/x/138")
		c.until("CHANNEL_PROGRESS", "Unique-ID", "A")
		inject(t, ex, fstwin.Fault{Kind: kind})
		c.eventually("cut off", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.closed
		})
		if told := numbers(c, "SHUTDOWN") == 1 && numbers(c, "CHANNEL_HANGUP_COMPLETE") == 1; told != (kind == fstwin.Shutdown) {
			t.Errorf("%s: told %v", kind, told)
		}
		if s := ex.Stats(); s.Live != 0 {
			t.Errorf("%s: %+v", kind, s)
		}
	}
	c := login(t, ex, "")
	cores[c.do("api global_getvar core_uuid")] = true
	if len(cores) != 3 {
		t.Errorf("cores %v", cores)
	}
}

// Half open: the connection stands and nothing passes, until it is let go.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	ex := start(t, fstwin.Config{})
	c := login(t, ex, "ALL")
	inject(t, ex, fstwin.Fault{Kind: fstwin.HalfOpen})
	c.send("api echo x")
	select {
	case f := <-c.reply:
		t.Errorf("a reply: %v", f)
	case <-time.After(100 * time.Millisecond):
	}
	inject(t, ex, fstwin.Fault{Kind: fstwin.Restore})
	c.eventually("cut off", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.closed
	})
	if got := login(t, ex, "").do("api echo x"); got != "x" {
		t.Errorf("%q", got)
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	c := login(t, start(t, fstwin.Config{Heartbeat: 20 * time.Millisecond, MaxSessions: 7}), "HEARTBEAT")
	if e := c.until("HEARTBEAT"); e.heads["Max-Sessions"] != "7" || e.heads["Session-Count"] != "0" || e.heads["Core-UUID"] == "" {
		t.Errorf("%v", e.heads)
	}
}

// A reader that does not read stops the events of everybody, until it is gone.
func TestAStalledReaderFreezesEverybody(t *testing.T) {
	t.Parallel()
	ex := start(t, fstwin.Config{Freezes: true, Heartbeat: time.Hour})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ex.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4096)
	}
	c := login(t, ex, "CUSTOM a::b")
	if _, err := io.WriteString(conn, "auth ClueCon\n\nevent plain CUSTOM a::b\n\n"); err != nil {
		t.Fatal(err)
	}
	sent := "sendevent CUSTOM\nEvent-Subclass: a::b\nFiller: " + strings.Repeat("x", 60000)
	c.eventually("events stop", func() bool {
		for range 20 {
			c.do(sent)
		}
		return ex.Stats().Missed > 0
	})
	before := ex.Stats().Missed
	c.do(sent)
	if ex.Stats().Missed != before+1 {
		t.Error("an event got through")
	}
	_ = conn.Close()
	c.eventually("events are back", func() bool {
		missed := ex.Stats().Missed
		c.do(sent)
		return ex.Stats().Missed == missed
	})
}
