package asterisk

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	lab "ringmaster/internal/lab/asterisk"
	"ringmaster/internal/lab/sipphone"
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
	pbxtest.Run(t, func(t *testing.T) pbxtest.Lab {
		w := &wire{scripts: map[string]callee.Script{}}
		p, err := sipphone.Listen(sipphone.Config{Script: w.script})
		if err != nil {
			t.Fatal(err)
		}
		w.phone = p
		proxy := newProxy(t, a.HTTPAddr())
		user, password := a.Credentials()
		cfg := Config{
			URL: "http://" + proxy.addr() + "/ari", User: user, Password: password, AppPrefix: "contract",
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
				user := w.add("c", s)
				num, err := phone.Lab(user)
				if err != nil {
					t.Fatal(err)
				}
				return wirePhone{w, user, pbx.Endpoint{Trunk: "lab", Number: num}}
			},
			Agent: func(_ *testing.T, s callee.Script) pbxtest.Phone {
				user := w.add("agent", s)
				return wirePhone{w, user, pbx.Endpoint{Agent: user}}
			},
			Queue: func(t *testing.T, s callee.Script) (string, pbxtest.Phone) {
				user := w.add("agent", s)
				member := fmt.Sprintf("PJSIP/lab/sip:%s@%s", user, p.Addr())
				if w.member != "" {
					cli(t, a, "queue remove member "+w.member+" from support")
				}
				w.member = member
				cli(t, a, "queue add member "+member+" to support penalty 0 as "+user+" state_interface Custom:free")
				return "support", wirePhone{w, user, pbx.Endpoint{Agent: user}}
			},
			CutLink: func(*testing.T) func() { return proxy.cut() },
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

// proxy stands between us and the exchange and can cut the line.
type proxy struct {
	l      net.Listener
	to     string
	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
	wg     sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: to, conns: map[net.Conn]bool{}}
	p.wg.Go(p.serve)
	t.Cleanup(func() { _ = l.Close(); p.cut(); p.wg.Wait() })
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

func (p *proxy) serve() {
	for {
		in, err := p.l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil || !p.add(in, out) {
			_ = in.Close()
			if out != nil {
				_ = out.Close()
			}
			continue
		}
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			p.wg.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				_ = pair[0].Close()
				_ = pair[1].Close()
			})
		}
	}
}

func (p *proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	for _, c := range conns {
		p.conns[c] = true
	}
	return true
}

// cut ends every connection and refuses new ones until restore.
func (p *proxy) cut() (restore func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close()
	}
	p.conns = map[net.Conn]bool{}
	return func() { p.mu.Lock(); p.closed = false; p.mu.Unlock() }
}

// wire lets SIP telephones do what callee scripts say.
type wire struct {
	phone   *sipphone.Phone
	member  string // of the queue
	mu      sync.Mutex
	scripts map[string]callee.Script
}

func (w *wire) add(prefix string, s callee.Script) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := 0; ; i++ {
		user := fmt.Sprintf("%s%d", prefix, i)
		if _, taken := w.scripts[user]; !taken {
			w.scripts[user] = s
			return user
		}
	}
}

func (w *wire) script(user string, _ sipphone.Invite) sipphone.Script {
	w.mu.Lock()
	s, ok := w.scripts[user]
	w.mu.Unlock()
	if !ok {
		return sipphone.Script{sipphone.Reject(404, "")}
	}
	var out sipphone.Script
	if s.Trying > 0 {
		out = append(out, sipphone.Silence(s.Trying))
	}
	ring := s.Ring
	for _, e := range s.Early {
		ring -= time.Duration(len(e.Say)) * time.Second / callee.Rate
		out = append(out, sipphone.EarlyMedia(e.Say))
	}
	if !s.Silent && len(s.Early) == 0 {
		out = append(out, sipphone.Ring(0))
	}
	out = append(out, sipphone.Silence(max(0, ring)))
	switch {
	case s.Never:
		return append(out, sipphone.Ignore())
	case s.Reject != 0 && s.Reason != 0:
		return append(out, sipphone.Reject(s.Reject, fmt.Sprintf("Q.850;cause=%d", s.Reason)))
	case s.Reject != 0:
		return append(out, sipphone.Reject(s.Reject, ""))
	}
	out = append(out, sipphone.Answer(0))
	if s.Limit > 0 {
		out = append(out, sipphone.HangupAfter(s.Limit, ""))
	}
	if s.Noise > 0 {
		out = append(out, sipphone.Noise(callee.Tone(300, time.Second, s.Noise)))
	}
	return append(out, steps(s.Steps)...)
}

