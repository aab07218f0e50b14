package twin

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

func faulty(t *testing.T, ex *Exchange, f Fault) {
	t.Helper()
	if err := ex.Inject(f); err != nil {
		t.Fatal(err)
	}
}

func TestFaultsOfRequests(t *testing.T) {
	ex := start(t, Config{})
	ex.Callee("ok", callee.Script{Never: true})
	c := connect(t, ex, "a")
	faulty(t, ex, Fault{Kind: Fail, Match: "POST /channels", Code: 503, Count: 2})
	const path = "/channels?endpoint=PJSIP/ok@lab&app=a&channelId="
	c.must(200, "GET", "/channels")
	c.must(503, "POST", path+"x")
	c.must(503, "POST", path+"x")
	c.must(200, "POST", path+"x")
	faulty(t, ex, Fault{Kind: LateReply, Match: "POST /channels", Delay: 300 * time.Millisecond})
	began := time.Now()
	c.must(200, "POST", path+"late")
	if d := time.Since(began); d < 300*time.Millisecond || len(ex.Calls("ok")) != 2 {
		t.Errorf("late by %v, %d rings", d, len(ex.Calls("ok")))
	}
	faulty(t, ex, Fault{Kind: LoseReply, Match: "POST /channels"})
	if resp, err := c.http.Post(ex.URL()+path+"lost", "", nil); err == nil {
		_ = resp.Body.Close()
		t.Errorf("an answer came: %s", resp.Status)
	}
	if n := len(ex.Calls("ok")); n < 3 {
		t.Errorf("%d rings: the answer was to be lost, not the call", n)
	}
	if err := ex.Inject(Fault{Kind: "earthquake"}); !errors.Is(err, ErrFault) {
		t.Errorf("%v", err)
	}
}

func TestFaultsOfEvents(t *testing.T) {
	ex := start(t, Config{})
	ex.Callee("ok", callee.Script{})
	c := connect(t, ex, "a")
	faulty(t, ex, Fault{Kind: LoseEvent, Match: "StasisStart"})
	faulty(t, ex, Fault{Kind: Duplicate, Match: "ChannelDestroyed"})
	faulty(t, ex, Fault{Kind: Reorder, Match: "StasisEnd"})
	c.originate("x", "ok")
	c.until("answer", func(g got) bool { return g.Type == "Dial" && g.DialStatus == "ANSWER" })
	c.must(204, "DELETE", "/channels/x")
	c.gone("x")
	time.Sleep(50 * time.Millisecond)
	got := join(c.types("x"))
	if strings.Contains(got, "StasisStart") || !strings.HasSuffix(got, "ChannelVarset:STASISSTATUS StasisEnd ChannelDestroyed ChannelDestroyed") {
		t.Errorf("%s", got)
	}
	faulty(t, ex, Fault{Kind: Garbage, Match: "StasisStart"})
	c.originate("y", "ok")
	c.event("StasisStart", "y")
	if got := strings.Count(strings.Join(c.types(""), " "), "not an event"); got != 3 {
		t.Errorf("%d pieces of garbage", got)
	}
	faulty(t, ex, Fault{Kind: Stall, Delay: 400 * time.Millisecond})
	began := time.Now()
	c.must(204, "DELETE", "/channels/y")
	c.gone("y")
	if d := time.Since(began); d < 350*time.Millisecond {
		t.Errorf("stalled for %v only", d)
	}
}

