package twin

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

func join(w []string) string {
	out := slices.DeleteFunc(slices.Clone(w), func(s string) bool { return strings.HasPrefix(s, "ChannelVarset:RTPAUDIO") })
	return strings.Join(out, " ")
}

// The order that was measured on Asterisk 22.10.1; the two events of the
// ringing come in either order.
func TestOrderOfAnAnsweredCall(t *testing.T) {
	ex := start(t, Config{User: "u", Password: "p"})
	ex.Callee("ok", callee.Script{Ring: 50 * time.Millisecond})
	c := connect(t, ex, "a")
	c.originate("x", "ok", "&appArgs=out,x&callerId=%22ACME%22%3C0215551000%3E")
	if e := c.event("StasisStart", "x"); !slices.Equal(e.Args, []string{"out", "x"}) {
		t.Errorf("args %v", e.Args)
	}
	c.must(409, "POST", "/channels?endpoint=PJSIP%2Fok%40lab&app=a&channelId=x")
	c.must(204, "DELETE", "/channels/x?reason=normal")
	if e := c.gone("x"); *e.Cause != 16 || e.TechCause != 0 {
		t.Errorf("cause %d tech %d", *e.Cause, e.TechCause)
	}
	got := join(c.types("x"))
	got = strings.Replace(got, "Dial:RINGING ChannelStateChange:Ringing", "ChannelStateChange:Ringing Dial:RINGING", 1)
	want := "Dial: ChannelStateChange:Ringing Dial:RINGING ChannelStateChange:Up Dial:ANSWER ChannelVarset:STASISSTATUS StasisStart " +
		"ChannelHangupRequest StasisEnd ChannelVarset:STASISSTATUS ChannelDestroyed"
	if got != want {
		t.Errorf("order\n got %s\nwant %s", got, want)
	}
	calls := ex.Calls("ok")
	if len(calls) != 1 || calls[0].ShownNumber != "0215551000" || calls[0].ShownName != "ACME" || calls[0].Outcome != "answered_caller_hung_up" {
		t.Errorf("calls %+v", calls)
	}
}

func TestFailures(t *testing.T) {
	ex := start(t, Config{})
	c := connect(t, ex, "a")
	for _, row := range []struct {
		code, cause int
		dial        string
	}{
		{486, 17, "BUSY"}, {600, 17, "BUSY"}, {404, 1, "NOANSWER"}, {604, 1, "NOANSWER"}, {480, 19, "NOANSWER"}, {408, 18, "NOANSWER"},
		{403, 21, "NOANSWER"}, {603, 21, "NOANSWER"}, {410, 22, "NOANSWER"}, {484, 28, "NOANSWER"}, {487, 127, "NOANSWER"},
		{488, 58, "NOANSWER"}, {606, 58, "NOANSWER"}, {500, 38, "NOANSWER"}, {502, 27, "NOANSWER"}, {503, 34, "CONGESTION"}, {504, 102, "NOANSWER"},
	} {
		id := fmt.Sprintf("c%d", row.code)
		ex.Callee(id, callee.Script{Ring: 10 * time.Millisecond, Reject: row.code, Reason: 21})
		c.originate(id, id)
		e := c.gone(id)
		if *e.Cause != row.cause || e.TechCause != row.code {
			t.Errorf("%d: cause %d tech %d, want %d", row.code, *e.Cause, e.TechCause, row.cause)
		}
		if got := join(c.types(id)); !strings.HasSuffix(got, "ChannelHangupRequest Dial:"+row.dial+" ChannelDestroyed") {
			t.Errorf("%d: %s", row.code, got)
		}
	}
	c.originate("nobody", "nobody")
	if e := c.gone("nobody"); e.TechCause != 404 {
		t.Errorf("a number that nobody has: %d", e.TechCause)
	}
}

