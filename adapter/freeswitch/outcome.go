package freeswitch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/internal/pbx"
)

// ending collects the facts by which the end of a leg is judged. Pure.
type ending struct {
	answered bool
	inbound  bool
	hungUp   bool // we sent a hang-up
	cause    pbx.Cause
	limit    bool // the longest duration had passed
	overdue  bool // it rang past its time and we ended it
}

// final is what CHANNEL_HANGUP_COMPLETE says of a channel's end.
type final struct {
	name        string // Hangup-Cause
	q850        int    // hangup_cause_q850; 16 for FreeSWITCH's own causes
	status      int    // SIP status of the INVITE, 0 if none is known
	disposition string // sip_hangup_disposition: recv_bye, send_bye, recv_refuse, send_cancel, ...
	reason      int    // Q.850 of a Reason header, 0 if none
	answered    bool
}

func readFinal(e *esl.Event) final {
	f := final{
		name: esl.Clean(e.Get("Hangup-Cause"), 48), disposition: esl.Clean(e.Get("variable_sip_hangup_disposition"), 24),
		reason: reasonCause(e.Get("variable_sip_reason")),
	}
	f.q850, _ = strconv.Atoi(e.Get("variable_hangup_cause_q850"))
	if f.q850 == 0 {
		f.q850 = int(causeOf(f.name))
	}
	for _, name := range []string{"Caller-Channel-Answered-Time", "variable_answer_uepoch"} {
		if at := e.Get(name); at != "" && at != "0" {
			f.answered = true
		}
	}
	// An answered leg keeps the failure of whoever was called for it.
	for _, name := range []string{"variable_sip_term_status", "variable_sip_invite_failure_status"} {
		if n, err := strconv.Atoi(e.Get(name)); err == nil && n >= 300 && n <= 699 && f.status == 0 && !f.answered {
			f.status = n
		}
	}
	return f
}

// reasonCause reads a Reason header (RFC 3326) as FreeSWITCH keeps it, such as
// Q.850;cause=31;text="x". 0 is none.
func reasonCause(s string) int {
	protocol, rest, _ := strings.Cut(s, ";")
	if !strings.EqualFold(strings.TrimSpace(protocol), "Q.850") {
		return 0
	}
	for p := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "cause") {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err == nil && pbx.Cause(n).Valid() {
				return n
			}
		}
	}
	return 0
}

// hungup judges the end of a channel. The rules are measured on FreeSWITCH
// 1.11.2:
//
//   - Who ended it is in sip_hangup_disposition; that we asked for it may have
//     been overtaken by the other side.
//   - A ring time-out of ours is NO_ANSWER with send_cancel; a carrier's 480
//     with Reason 19 is NO_ANSWER too, with recv_refuse.
//   - A Reason header beats the SIP status in q850 (both are told). The variable
//     is set by the bridged partner's too: it counts only where q850 says it.
//   - FreeSWITCH's own causes (ALLOTTED_TIMEOUT, ...) show as q850 16.
func (f ending) hungup(at time.Time, e final) pbx.Hungup {
	h := pbx.Hungup{At: at, Q850: valid(e.q850), Answered: f.answered || e.answered, Raw: e.raw()}
	received := strings.HasPrefix(e.disposition, "recv_")
	if received && e.reason != 0 && e.reason == e.q850 {
		h.ReasonQ850 = pbx.Cause(e.reason)
	}
	if h.Answered {
		f.answeredEnd(&h, e)
		return h
	}
	switch {
	case e.disposition == "recv_refuse":
		h.By, h.SIP = pbx.ByRemote, e.status
	case e.disposition == "recv_cancel", f.inbound && received:
		h.By = pbx.ByRemote
	case f.overdue, timedOut(e.name) && !f.hungUp:
		h.By, h.SIP, h.Q850 = pbx.ByTimer, e.status, pbx.CauseNoAnswer
	case f.hungUp:
		h.By = pbx.ByLocal
		if h.Q850 == 0 {
			h.Q850 = f.cause
		}
	default:
		h.By, h.SIP = pbx.ByNetwork, e.status
	}
	return h
}

func (f ending) answeredEnd(h *pbx.Hungup, e final) {
	h.SIP = 200
	if h.Q850 == 0 {
		h.Q850 = pbx.CauseNormal
	}
	switch {
	case e.disposition == "recv_bye":
		h.By = pbx.ByRemote
	case e.name == "ALLOTTED_TIMEOUT", f.limit && !f.hungUp, f.overdue:
		h.By = pbx.ByTimer
	case f.hungUp:
		h.By = pbx.ByLocal
	default:
		h.By = pbx.ByNetwork // MEDIA_TIMEOUT, SYSTEM_SHUTDOWN, somebody else on the exchange
	}
}

