package campaign

import "time"

// abandonAfter is how long somebody who answered may hear nothing: 2 s after
// the greeting (16 CFR 310.4(b)(1)(iv); Ofcom, persistent misuse, A1.32).
const abandonAfter = 2 * time.Second

// ByPerson reports that a person took the call, as far as is known: what was
// not told to be a machine counts as one.
func (o Outcome) ByPerson() bool {
	return o.Answered() && o.AMD != "voicemail" && o.AMD != "unavailable" && o.Disposition != Voicemail
}

// Talked reports that there was a conversation: the person said something.
func (o Outcome) Talked() bool {
	if !o.ByPerson() {
		return false
	}
	if o.Disposition == Transferred {
		return true
	}
	for _, t := range o.Turns {
		if t.Side == Them {
			return true
		}
	}
	return false
}

// Abandoned reports that a person answered and heard nothing from us in time.
func (o Outcome) Abandoned() bool {
	if !o.ByPerson() || o.Disclosure != nil {
		return false
	}
	for _, t := range o.Turns {
		if t.Side == Us {
			return false
		}
	}
	return o.Disposition != HungUp || o.EndedAt.Sub(o.AnsweredAt) > abandonAfter
}
