package pbxtest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

type simPhone struct {
	endpoint pbx.Endpoint
	calls    func() []callee.Call
}

func (p simPhone) Endpoint() pbx.Endpoint { return p.endpoint }
func (p simPhone) Calls() []callee.Call   { return p.calls() }
func (p simPhone) Told() []string {
	var out []string
	for _, c := range p.calls() {
		out = append(out, fmt.Sprint(c.ShownName, " ", c.ShownNumber, " ", c.Headers))
	}
	return out
}

// The exchange in memory keeps the contract that it helps to test.
func TestSimContract(t *testing.T) {
	Run(t, func(t *testing.T) Lab {
		s := NewSim(Options{Prompts: map[string][]int16{"hello": callee.Tone(500, 400*time.Millisecond, 8000)}})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Run(ctx)
		}()
		t.Cleanup(func() {
			s.Close()
			cancel()
			<-done
		})
		var n atomic.Int64
		return Lab{
			Switch: s, Prompt: "file:hello", Endless: "tone:ring",
			Callee: func(t *testing.T, script callee.Script) Phone {
				num, err := phone.Lab(fmt.Sprintf("c%d", n.Add(1)))
				if err != nil {
					t.Fatal(err)
				}
				s.Callee(num.Dial(), script)
				return simPhone{pbx.Endpoint{Trunk: "lab", Number: num}, func() []callee.Call { return s.Calls(num.Dial()) }}
			},
			Customer: func(t *testing.T, number string, script callee.Script) Phone {
				num, err := phone.Lab(number)
				if err != nil {
					t.Fatal(err)
				}
				s.Callee(number, script)
				return simPhone{pbx.Endpoint{Trunk: "lab", Number: num}, func() []callee.Call { return s.Calls(number) }}
			},
			Agent: func(_ *testing.T, script callee.Script) Phone {
				name := fmt.Sprintf("agent%d", n.Add(1))
				s.Agent(name, script)
				return simPhone{pbx.Endpoint{Agent: name}, func() []callee.Call { return s.AgentCalls(name) }}
			},
			Queue: func(_ *testing.T, script callee.Script) (string, Phone) {
				name := fmt.Sprintf("queue%d", n.Add(1))
				s.Queue(name, script)
				return name, simPhone{pbx.Endpoint{}, func() []callee.Call { return s.QueueCalls(name) }}
			},
			CutLink: func(*testing.T) func() { s.CutLink(nil); return s.RestoreLink },
			Restart: func(*testing.T) { s.Restart() },
		}
	})
}

func TestMelodyFindsFaults(t *testing.T) {
	_, tune := melody()
	if err := sings(append(make([]int16, 500), append(tune, make([]int16, 500)...)...), 1); err != nil {
		t.Fatal(err)
	}
	for name, broken := range map[string][]int16{
		"a note lost":  append(append([]int16(nil), tune[:960]...), tune[1920:]...),
		"repeated":     append(append([]int16(nil), tune...), tune...),
		"disorder":     append(append([]int16(nil), tune[1920:]...), tune[:1920]...),
		"frames lost":  append(append([]int16(nil), tune[:320]...), tune[960+480:]...),
		"only silence": make([]int16, len(tune)),
	} {
		if sings(broken, 1) == nil {
			t.Errorf("%s was not noticed", name)
		}
	}
	if !strings.Contains(fmt.Sprint(sings(nil, 1)), "notes") {
		t.Error("nothing")
	}
}