func TestOurOwnEnds(t *testing.T) {
	ex := start(t, Config{})
	ex.Callee("never", callee.Script{Never: true})
	ex.Callee("bye", callee.Script{Steps: []callee.Step{{Wait: 40 * time.Millisecond}, {Hangup: true}}})
	ex.Callee("reason", callee.Script{Steps: []callee.Step{{Wait: 40 * time.Millisecond}, {Hangup: true, Cause: 31}}})
	c := connect(t, ex, "a")
	for _, row := range []struct {
		id, number, extra string
		cause, tech       int
		suffix            string
	}{
		{"timer", "never", "&timeout=1", 19, 480, "Dial:RINGING ChannelDestroyed"},
		{"bye", "bye", "", 0, 0, "ChannelHangupRequest StasisEnd ChannelVarset:STASISSTATUS ChannelDestroyed"},
		{"reason", "reason", "", 31, 480, "ChannelHangupRequest StasisEnd ChannelVarset:STASISSTATUS ChannelDestroyed"},
	} {
		c.originate(row.id, row.number, row.extra)
		e := c.gone(row.id)
		got := strings.Replace(join(c.types(row.id)), "Dial:RINGING ChannelStateChange:Ringing", "ChannelStateChange:Ringing Dial:RINGING", 1)
		if *e.Cause != row.cause || e.TechCause != row.tech || !strings.HasSuffix(got, row.suffix) {
			t.Errorf("%s: cause %d tech %d, %s", row.id, *e.Cause, e.TechCause, got)
		}
	}
	c.originate("cancel", "never")
	c.until("ringing", func(g got) bool { return g.Type == "Dial" && g.DialStatus == "RINGING" && g.Peer.ID == "cancel" })
	c.must(204, "DELETE", "/channels/cancel?reason_code=16")
	if e := c.gone("cancel"); *e.Cause != 16 || !strings.HasSuffix(join(c.types("cancel")), "ChannelHangupRequest Dial:NOANSWER ChannelDestroyed") {
		t.Errorf("cancelled: %s", join(c.types("cancel")))
	}
	// In a bridge the same goodbye of the callee has a cause.
	ex.Callee("bye2", callee.Script{Steps: []callee.Step{{Wait: 200 * time.Millisecond}, {Hangup: true}}})
	c.originate("bridged", "bye2")
	c.event("StasisStart", "bridged")
	c.must(200, "POST", "/bridges/b?type=mixing")
	c.must(204, "POST", "/bridges/b/addChannel?channel=bridged")
	if e := c.gone("bridged"); *e.Cause != 16 {
		t.Errorf("bridged goodbye: cause %d", *e.Cause)
	}
}

func TestCreateAndDial(t *testing.T) {
	ex := start(t, Config{})
	ex.Agent("agent1", callee.Script{Ring: 20 * time.Millisecond})
	ex.Agent("busy", callee.Script{Ring: 20 * time.Millisecond, Reject: 486})
	ex.Agent("never", callee.Script{Never: true})
	ex.Callee("cust", callee.Script{})
	c := connect(t, ex, "a")
	c.originate("cust", "cust", "&callerId=5551000")
	c.event("StasisStart", "cust")
	ring := func(id, agent string) {
		c.must(200, "POST", "/channels/create?endpoint=PJSIP/"+agent+"&app=a&originator=cust&channelId="+id)
		c.event("StasisStart", id)
		c.must(412, "POST", "/channels/"+id+"/play?media=tone:ring")
		c.must(204, "POST", "/channels/"+id+"/dial?timeout=1")
		c.must(204, "POST", "/channels/"+id+"/dial?timeout=1")
	}
	ring("g", "agent1")
	c.until("answer", func(g got) bool {
		return g.Type == "ChannelStateChange" && g.Channel.ID == "g" && g.Channel.State == "Up"
	})
	if n := ex.Calls("agent:agent1"); len(n) != 1 || n[0].ShownNumber != "5551000" {
		t.Errorf("agent saw %+v", n)
	}
	ring("b", "busy")
	if e := c.gone("b"); *e.Cause != 17 || strings.Contains(join(c.types("b")), "Dial:BUSY") {
		t.Errorf("busy agent: %s", join(c.types("b")))
	}
	ring("n", "never")
	if e := c.gone("n"); *e.Cause != 19 || !strings.Contains(join(c.types("n")), "ChannelHangupRequest StasisEnd ") {
		t.Errorf("agent who does not answer: %s", join(c.types("n")))
	}
	if code, body := c.ask("POST", "/channels/create?endpoint=PJSIP/nobody&app=a", ""); code != 500 || body["error"] != "Allocation failed" {
		t.Errorf("unknown agent: %d %v", code, body)
	}
}

