package dialogue

import (
	"maps"
	"time"
	"unicode/utf8"

	"ringmaster/internal/campaign"
	"ringmaster/internal/nlu"
)

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
	if t.in.HeardLine != "" && t.st.Pending && t.s.Backchannel(t.st, t.in.Text, t.in.HeardLine, t.in.HeardText) {
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
	if r := t.s.globals[t.in.Answer.Intent]; r != nil && t.sure(t.in.Answer) && t.holds(r.when) {
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
	if t.hand() {
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

// Backchannel reports that words said into our line heardLine, of which
// heardText was heard, only show that somebody listens, so that the line goes
// on. 嗯 in mid-sentence is no answer; near the end of a question it is one,
// because people answer before the last word. It needs no understander.
func (s *Script) Backchannel(st State, text, heardLine, heardText string) bool {
	if text == "" {
		return true
	}
	if !Backchannel(text, st.Language) {
		return false
	}
	n := s.nodes[st.Node]
	if n == nil || n.expecting != ExpectYesNo || len(st.Saying) == 0 || st.Phase != Talking {
		return true
	}
	ix := s.index[heardLine]
	if ix == nil || heardLine != st.Saying[len(st.Saying)-1] {
		return true
	}
	now := time.UnixMilli(st.At).In(time.FixedZone("", st.Zone))
	whole, ok := ix.t.render(s.values(&st, ix.lang, now))
	return !ok || utf8.RuneCountInString(heardText)*10 < utf8.RuneCountInString(whole)*8
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
		if !t.holds(r.when) {
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
		if r.any && t.holds(r.when) {
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
	if n := t.s.nodes[t.st.Node]; !t.say(o.rounds[min(used, len(o.rounds)-1)], 0) && n != nil {
		t.question(n)
	}
	t.follow(o.to)
	return true
}
