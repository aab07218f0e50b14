package fstwin_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin/callee"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	ex := start(t, fstwin.Config{Password: "secret"})
	c := dial(t, ex)
	if got := c.do("api status"); got != "-ERR command not found" {
		t.Errorf("before the login: %q", got)
	}
	if got := c.do("auth secret"); got != "+OK accepted" {
		t.Errorf("auth: %q", got)
	}
	c = dial(t, ex)
	c.send("userauth me@default:secret")
	if f := c.next(); f.heads["Reply-Text"] != "+OK accepted" || f.heads["Allowed-Events"] != "all" {
		t.Errorf("userauth: %v", f)
	}
	c = dial(t, ex)
	if got := c.do("auth wrong"); got != "-ERR invalid" {
		t.Errorf("a wrong password: %q", got)
	}
	c.eventually("a notice, and the end", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.closed && len(c.notices) == 1 && len(c.notices[0].body) == 67
	})
}

// Replies come in the order of the commands, though one of them takes long and
// holds up the events of its own connection, and of no other.
func TestAnAPIBlocksItsConnection(t *testing.T) {
	t.Parallel()
	ex := cast(t, listener())
	c, other := login(t, ex, "ALL"), login(t, ex, "ALL")
	c.send("api msleep 400\n\napi echo one\n\napi nosuch\n\napi create_uuid")
	before := len(c.all())
	other.originate("A", "", "sofia/gateway/x/138")
	other.until("CHANNEL_PARK", "Unique-ID", "A")
	if f := c.next(); f.body != "+OK\n" {
		t.Errorf("msleep: %q", f.body)
	}
	if n := len(other.all()); n == 0 || before != 0 {
		t.Errorf("%d events before", before)
	}
	for i, want := range []string{"one", "-ERR nosuch Command not found!\n"} {
		if f := c.next(); f.body != want {
			t.Errorf("reply %d: %q, want %q", i, f.body, want)
		}
	}
	if f := c.next(); len(f.body) != 36 {
		t.Errorf("uuid %q", f.body)
	}
	c.until("CHANNEL_PARK", "Unique-ID", "A") // they come after it
}

// Whatever follows CUSTOM is a subclass.
func TestCustomSwallowsWhatFollows(t *testing.T) {
	t.Parallel()
	c := login(t, cast(t, listener()), "")
	if got := c.do("event plain NOSUCH"); got != "-ERR no keywords supplied" {
		t.Errorf("no event: %q", got)
	}
	if got := c.do("event plain CHANNEL_PARK CUSTOM callcenter::info BACKGROUND_JOB"); got != "+OK event listener enabled plain" {
		t.Errorf("%q", got)
	}
	c.parked("A", "", "sofia/gateway/x/138")
	c.kill2("A")
	for _, e := range c.all() {
		if e.name() == "BACKGROUND_JOB" {
			t.Error("BACKGROUND_JOB was delivered")
		}
	}
}

// kill2 hangs up where CHANNEL_DESTROY is not subscribed.
func (c *client) kill2(uuid string) {
	c.t.Helper()
	c.do("api uuid_kill " + uuid)
	c.eventually("it is gone", func() bool { return c.do("api uuid_exists "+uuid) == "false" })
}

func TestFilters(t *testing.T) {
	t.Parallel()
	ex := cast(t, listener())
	c, neg := login(t, ex, "ALL"), login(t, ex, "ALL")
	for cmd, want := range map[string]string{
		"filter Unique-ID A": "+OK filter added. [Unique-ID]=[A]", "filter Event-Name /^CHANNEL_(ANS|PARK)/": "+OK filter added. [Event-Name]=[/^CHANNEL_(ANS|PARK)/]",
		"filter x": "-ERR invalid syntax",
	} {
		if got := c.do(cmd); got != want {
			t.Errorf("%s: %q", cmd, got)
		}
	}
	neg.do("filter Event-Name !CHANNEL_STATE")
	c.parked("B", "", "sofia/gateway/x/138")
	c.parked("A", "", "sofia/gateway/x/138")
	c.until("CHANNEL_STATE", "Unique-ID", "A")
	for _, e := range c.all() {
		if e.heads["Unique-ID"] != "A" && e.name() != "CHANNEL_ANSWER" && e.name() != "CHANNEL_PARK" {
			t.Errorf("%s of %q passed", e.name(), e.heads["Unique-ID"])
		}
	}
	if n := len(neg.all()); n != 0 {
		t.Errorf("%d events passed a filter that only excludes", n)
	}
	c.kill2("A")
	c.kill2("B")
}