// timedOut are the causes by which FreeSWITCH gives up ringing by itself.
func timedOut(name string) bool {
	switch name {
	case "NO_ANSWER", "PROGRESS_TIMEOUT", "ALLOTTED_TIMEOUT":
		return true
	}
	return false
}

func valid(cause int) pbx.Cause {
	if c := pbx.Cause(cause); c.Valid() {
		return c
	}
	return 0
}

// raw is the exchange's words for the CDR, at most about 120 bytes.
func (e final) raw() string {
	s := "cause=" + e.name
	if e.status != 0 {
		s += fmt.Sprintf(" sip=%d", e.status)
	}
	if e.disposition != "" {
		s += " " + e.disposition
	}
	if e.reason != 0 {
		s += fmt.Sprintf(" reason=%d", e.reason)
	}
	return s
}

// causeOf is the Q.850 value of FreeSWITCH's name for it, 0 for its own causes
// (switch_types.h, switch_call_cause_t).
func causeOf(name string) pbx.Cause { //nolint:cyclop,funlen // a table
	switch name {
	case "UNALLOCATED_NUMBER":
		return pbx.CauseUnallocated
	case "NO_ROUTE_TRANSIT_NET":
		return 2
	case "NO_ROUTE_DESTINATION":
		return pbx.CauseNoRoute
	case "CHANNEL_UNACCEPTABLE":
		return 6
	case "NORMAL_CLEARING", "ORIGINATOR_CANCEL":
		return pbx.CauseNormal
	case "USER_BUSY":
		return pbx.CauseBusy
	case "NO_USER_RESPONSE":
		return pbx.CauseNoResponse
	case "NO_ANSWER":
		return pbx.CauseNoAnswer
	case "SUBSCRIBER_ABSENT", "USER_NOT_REGISTERED":
		return pbx.CauseSubscriberAbsent
	case "CALL_REJECTED":
		return pbx.CauseRejected
	case "NUMBER_CHANGED":
		return pbx.CauseNumberChanged
	case "EXCHANGE_ROUTING_ERROR":
		return 25
	case "DESTINATION_OUT_OF_ORDER":
		return pbx.CauseDestinationBroken
	case "INVALID_NUMBER_FORMAT":
		return pbx.CauseInvalidFormat
	case "FACILITY_REJECTED":
		return 29
	case "NORMAL_UNSPECIFIED":
		return pbx.CauseNormalUnspecified
	case "NORMAL_CIRCUIT_CONGESTION":
		return pbx.CauseCongestion
	case "NETWORK_OUT_OF_ORDER", "GATEWAY_DOWN":
		return pbx.CauseNetworkDown
	case "NORMAL_TEMPORARY_FAILURE":
		return pbx.CauseTemporary
	case "SWITCH_CONGESTION":
		return 42
	case "REQUESTED_CHAN_UNAVAIL":
		return 44
	case "OUTGOING_CALL_BARRED":
		return 52
	case "INCOMING_CALL_BARRED":
		return 54
	case "BEARERCAPABILITY_NOTAUTH":
		return 57
	case "BEARERCAPABILITY_NOTAVAIL":
		return pbx.CauseBearer
	case "SERVICE_UNAVAILABLE":
		return 63
	case "INCOMPATIBLE_DESTINATION":
		return pbx.CauseIncompatible
	case "MANDATORY_IE_MISSING":
		return 96
	case "RECOVERY_ON_TIMER_EXPIRE":
		return pbx.CauseTimer
	case "PROTOCOL_ERROR":
		return 111
	case "INTERWORKING":
		return pbx.CauseInterworking
	}
	return 0
}

// transferReason names why a hand-over ended before it connected.
func transferReason(h pbx.Hungup) string {
	switch {
	case h.By == pbx.ByTimer, h.Q850 == pbx.CauseNoAnswer, h.Q850 == pbx.CauseNoResponse:
		return "no_answer"
	case h.Q850 == pbx.CauseBusy:
		return "busy"
	case h.Q850 == pbx.CauseRejected:
		return "declined"
	}
	return "unreachable"
}

// queueReason names why mod_callcenter gave a caller back (cc_cancel_reason).
func queueReason(cancel string) string {
	switch cancel {
	case "TIMEOUT", "BREAK_OUT", "EXIT_WITH_KEY":
		return "no_answer"
	}
	return "unreachable" // NO_AGENT_TIMEOUT, or nothing said
}
