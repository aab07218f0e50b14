package fstwin_test

import (
	"net"
	"testing"
	"time"

	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin/callee"
)

// A call that the dialplan hands over: connect, myevents, answer, and with
// linger everything until its end.
func TestOutboundSocket(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ex := start(t, fstwin.Config{})
	ex.Extension("inbound", "socket "+l.Addr().String()+" async full")
	id := ex.Ring("inbound", "13800000000", callee.Script{Limit: 300 * time.Millisecond})
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := over(t, conn)
	c.send("connect")
	f := c.next()
	if f.heads["Reply-Text"] != "%2BOK%0A" || f.heads["Unique-ID"] != id || f.heads["Socket-Mode"] != "async" || f.heads["Control"] != "full" ||
		f.heads["Caller-Destination-Number"] != "inbound" || f.heads["Caller-Caller-ID-Number"] != "13800000000" {
		t.Errorf("connect: %v", f.heads)
	}
	if got := c.do("linger 1"); got != "+OK will linger 1 seconds" {
		t.Errorf("linger: %q", got)
	}
	if got := c.do("myevents"); got != "+OK Events Enabled" {
		t.Errorf("myevents: %q", got)
	}
	if got := c.do("sendmsg\ncall-command: execute\nexecute-app-name: answer"); got != "+OK" {
		t.Errorf("answer: %q", got)
	}
	c.until("CHANNEL_ANSWER", "Unique-ID", id)
	c.until("CHANNEL_HANGUP_COMPLETE", "Unique-ID", id)
	c.eventually("both notices, and the end", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.closed && len(c.notices) == 2 && c.notices[0].heads["Content-Disposition"] == "linger"
	})
}

// Nobody there: the call ends; a connection that is lost ends it too.
func TestOutboundSocketLost(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ex := start(t, fstwin.Config{})
	ex.Extension("inbound", "socket "+l.Addr().String()+" async full")
	c := login(t, ex, "CHANNEL_HANGUP_COMPLETE")
	id := ex.Ring("inbound", "138", callee.Script{})
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	c.until("CHANNEL_HANGUP_COMPLETE", "Unique-ID", id, "Hangup-Cause", "NORMAL_CLEARING")
	_ = l.Close()
	id = ex.Ring("inbound", "138", callee.Script{})
	c.until("CHANNEL_HANGUP_COMPLETE", "Unique-ID", id, "Hangup-Cause", "NORMAL_CLEARING")
	id = ex.Ring("nowhere", "138", callee.Script{})
	c.until("CHANNEL_HANGUP_COMPLETE", "Unique-ID", id, "Hangup-Cause", "NO_ROUTE_DESTINATION")
}
