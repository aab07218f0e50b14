package dialogue

import (
	"maps"
	"time"
	"unicode/utf8"

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
	stop, words := StopNone, ""
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
	over := *t.st.Over
	t.move.Transfer = &over
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

// disclosing: nothing of business before the notice has been played to its
// end. What is heard meanwhile waits.
func (t *turn) disclosing() {
	switch t.in.Kind {
	case Said:
		if !t.ours() {
			t.why("an older line has ended")
			return
		}
		t.st.Disclosed, t.st.Pending, t.st.Phase = true, false, Talking
		t.why("the notice has been heard")
		t.release()
	case Heard:
		t.hold()
		if t.in.HeardLine == "" {
			t.why("the notice goes on")
			return
		}
		t.repeatNotice("the notice was interrupted")
	case Silence:
		t.repeatNotice("the notice was not heard to its end")
	default:
		if t.in.HeardLine != "" {
			t.repeatNotice("the notice was interrupted")
			return
		}
		t.why("the notice goes on")
	}
}

func (t *turn) repeatNotice(why string) {
	if t.st.Notices >= maxNotices {
		t.why("the notice could not be said")
		t.close("goodbye", campaign.NoInput, "not_disclosed")
		return
	}
	t.why(why)
	t.notice()
}

// ours: a Said that names a line names the last one of the last Move; an
// older one is stale.
func (t *turn) ours() bool {
	if !t.st.Pending || len(t.st.Saying) == 0 {
		return false
	}
	return t.in.HeardLine == "" || t.in.HeardLine == t.st.Saying[len(t.st.Saying)-1]
}

// hold keeps an intent that deserves an answer although it came at the wrong
// time.
func (t *turn) hold() {
	switch i := t.in.Answer.Intent; i {
	case "busy", "callback", "wrong_person", "not_interested", "abuse":
		if t.sure(t.in.Answer) {
			t.fill()
			t.st.Held = string(i)
		}
	}
}

// release answers what was held, or goes on to where it would have gone.
func (t *turn) release() {
	held := nlu.Intent(t.st.Held)
	t.st.Held = ""
	if r := t.s.globals[held]; held != "" && r != nil {
		t.st.Turns++
		t.st.Main = t.s.start
		t.why("heard before: " + string(held))
		t.take(r)
		return
	}
	if t.st.Node == "" {
		t.follow(target{goal: toNode, node: t.s.start})
	}
}

func (t *turn) talking() {
	switch t.in.Kind {
	case Said:
		t.said()
	case Heard:
		t.hear()
	case KeysPressed:
		t.pressed()
	case Silence:
		t.silent()
	default:
		t.why("nothing to do")
	}
}

func (t *turn) said() {
	if !t.ours() {
		t.why("an older line has ended")
		return
	}
	t.st.Pending = false
	if t.st.Held != "" {
		t.release()
		return
	}
	t.why("listening")
}

func (t *turn) hear() {
	if t.st.Pending && t.st.Guarded {
		t.hold()
		t.why("a protected line goes on")
		t.move.Resume = t.in.HeardLine != ""
		return
	}
	if t.in.HeardLine != "" && t.st.Pending && t.backchannel() {
		t.why("a sign of listening; going on")
		t.move.Resume = true
		return
	}
	if t.turnLimit() {
		return
	}
	t.st.Silence = 0
	t.fill()
	if r := t.match(); r != nil {
		t.st.NoMatch = 0
		t.take(r)
		return
	}
	if t.object() {
		t.st.NoMatch = 0
		return
	}
	if r := t.s.globals[t.in.Answer.Intent]; r != nil && t.sure(t.in.Answer) && r.when.holds(t.condEnv()) {
		t.st.NoMatch = 0
		t.why("global: " + string(t.in.Answer.Intent))
		t.take(r)
		return
	}
	if r := t.anything(); r != nil {
		t.st.NoMatch = 0
		t.why("anything will do")
		t.take(r)
		return
	}
	t.noMatch()
}

// turnLimit counts a turn and ends the conversation when it was the last.
func (t *turn) turnLimit() bool {
	t.st.Turns++
	if t.st.Turns <= t.s.limits.turns {
		return false
	}
	t.why("the maximum number of turns")
	t.close("max_turns", campaign.Completed, "max_turns")
	return true
}

// sure: the understander is confident enough. A confidence of 0 is one that
// was not given.
func (t *turn) sure(a nlu.Answer) bool {
	return a.Intent != "" && (a.Confidence == 0 || a.Confidence >= t.s.minConf)
}

// backchannel: 嗯 in mid-sentence is no answer. Near the end of a question
// it is one: people answer before the last word.
func (t *turn) backchannel() bool {
	if t.in.Text == "" {
		return true
	}
	if !Backchannel(t.in.Text, t.st.Language) {
		return false
	}
	n := t.s.nodes[t.st.Node]
	if n == nil || n.expecting != ExpectYesNo {
		return true
	}
	last := t.st.Saying[len(t.st.Saying)-1]
	ix := t.s.index[t.in.HeardLine]
	if ix == nil || t.in.HeardLine != last {
		return true
	}
	whole, ok := ix.t.render(t.values(ix.lang))
	return !ok || utf8.RuneCountInString(t.in.HeardText)*10 < utf8.RuneCountInString(whole)*8
}

// fill keeps the slots that were heard: those that the node wants, and the
// time for a call back when one is asked for.
func (t *turn) fill() {
	n := t.s.nodes[t.st.Node]
	for _, s := range t.in.Answer.Slots {
		if s.Value == "" || len(s.Value) > maxValue*4 || t.s.slots[s.Name] == nil {
			continue
		}
		i := t.in.Answer.Intent
		wanted := n != nil && has(n.slots, s.Name) || s.Name == "callback_at" && (i == "busy" || i == "callback")
		if wanted {
			t.slot(s.Name, s.Value, s.Text)
			t.heard = append(t.heard, s.Name)
		}
	}
}

// match finds the node's reply: the first in the order of the file whose
// intent or slot was heard and whose condition holds.
func (t *turn) match() *reply {
	n := t.s.nodes[t.st.Node]
	if n == nil {
		return nil
	}
	sure := t.sure(t.in.Answer)
	for _, r := range n.replies {
		if r.any && len(r.intents) == 0 && r.slot == "" {
			continue
		}
		if len(r.intents) > 0 && !(sure && has(r.intents, t.in.Answer.Intent)) {
			continue
		}
		if r.slot != "" && !has(t.heard, r.slot) {
			continue
		}
		if !r.when.holds(t.condEnv()) {
			continue
		}
		if r.slot != "" {
			t.why("slot " + r.slot + " heard: " + r.id)
		} else {
			t.why("intent " + string(t.in.Answer.Intent) + ": " + r.id)
		}
		return r
	}
	return nil
}

func (t *turn) anything() *reply {
	n := t.s.nodes[t.st.Node]
	if n == nil || t.in.Text == "" {
		return nil
	}
	for _, r := range n.replies {
		if r.any && r.when.holds(t.condEnv()) {
			return r
		}
	}
	return nil
}

// object answers an objection, a bounded number of times, and stays on the
// main line.
func (t *turn) object() bool {
	o := t.s.objections[t.in.Answer.Intent]
	if o == nil || !t.sure(t.in.Answer) {
		return false
	}
	used, all := t.st.Objections[o.name], 0
	for _, n := range t.st.Objections {
		all += n
	}
	if used >= o.depth || all >= t.s.limits.objections {
		t.why("objection " + o.name + " has been answered often enough")
		if o.wornBy != nil {
			t.say(o.wornBy, t.st.Turns)
		}
		if o.worn.goal == toStay {
			if o.wornBy == nil {
				t.system("objections", t.st.Turns)
			}
			t.finish(End{Disposition: campaign.Completed, Reason: "objection_" + o.name})
			return true
		}
		t.follow(o.worn)
		return true
	}
	t.st.Objections = maps.Clone(t.st.Objections)
	if t.st.Objections == nil {
		t.st.Objections = map[string]int{}
	}
	t.st.Objections[o.name]++
	t.env = nil
	t.why(count(used+1, "objection "+o.name+", round"))
	t.set(o.set)
	t.do(o.do)
	t.say(o.rounds[min(used, len(o.rounds)-1)], 0)
	t.follow(o.to)
	return true
}

// take does what a reply says and goes where it leads.
func (t *turn) take(r *reply) {
	t.move.Reply = r.id
	t.set(r.set)
	t.do(r.do)
	t.say(r.say, t.st.Turns)
	t.follow(r.to)
}

// follow goes on from node to node until one listens or the call ends.
func (t *turn) follow(to target) {
	for range maxHops {
		switch to.goal {
		case toNode:
			to = t.enter(to.node)
		case toReturn:
			node := t.st.Main
			if t.s.nodes[node] == nil {
				node = t.s.start
			}
			to = target{goal: toNode, node: node}
		case toRepeat:
			t.again()
			return
		case toEnd:
			t.finish(to.end)
			return
		case toTransfer:
			t.human(to.over)
			return
		default:
			return
		}
	}
	t.why("the script goes round in a circle")
	t.close("goodbye", campaign.Failed, "script_loop")
}

// enter says a node and gives where it leads at once; stay = it listens.
func (t *turn) enter(id string) target {
	n := t.s.nodes[id]
	for _, r := range n.skip {
		if r.when.holds(t.condEnv()) {
			t.set(r.set)
			t.do(r.do)
			t.say(r.say, t.st.Turns)
			return r.to
		}
	}
	t.st.Node, t.st.NoMatch, t.st.Silence = id, 0, 0
	visits := t.visit(id)
	if visits > t.s.limits.visits {
		return target{goal: toEnd, end: End{Disposition: campaign.Completed, Reason: "loop"}}
	}
	if n.listens() && !n.aside {
		t.st.Main = id
	}
	t.set(n.set)
	t.do(n.do)
	if visits > 1 && n.again != nil {
		t.say(n.again, visits)
	} else {
		t.say(n.say, visits-1)
	}
	if n.listens() {
		return t.hard(n)
	}
	for _, r := range n.route {
		if r.when.holds(t.condEnv()) {
			t.set(r.set)
			t.do(r.do)
			t.say(r.say, visits-1)
			return r.to
		}
	}
	return target{goal: toEnd, end: End{Disposition: campaign.Failed, Reason: "no_route"}}
}
