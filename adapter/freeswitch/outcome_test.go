package freeswitch

import (
	"fmt"
	"testing"
	"time"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/adapter/freeswitch/esl/esltest"
	"ringmaster/internal/campaign"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

// ended is a CHANNEL_HANGUP_COMPLETE.
func ended(t *testing.T, pairs ...string) final {
	t.Helper()
	e, err := esl.ParseEvent([]byte(esltest.Event("CHANNEL_HANGUP_COMPLETE", pairs...)))
	if err != nil {
		t.Fatal(err)
	}
	return readFinal(e)
}

// freeSWITCHName is the cause that FreeSWITCH 1.11 gives a SIP status.
func freeSWITCHName(sip int) string {
	return map[int]string{
		403: "CALL_REJECTED", 404: "UNALLOCATED_NUMBER", 408: "RECOVERY_ON_TIMER_EXPIRE", 410: "NUMBER_CHANGED", 480: "NO_USER_RESPONSE", 484: "INVALID_NUMBER_FORMAT",
		486: "USER_BUSY", 488: "INCOMPATIBLE_DESTINATION", 500: "NORMAL_TEMPORARY_FAILURE", 502: "NETWORK_OUT_OF_ORDER", 503: "NORMAL_TEMPORARY_FAILURE",
		504: "RECOVERY_ON_TIMER_EXPIRE", 600: "USER_BUSY", 603: "CALL_REJECTED", 604: "NO_ROUTE_DESTINATION", 606: "INCOMPATIBLE_DESTINATION",
	}[sip]
}

// Row S2: every SIP outcome is the same disposition on FreeSWITCH as on
// Asterisk, with and without a Reason header.
func TestRow_S2_FailuresOnFreeSWITCHAreThoseOnAsterisk(t *testing.T) {
	for _, sip := range []int{403, 404, 408, 410, 480, 484, 486, 488, 500, 502, 503, 504, 600, 603, 604, 606} {
		name := freeSWITCHName(sip)
		if causeOf(name) != freeSWITCHCause(sip) {
			t.Errorf("%d: %s is %d, not %d", sip, name, causeOf(name), freeSWITCHCause(sip))
		}
		h := ending{}.hungup(time.Now(), ended(t, "Hangup-Cause", name, "variable_sip_hangup_disposition", "recv_refuse", "variable_sip_invite_failure_status", fmt.Sprint(sip),
			"variable_hangup_cause_q850", fmt.Sprint(int(causeOf(name))), "variable_answer_uepoch", "0"))
		if h.SIP != sip || h.By != pbx.ByRemote || h.Answered || h.ReasonQ850 != 0 {
			t.Errorf("%d: %+v", sip, h)
		}
		here := campaign.Unanswered(h.SIP, int(h.Q850), int(h.ReasonQ850), false)
		there := campaign.Unanswered(sip, callee.AsteriskCause(sip), 0, false)
		if here != there {
			t.Errorf("%d: %s on FreeSWITCH, %s on Asterisk", sip, here, there)
		}
		for _, reason := range []int{1, 17, 19, 21, 27, 34} {
			h := ending{}.hungup(time.Now(), ended(t, "Hangup-Cause", "X", "variable_sip_hangup_disposition", "recv_refuse", "variable_sip_invite_failure_status", fmt.Sprint(sip),
				"variable_hangup_cause_q850", fmt.Sprint(reason), "variable_sip_reason", fmt.Sprintf(`Q.850;cause=%d;text="x"`, reason)))
			if int(h.ReasonQ850) != reason {
				t.Errorf("%d with Reason %d: %+v", sip, reason, h)
			}
			if here, there := campaign.Unanswered(h.SIP, int(h.Q850), int(h.ReasonQ850), false), campaign.Unanswered(sip, callee.AsteriskCause(sip), reason, false); here != there {
				t.Errorf("%d with Reason %d: %s on FreeSWITCH, %s on Asterisk", sip, reason, here, there)
			}
		}
	}
}

func TestWhoEndedIt(t *testing.T) {
	for name, row := range map[string]struct {
		f    ending
		e    []string
		want pbx.Hungup
	}{
		"our ring time": {ending{overdue: true}, []string{"Hangup-Cause", "NO_ANSWER", "variable_hangup_cause_q850", "19", "variable_sip_hangup_disposition", "send_cancel", "variable_sip_invite_failure_status", "487"},
			pbx.Hungup{By: pbx.ByTimer, Q850: 19, SIP: 487}},
		"the exchange's ring time": {ending{}, []string{"Hangup-Cause", "NO_ANSWER", "variable_hangup_cause_q850", "19", "variable_sip_hangup_disposition", "send_cancel", "variable_sip_invite_failure_status", "487"},
			pbx.Hungup{By: pbx.ByTimer, Q850: 19, SIP: 487}},
		"the carrier's 480 with 19": {ending{}, []string{"Hangup-Cause", "NO_ANSWER", "variable_hangup_cause_q850", "19", "variable_sip_hangup_disposition", "recv_refuse", "variable_sip_invite_failure_status", "480", "variable_sip_reason", "Q.850;cause=19"},
			pbx.Hungup{By: pbx.ByRemote, Q850: 19, ReasonQ850: 19, SIP: 480}},
		"cancelled by us": {ending{hungUp: true, cause: 16}, []string{"Hangup-Cause", "NORMAL_CLEARING", "variable_hangup_cause_q850", "16", "variable_sip_hangup_disposition", "send_cancel", "variable_sip_invite_failure_status", "487"},
			pbx.Hungup{By: pbx.ByLocal, Q850: 16}},
		"cancelled, and busy was faster": {ending{hungUp: true, cause: 16}, []string{"Hangup-Cause", "USER_BUSY", "variable_hangup_cause_q850", "17", "variable_sip_hangup_disposition", "recv_refuse", "variable_sip_invite_failure_status", "486"},
			pbx.Hungup{By: pbx.ByRemote, Q850: 17, SIP: 486}},
		"hung up by us": {ending{answered: true, hungUp: true, cause: 31}, []string{"Hangup-Cause", "NORMAL_UNSPECIFIED", "variable_hangup_cause_q850", "31", "variable_sip_hangup_disposition", "send_bye"},
			pbx.Hungup{By: pbx.ByLocal, Q850: 31, SIP: 200, Answered: true}},
		"hung up by both": {ending{answered: true, hungUp: true, cause: 16}, []string{"Hangup-Cause", "NORMAL_CLEARING", "variable_hangup_cause_q850", "16", "variable_sip_hangup_disposition", "recv_bye"},
			pbx.Hungup{By: pbx.ByRemote, Q850: 16, SIP: 200, Answered: true}},
		"the partner's reason": {ending{answered: true}, []string{"Hangup-Cause", "NORMAL_CLEARING", "variable_hangup_cause_q850", "16", "variable_sip_hangup_disposition", "recv_bye", "variable_sip_reason", "Q.850;cause=31"},
			pbx.Hungup{By: pbx.ByRemote, Q850: 16, SIP: 200, Answered: true}},
		"an answer nobody told": {ending{}, []string{"Hangup-Cause", "NORMAL_CLEARING", "variable_hangup_cause_q850", "16", "variable_sip_hangup_disposition", "recv_bye", "Caller-Channel-Answered-Time", "1795473208665662"},
			pbx.Hungup{By: pbx.ByRemote, Q850: 16, SIP: 200, Answered: true}},
		"the longest duration": {ending{answered: true}, []string{"Hangup-Cause", "ALLOTTED_TIMEOUT", "variable_hangup_cause_q850", "16", "variable_sip_hangup_disposition", "send_bye"},
			pbx.Hungup{By: pbx.ByTimer, Q850: 16, SIP: 200, Answered: true}},
		"no sound any more": {ending{answered: true}, []string{"Hangup-Cause", "MEDIA_TIMEOUT", "variable_hangup_cause_q850", "16", "variable_sip_hangup_disposition", "send_bye"},
			pbx.Hungup{By: pbx.ByNetwork, Q850: 16, SIP: 200, Answered: true}},
		"the exchange goes down": {ending{}, []string{"Hangup-Cause", "SYSTEM_SHUTDOWN", "variable_sip_hangup_disposition", "send_cancel"}, pbx.Hungup{By: pbx.ByNetwork}},
		"a caller who gave up":   {ending{inbound: true}, []string{"Hangup-Cause", "ORIGINATOR_CANCEL", "variable_hangup_cause_q850", "16", "variable_sip_hangup_disposition", "recv_cancel", "variable_sip_invite_failure_status", "487"}, pbx.Hungup{By: pbx.ByRemote, Q850: 16}},
		"nonsense":               {ending{}, []string{"Hangup-Cause", "%%%\n\xff", "variable_hangup_cause_q850", "-5", "variable_sip_term_status", "99999"}, pbx.Hungup{By: pbx.ByNetwork}},
	} {
		h := row.f.hungup(time.Time{}, ended(t, row.e...))
		if h.Raw == "" {
			t.Errorf("%s: no words for the CDR", name)
		}
		h.Raw = ""
		if h != row.want {
			t.Errorf("%s: %+v, want %+v", name, h, row.want)
		}
	}
	for s, want := range map[string]int{"Q.850;cause=31": 31, ` q.850 ; cause = 17 ;text="x"`: 17, "SIP;cause=200": 0, "Q.850": 0, "Q.850;cause=900": 0, "": 0} {
		if got := reasonCause(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}
