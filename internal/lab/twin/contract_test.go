package twin_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"ringmaster/adapter/asterisk"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/pbx/pbxtest"
	"ringmaster/internal/phone"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

type subscriber struct {
	ex       *twin.Exchange
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

func lab(t *testing.T) pbxtest.Lab {
	ex, err := twin.Start(twin.Config{
		User: "ringmaster", Password: "secret", Trunks: []string{"lab"},
		Prompts: map[string][]int16{"hello": callee.Tone(500, 400*time.Millisecond, 8000)},
	}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ex.Close)
	cfg := asterisk.Config{
		URL: ex.URL(), User: "ringmaster", Password: "secret", AppPrefix: "rm",
		Trunks: map[string]asterisk.Trunk{"lab": {Endpoint: "PJSIP/{number}@lab", Lab: true}},
		Agents: map[string]asterisk.Agent{}, Queues: map[string]asterisk.Queue{}, BackoffMin: 20 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for i := range agents {
		cfg.Queues[fmt.Sprintf("queue%d", i)] = asterisk.Queue{Context: "handover"}
		cfg.Agents[fmt.Sprintf("agent%d", i)] = asterisk.Agent{Endpoint: fmt.Sprintf("PJSIP/agent%d", i)}
	}
	sw, err := asterisk.New(cfg)
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
		left := func() bool { s := ex.Stats(); return s.Live > 0 || s.Bridges > 0 }
		for end := time.Now().Add(5 * time.Second); left() && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		}
		if left() {
			t.Errorf("left on the exchange: %+v", ex.Stats())
		}
	})
	for end := time.Now().Add(10 * time.Second); !sw.Health().Up; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never up: %+v", sw.Health())
		}
	}
	var numbers, named, queues atomic.Int64
	return pbxtest.Lab{
		Switch: sw, Prompt: "file:hello", Endless: "tone:ring",
		Callee: func(t *testing.T, s callee.Script) pbxtest.Phone {
			n, err := phone.Lab(fmt.Sprintf("c%d", numbers.Add(1)))
			if err != nil {
				t.Fatal(err)
			}
			ex.Callee(n.Dial(), s)
			return subscriber{ex, pbx.Endpoint{Trunk: "lab", Number: n}, n.Dial()}
		},
		Customer: func(t *testing.T, number string, s callee.Script) pbxtest.Phone {
			n, err := phone.Lab(number)
			if err != nil {
				t.Fatal(err)
			}
			ex.Callee(number, s)
			return subscriber{ex, pbx.Endpoint{Trunk: "lab", Number: n}, number}
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
			inject(t, ex, twin.Fault{Kind: twin.Refuse})
			return func() { inject(t, ex, twin.Fault{Kind: twin.Restore}) }
		},
		Restart: func(t *testing.T) { inject(t, ex, twin.Fault{Kind: twin.Restart}) },
	}
}

func inject(t *testing.T, ex *twin.Exchange, f twin.Fault) {
	t.Helper()
	if err := ex.Inject(f); err != nil {
		t.Error(err)
	}
}

// The adapter for Asterisk keeps the contract on the twin, over real sockets.
func TestContract(t *testing.T) { pbxtest.Run(t, lab) }
