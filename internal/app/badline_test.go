package app

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/lab/badline"
	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
)

// lineTo is an exchange of one brand behind a bad line.
type lineTo struct {
	line  *badline.Line
	pbx   config.PBX
	calls func() []twin.Call
	live  func() int
}

func throughABadLine(t *testing.T, brand string, scripts map[string]callee.Script) lineTo {
	t.Helper()
	behind := func(addr string) *badline.Line {
		b, err := badline.New(addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		return b
	}
	if brand == config.Asterisk {
		ex, p := newTwin(t)
		for number, s := range scripts {
			ex.Callee(number, s)
		}
		b := behind(strings.TrimSuffix(strings.TrimPrefix(p.URL, "http://"), "/ari"))
		p.URL = strings.Replace(p.URL, strings.TrimSuffix(strings.TrimPrefix(p.URL, "http://"), "/ari"), b.Addr(), 1)
		return lineTo{b, p, func() []twin.Call { return ex.Calls("") }, func() int { return ex.Stats().Live }}
	}
	ex, err := fstwin.Start(fstwin.Config{Password: "twin-password", Gateways: []string{"lab"}}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ex.Close)
	for number, s := range scripts {
		ex.Callee(number, s)
	}
	b := behind(ex.Addr())
	return lineTo{b, config.PBX{Name: "twin", Kind: config.FreeSWITCH, Address: b.Addr(), Password: config.NewSecret("twin-password"), App: "ringmaster", Media: config.Media{Format: "slin"},
		Trunks: []config.Trunk{{Name: "lab", Endpoint: "sofia/gateway/lab/{number}", Lab: true, Lines: 100}}}, func() []twin.Call { return ex.Calls("") }, func() int { return ex.Stats().Live }}
}

// settled waits until one attempt of the task has ended and none is under way.
func (h *house) settled(task string) (all []attempt) {
	h.t.Helper()
	h.until("the task "+task+" is settled", 2*time.Minute, func() bool {
		var list struct{ Attempts []attempt }
		_, raw := h.raw("GET", "/api/v1/call/task/"+task+"/attempts", nil, nil)
		if json.Unmarshal(raw, &list) != nil {
			return false
		}
		finished := false
		for _, a := range list.Attempts {
			if a.State != "finished" && a.State != "postponed" {
				return false
			}
			finished = finished || a.State == "finished"
		}
		all = list.Attempts
		return finished
	})
	return all
}

// Over a line to the exchange that is cut in the midst of messages, stands
// still while both ends believe in it, or passes little: each call ends with a
// disposition, each try rings once at most, and nothing stays on the exchange.
// With RINGMASTER_PROVE=1.
func TestABadLineToTheExchange(t *testing.T) {
	if os.Getenv("RINGMASTER_PROVE") == "" {
		t.Log("with RINGMASTER_PROVE=1; always: the adapters' own tests of a line that is cut, half-open and slow")
		return
	}
	const calls = 8
	faults := map[string]func(b *badline.Line){
		"cut in mid-event": func(b *badline.Line) {
			for n := int64(1201); n > 100; n = n * 3 / 4 { // other places each time
				b.CutAfter(n)
				time.Sleep(700 * time.Millisecond)
			}
		},
		"half-open":   func(b *badline.Line) { b.Freeze(); time.Sleep(22 * time.Second) },
		"slow reader": func(b *badline.Line) { b.Slow(150 * time.Millisecond); time.Sleep(12 * time.Second) },
	}
	for _, brand := range []string{config.Asterisk, config.FreeSWITCH} {
		for what, fault := range faults {
			t.Run(brand+" "+what, func(t *testing.T) {
				t.Parallel()
				scripts := map[string]callee.Script{}
				for i := range calls {
					s := callee.Script{Ring: time.Duration(200+300*i) * time.Millisecond, Steps: []callee.Step{turnOf(), spoken("没有收到"), turnOf(), {Wait: 3 * time.Second}, {Hangup: true}}}
					if i%4 == 3 {
						s = callee.Script{Ring: time.Second, Reject: 486}
					}
					scripts[fmt.Sprintf("30%02d", i)] = s
				}
				x := throughABadLine(t, brand, scripts)
				h := newHouse(t, x.pbx, "sqlite")
				tasks := map[string]string{}
				for number := range scripts {
					tasks[number] = h.ring(number, "e2e_001")
				}
				h.until("a telephone rings", 20*time.Second, func() bool { return len(x.calls()) > 0 })
				fault(x.line)
				x.line.Mend()
				ends := map[string]int{}
				rung := map[string]int{}
				for _, task := range tasks {
					for _, a := range h.settled(task) {
						ends[a.State+" "+a.Disposition]++
						if a.State == "finished" && a.Disposition == "" {
							a.show(t)
							t.Error("no disposition")
						}
						if a.State == "postponed" { // it is on record as never sent
							rung[a.AttemptID]++
						}
					}
				}
				h.until("nothing is left on the exchange", time.Minute, func() bool { return x.live() == 0 })
				for _, c := range x.calls() {
					if rung[c.ID]++; rung[c.ID] > 1 {
						t.Errorf("%s rang twice, or rang and is on record as never sent", c.ID)
					}
				}
				if len(x.calls()) > 2*calls { // a first try, and a second of what failed
					t.Errorf("%d rings for %d people", len(x.calls()), calls)
				}
				t.Logf("%-10s %-17s %d calls, %d rings, %d connections cut: %v", brand, what, calls, len(x.calls()), x.line.Cuts(), ends)
			})
		}
	}
}
