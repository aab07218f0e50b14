package fstwin_test

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin/callee"
)

// captured is what a FreeSWITCH v1.11.2 said: which headers its events have,
// and in which order they came.
type captured struct {
	headers   map[string][]string // by event, or "CUSTOM <subclass>"
	always    map[string][]string // of those, the ones that no event of that name lacked
	variables []string
	order     map[string][]string // by sample: "<leg> <event>[/<application>]"
}

func samples(t *testing.T) captured {
	t.Helper()
	f, err := os.Open("testdata/freeswitch-1.11.2.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	c := captured{headers: map[string][]string{}, always: map[string][]string{}, order: map[string][]string{}}
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var l struct {
			Event, Sample          string
			Headers, Always, Order []string
			Variables              any
		}
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		switch {
		case l.Event != "":
			c.headers[l.Event], c.always[l.Event] = l.Headers, l.Always
		case l.Sample != "":
			c.order[l.Sample] = l.Order
		default:
			for _, v := range l.Variables.([]any) {
				c.variables = append(c.variables, v.(string))
			}
		}
	}
	return c
}

// byLeg takes an order apart into that of each channel: the threads of two
// channels are not in step. Names that the sample's subscription left out are
// not in it.
func byLeg(order, only []string) map[string][]string {
	out := map[string][]string{}
	for _, o := range order {
		leg, what, ok := strings.Cut(o, " ")
		if !ok {
			continue
		}
		if name, _, _ := strings.Cut(what, "/"); only == nil || slices.Contains(only, name) {
			out[leg] = append(out[leg], what)
		}
	}
	return out
}

// scene is a sample's course on the twin.
type scene struct {
	sample string
	script callee.Script
	run    func(c *client)
}

func scenes() []scene {
	kill := func(c *client) { c.kill("A") }
	bridge := func(c *client, to string) {
		c.execute("A", "bridge", "{origination_uuid=B}user/"+to, "Event-UUID: bridge-1")
	}
	early := callee.Script{Early: []callee.Step{{Say: callee.Tone(450, time.Second, 8000)}}, Ring: 10 * time.Second}
	return []scene{
		{"answered-all", listener(), kill},
		{"busy", callee.Script{Ring: 30 * time.Millisecond, Reject: 486}, func(c *client) {}},
		{"callee-hangs-up", callee.Script{Limit: 1500 * time.Millisecond}, func(c *client) {}},
		{"playback", listener(), func(c *client) {
			c.execute("A", "playback", "/p/hello.wav", "Event-UUID: p1\nevent-lock: true")
			c.until("CHANNEL_EXECUTE_COMPLETE", "Application-UUID", "p1")
			c.kill("A")
		}},
		{"playback-missing", listener(), func(c *client) {
			c.execute("A", "playback", "/p/none.wav", "Event-UUID: p1")
			c.until("CHANNEL_EXECUTE_COMPLETE", "Application-UUID", "p1", "Application-Response", "FILE NOT FOUND")
			c.kill("A")
		}},
		{"playback-nested", listener(), func(c *client) {
			c.execute("A", "playback", "tone_stream://L=-1;%(1000,0,450)", "Event-UUID: p1")
			c.until("PLAYBACK_START")
			c.execute("A", "playback", "/p/hello.wav", "Event-UUID: p2")
			c.until("CHANNEL_EXECUTE_COMPLETE", "Application-UUID", "p2")
			c.do("api uuid_break A")
			c.until("CHANNEL_EXECUTE_COMPLETE", "Application-UUID", "p1")
			c.kill("A")
		}},
		{"bridge-peer-leaves", listener(), func(c *client) {
			bridge(c, "leaves")
			c.until("CHANNEL_DESTROY", "Unique-ID", "B")
			c.kill("A")
		}},
		{"bridge-caller-leaves", listener(), func(c *client) {
			bridge(c, "stays")
			c.until("CHANNEL_BRIDGE")
			c.kill("A")
		}},
		{"bridge-fails-s486", listener(), func(c *client) {
			bridge(c, "busy")
			c.until("CHANNEL_EXECUTE_COMPLETE", "Application-UUID", "bridge-1", "variable_originate_disposition", "USER_BUSY")
			c.kill("A")
		}},
		{"uuid-bridge", listener(), func(c *client) {
			c.parked("B", "", "user/stays")
			if got := c.do("api uuid_bridge A B"); got != "+OK B\n" {
				c.t.Errorf("uuid_bridge: %q", got)
			}
			c.until("CHANNEL_BRIDGE")
			before := len(c.all())
			if got := c.do("api uuid_transfer A -both park: inline"); got != "+OK\n" {
				c.t.Errorf("uuid_transfer: %q", got)
			}
			c.eventually("both parked again", func() bool {
				n := 0
				for _, e := range c.all()[before:] {
					if e.name() == "CHANNEL_PARK" {
						n++
					}
				}
				return n == 2
			})
			c.kill("B")
			c.kill("A")
		}},
		{"early-not-ignored", early, kill},
		{"record", listener(), func(c *client) {
			if got := c.do("api uuid_record A start /rec/a.wav"); got != "+OK Success\n" {
				c.t.Errorf("record: %q", got)
			}
			c.until("RECORD_START")
			for _, verb := range []string{"mask", "unmask", "stop"} {
				if got := c.do("api uuid_record A " + verb + " /rec/a.wav"); got != "+OK Success\n" {
					c.t.Errorf("%s: %q", verb, got)
				}
			}
			c.kill("A")
		}},
		{"dtmf", callee.Script{Steps: []callee.Step{{Wait: 1500 * time.Millisecond}, {DTMF: "12#"}}}, func(c *client) {
			c.until("DTMF", "DTMF-Digit", "#")
			c.kill("A")
		}},
	}
}

