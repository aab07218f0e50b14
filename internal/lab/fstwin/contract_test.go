package fstwin_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"ringmaster/adapter/freeswitch"
	"ringmaster/internal/lab/fstwin"
	wired "ringmaster/internal/lab/subscriber"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/pbx/pbxtest"
	"ringmaster/internal/phone"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

type subscriber struct {
	ex       *fstwin.Exchange
	endpoint pbx.Endpoint
	key      string
}

func (p subscriber) Endpoint() pbx.Endpoint { return p.endpoint }

// Told is what its display would show: a scripted telephone has no wire.
func (p subscriber) Told() []string {
	var out []string
	for _, c := range p.Calls() {
		out = append(out, fmt.Sprint(c.ShownName, " ", c.ShownNumber, " ", c.Headers))
	}
	return out
}

func (p subscriber) Calls() []callee.Call {
	var out []callee.Call
	for _, c := range p.ex.Calls(p.key) {
		out = append(out, c.Call)
	}
	return out
}

// agents that a test may use: the adapter wants them configured.
const agents = 4

func open(t *testing.T, cfg fstwin.Config, more ...func(*freeswitch.Config)) (*fstwin.Exchange, *freeswitch.Switch) {
	t.Helper()
	cfg.Password = "secret"
	cfg.Gateways = []string{"lab"}
	cfg.Prompts = map[string][]int16{"hello": callee.Tone(500, 400*time.Millisecond, 8000)}
	ex, err := fstwin.Start(cfg, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ex.Close)
	c := freeswitch.Config{
		Addr: ex.Addr(), Password: "secret", AppPrefix: "rm",
		Trunks: map[string]freeswitch.Trunk{"lab": {Endpoint: "sofia/gateway/lab/{number}", Lab: true}},
		Agents: map[string]freeswitch.Agent{}, Queues: map[string]freeswitch.Queue{},
		BackoffMin: 20 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for i := range agents {
		c.Agents[fmt.Sprintf("agent%d", i)] = freeswitch.Agent{Endpoint: fmt.Sprintf("user/agent%d", i)}
		c.Queues[fmt.Sprintf("queue%d", i)] = freeswitch.Queue{Callcenter: fmt.Sprintf("queue%d@default", i)}
	}
	for _, change := range more {
		change(&c)
	}
	sw, err := freeswitch.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = sw.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	t.Cleanup(func() {
		for end := time.Now().Add(5 * time.Second); ex.Stats().Live > 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		}
		if s := ex.Stats(); s.Live > 0 {
			t.Errorf("left on the exchange: %+v", s)
		}
	})
	for end := time.Now().Add(10 * time.Second); !sw.Health().Up; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never up: %+v", sw.Health())
		}
	}
	return ex, sw
}

func lab(t *testing.T) pbxtest.Lab {
	// Real telephones beside the scripted ones, for what only a wire shows.
	wire, err := wired.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = wire.Close() })
	var users []string
	ex, sw := open(t, fstwin.Config{}, func(c *freeswitch.Config) {
		for i := range agents {
			users = append(users, wire.Reserve("wire"))
			c.Agents[fmt.Sprintf("wire%d", i)] = freeswitch.Agent{Endpoint: fmt.Sprintf("sofia/internal/%s@%s", users[i], wire.Addr())}
		}
	})
	var numbers, named, queues, wires atomic.Int64
	return pbxtest.Lab{
		Customer: func(t *testing.T, number string, s callee.Script) pbxtest.Phone {
			n, err := phone.Lab(number)
			if err != nil {
				t.Fatal(err)
			}
			ex.Callee(number, s)
			return subscriber{ex, pbx.Endpoint{Trunk: "lab", Number: n}, number}
		},
		WireAgent: func(t *testing.T, s callee.Script) pbxtest.Phone {
			i := wires.Add(1) - 1
			if i >= agents {
				t.Fatal("more agents than are configured")
			}
			wire.Set(users[i], s)
			return wire.Phone(users[i], pbx.Endpoint{Agent: fmt.Sprintf("wire%d", i)})
		},
		WireQueue: func(_ *testing.T, s callee.Script) (string, pbxtest.Phone) {
			user := wire.Add("queue", s)
			ex.Member("queue0", fmt.Sprintf("sofia/internal/%s@%s", user, wire.Addr()))
			return "queue0", wire.Phone(user, pbx.Endpoint{})
		},
		Switch: sw, Prompt: "file:hello", Endless: "tone:dial", Cause: cause, Calls: 20,
		Callee: func(t *testing.T, s callee.Script) pbxtest.Phone {
			n, err := phone.Lab(fmt.Sprintf("c%d", numbers.Add(1)))
			if err != nil {
				t.Fatal(err)
			}
			ex.Callee(n.Dial(), s)
			return subscriber{ex, pbx.Endpoint{Trunk: "lab", Number: n}, n.Dial()}
		},
		Agent: func(t *testing.T, s callee.Script) pbxtest.Phone {
			i := named.Add(1) - 1
			if i >= agents {
				t.Fatal("more agents than are configured")
			}
			name := fmt.Sprintf("agent%d", i)
			ex.Agent(name, s)
			return subscriber{ex, pbx.Endpoint{Agent: name}, "agent:" + name}
		},
		Queue: func(t *testing.T, s callee.Script) (string, pbxtest.Phone) {
			i := queues.Add(1) - 1
			if i >= agents {
				t.Fatal("more queues than are configured")
			}
			name := fmt.Sprintf("queue%d", i)
			ex.Queue(name, s)
			return name, subscriber{ex, pbx.Endpoint{}, "queue:" + name}
		},
		CutLink: func(t *testing.T) func() {
			inject(t, ex, fstwin.Fault{Kind: fstwin.Refuse})
			return func() { inject(t, ex, fstwin.Fault{Kind: fstwin.Restore}) }
		},
		Restart: func(t *testing.T) { inject(t, ex, fstwin.Fault{Kind: fstwin.Restart}) },
	}
}

func inject(t *testing.T, ex *fstwin.Exchange, f fstwin.Fault) {
	t.Helper()
	if err := ex.Inject(f); err != nil {
		t.Error(err)
	}
}

// cause is what FreeSWITCH reports for a final SIP status (measured).
func cause(sip int) pbx.Cause {
	return pbx.Cause(fstwin.SIPCause(sip))
}

// The adapter for FreeSWITCH keeps the contract on the twin, over real sockets.
func TestContract(t *testing.T) { pbxtest.Run(t, lab) }