func TestCodes(t *testing.T) {
	ex := start(t, Config{User: "u", Password: "p", Trunks: []string{"lab"}})
	ex.Callee("ring", callee.Script{Never: true})
	ex.Callee("ok", callee.Script{})
	c := connect(t, ex, "a")
	c.originate("r", "ring")
	c.originate("k", "ok")
	c.event("StasisStart", "k")
	long := strings.Repeat("x", 150)
	for _, row := range []struct {
		code int
		line string
	}{
		{200, "GET /asterisk/info"}, {200, "GET /channels"}, {200, "GET /applications/a"}, {404, "GET /applications/b"},
		{404, "GET /channels/none"}, {404, "GET /bridges/none"}, {404, "GET /playbacks/none"}, {404, "GET /recordings/live/none"},
		{404, "GET /nonsense"}, {405, "PUT /channels"}, {400, "POST /channels?app=a"}, {400, "POST /channels?endpoint=PJSIP/ok@lab"},
		{500, "POST /channels?endpoint=NOPE/x&app=a&channelId=n1"}, {500, "POST /channels?endpoint=PJSIP/x@other&app=a&channelId=n2"},
		{400, "POST /channels?endpoint=PJSIP/ok@lab&app=a&channelId=" + long}, {409, "POST /channels/r?endpoint=PJSIP/ok@lab&app=a"},
		{409, "POST /channels?endpoint=NOPE/x&app=a&channelId=n3"}, {409, "POST /channels/r/play?media=tone:ring"}, {409, "POST /channels/r/answer"}, {400, "DELETE /channels/k?reason=bogus"},
		{404, "GET /channels/k/variable?variable=NOPE"}, {500, "GET /channels/k/variable?variable=SHELL(id)"},
		{204, "POST /channels/k/variable?variable=A&value=1"}, {200, "GET /channels/k/variable?variable=A"},
		{200, "POST /bridges?type=mixing&bridgeId=b"}, {409, "POST /bridges?type=mixing&bridgeId=b"}, {409, "POST /bridges/b"},
		{400, "POST /bridges/b/addChannel?channel=none"}, {422, "POST /bridges/b/addChannel?channel=r"}, {204, "POST /bridges/b/addChannel?channel=k"},
		{204, "POST /bridges/b/removeChannel?channel=k"}, {422, "POST /bridges/b/removeChannel?channel=k"},
		{500, "POST /channels/externalMedia?app=a&external_host=INCOMING&format=mp3&transport=websocket"},
		{422, "POST /channels/k/record?name=x&format=mp3"}, {500, "POST /channels/k/record?name=../x&format=wav"},
		{201, "POST /channels/k/record?name=t%2Fx&format=wav"}, {409, "POST /channels/k/record?name=t%2Fx&format=wav"},
		{204, "POST /recordings/live/t%2Fx/stop"}, {200, "GET /recordings/stored/t%2Fx"}, {200, "GET /recordings/stored/t%2Fx/file"},
		{204, "POST /channels/k/dtmf?dtmf=xyz"}, {400, "POST /channels/k/dtmf"}, {204, "DELETE /channels/k"}, {404, "DELETE /channels/k"},
	} {
		method, path, _ := strings.Cut(row.line, " ")
		if code, body := c.ask(method, path, ""); code != row.code {
			t.Errorf("%s: %d %v, want %d", row.line, code, body, row.code)
		}
	}
	resp, err := http.Get(ex.URL() + "/channels")
	if err != nil || resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("without a password: %v %v", resp, err)
	}
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

func TestApplications(t *testing.T) {
	ex := start(t, Config{})
	ex.Callee("ok", callee.Script{})
	one := connect(t, ex, "a")
	if code, _ := one.ask("PUT", "/applications/a/eventFilter", `{"disallowed":[{"type":"ChannelVarset"},{"type":"Dial"},{"type":"ChannelStateChange"}]}`); code != 200 {
		t.Fatal(code)
	}
	one.originate("f", "ok")
	one.event("StasisStart", "f")
	if got := join(one.types("f")); got != "StasisStart" {
		t.Errorf("filtered: %s", got)
	}
	two := connect(t, ex, "a")
	one.until("ApplicationReplaced", func(g got) bool { return g.Type == "ApplicationReplaced" })
	two.must(204, "DELETE", "/channels/f")
	two.gone("f") // the filter went on, and the subscription too
	if got := join(one.types("")); strings.Contains(got, "Destroyed") {
		t.Errorf("the replaced socket still hears: %s", got)
	}
	_ = two.ws.CloseNow()
	eventually(t, "application and filter are forgotten", func() bool { code, _ := one.ask("GET", "/applications/a", ""); return code == 404 })
	// A call placed now is answered, and dropped without a word.
	one.originate("dropped", "ok")
	eventually(t, "the call is dropped", func() bool {
		calls := ex.Calls("ok")
		return len(calls) == 2 && !calls[1].Answered.IsZero() && !calls[1].Ended.IsZero()
	})
	if s := ex.Stats(); s.Dropped != 1 || s.Live != 0 {
		t.Errorf("%+v", s)
	}
}

