package asterisk

import (
	"fmt"
	"strings"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/pbx"
)

// ending collects the facts by which the end of a leg is judged. Pure.
type ending struct {
	answered bool
	created  bool // made by create + dial, not by originate
	inbound  bool
	hungUp   bool // we sent a hang-up before any sign of the other side's
	cause    pbx.Cause
	limit    bool // the longest duration had passed
	overdue  bool // it rang past its time and we ended it
	// request is the first ChannelHangupRequest of another than us.
	request *ari.Event
}

// hungup judges ChannelDestroyed (cause is Q.850, tech a SIP status or the
// channel driver's own). The rules are measured on Asterisk 22.10.1:
//
//   - A local ring time-out and a carrier's 480 both end as 19/480; the
//     carrier's is preceded by a hang-up request with that very pair.
//   - A soft hang-up request carries 32, which is no Q.850 value. On created
//     channels the exchange's own time-out looks like one.
//   - Cause 0 of an answered leg is normal clearing.
//   - A Reason header counts on BYE only; failures are derived from the status.
func (f ending) hungup(at time.Time, cause, tech int, text string) pbx.Hungup {
	h := pbx.Hungup{At: at, Q850: valid(cause), Answered: f.answered, Raw: raw(cause, tech, text)}
	if f.answered {
		f.answeredEnd(&h)
		return h
	}
	sip := 0
	if tech >= 300 && tech <= 699 {
		sip = tech
	}
	timedOut := f.overdue || cause == int(pbx.CauseNoAnswer) && tech == 480 && !f.carrierSaid480()
	switch {
	case f.hungUp && (sip == 0 || timedOut):
		h.By = pbx.ByLocal
		if h.Q850 == 0 {
			h.Q850 = f.cause
		}
	case timedOut:
		h.By, h.SIP = pbx.ByTimer, 480
	case sip != 0:
		h.By, h.SIP = pbx.ByRemote, sip
	case f.inbound:
		h.By = pbx.ByRemote
		if h.Q850 == 0 {
			h.Q850 = pbx.CauseNormal
		}
	default:
		h.By = pbx.ByNetwork
	}
	return h
}

// carrierSaid480: only a real answer of the carrier is announced by a hang-up
// request that is not soft.
func (f ending) carrierSaid480() bool {
	return f.request != nil && !f.request.Soft && f.request.Cause == int(pbx.CauseNoAnswer)
}

func (f ending) answeredEnd(h *pbx.Hungup) {
	h.SIP = 200
	if h.Q850 == 0 {
		h.Q850 = pbx.CauseNormal
	}
	switch {
	case f.hungUp:
		h.By = pbx.ByLocal
	case f.request != nil && !f.request.Soft:
		h.By = pbx.ByRemote
		if c := valid(f.request.Cause); c != 0 {
			h.ReasonQ850, h.Q850 = c, c
		}
	case f.limit:
		h.By = pbx.ByTimer
	case f.request != nil:
		h.By = pbx.ByNetwork // somebody else on the exchange hung up
	default:
		h.By = pbx.ByRemote
	}
}

func valid(cause int) pbx.Cause {
	if c := pbx.Cause(cause); c.Valid() {
		return c
	}
	return 0
}

// raw is the exchange's words for the CDR, at most about 100 bytes.
func raw(cause, tech int, text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	if len(text) > 64 {
		text = text[:64]
	}
	return fmt.Sprintf("cause=%d tech_cause=%d %s", cause, tech, text)
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

// queueReason names why app_queue gave a caller back (QUEUESTATUS).
func queueReason(status string) string {
	switch status {
	case "TIMEOUT":
		return "no_answer"
	case "FULL":
		return "queue_full"
	case "CONTINUE":
		return "target_left"
	}
	return "unreachable" // JOINEMPTY, LEAVEEMPTY, JOINUNAVAIL, LEAVEUNAVAIL
}
