package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"ringmaster/config"
	"ringmaster/internal/lab/asterisk"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
)

// softphone is the account for the reader's own telephone.
const softphone = "1001"

// asterisk starts a private Asterisk 22 with SIP phones as callees and an
// account for the reader's softphone.
func (d *demo) asterisk(ctx context.Context) (config.PBX, error) {
	cast, err := twin.DemoCast(speak)
	if err != nil {
		return config.PBX{}, err
	}
	phones, err := sipphone.Listen(sipphone.Config{Script: func(user string, _ sipphone.Invite) sipphone.Script { return PhoneScript(scriptOf(cast, user)) }})
	if err != nil {
		return config.PBX{}, err
	}
	d.stops = append(d.stops, func() { _ = phones.Close() })
	password := rand.Text()[:10]
	// Every callee is an endpoint of its own, as the reader's softphone is: one
	// trunk reaches them all by name.
	agents := []asterisk.Agent{{Name: "agent1", Contact: "sip:agent1@" + phones.Addr().String()}}
	for _, c := range customers {
		agents = append(agents, asterisk.Agent{Name: c.extension, Contact: "sip:" + c.extension + "@" + phones.Addr().String()})
	}
	ast, err := asterisk.Start(ctx, asterisk.Options{Bind: d.o.Bind, Agents: agents, Accounts: []asterisk.Account{{Name: softphone, Password: password}}})
	if err != nil {
		return config.PBX{}, err
	}
	d.stops = append(d.stops, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = ast.Stop(ctx)
	})
	user, secret := ast.Credentials()
	d.screen.line("Asterisk 22 runs. Your softphone: server %s (UDP), user %s, password %s.", ast.SIPAddr(), softphone, password)
	return config.PBX{Name: "asterisk", Kind: "asterisk", URL: ast.ARIURL(), User: user, Password: config.NewSecret(secret), App: "ringmaster",
		Media: config.Media{Format: "ulaw"},
		Trunks: []config.Trunk{
			{Name: "lab", Endpoint: "PJSIP/{number}", Lab: true, Lines: 100},
		},
		Agents: []config.Agent{{Name: "agent1", Endpoint: "PJSIP/agent1"}}}, nil
}

func scriptOf(cast twin.Cast, user string) callee.Script {
	for _, r := range cast.Rules {
		if r.Number == user || r.Agent == user {
			return r.Script
		}
	}
	return callee.Script{Silent: true, Reject: 404}
}

// PhoneScript is a subscriber's script as steps of a SIP phone.
func PhoneScript(s callee.Script) sipphone.Script {
	var out sipphone.Script
	if s.Trying > 0 {
		out = append(out, sipphone.Silence(s.Trying))
	}
	if !s.Silent {
		out = append(out, sipphone.Ring(0))
	}
	for _, st := range s.Early {
		out = append(out, sipphone.EarlyMedia(st.Say))
	}
	switch {
	case s.Never:
		return append(out, sipphone.Ignore())
	case s.Reject != 0:
		reason := ""
		if s.Reason != 0 {
			reason = fmt.Sprintf("Q.850;cause=%d", s.Reason)
		}
		return append(out, sipphone.Silence(s.Ring), sipphone.Reject(s.Reject, reason))
	}
	out = append(out, sipphone.Answer(s.Ring))
	if s.Limit > 0 {
		out = append(out, sipphone.HangupAfter(s.Limit, ""))
	}
	var steps []sipphone.Step
	for _, st := range s.Steps {
		switch {
		case st.Again:
			return append(out, sipphone.Forever(steps...))
		case st.Wait > 0:
			steps = append(steps, sipphone.Silence(st.Wait))
		case len(st.Say) > 0:
			steps = append(steps, sipphone.Speak(st.Say))
		case st.Listen != nil:
			silence := st.Listen.Silence
			if silence == 0 {
				silence = 700 * time.Millisecond
			}
			steps = append(steps, sipphone.WaitForBotSilence(silence))
		case st.BargeIn > 0:
			steps = append(steps, sipphone.WaitForBotSpeech(st.BargeIn))
		case st.DTMF != "":
			steps = append(steps, sipphone.DTMF(st.DTMF))
		case st.Hangup:
			reason := ""
			if st.Cause != 0 {
				reason = fmt.Sprintf("Q.850;cause=%d", st.Cause)
			}
			steps = append(steps, sipphone.Hangup(reason))
		}
	}
	out = append(out, steps...)
	return append(out, sipphone.Ignore())
}
