package call

import (
	"slices"

	"ringmaster/internal/campaign"
	"ringmaster/internal/redact"
)

// masks keep persons' numbers out of everything that leaves the call: the
// outcome, what people watch, and the log of inputs. Decisions are made on what
// was really said; sinks see masked text only.
type masks struct {
	notes *redact.Masker // turns as they happen
	log   *redact.Masker // recognition results as they come
}

// newMasks makes the masks of one call; base knows the tenant's own patterns.
func newMasks(base *redact.Masker) masks {
	if base == nil {
		base = redact.New()
	}
	return masks{notes: base.Fork(), log: base.Fork()}
}

// wanted is a turn in which a number was expected, with the slots it was for.
type wanted struct {
	Seq   int
	Kind  string // of the number (nlu.SlotSpec)
	Names []string
}

// expected notes that the customer's turn seq came while a number was wanted.
func (s *State) expected(seq int) {
	kind := expectsNumber(s.Listen)
	if kind == "" {
		return
	}
	w := wanted{Seq: seq, Kind: kind}
	for _, sl := range s.Listen.Slots {
		switch sl.Kind {
		case "id_card", "bank_card", "phone", "code", "digits":
			w.Names = append(w.Names, sl.Name)
		}
	}
	s.Wanted = append(s.Wanted[:len(s.Wanted):len(s.Wanted)], w)
}

// wanted is the kind of number that was expected in a turn.
func (s State) wanted(seq int) string {
	for _, w := range s.Wanted {
		if w.Seq == seq {
			return w.Kind
		}
	}
	return ""
}

// turn masks the i-th turn for people to watch.
func (m masks) turn(s State, i int) campaign.Turn {
	t := s.Outcome.Turns[i]
	return maskTurn(m.notes, m.notes, t, s.wanted(t.Seq))
}

// maskTurn masks a turn in the conversation that m follows.
func maskTurn(m, base *redact.Masker, t campaign.Turn, slot string) campaign.Turn {
	t.Text = m.See(redact.Result{Side: string(t.Side), Text: t.Text, Final: true, Slot: slot}).Text
	t.Planned = maskAlone(base, t.Planned)
	return t
}

// input masks an input for the log: results, what was understood of them, what
// we said, and keys.
func (m masks) input(in Input, s State) Input {
	slot := ""
	if s.Phase == Talking {
		slot = expectsNumber(s.Listen)
	}
	if in.Result != nil {
		r := *in.Result
		r.Text = m.log.See(redact.Result{Side: string(campaign.Them), Text: r.Text, Final: r.Final, Slot: slot}).Text
		r.Words = nil
		in.Masked = slot != "" && r.Text != in.Result.Text
		in.Result = &r
	}
	if in.Answer != nil {
		a := *in.Answer
		a.Slots = append(a.Slots[:0:0], a.Slots...)
		for i := range a.Slots {
			was := a.Slots[i]
			a.Slots[i].Text, a.Slots[i].Value = maskIn(m.log, was.Text, slot), maskIn(m.log, was.Value, slot)
			in.Masked = in.Masked || was != a.Slots[i]
		}
		a.Reason = maskAlone(m.log, a.Reason)
		in.Answer = &a
	}
	if in.Draft != nil {
		d := *in.Draft
		d.Say = maskAlone(m.log, d.Say)
		in.Masked = d.Say != in.Draft.Say
		in.Draft = &d
	}
	if in.Line != nil {
		l := *in.Line
		if l.Heard != "" {
			l.Heard = m.log.See(redact.Result{Side: string(campaign.Us), Text: l.Heard, Final: true}).Text
		}
		in.Line = &l
	}
	if in.Kind == InKey { // keys may be digits of a card
		in.Text = "*"
		in.Masked = s.Phase == Talking && s.Listen.Keys.Max > 0
	}
	return in
}

// maskAlone masks a text that belongs to no conversation.
func maskAlone(base *redact.Masker, text string) string { return maskIn(base, text, "") }

// maskIn does so for the answer to a question for a number.
func maskIn(base *redact.Masker, text, slot string) string {
	if text == "" {
		return ""
	}
	return base.Fork().See(redact.Result{Text: text, Final: true, Slot: slot}).Text
}

// question masks what is to be understood for a provider outside, in the
// conversation so far.
func (m masks) question(said string, s State) string {
	return m.notes.Peek(redact.Result{Side: string(campaign.Them), Text: said, Final: true, Slot: expectsNumber(s.Listen)}).Text
}

// outcome masks everything of an outcome that may be written down.
func (m masks) outcome(s State) campaign.Outcome {
	o := s.Outcome
	fresh := m.notes.Fork()
	turns := append([]campaign.Turn(nil), o.Turns...)
	for i, t := range turns {
		turns[i] = maskTurn(fresh, m.notes, t, s.wanted(t.Seq))
	}
	o.Turns = turns
	if o.Slots != nil {
		slots := map[string]string{}
		for k, v := range o.Slots {
			slot := ""
			for _, w := range s.Wanted {
				if slices.Contains(w.Names, k) {
					slot = w.Kind
				} else if w.Kind == "order" && slot == "" {
					slot = "order"
				}
			}
			slots[k] = maskIn(fresh, v, slot)
		}
		o.Slots = slots
	}
	if o.OptOut != nil {
		out := *o.OptOut
		out.Words = maskAlone(fresh, out.Words)
		o.OptOut = &out
	}
	tickets := append([]campaign.Ticket(nil), o.Tickets...)
	for i := range tickets {
		tickets[i].Words = maskAlone(fresh, tickets[i].Words)
	}
	o.Tickets = tickets
	tags := append([]string(nil), o.Tags...)
	for i := range tags {
		tags[i] = maskAlone(fresh, tags[i])
	}
	o.Tags = tags
	return o
}