func TestOutages(t *testing.T) {
	ex := start(t, Config{})
	ex.Callee("ok", callee.Script{})
	c := connect(t, ex, "a")
	c.originate("x", "ok")
	c.event("StasisStart", "x")
	ended := func(c *client) func() bool {
		return func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.ended }
	}
	faulty(t, ex, Fault{Kind: Refuse})
	eventually(t, "the socket ends", ended(c))
	if resp, err := http.Get(ex.URL() + "/channels"); err == nil {
		_ = resp.Body.Close()
		t.Error("it answered")
	}
	faulty(t, ex, Fault{Kind: Restore})
	again := connect(t, ex, "a")
	again.must(200, "GET", "/channels/x") // the call went on, and its events come again
	again.must(204, "DELETE", "/channels/x")
	again.gone("x")
	again.originate("y", "ok")
	again.event("StasisStart", "y")
	before := again.must(200, "GET", "/asterisk/info")["status"].(map[string]any)["startup_time"]
	time.Sleep(10 * time.Millisecond)
	faulty(t, ex, Fault{Kind: Restart})
	eventually(t, "the socket ends", ended(again))
	third := connect(t, ex, "a")
	third.must(404, "GET", "/channels/y")
	if after := third.must(200, "GET", "/asterisk/info")["status"].(map[string]any)["startup_time"]; after == before {
		t.Errorf("started at %v both times", after)
	}
	if calls := ex.Calls("ok"); calls[1].Ended.IsZero() {
		t.Error("the callee is still connected to an exchange that is gone")
	}
	faulty(t, ex, Fault{Kind: DropSockets})
	eventually(t, "the socket ends", ended(third))
	http.DefaultClient.CloseIdleConnections()
}

func TestFaultsOverHTTP(t *testing.T) {
	ex := start(t, Config{})
	post := func(body string) int {
		resp, err := http.Post("http://"+ex.Addr()+"/twin/faults", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	// In this order: a restore before the refusal would leave the exchange refusing.
	for _, c := range []struct {
		body string
		want int
	}{
		{`{"kind":"refuse"}`, 204},
		{`{"kind":"restore"}`, 204},
		{`{"kind":"stall","delay":"10ms"}`, 204},
		{`{"kind":"x"}`, 400},
		{`{`, 400},
		{`{"kind":"stall","delay":"soon"}`, 400},
	} {
		if got := post(c.body); got != c.want {
			t.Errorf("%s: %d", c.body, got)
		}
	}
	ex.Callee("ok", callee.Script{})
	c := connect(t, ex, "a")
	c.originate("x", "ok", "&callerId=5551000")
	c.event("StasisStart", "x")
	resp, err := http.Post("http://"+ex.Addr()+"/twin/ring?app=a&called=4001&from=13800000000&as=ok", "", nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	for _, path := range []string{"stats", "calls", "rings"} {
		resp, err := http.Get("http://" + ex.Addr() + "/twin/" + path)
		if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v %v", path, resp, err)
		}
		_ = resp.Body.Close()
	}
	if s := ex.Stats(); s.Live != 2 || s.LiveUp != 1 || s.Rings != 2 {
		t.Errorf("%+v", s)
	}
	http.DefaultClient.CloseIdleConnections()
}

// A call that is placed twice shows: the second ring of one channel id.
func TestRingsAreCounted(t *testing.T) {
	ex := start(t, Config{})
	ex.Callee("busy", callee.Script{Reject: 486})
	c := connect(t, ex, "a")
	place := func(id, try string) {
		code, _ := c.ask("POST", "/channels?endpoint=PJSIP/busy@lab&app=a&channelId="+id,
			`{"variables":{"RINGMASTER_TAG":"contact-1","PJSIP_HEADER(add,X-Try)":"`+try+`"}}`)
		if code != http.StatusOK {
			t.Fatal(code)
		}
		c.gone(id)
		eventually(t, "the channel is gone", func() bool { return ex.Stats().Live == 0 })
	}
	place("one", "1")
	place("two", "2")
	if s := ex.Stats(); len(s.RungTwice) != 0 {
		t.Errorf("%v", s.RungTwice)
	}
	place("two", "2")
	if s := ex.Stats(); s.RungTwice["two"] != 2 || len(s.RungTwice) != 1 {
		t.Errorf("%v", s.RungTwice)
	}
	want := RingCount{RingKey{"contact-1", "busy", "2"}, 2, 1}
	if r := ex.Rings(); len(r) != 2 || r[1] != want {
		t.Errorf("%+v", r)
	}
}
