package app

import (
	"slices"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
)

// After a hand-over the exchange records; the outcome lists that recording
// beside ours, with the words of both. A leg on which the two talk on when the
// controller stops is not swept by its next life.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	p.Agents = []config.Agent{{Name: "agent1", Endpoint: "PJSIP/agent1"}}
	wants := []callee.Step{turnOf(), spoken("转人工"), turnOf(), turnOf(), spoken("你好啊"), {Wait: time.Minute}}
	ex.Callee("wants", callee.Script{Ring: 200 * time.Millisecond, Steps: wants})
	ex.Callee("stays", callee.Script{Ring: 200 * time.Millisecond, Steps: wants})
	ex.Agent("agent1", callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{{Wait: time.Second}, spoken("我是人工客服"), {Wait: 4 * time.Second}, {Hangup: true}}})
	h := newHouse(t, p, "sqlite", func(c *config.Config) { c.Recordings.Handover = config.KeepHandover })
	a := h.attempt(h.ring("wants", "e2e_001"), 1, 60*time.Second)
	if a.Disposition != "transferred" || len(a.Recordings) != 2 || slices.Contains(a.Degraded, "recording") {
		a.show(t)
		t.Fatalf("%s, recordings %+v, degraded %v\n%s", a.Disposition, a.Recordings, a.Degraded, tail(h.logs.String(), 2000))
	}
	if line := `ringmaster_calls_total{disposition="transferred",pbx="twin",trunk="lab"} 1`; !h.metric(line) {
		t.Error("no metric " + line)
	}
	a.Recordings = a.Recordings[1:]
	them, person, _ := h.recording(a)
	if !slices.Contains(them, "你好啊") || !slices.Contains(person, "我是人工客服") {
		t.Errorf("the exchange recorded them %q, the person %q", them, person)
	}

	ex.Agent("agent1", callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{{Wait: 5 * time.Minute}}})
	h.ring("stays", "e2e_001")
	legs := func() int {
		l, err := h.app.fleet.named("twin").Legs(t.Context())
		if err != nil {
			return -1
		}
		return len(l)
	}
	h.until("customer and person talk", 40*time.Second, func() bool { return h.seen("handed_over") == 2 && legs() == 2 })
	h.stop()
	h.start()
	h.app.janitor.age = 0
	h.until("the exchange is back", 10*time.Second, func() bool { return legs() == 2 })
	h.app.janitor.sweep(t.Context())
	if n := legs(); n != 2 {
		t.Errorf("%d legs are left of a conversation that had been handed over\n%s", n, tail(h.logs.String(), 2000))
	}
}

// seen counts the calls that came into a phase.
func (h *house) seen(phase string) (n int) {
	h.sights.mu.Lock()
	defer h.sights.mu.Unlock()
	for _, s := range h.sights.all {
		if s.Note != nil && s.Note.Turn == nil && string(s.Note.Phase) == phase {
			n++
		}
	}
	return n
}

// People take calls over, on either brand: the customer is heard by the person
// who answers; where they decline, the assistant goes on; when the customer
// leaves while the person's telephone rings, nobody's telephone rings any more.
func TestRow_T17_PeopleTakeOver(t *testing.T) {
	for _, brand := range []string{config.Asterisk, config.FreeSWITCH} {
		t.Run(brand, func(t *testing.T) {
			t.Parallel()
			ex, p := twinOf(t, brand)
			wants := []callee.Step{turnOf(), spoken("转人工"), turnOf()}
			after := func(more ...callee.Step) callee.Script {
				return callee.Script{Ring: 200 * time.Millisecond, Keep: true, Steps: slices.Concat(wants, more)}
			}
			ex.Callee("joined", after(turnOf(), spoken("你好啊"), callee.Step{Wait: time.Minute}))
			ex.Callee("declined", after(callee.Step{Wait: 20 * time.Second}))
			ex.Callee("leaves", after(callee.Step{Wait: time.Second}, callee.Step{Hangup: true}))
			h := newHouse(t, p, "sqlite")
			heard := func(who string) []string {
				c := ex.Calls(who)
				if len(c) == 0 {
					return nil
				}
				return words(t, c[len(c)-1].Record.Heard, callee.Rate)
			}

			ex.Agent("agent1", callee.Script{Ring: 200 * time.Millisecond, Keep: true,
				Steps: []callee.Step{{Wait: time.Second}, spoken("我是人工客服"), {Wait: 4 * time.Second}, {Hangup: true}}})
			a := h.attempt(h.ring("joined", "e2e_001"), 1, 60*time.Second)
			if a.Disposition != "transferred" {
				a.show(t)
				t.Fatalf("%s", a.Disposition)
			}
			h.noLegs()
			if customer, person := heard("joined"), heard("agent:agent1"); !slices.Contains(customer, "我是人工客服") || !slices.Contains(person, "你好啊") {
				t.Errorf("the customer heard %q, the person %q", customer, person)
			}

			ex.Agent("agent1", callee.Script{Ring: 3 * time.Second, Reject: 486}) // the one customer waits for that, the other does not
			declined, leaves := h.ring("declined", "e2e_001"), h.ring("leaves", "e2e_001")
			a = h.attempt(declined, 1, 60*time.Second)
			if us := a.side("us"); a.Reason != "transfer_failed" || us[len(us)-1] != "不好意思，现在人工坐席都在忙，我已经记下了，会有同事尽快给您回电，再见。" {
				a.show(t)
				t.Errorf("declined: %s", a.Disposition)
			}
			if a = h.attempt(leaves, 1, 60*time.Second); a.Disposition == "transferred" || a.Disposition == "completed" {
				a.show(t)
				t.Errorf("the customer left while a person was called: %s", a.Disposition)
			}
			h.noLegs()
			h.until("nobody's telephone rings", 10*time.Second, func() bool { return ex.Stats().Live == 0 })
		})
	}
}

// playhouse is a twin whose callees and people can be told what to do.
type playhouse interface {
	Callee(number string, s callee.Script)
	Agent(name string, s callee.Script)
	Calls(number string) []twin.Call
	Stats() twin.Stats
}

// twinOf is a twin of the brand with one agent, and how it is reached.
func twinOf(t *testing.T, brand string) (playhouse, config.PBX) {
	t.Helper()
	if brand == config.Asterisk {
		ex, p := newTwin(t)
		p.Agents = []config.Agent{{Name: "agent1", Endpoint: "PJSIP/agent1"}}
		return ex, p
	}
	ex, err := fstwin.Start(fstwin.Config{Password: "twin-password", Gateways: []string{"lab"}}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ex.Close)
	return ex, config.PBX{Name: "twin", Kind: config.FreeSWITCH, Address: ex.Addr(), Password: config.NewSecret("twin-password"), App: "ringmaster", Media: config.Media{Format: "slin"},
		Trunks: []config.Trunk{{Name: "lab", Endpoint: "sofia/gateway/lab/{number}", Lab: true, Lines: 100}},
		Agents: []config.Agent{{Name: "agent1", Endpoint: "user/agent1"}}}
}