// What the twin says has the fields that the real one was seen to send, no
// more and no fewer.
func TestShapesAreAsterisks(t *testing.T) {
	ex := start(t, Config{Prompts: map[string][]int16{"hello": tone(500, 60*time.Millisecond)}})
	ex.Callee("ok", callee.Script{Ring: 20 * time.Millisecond, Steps: []callee.Step{{Wait: 20 * time.Millisecond}, {DTMF: "5"}}})
	ex.Callee("busy", callee.Script{Ring: 20 * time.Millisecond, Reject: 486})
	ex.Agent("agent1", callee.Script{})
	c := connect(t, ex, "a")
	c.originate("x", "ok", "&callerId=5551000")
	c.originate("y", "busy")
	c.event("StasisStart", "x")
	c.must(200, "POST", "/bridges/b")
	c.must(204, "POST", "/bridges/b/addChannel?channel=x")
	l := c.media("m", "slin16", "f(json)")
	c.must(204, "POST", "/bridges/b/addChannel?channel=m")
	for _, s := range []string{`{"command":"GET_STATUS"}`, `{"command":"MARK_MEDIA","correlation_id":"1"}`, `{"command":"REPORT_QUEUE_DRAINED"}`, `x`,
		`{"command":"START_MEDIA_BUFFERING"}`, `{"command":"STOP_MEDIA_BUFFERING","correlation_id":"2"}`} {
		l.command(s)
	}
	c.event("ChannelDtmfReceived", "x")
	c.must(201, "POST", "/channels/x/play/p?media=sound:hello")
	c.event("PlaybackFinished", "")
	c.must(200, "POST", "/channels/x/snoop/s?spy=both&app=a")
	c.must(201, "POST", "/channels/s/record?name=r&format=wav")
	c.must(204, "POST", "/recordings/live/r/stop")
	c.must(200, "POST", "/channels/create?endpoint=PJSIP/agent1&app=a&channelId=g")
	c.must(204, "DELETE", "/channels/s")
	c.must(204, "DELETE", "/channels/x?reason_code=31")
	c.must(204, "DELETE", "/channels/m")
	c.must(204, "DELETE", "/bridges/b")
	c.gone("m")
	c.gone("y")
	c.until("BridgeDestroyed", func(g got) bool { return g.Type == "BridgeDestroyed" }) // the answer may overtake it
	asterisks, controls := samples(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range c.events {
		shape, typ := fields(t, e.raw), e.Type
		if known := asterisks[typ]; known == nil {
			t.Errorf("%s is not among the samples: %s", typ, e.raw)
		} else if !known[shape] {
			t.Errorf("%s has the fields\n%s, the samples have\n%v", typ, shape, keys(known))
		}
		seen[typ] = true
	}
	for typ := range asterisks {
		if !seen[typ] && typ != "ApplicationReplaced" {
			t.Errorf("%s never happened here", typ)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.text {
		var e struct{ Event string }
		if json.Unmarshal([]byte(m), &e) != nil || e.Event != "DTMF_END" && !controls[e.Event][fields(t, []byte(m))] {
			t.Errorf("control message %s, the samples have %v", m, keys(controls[e.Event]))
		}
	}
}

// samples are the field names of messages captured from Asterisk 22.10.1, by
// type.
func samples(t *testing.T) (events, controls map[string]map[string]bool) {
	t.Helper()
	f, err := os.Open("testdata/asterisk-22.10.1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]map[string]map[string]bool{"event": {}, "media": {}, "rest": {}}
	for s := bufio.NewScanner(f); s.Scan(); {
		var line struct {
			Kind, What string
			JSON       json.RawMessage
		}
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Kind == "rest" {
			continue
		}
		of := all[line.Kind]
		if of[line.What] == nil {
			of[line.What] = map[string]bool{}
		}
		of[line.What][fields(t, line.JSON)] = true
	}
	return all["event"], all["media"]
}

// fields are the names of a message's fields, two levels deep, sorted.
func fields(t *testing.T, raw []byte) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	var out []string
	for k, v := range m {
		out = append(out, k)
		if inner, ok := v.(map[string]any); ok && k != "channel_variables" {
			for i := range inner {
				out = append(out, k+"."+i)
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
