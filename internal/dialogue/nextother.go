package dialogue

import (
	"strings"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/nlu"
)

// hard of hearing: with the recognizer down a node can only be answered by
// keys; one that takes none ends the call politely.
func (t *turn) hard(n *node) target {
	if n.keysSay != nil {
		t.say(n.keysSay, 0)
		return target{}
	}
	t.system("deaf", t.st.Turns)
	return target{goal: toEnd, end: End{Disposition: campaign.Failed, Reason: "deaf"}}
}

func (t *turn) deaf() {
	t.why("the recognizer is down")
	if !t.st.Deaf {
		t.act(Action{Kind: "ticket", Value: "provider_failure", Data: map[string]string{"part": "recognizer"}})
	}
	t.st.Deaf = true
	switch {
	case t.st.Phase == Transferring:
		t.transfer()
		return
	case t.st.Phase == Voicemail:
		return
	case t.st.Phase == Disclosing && t.s.keysAnywhere():
		t.repeatNotice("the recognizer is down; keys will do")
		return
	}
	if n := t.s.nodes[t.st.Node]; t.st.Phase == Talking && n != nil && n.keysSay != nil {
		t.say(n.keysSay, 0)
		return
	}
	t.move.Lines = nil
	t.system("filler", 0)
	t.system("deaf", t.st.Turns)
	t.finish(End{Disposition: campaign.Failed, Reason: "deaf"})
}

// unspoken goes on in the script's language with what could not be said.
func (t *turn) unspoken() {
	if t.st.Language == t.s.info.Language {
		t.why("no voice for the script's own language")
		return
	}
	t.why("no voice for " + string(t.st.Language) + "; going on in the script's language")
	t.st.Language = t.s.info.Language
	switch {
	case t.st.Phase == Disclosing:
		t.say(t.s.disclosure, 0)
	case t.st.Phase == Voicemail && t.st.Held == heldBeep:
		t.notice()
	case t.st.Phase == Transferring:
		t.anew()
		t.transfer()
	case t.st.Phase == Talking, t.st.Phase == Ended:
		t.anew()
	}
}

// anew says the last lines once more, in the language that is spoken now.
func (t *turn) anew() {
	for _, id := range t.st.Saying {
		if ix := t.s.index[id]; ix != nil && !ix.say.notice {
			t.say(ix.say, t.st.Turns)
		}
	}
	if n := t.s.nodes[t.st.Node]; len(t.move.Lines) == 0 && n != nil && t.st.Phase == Talking {
		t.question(n)
	}
}

// keysAnywhere: the first node can be answered by keys.
func (s *Script) keysAnywhere() bool { return s.nodes[s.start].keysSay != nil }

// machine: a voicemail answered. Nothing is said to a machine before its
// beep, and the notice comes before the message there too.
func (t *turn) machine() {
	if t.s.voicemail == nil {
		t.why("a machine answered")
		t.finish(End{Disposition: campaign.Voicemail, Reason: "hang_up"})
		return
	}
	if t.in.Reason != "beep" {
		t.why("waiting for the beep")
		t.st.Phase, t.st.Pending = Voicemail, false
		return
	}
	t.why("the beep has ended")
	t.st.Phase, t.st.Disclosed, t.st.Held = Voicemail, false, heldBeep
	t.leave()
}

// message leaves the message once the notice has been said.
func (t *turn) message() {
	switch {
	case t.in.Kind == Said && t.ours() && t.st.Held == heldBeep:
		t.st.Disclosed, t.st.Pending = true, false
		t.why("the notice has been left")
		t.say(t.s.voicemail, 0)
		t.finish(End{Disposition: campaign.Voicemail, Reason: "message_left"})
	case t.st.Held == heldBeep && t.st.Pending && t.in.HeardLine != "":
		t.why("the notice was interrupted")
		t.leave()
	case t.in.Kind == Said:
		t.st.Pending = false
		t.why("waiting for the beep")
	case t.in.Kind == Silence:
		t.why("no beep came")
		t.finish(End{Disposition: campaign.Voicemail, Reason: "no_beep"})
	default:
		t.why("talking to a machine")
	}
}

// leave begins the notice for a machine, a bounded number of times.
func (t *turn) leave() {
	if t.st.Notices >= 2*maxNotices {
		t.finish(End{Disposition: campaign.Voicemail, Reason: "no_message"})
		return
	}
	t.notice()
}

// heldBeep marks that the notice now being said was begun after the beep.
const heldBeep = "_beep"

func (t *turn) silent() {
	if t.st.Composing {
		t.why("waiting for the model")
		return
	}
	if t.turnLimit() {
		return
	}
	n := t.s.nodes[t.st.Node]
	t.st.Silence++
	if t.st.Pending && t.st.Guarded && n != nil && t.st.Silence <= n.silence.limit {
		t.why("a protected line was cut short")
		t.again()
		return
	}
	t.st.Pending = false
	if n == nil || t.st.Silence > n.silence.limit {
		t.why("silent too often")
		if n != nil && n.silence.then.goal != toStay {
			t.follow(n.silence.then)
			return
		}
		t.close("no_input", campaign.NoInput, "silence")
		return
	}
	t.why(count(t.st.Silence, "silence"))
	t.reprompt(n, n.silence.say, "silence", t.st.Silence)
}

