package freeswitch

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/internal/lab/subscriber"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/pbx/pbxtest"
	"ringmaster/internal/phone"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

// real is a FreeSWITCH of the tester's own: docs/freeswitch.md tells how it has
// to be set up.
type real struct {
	addr, password string
	peer           string // where our telephones take SIP
	profile        string
	queue          string // a callcenter queue, if there is one
}

func realFreeSWITCH(t *testing.T) real {
	t.Helper()
	r := real{addr: os.Getenv("RINGMASTER_TEST_ESL"), password: os.Getenv("RINGMASTER_TEST_ESL_PASSWORD"), peer: os.Getenv("RINGMASTER_TEST_SIP_PEER"),
		profile: os.Getenv("RINGMASTER_TEST_SIP_PROFILE"), queue: os.Getenv("RINGMASTER_TEST_CALLCENTER")}
	if r.addr == "" {
		t.Skip("on yours: a real FreeSWITCH, named by RINGMASTER_TEST_ESL=host:port, RINGMASTER_TEST_ESL_PASSWORD and RINGMASTER_TEST_SIP_PEER=host:port (docs/freeswitch.md); the twin is tested in internal/lab/fstwin")
	}
	if r.peer == "" {
		r.peer = "127.0.0.1:0"
	}
	if r.profile == "" {
		r.profile = "internal"
	}
	return r
}

// host is where we are as the exchange sees us.
func (r real) host() string {
	h, _, err := net.SplitHostPort(r.peer)
	if err != nil {
		return "127.0.0.1"
	}
	return h
}

func (r real) config(t *testing.T, addr string, id int64, p *subscriber.Subscribers) Config {
	cfg := Config{
		Addr: addr, Password: r.password, AppPrefix: "contract", ControllerID: fmt.Sprint(os.Getpid(), "-", id), Log: testLog(t),
		BackoffMin: 20 * time.Millisecond, BackoffMax: 200 * time.Millisecond,
		Trunks: map[string]Trunk{"lab": {Endpoint: "sofia/" + r.profile + "/{number}@" + p.Addr().String(), Lab: true}},
		Agents: map[string]Agent{}, Queues: map[string]Queue{}, Tones: map[string]string{"blip": "%(500,0,700)"},
		Media: MediaConfig{Transport: os.Getenv("RINGMASTER_TEST_MEDIA"), Profile: r.profile, Listen: net.JoinHostPort(r.host(), "0")},
	}
	cfg.ControllerID = strings.ReplaceAll(cfg.ControllerID, " ", "")
	if r.queue != "" {
		cfg.Queues["support"] = Queue{Callcenter: r.queue}
	}
	return cfg
}

// testLog shows warnings in the test's own output.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// start runs a Switch until the test ends, and waits until it is up.
func start(t *testing.T, cfg Config) *Switch {
	t.Helper()
	sw, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = sw.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	limit := time.After(20 * time.Second)
	for !sw.Health().Up {
		select {
		case <-limit:
			t.Fatalf("never up: %s", sw.Health().Reason)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return sw
}

// A real FreeSWITCH keeps the contract of the pbx port.
func TestRealContract(t *testing.T) {
	r := realFreeSWITCH(t)
	p, err := subscriber.Listen(r.peer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	var n atomic.Int64
	var queue sync.Mutex // one queue with one agent: for one guarantee at a time
	pbxtest.Run(t, func(t *testing.T) pbxtest.Lab {
		proxy, err := subscriber.NewProxy(r.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		cfg := r.config(t, proxy.Addr(), n.Add(1), p)
		prefix := fmt.Sprintf("x%dx", n.Load())
		var agents []string
		for i := range 8 {
			user := p.Reserve(prefix + "agent")
			agents = append(agents, user)
			cfg.Agents[fmt.Sprintf("agent%d", i)] = Agent{fmt.Sprintf("sofia/%s/%s@%s", r.profile, user, p.Addr())}
		}
		sw := start(t, cfg)
		lab := pbxtest.Lab{
			Switch: sw, Prompt: "tone:blip", Endless: "tone:dial", Cause: freeSWITCHCause, Calls: 30, Patience: 8 * time.Second,
			Callee: func(t *testing.T, s callee.Script) pbxtest.Phone {
				user := p.Add(prefix+"c", s)
				num, err := phone.Lab(user)
				if err != nil {
					t.Fatal(err)
				}
				return p.Phone(user, pbx.Endpoint{Trunk: "lab", Number: num})
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
		}
		next := 0
		lab.Agent = func(_ *testing.T, s callee.Script) pbxtest.Phone {
			p.Set(agents[next], s)
			next++
			return p.Phone(agents[next-1], pbx.Endpoint{Agent: fmt.Sprintf("agent%d", next-1)})
		}
		if r.queue != "" {
			var ours sync.Once
			lab.Queue = func(t *testing.T, s callee.Script) (string, pbxtest.Phone) {
				ours.Do(func() { queue.Lock(); t.Cleanup(queue.Unlock) })
				user := p.Add(prefix+"q", s)
				r.member(t, sw.esl, fmt.Sprintf("sofia/%s/%s@%s", r.profile, user, p.Addr()))
				return "support", p.Phone(user, pbx.Endpoint{})
			}
		}
		return lab
	})
}

// member makes a telephone the queue's only agent.
func (r real) member(t *testing.T, c *esl.Client, contact string) {
	t.Helper()
	const agent = "ringmaster-contract"
	for _, cmd := range []string{
		"agent add " + agent + " callback", "agent set contact " + agent + " [leg_timeout=10]" + contact, "agent set status " + agent + " Available",
		"agent set state " + agent + " Waiting", "agent set wrap_up_time " + agent + " 0", "agent set no_answer_delay_time " + agent + " 0",
		"agent set reject_delay_time " + agent + " 0", "agent set busy_delay_time " + agent + " 0", "agent set max_no_answer " + agent + " 0",
		"tier add " + r.queue + " " + agent + " 1 1",
	} {
		if _, err := c.API(t.Context(), "callcenter_config "+cmd); err != nil && !strings.Contains(err.Error(), "already exist") {
			t.Logf("callcenter_config %s: %v", cmd, err)
		}
	}
	t.Cleanup(func() {
		_, _ = c.API(context.Background(), "callcenter_config tier del "+r.queue+" "+agent)
		_, _ = c.API(context.Background(), "callcenter_config agent del "+agent)
	})
}

// freeSWITCHCause is the Q.850 cause that FreeSWITCH 1.11 reports for the final
// SIP status of a failed call (measured on 1.11.2).
func freeSWITCHCause(sip int) pbx.Cause {
	switch sip {
	case 486, 600:
		return pbx.CauseBusy
	case 404:
		return pbx.CauseUnallocated
	case 604:
		return pbx.CauseNoRoute
	case 480:
		return pbx.CauseNoResponse
	case 408, 504:
		return pbx.CauseTimer
	case 403, 603:
		return pbx.CauseRejected
	case 410:
		return pbx.CauseNumberChanged
	case 484:
		return pbx.CauseInvalidFormat
	case 488, 606:
		return pbx.CauseIncompatible
	case 502:
		return pbx.CauseNetworkDown
	case 500, 503:
		return pbx.CauseTemporary
	}
	return pbx.CauseNormalUnspecified
}
