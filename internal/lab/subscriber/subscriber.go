package subscriber

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

// Subscribers are SIP telephones on one address that do what callee scripts
// say.
type Subscribers struct {
	phone   *sipphone.Phone
	mu      sync.Mutex
	scripts map[string]callee.Script
}

// Listen opens a telephone for any number of subscribers; addr is host:port,
// empty a free port of loopback.
func Listen(addr string) (*Subscribers, error) {
	w := &Subscribers{scripts: map[string]callee.Script{}}
	// FreeSWITCH tells the makers that it knows of who is on the other side of a
	// bridge (mod_sofia, SWITCH_MESSAGE_INDICATE_DISPLAY): this is one of them.
	p, err := sipphone.Listen(sipphone.Config{Listen: addr, Script: w.script, Brand: "Yealink SIP-T46U lab"})
	if err != nil {
		return nil, err
	}
	w.phone = p
	return w, nil
}

// Addr is where they are reached.
func (w *Subscribers) Addr() netip.AddrPort { return w.phone.Addr() }

// Close ends them all.
func (w *Subscribers) Close() error { return w.phone.Close() }

// Add makes a subscriber whose user part is the prefix and a number.
func (w *Subscribers) Add(prefix string, s callee.Script) string {
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

func (w *Subscribers) script(user string, _ sipphone.Invite) sipphone.Script {
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

// Phone is one subscriber, as the contract of the pbx port sees it.
type Phone struct {
	w        *Subscribers
	user     string
	endpoint pbx.Endpoint
}

// Phone is the subscriber of that user part, dialled by the endpoint.
func (w *Subscribers) Phone(user string, endpoint pbx.Endpoint) Phone {
	return Phone{w, user, endpoint}
}

// Endpoint is how the exchange dials it.
func (p Phone) Endpoint() pbx.Endpoint { return p.endpoint }

// Invites are the INVITEs that reached it, headers and all.
func (p Phone) Invites() []sipphone.Invite {
	var out []sipphone.Invite
	for _, c := range p.w.phone.Calls() {
		if c.User() == p.user {
			out = append(out, c.Record().Invite)
		}
	}
	return out
}

// Told is all that the exchange said to it, request by request: INVITEs,
// re-INVITEs, UPDATEs and INFOs, headers and bodies.
func (p Phone) Told() []string {
	var out []string
	for _, c := range p.w.phone.Calls() {
		if c.User() != p.user {
			continue
		}
		r := c.Record()
		for _, inv := range append([]sipphone.Invite{r.Invite}, r.Updates...) {
			text := inv.User + "\n"
			for _, h := range inv.Headers {
				text += h.Name + ": " + h.Value + "\n"
			}
			out = append(out, text+"\n"+string(inv.SDP))
		}
	}
	return out
}

// Calls are its rings so far.
func (p Phone) Calls() []callee.Call {
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

// Reserve takes a user part whose script Set tells later; until then it is
// nobody's (404).
func (w *Subscribers) Reserve(prefix string) string {
	return w.Add(prefix, callee.Script{Reject: 404})
}

// Set gives a subscriber another script, for the calls that follow.
func (w *Subscribers) Set(user string, s callee.Script) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scripts[user] = s
}
