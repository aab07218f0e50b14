package call

import (
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

func newMasks() masks {
	base := redact.New()
	return masks{notes: base, log: base.Fork()}
}

// turn masks one turn for people to watch.
func (m masks) turn(t campaign.Turn) campaign.Turn {
	t.Text = m.notes.See(redact.Result{Side: string(t.Side), Text: t.Text, Final: true}).Text
	return t
}

// input masks an input for the log. Only the customer's words can hold what
// must not be kept: results, and what was understood of them.
func (m masks) input(in Input) Input {
	if in.Result != nil {
		r := *in.Result
		r.Text = m.log.See(redact.Result{Side: string(campaign.Them), Text: r.Text, Final: r.Final}).Text
		r.Words = nil
		in.Result = &r
	}
	if in.Answer != nil {
		a := *in.Answer
		a.Slots = append(a.Slots[:0:0], a.Slots...)
		for i := range a.Slots {
			a.Slots[i].Text, a.Slots[i].Value = maskAlone(m.log, a.Slots[i].Text), maskAlone(m.log, a.Slots[i].Value)
		}
		a.Reason = maskAlone(m.log, a.Reason)
		in.Answer = &a
	}
	if in.Kind == InKey { // keys may be digits of a card
		in.Text = "*"
	}
	return in
}

// maskAlone masks a text that belongs to no conversation.
func maskAlone(base *redact.Masker, text string) string {
	if text == "" {
		return ""
	}
	return base.Fork().See(redact.Result{Text: text, Final: true}).Text
}

// outcome masks everything of an outcome that may be written down.
func (m masks) outcome(o campaign.Outcome) campaign.Outcome {
	fresh := m.notes.Fork()
	turns := append([]campaign.Turn(nil), o.Turns...)
	for i := range turns {
		turns[i].Text = fresh.See(redact.Result{Side: string(turns[i].Side), Text: turns[i].Text, Final: true}).Text
	}
	o.Turns = turns
	if o.Slots != nil {
		slots := map[string]string{}
		for k, v := range o.Slots {
			slots[k] = maskAlone(fresh, v)
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
	return o
}