func (t *turn) noMatch() {
	n := t.s.nodes[t.st.Node]
	t.st.NoMatch++
	if n == nil || t.st.NoMatch > n.noMatch.limit {
		t.why("not understood too often")
		if n != nil && n.noMatch.then.goal != toStay {
			t.follow(n.noMatch.then)
			return
		}
		t.close("not_understood", campaign.NotUnderstood, "no_match")
		return
	}
	t.why(count(t.st.NoMatch, "not understood"))
	t.reprompt(n, n.noMatch.say, "no_match", t.st.NoMatch)
}

// reprompt: the author's words for this round, or ours; from the second round
// on ours are followed by the question.
func (t *turn) reprompt(n *node, own []*say, line string, round int) {
	if len(own) > 0 && t.say(own[min(round, len(own))-1], round) {
		return
	}
	t.system(line, round-1)
	if round > 1 {
		t.question(n)
	}
}

func (t *turn) question(n *node) {
	if n.again != nil && t.say(n.again, t.st.Turns) {
		return
	}
	t.say(n.say, t.st.Visits[n.id]-1)
}

// again says once more what was said last.
func (t *turn) again() {
	before := len(t.move.Lines)
	for _, id := range t.st.Saying {
		ix := t.s.index[id]
		if node, ok := strings.CutSuffix(id, composeLine); ok && ix == nil && t.s.nodes[node] != nil && t.st.Words != "" {
			t.move.Lines = append(t.move.Lines, t.composedLine(t.s.nodes[node]))
			continue
		}
		if ix == nil || ix.say.notice {
			continue
		}
		if text, hints, ok := ix.t.spell(t.values(ix.lang)); ok && t.permits(ix.say, ix.t, text) {
			t.move.Lines = append(t.move.Lines, t.s.line(&t.st, ix.say, ix.t, ix.lang, text, hints))
		}
	}
	if n := t.s.nodes[t.st.Node]; len(t.move.Lines) == before && n != nil {
		t.question(n)
	}
}

// key is the reply of the pressed key: the node's, then the script's.
func (t *turn) key() *reply {
	d := t.in.Digits
	if len(d) > 1 && (d[len(d)-1] == '#') {
		d = d[:len(d)-1]
	}
	if len(d) != 1 {
		return nil
	}
	if n := t.s.nodes[t.st.Node]; n != nil && t.st.Phase == Talking {
		if r := n.keys[d]; r != nil {
			return r
		}
	}
	return t.s.keys[d]
}

func (t *turn) pressed() {
	if t.st.Pending && t.st.Guarded {
		t.why("a protected line goes on")
		t.move.Resume = t.in.HeardLine != ""
		return
	}
	if t.turnLimit() {
		return
	}
	t.st.Silence = 0
	if r := t.key(); r != nil {
		t.st.NoMatch = 0
		t.why("key " + t.in.Digits)
		t.take(r)
		return
	}
	if name := t.digitSlot(); name != "" {
		if v, err := canonicalDigits(trimHash(t.in.Digits)); err == nil {
			t.slot(name, v, "")
			t.heard = append(t.heard, name)
			if r := t.match(); r != nil {
				t.st.NoMatch = 0
				t.take(r)
				return
			}
		}
	}
	t.noMatch()
}

func trimHash(s string) string {
	if n := len(s); n > 0 && s[n-1] == '#' {
		return s[:n-1]
	}
	return s
}

// digitSlot is the slot of the node that keys can fill.
func (t *turn) digitSlot() string {
	n := t.s.nodes[t.st.Node]
	if n == nil {
		return ""
	}
	for _, name := range n.slots {
		if keyed(t.s.slots[name].spec.Kind) {
			return name
		}
	}
	return ""
}

func keyed(kind string) bool {
	switch kind {
	case "digits", "order", "id_card", "bank_card", "phone", "code", "number", "age":
		return true
	}
	return false
}

// Question is what an understander needs to know about something said now.
// Now is the time of the last decision; the caller sets it to the present,
// and adds Tenant and History.
func (s *Script) Question(st State, said string) nlu.Question {
	l := s.listen(&st)
	return nlu.Question{Script: s.info.ID, Version: s.info.Version, Node: st.Node, Said: said, Language: st.Language,
		Expect: l.Expect, Slots: l.Slots, Now: time.UnixMilli(st.At).In(time.FixedZone("", st.Zone))}
}

// Filler is the short line that covers a wait for a slow provider.
func (s *Script) Filler(st State) Line {
	t := s.turn(st, Input{}, time.UnixMilli(st.At))
	t.system("filler", st.Inputs)
	if len(t.move.Lines) == 0 {
		return Line{}
	}
	return t.move.Lines[0]
}
