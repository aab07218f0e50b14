package call

import (
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/pbx"
)

// bridged: customer and person hear each other, and we are out of it. It may
// come after we gave the hand-over up.
func (r *rules) bridged(s State) (State, []Effect) {
	if s.Phase != Transferring && (s.Phase != Talking || !s.Handing) {
		return s, nil
	}
	var fx []Effect
	if s.Saying {
		s.Saying = false
		fx = append(fx, StopSaying{})
	}
	if s.Asking {
		s.Asking = false
		s.theyTurn(s.AskText, "", 0)
	}
	s.Phase, s.Suspended = HandedOver, false
	s.Outcome.Disposition, s.Outcome.Reason = campaign.Transferred, "handed_over"
	s.Deadline = nil
	s.set(dlHard, r.limits.HandedOver)
	return s, append(fx, RecordOn{})
}

// personLeft ends the call: there is nobody whom the customer could wait for.
func (r *rules) personLeft(s State) (State, []Effect) {
	if s.Phase != HandedOver {
		return s, nil
	}
	return r.hangup(s, pbx.CauseNormal, campaign.Transferred, "handed_over")
}

// transferEnded: the person did not come, and the script goes on.
func (r *rules) transferEnded(s State, why string) (State, []Effect) {
	if s.Phase != Transferring { // a queue's agent left
		return r.personLeft(s)
	}
	s.Phase = Talking
	s.clear(dlTransfer)
	if _, ok := s.Deadline[dlDuration]; !ok { // the time was up before
		s.set(dlHard, 30*time.Second)
	}
	var fx []Effect
	if s.MediaGone { // a queue of the exchange took the leg away from us
		s.MediaGone = false
		s.set(dlMedia, r.limits.MediaOpen)
		fx = append(fx, OpenMedia{})
	}
	s, more := r.converse(s, dialogue.Input{Kind: dialogue.TransferFailed, Reason: why})
	return s, append(fx, more...)
}
