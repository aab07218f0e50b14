package fstwin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// A bridge is told to telephones of makers that FreeSWITCH knows, by default:
// the number of the other side, which on a leg that it dialled is the number
// that was dialled (mod_sofia.c, SWITCH_MESSAGE_INDICATE_DISPLAY;
// switch_ivr_bridge.c, send_display). The variable ignore_display_updates of the
// leg that would be told keeps it from that (switch_core_session.c).

// toldByUpdate are the makers that are sent an UPDATE; snom is sent an INFO.
func toldByUpdate(brand string) bool {
	brand = strings.ToLower(brand)
	for _, maker := range []string{"poly", "aastra", "cisco/spa", "fanvil", "grandstream", "ringotel", "groundwire", "yealink", "mitel", "panasonic"} {
		if strings.Contains(brand, maker) {
			return true
		}
	}
	return false
}

// display tells a channel's telephone who it is bridged with. Needs the lock.
func (ch *channel) display(other *channel) {
	name, number := "Outbound Call", other.dialled
	if other.inbound {
		name, number = other.callerID[0], other.callerID[1]
	}
	ch.set("last_sent_callee_id_name", name)
	ch.set("last_sent_callee_id_number", number)
	if isTrue(ch.vars["ignore_display_updates"]) || ch.leg == nil || ch.leg.session == nil || ch.hup {
		return
	}
	leg := ch.leg
	req := sip.NewRequest(sip.UPDATE, leg.session.InviteRequest.Recipient)
	switch brand := strings.ToLower(leg.brand); {
	case strings.Contains(brand, "snom"):
		req.Method = sip.INFO
		req.AppendHeader(sip.NewHeader("Content-Type", "message/sipfrag"))
		req.SetBody(fmt.Appendf(nil, "From: \"%s\" %s\r\nTo:\r\n", name, number))
	case strings.Contains(leg.allow, "UPDATE") && (toldByUpdate(brand) || isTrue(ch.vars["update_ignore_ua"])):
		req.AppendHeader(sip.NewHeader("P-Asserted-Identity", fmt.Sprintf("\"%s\" <sip:%s@127.0.0.1>", name, number)))
	default:
		return
	}
	leg.send(leg.session, req)
}

// send is a request inside the dialog whose answer nobody waits for.
func (leg *sipLeg) send(s *sipgo.DialogClientSession, req *sip.Request) {
	ex := leg.ch.ex
	ex.running.Add(1)
	go func() {
		defer ex.running.Done()
		ctx, cancel := context.WithTimeout(ex.life, 2*time.Second)
		defer cancel()
		if _, err := s.Do(ctx, req); err != nil {
			ex.cfg.Log.Debug("sip of the twin: no answer inside the dialog", "method", req.Method.String(), "err", err)
		}
	}()
}

// headerOf is a header's value, "" if it is not there.
func headerOf(m interface{ GetHeader(string) sip.Header }, name string) string {
	if h := m.GetHeader(name); h != nil {
		return h.Value()
	}
	return ""
}
