package dialogue

import (
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/nlu"
)

const (
	maxHops    = 16 // nodes passed in one decision
	maxNotices = 3  // times that the notice is begun
)

// Next decides. The same State, Input and now give the same State and Move,
// always, and after a bounded number of inputs the Move has an End: the turn
// limit counts what the customer does, and six times as many inputs of any
// kind end the conversation in any case.
func (s *Script) Next(st State, in Input, now time.Time) (State, Move) {
	t := s.turn(st, in, now)
	t.st.Inputs++
	switch {
	case t.st.Phase == Ended:
		t.ended()
	case in.Kind == TimeUp || t.late():
		t.why("the maximum duration")
		t.close("time_up", campaign.Completed, "max_duration")
	case t.st.Inputs > t.inputLimit():
		t.why("too many inputs")
		t.close("max_turns", campaign.Completed, "max_turns")
	default:
		t.route()
	}
	return t.done()
}

// ended repeats the end. Only an opt-out or a complaint still changes it: it
// may be said into our goodbye.
func (t *turn) ended() {
	e := t.st.End
	if e == nil {
		e = &End{Disposition: campaign.Completed, Reason: "ended"}
	}
	if t.in.Kind == Heard && e.Disposition != campaign.OptedOut && e.Disposition != campaign.Complaint && t.st.Inputs <= t.inputLimit() {
		if stop, _ := FindStop(t.in.Text, t.st.Language); stop == StopCalling || stop == StopComplaint {
			t.urgent()
			return
		}
	}
	if t.in.Kind == Unspoken {
		t.unspoken()
	}
	t.why("the conversation has ended")
	t.move.End = &End{Disposition: e.Disposition, Reason: e.Reason}
}

func (t *turn) inputLimit() int { return 6*t.s.limits.turns + 40 }

// late: the call has gone on for longer than the script allows. Something
// said to its end is not interrupted for it.
func (t *turn) late() bool {
	return t.in.Kind != Said && t.st.Phase != Transferring && t.in.At >= t.s.limits.duration.Milliseconds()
}

func (t *turn) route() {
	waiting := t.st.Composing
	if t.in.Kind != Said && t.in.Kind != Silence { // anything else overtakes the model
		t.st.Composing = false
	}
	if t.in.Kind == Composed {
		t.composed(waiting)
		return
	}
	if t.in.Kind == Heard || t.in.Kind == KeysPressed {
		if t.urgent() {
			return
		}
	}
	switch t.in.Kind {
	case Deaf:
		t.deaf()
		return
	case Mute:
		t.why("the voice is down")
		t.act(Action{Kind: "ticket", Value: "provider_failure", Data: map[string]string{"part": "voice"}})
		t.close("mute", campaign.Failed, "mute")
		return
	case Machine:
		t.machine()
		return
	case Unspoken:
		t.unspoken()
		return
	}
	switch t.st.Phase {
	case Disclosing:
		t.disclosing()
	case Voicemail:
		t.message()
	case Transferring:
		t.transferring()
	default:
		t.talking()
	}
}

// urgent handles stop, complaint and human from anywhere, on the final words.
func (t *turn) urgent() bool {
	var stop Stop
	var words string
	value := "stop_word"
	switch t.in.Kind {
	case KeysPressed:
		r := t.key()
		if r == nil || len(r.intents) == 0 {
			return false
		}
		stop, words, value = Stop(r.intents[0]), t.in.Digits, "dtmf"
	default:
		stop, words = FindStop(t.in.Text, t.st.Language)
		if a := t.in.Answer; stop == StopNone && urgent(a.Intent) && t.sure(a) && !t.denied(a.Intent) {
			stop, words = Stop(a.Intent), t.in.Text
		}
	}
	switch stop {
	case StopCalling:
		t.why("asked to stop: " + words)
		t.optOut(value, words)
		t.close("stop", campaign.OptedOut, value)
	case StopComplaint:
		t.why("a complaint: " + words)
		t.optOut("complaint", words)
		t.act(Action{Kind: "ticket", Value: "complaint", Data: t.words()})
		t.close("complaint", campaign.Complaint, "complaint")
	case StopHuman:
		if t.st.Phase == Transferring || t.st.Phase == Voicemail { // a greeting may well say 转人工请按零
			return false
		}
		t.why("asked for a person: " + words)
		t.human(nil)
	default:
		return false
	}
	return true
}

// denied: the words name the thing and take it back, which an understander
// may miss (不用转人工).
func (t *turn) denied(i nlu.Intent) bool {
	stop, negated := scanStop(t.in.Text)
	return stop == StopNone && has(negated, Stop(i))
}

func (t *turn) optOut(value, words string) {
	data := map[string]string{"matched": words}
	for k, v := range t.words() {
		data[k] = v
	}
	t.act(Action{Kind: "opt_out", Value: value, Data: data})
}

// close says a line of the engine and ends.
func (t *turn) close(line string, d campaign.Disposition, reason string) {
	t.move.Lines = nil
	t.move.Transfer = nil
	t.system(line, t.st.Turns)
	t.finish(End{Disposition: d, Reason: reason})
}

// human hands over, or promises a call when nobody is there to take it.
func (t *turn) human(h *handover) {
	if h == nil {
		h = t.s.handover
	}
	if h == nil {
		t.act(Action{Kind: "ticket", Value: "human_wanted", Data: t.words()})
		t.close("human_callback", campaign.Completed, "human_wanted")
		return
	}
	if len(t.move.Lines) == 0 {
		t.system("human", t.st.Turns)
	}
	t.st.Phase, t.st.Failed = Transferring, ""
	if h.failed.goal == toNode {
		t.st.Failed = h.failed.node
	}
	t.st.Over = &Transfer{Agent: h.agent, Queue: h.queue, Timeout: h.timeout}
	t.transfer()
}

func (t *turn) transfer() {
	if t.st.Over != nil {
		over := *t.st.Over
		t.move.Transfer = &over
	}
}

func (t *turn) transferring() {
	if t.in.Kind != TransferFailed {
		if t.in.Kind == Said {
			t.st.Pending = false
		}
		t.why("waiting for a person")
		t.transfer()
		return
	}
	t.st.Over = nil
	t.why("the transfer failed: " + t.in.Reason)
	if t.st.Failed != "" && t.st.Disclosed {
		t.st.Phase = Talking
		t.system("transfer_failed", t.st.Turns)
		t.follow(target{goal: toNode, node: t.st.Failed})
		return
	}
	t.act(Action{Kind: "ticket", Value: "human_wanted", Data: map[string]string{"reason": clip(t.in.Reason, 100)}})
	t.close("human_callback", campaign.Completed, "transfer_failed")
}
