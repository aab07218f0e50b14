package asterisk

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	lab "ringmaster/internal/lab/asterisk"
	"ringmaster/internal/lab/subscriber"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/pbx/pbxtest"
	"ringmaster/internal/phone"
)

// The real Asterisk keeps the contract of the pbx port.
func TestRealContract(t *testing.T) {
	a := realAsterisk(t)
	uri, err := a.AddSound("contract.wav", wav(t, tone(8000, 400*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	var queue sync.Mutex // one queue: for one guarantee at a time
	pbxtest.Run(t, func(t *testing.T) pbxtest.Lab {
		p, err := subscriber.Listen("")
		if err != nil {
			t.Fatal(err)
		}
		proxy, err := subscriber.NewProxy(a.HTTPAddr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		queued := ""
		var ours sync.Once
		user, password := a.Credentials()
		cfg := Config{
			URL: "http://" + proxy.Addr() + "/ari", User: user, Password: password, AppPrefix: "contract",
			ControllerID: fmt.Sprint(n.Add(1)), Log: testLog(t), BackoffMin: 20 * time.Millisecond, BackoffMax: 200 * time.Millisecond,
			Trunks: map[string]Trunk{"lab": {Endpoint: "PJSIP/lab/sip:{number}@" + p.Addr().String(), Lab: true}},
			Agents: map[string]Agent{},
		}
		cfg.Queues = map[string]Queue{"support": {Context: "contract-queue", Extension: cfg.ControllerID}}
		for i := range 8 {
			cfg.Agents[fmt.Sprintf("agent%d", i)] = Agent{fmt.Sprintf("PJSIP/lab/sip:agent%d@%s", i, p.Addr())}
		}
		sw := start(t, cfg)
		t.Cleanup(func() { _ = p.Close() })
		return pbxtest.Lab{
			Switch: sw, Prompt: "file:" + strings.TrimPrefix(uri, "sound:"), Endless: "tone:ring",
			Callee: func(t *testing.T, s callee.Script) pbxtest.Phone {
				user := p.Add("c", s)
				num, err := phone.Lab(user)
				if err != nil {
					t.Fatal(err)
				}
				return p.Phone(user, pbx.Endpoint{Trunk: "lab", Number: num})
			},
			Agent: func(_ *testing.T, s callee.Script) pbxtest.Phone {
				user := p.Add("agent", s)
				return p.Phone(user, pbx.Endpoint{Agent: user})
			},
			Queue: func(t *testing.T, s callee.Script) (string, pbxtest.Phone) {
				ours.Do(func() {
					queue.Lock()
					t.Cleanup(func() {
						defer queue.Unlock()
						_, _ = a.CLI(context.Background(), "queue remove member "+queued+" from support")
					})
				})
				user := p.Add("agent", s)
				member := fmt.Sprintf("PJSIP/lab/sip:%s@%s", user, p.Addr())
				if queued != "" {
					cli(t, a, "queue remove member "+queued+" from support")
				}
				queued = member
				cli(t, a, "queue add member "+member+" to support penalty 0 as "+user+" state_interface Custom:free")
				return "support", p.Phone(user, pbx.Endpoint{Agent: user})
			},
			Customer: func(t *testing.T, number string, s callee.Script) pbxtest.Phone {
				num, err := phone.Lab(number)
				if err != nil {
					t.Fatal(err)
				}
				p.Set(number, s)
				return p.Phone(number, pbx.Endpoint{Trunk: "lab", Number: num})
			},
			CutLink: func(*testing.T) func() { return proxy.Cut() },
			Restart: func(t *testing.T) {
				if err := a.Restart(context.Background()); err != nil {
					t.Fatal(err)
				}
			},
			Calls: 30, Patience: 8 * time.Second,
		}
	})
}

func cli(t *testing.T, a *lab.Asterisk, command string) {
	t.Helper()
	if out, err := a.CLI(context.Background(), command); err != nil {
		t.Fatalf("%s: %s %v", command, out, err)
	}
}