func steps(list []callee.Step) sipphone.Script {
	var out sipphone.Script
	for i := 0; i < len(list); i++ {
		st := list[i]
		switch {
		case st.Wait > 0:
			out = append(out, sipphone.Silence(st.Wait))
		case len(st.Say) > 0:
			out = append(out, sipphone.Speak(st.Say))
		case st.Listen != nil:
			silence := st.Listen.Silence
			if silence == 0 {
				silence = 700 * time.Millisecond
			}
			out = append(out, sipphone.WaitForBotSilence(silence))
		case st.BargeIn > 0:
			i++
			out = append(out, sipphone.BargeIn(st.BargeIn, list[i].Say))
		case st.DTMF != "":
			out = append(out, sipphone.DTMF(st.DTMF))
		case st.Hangup && st.Cause != 0:
			out = append(out, sipphone.Hangup(fmt.Sprintf("Q.850;cause=%d", st.Cause)))
		case st.Hangup:
			out = append(out, sipphone.Hangup(""))
		case st.Again:
			return sipphone.Script{sipphone.Forever(out...)}
		}
	}
	return out
}

type wirePhone struct {
	w        *wire
	user     string
	endpoint pbx.Endpoint
}

func (p wirePhone) Endpoint() pbx.Endpoint { return p.endpoint }

func (p wirePhone) Calls() []callee.Call {
	p.w.mu.Lock()
	keep := p.w.scripts[p.user].Keep
	p.w.mu.Unlock()
	var out []callee.Call
	for _, c := range p.w.phone.Calls() {
		if c.User() == p.user {
			out = append(out, seen(c, keep))
		}
	}
	return out
}

// seen is a telephone's record as the contract wants it.
func seen(c *sipphone.Call, keep bool) callee.Call {
	r := c.Record()
	out := callee.Call{
		Rang: r.InviteAt, Answered: r.AckAt, Ended: r.EndAt, ShownNumber: r.Invite.FromUser, ShownName: r.Invite.FromDisplay,
		Headers: map[string]string{}, ByCallee: r.EndedBy == sipphone.Local, Cause: r.Q850,
	}
	for _, h := range r.Invite.Headers {
		if strings.HasPrefix(h.Name, "X-") {
			out.Headers[h.Name] = h.Value
		}
	}
	out.Record.FirstAudible = -1
	if r.AckAt.IsZero() {
		return out
	}
	out.Record = heardBy(c, r, keep)
	out.Record.Digits = r.Keys()
	// Counted by packets: a frame that a busy exchange sent off the beat lies
	// in two periods of the replay.
	packets, _ := c.Packets()
	out.Record.Audible = 0
	for _, p := range packets {
		if p.Audible && !p.At.Before(r.AckAt) {
			out.Record.Audible += 20 * time.Millisecond
		}
	}
	// The contract's interruptions are the callee's first words.
	said := c.Spoken()
	for at := 0; at+callee.FrameSamples <= len(said.Samples); at += callee.FrameSamples {
		if !callee.Audible(said.Samples[at : at+callee.FrameSamples]) {
			continue
		}
		began := said.Start.Add(time.Duration(at) * time.Second / callee.Rate)
		for _, b := range r.BotSpans {
			if b.Start.Before(began) && b.End.After(began) {
				on := began.Sub(r.AckAt)
				out.Record.BargeIns = append(out.Record.BargeIns, callee.BargeIn{Onset: on, LastAudible: on + b.End.Sub(began)})
			}
		}
		break
	}
	return out
}

// heardBy replays what arrived through the contract's own ear.
func heardBy(c *sipphone.Call, r sipphone.Record, keep bool) callee.Record {
	line := c.Heard()
	packets, _ := c.Packets()
	end := r.EndAt
	if end.IsZero() {
		end = time.Now()
	}
	m := callee.New(callee.Script{Keep: keep})
	lead := max(0, int(line.Start.Sub(r.AckAt).Seconds()*callee.Rate))
	if line.Start.IsZero() {
		lead = 0
	}
	all := append(make([]int16, lead), line.Samples...)
	frames := int(end.Sub(r.AckAt) / (20 * time.Millisecond))
	arrived, missing := 0, 0
	for i := range frames {
		// A packet may come three periods late and is not missed.
		due := r.AckAt.Add(time.Duration(i+4) * 20 * time.Millisecond)
		for arrived < len(packets) && packets[arrived].At.Before(due) {
			arrived++
		}
		var f []int16
		if arrived > i-missing || (i+1)*callee.FrameSamples <= len(all) && callee.Audible(all[i*callee.FrameSamples:(i+1)*callee.FrameSamples]) {
			f = make([]int16, callee.FrameSamples)
			if at := i * callee.FrameSamples; at < len(all) {
				copy(f, all[at:])
			}
		} else {
			missing++
		}
		m.Tick(f)
	}
	return m.Record().Clone()
}