// The events of a call come in the order of a real one's, channel by channel;
// none has a header or a variable that a real one's has not, and none lacks
// what a real one's always has.
func TestScenesAreThoseOfARealOne(t *testing.T) {
	t.Parallel()
	real := samples(t)
	seen := make(chan string, 10000)
	t.Run("all", func(t *testing.T) {
		for _, s := range scenes() {
			t.Run(s.sample, func(t *testing.T) {
				t.Parallel()
				events := play(t, s)
				compareOrder(t, s.sample, real, events)
				for _, e := range events {
					compareHeaders(t, real, e)
					seen <- e.name()
				}
			})
		}
	})
	close(seen)
	all := map[string]bool{}
	for name := range seen {
		all[name] = true
	}
	for _, must := range subscribed() {
		if !all[must] {
			t.Errorf("%s was never seen", must)
		}
	}
}

func compareOrder(t *testing.T, sample string, real captured, events []event) {
	t.Helper()
	var got []string
	for _, e := range events {
		what := e.name()
		if strings.HasPrefix(what, "CHANNEL_EXECUTE") {
			what += "/" + e.heads["Application"]
		}
		if id := e.heads["Unique-ID"]; id != "" {
			got = append(got, id+" "+what)
		}
	}
	var only []string
	if sample != "answered-all" {
		only = subscribed()
	}
	if real.order[sample] == nil {
		t.Fatal("no such sample")
	}
	a, b := byLeg(real.order[sample], only), byLeg(got, only)
	for leg := range a {
		if !slices.Equal(squeeze(a[leg]), squeeze(b[leg])) {
			t.Errorf("leg %s\n real %v\n twin %v", leg, a[leg], b[leg])
		}
	}
}

func compareHeaders(t *testing.T, real captured, e event) {
	t.Helper()
	known, ok := real.headers[e.name()]
	if !ok {
		t.Errorf("%s is not among the samples", e.name())
		return
	}
	for _, h := range e.names {
		v, isVar := strings.CutPrefix(h, "variable_")
		if isVar && !slices.Contains(real.variables, v) {
			t.Errorf("%s: variable %s is no variable of a real one", e.name(), v)
		}
		if !isVar && !slices.Contains(known, h) {
			t.Errorf("%s: %s is no header of a real one's", e.name(), h)
		}
	}
	// What a carrier or the host would say, and what these scenes do not set.
	not := []string{
		"Caller-Username", "Caller-Network-Addr", "Other-Leg-Network-Addr", "Caller-Caller-ID-Name", "Caller-Orig-Caller-ID-Name",
		"Caller-Callee-ID-Name", "Channel-Presence-Data",
	}
	for _, h := range real.always[e.name()] {
		if !slices.Contains(not, h) && !slices.Contains(e.names, h) {
			t.Errorf("%s lacks %s", e.name(), h)
		}
	}
}

func subscribed() []string {
	return strings.Fields(`CHANNEL_CREATE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_ANSWER CHANNEL_BRIDGE CHANNEL_UNBRIDGE CHANNEL_PARK
		CHANNEL_UNPARK CHANNEL_HANGUP CHANNEL_HANGUP_COMPLETE CHANNEL_DESTROY CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE PLAYBACK_START
		PLAYBACK_STOP RECORD_START RECORD_STOP DTMF`)
}

// squeeze drops CODEC, of which the real one sends one or two.
func squeeze(order []string) []string {
	return slices.DeleteFunc(slices.Clone(order), func(s string) bool { return s == "CODEC" })
}

// play runs a scene and returns its events.
func play(t *testing.T, s scene) []event {
	t.Helper()
	c := login(t, cast(t, s.script), "ALL")
	c.originate("A", early(s), "sofia/gateway/x/138")
	if s.script.Reject == 0 {
		c.until("CHANNEL_PARK", "Unique-ID", "A")
	}
	s.run(c)
	c.until("CHANNEL_STATE", "Unique-ID", "A", "Channel-State", "CS_DESTROY")
	return c.all()
}

func early(s scene) string {
	if len(s.script.Early) > 0 {
		return "ignore_early_media=false"
	}
	return ""
}

// cast is an exchange with the people of the scenes.
func cast(t *testing.T, number callee.Script) *fstwin.Exchange {
	ex := start(t, fstwin.Config{Prompts: map[string][]int16{
		"hello": callee.Tone(500, 200*time.Millisecond, 8000),
	}})
	ex.Callee("138", number)
	ex.Agent("leaves", callee.Script{Ring: 30 * time.Millisecond, Limit: 300 * time.Millisecond})
	ex.Agent("stays", listener())
	ex.Agent("busy", callee.Script{Ring: 30 * time.Millisecond, Reject: 486})
	return ex
}