// The many things that one cause stands for, and those that have their own.
func TestRefusals(t *testing.T) {
	t.Parallel()
	ex := start(t, fstwin.Config{Gateways: []string{"lab"}})
	ex.Callee("138", listener())
	c := login(t, ex, "BACKGROUND_JOB CHANNEL_CREATE CHANNEL_PARK CHANNEL_DESTROY")
	c.parked("A", "", "sofia/gateway/lab/138")
	job := func(name, dial, want string) {
		t.Helper()
		c.do("bgapi originate " + dial + "\nJob-UUID: " + name)
		if got := c.until("BACKGROUND_JOB", "Job-UUID", name).body; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	job("twice", "{origination_uuid=A}sofia/gateway/lab/138 &park()", "-ERR DESTINATION_OUT_OF_ORDER\n")
	job("gateway", "sofia/gateway/none/138 &park()", "-ERR INVALID_GATEWAY\n")
	job("profile", "sofia/none/138@x &park()", "-ERR INVALID_PROFILE\n")
	job("technology", "dahdi/1/138 &park()", "-ERR CHAN_NOT_IMPLEMENTED\n")
	job("nobody", "user/none &park()", "-ERR SUBSCRIBER_ABSENT\n")
	job("unknown", "sofia/gateway/lab/404 &park()", "-ERR UNALLOCATED_NUMBER\n")
	job("malformed", "{a=b &park()", "-ERR DESTINATION_OUT_OF_ORDER\n")
	c.do("api fsctl max_sessions 1")
	job("full", "sofia/gateway/lab/138 &park()", "-ERR DESTINATION_OUT_OF_ORDER\n")
	c.do("api fsctl max_sessions 0")
	c.do("api fsctl pause")
	job("paused", "sofia/gateway/lab/138 &park()", "-ERR DESTINATION_OUT_OF_ORDER\n")
	c.do("api fsctl resume")
	for cmd, want := range map[string]string{
		"api uuid_kill none": "-ERR No such channel!\n", "api uuid_record none start /a.wav": "-ERR Cannot locate session!\n",
		"api uuid_bridge none A": "-ERR Invalid uuid\n", "api uuid_broadcast none /a.wav": "-ERR invalid uuid\n", "sendmsg none\ncall-command: execute": "-ERR invalid session id [none]",
		"api uuid_getvar A nothing": "_undef_", "api uuid_exists none": "false",
	} {
		if got := c.do(cmd); got != want {
			t.Errorf("%s: %q, want %q", cmd, got, want)
		}
	}
	c.kill("A")
	if s := ex.Stats(); len(s.RungTwice) > 0 || s.Rings != 2 {
		t.Errorf("%+v", s)
	}
}

// Every endpoint that a dial string holds rings: whoever builds them must see it.
func TestASecondEndpointRings(t *testing.T) {
	t.Parallel()
	ex := start(t, fstwin.Config{})
	ex.Callee("1*", listener())
	c := login(t, ex, "CHANNEL_PARK CHANNEL_DESTROY")
	c.do("bgapi originate sofia/gateway/x/11,sofia/gateway/x/12|sofia/gateway/x/13 &park()")
	c.eventually("two of them rang", func() bool { return len(ex.Calls("")) == 2 })
	c.eventually("one of them is up", func() bool { return ex.Stats().LiveUp == 1 && ex.Stats().Live == 1 })
	c.do("api hupall")
	c.eventually("none", func() bool { return ex.Stats().Live == 0 })
}

// The four readings of a variable's value.
func TestQuoting(t *testing.T) {
	t.Parallel()
	ex := start(t, fstwin.Config{})
	ex.Callee("138", callee.Script{Never: true})
	c := login(t, ex, "CHANNEL_CREATE CHANNEL_DESTROY")
	for i, row := range [][2]string{
		{`{v=a\,b}`, "a,b"}, {`{v='a b'}`, "a b"}, {`{v=a\sb}`, "a b"}, {`{v='x,y'}`, "x"}, {`{^^:v=x,y:w=1}`, "x,y"}, {`{^^:v=a\sb}`, "a b"},
		{`{v=a${nothing}b}`, "ab"}, {`{v=%41}`, "A"},
	} {
		id := fmt.Sprintf("q%d", i)
		c.do("bgapi originate " + strings.Replace(strings.Replace(row[0], "{^^:", "{^^:origination_uuid="+id+":", 1), "{v", "{origination_uuid="+id+",v", 1) + "sofia/gateway/x/138 &park()")
		if got := c.until("CHANNEL_CREATE", "Unique-ID", id).heads["variable_v"]; got != row[1] {
			t.Errorf("%s: %q, want %q", row[0], got, row[1])
		}
		c.kill(id)
	}
}

// With event-lock executions queue; uuid_break skips one, with all it empties
// the queue, and both say FILE PLAYED.
func TestLockedQueue(t *testing.T) {
	t.Parallel()
	c := login(t, cast(t, listener()), "ALL")
	c.parked("A", "", "sofia/gateway/x/138")
	for i := range 4 {
		c.execute("A", "playback", "tone_stream://L=-1;%(200,50,450)", fmt.Sprintf("Event-UUID: p%d\nevent-lock: true", i))
	}
	c.until("PLAYBACK_START")
	count := func(name string) int {
		n := 0
		for _, e := range c.all() {
			if e.name() == name && e.heads["Application"] != "park" {
				n++
			}
		}
		return n
	}
	c.eventually("only one plays", func() bool { return count("PLAYBACK_START") == 1 })
	c.do("api uuid_break A")
	e := c.until("CHANNEL_EXECUTE_COMPLETE", "Application-UUID", "p0")
	if e.heads["Application-Response"] != "FILE PLAYED" {
		t.Errorf("%v", e.heads["Application-Response"])
	}
	c.until("CHANNEL_EXECUTE", "Application-UUID", "p1")
	c.do("api uuid_break A all")
	c.until("CHANNEL_EXECUTE_COMPLETE", "Application-UUID", "p1")
	c.do("api uuid_break A") // of nothing: it hurts nobody
	c.kill("A")
	if n := count("PLAYBACK_START"); n != 2 || count("CHANNEL_EXECUTE_COMPLETE") != 2 {
		t.Errorf("%d were begun, the rest was flushed", n)
	}
}

// A bridge that fails takes the caller with it, unless it may go on.
func TestFailedBridge(t *testing.T) {
	t.Parallel()
	c := login(t, cast(t, listener()), "ALL")
	c.parked("A", "continue_on_fail=false", "sofia/gateway/x/138")
	c.execute("A", "bridge", "user/busy", "")
	if e := c.until("CHANNEL_HANGUP_COMPLETE", "Unique-ID", "A"); e.heads["Hangup-Cause"] != "USER_BUSY" {
		t.Errorf("%v", e.heads["Hangup-Cause"])
	}
}

// What a target of a bridge is shown by default is the number that the caller
// was dialled by: a leak that the controller has to prevent.
func TestDefaultCallerIDOfABridge(t *testing.T) {
	t.Parallel()
	ex := cast(t, listener())
	c := login(t, ex, "ALL")
	c.parked("A", "", "sofia/gateway/x/138")
	c.execute("A", "bridge", "user/leaves", "Event-UUID: b1")
	c.until("CHANNEL_EXECUTE_COMPLETE", "Application-UUID", "b1")
	c.do("api uuid_setvar A effective_caller_id_number 95588")
	c.execute("A", "bridge", "user/leaves", "Event-UUID: b2")
	c.until("CHANNEL_EXECUTE_COMPLETE", "Application-UUID", "b2")
	calls := ex.Calls("agent:leaves")
	if len(calls) != 2 || calls[0].ShownNumber != "138" || calls[1].ShownNumber != "95588" {
		t.Errorf("%+v", calls)
	}
	c.kill("A")
}

// Listed late, and dead ones still; uuid_exists and uuid_dump know.
func TestShowChannelsLiesBehind(t *testing.T) {
	t.Parallel()
	ex := start(t, fstwin.Config{Lag: time.Hour})
	ex.Callee("138", callee.Script{Never: true})
	c := login(t, ex, "CHANNEL_CREATE CHANNEL_DESTROY")
	if got := c.do("api show channels as json"); got != `{"row_count": 0}` {
		t.Errorf("empty: %q", got)
	}
	c.originate("A", "", "sofia/gateway/x/138")
	c.until("CHANNEL_CREATE")
	if got := c.do("api uuid_dump A"); !strings.Contains(got, "variable_presence_data: task-1\n") || !strings.Contains(got, "Answer-State: ringing\n") {
		t.Errorf("dump: %q", got)
	}
	if got := c.do("api uuid_dump A plain"); !strings.Contains(got, "Unique-ID: [A]\n") {
		t.Errorf("dump plain: %q", got)
	}
	c.kill("A")
	if got := c.do("api show channels as json"); !strings.Contains(got, `"uuid":"A"`) {
		t.Errorf("after its end: %q", got)
	}
	if got := c.do("api uuid_exists A"); got != "false" {
		t.Errorf("exists: %q", got)
	}
}

// unicast: raw samples both ways, silently gone with the next playback.
func TestUnicast(t *testing.T) {
	t.Parallel()
	ex := cast(t, callee.Script{Steps: []callee.Step{{Say: callee.Tone(600, 10*time.Second, 8000)}}})
	c := login(t, ex, "ALL")
	c.parked("A", "", "sofia/gateway/x/138")
	us, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = us.Close() }()
	port := us.LocalAddr().(*net.UDPAddr).Port
	c.do(fmt.Sprintf("sendmsg A\ncall-command: unicast\nlocal-ip: 127.0.0.1\nlocal-port: 0\nremote-ip: 127.0.0.1\nremote-port: %d\ntransport: udp", port))
	buf := make([]byte, 4096)
	_ = us.SetReadDeadline(time.Now().Add(patience))
	n, from, err := us.ReadFromUDP(buf)
	if err != nil || n != 320 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	tone := callee.Tone(900, 20*time.Millisecond, 8000)
	frame := make([]byte, 0, 320)
	for _, v := range tone {
		frame = append(frame, byte(v), byte(uint16(v)>>8))
	}
	for range 30 {
		if _, err := us.WriteToUDP(frame, from); err != nil {
			t.Fatal(err)
		}
	}
	c.eventually("the telephone hears us", func() bool { return ex.Calls("138")[0].Record.Audible > 300*time.Millisecond })
	c.execute("A", "playback", "/p/hello.wav", "Event-UUID: p1")
	c.until("CHANNEL_EXECUTE_COMPLETE", "Application-UUID", "p1")
	_ = us.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	for err == nil { // what was on its way
		_, _, err = us.ReadFromUDP(buf)
	}
	c.kill("A")
}
