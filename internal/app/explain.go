package app

import (
	"time"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

// act is what would be judged if a contact were dialled: the scheduler's act
// with the line that a call would take. It is asked for by Explain and by
// manual calls, before there is an attempt.
func (a *App) act(t campaign.Task, m api.Member) compliance.Act {
	act := compliance.Act{Channel: compliance.Voice, Path: pathOf(m.Contact), Tenant: t.Tenant, Person: m.Person.ID.String(), Task: t.ID.String(),
		Number: m.Person.Number, Purpose: t.Purpose, LegalBasis: t.LegalBasis, Jurisdiction: t.Jurisdiction, Script: t.Script, DueAt: m.Contact.DueAt,
		Try: m.Contact.Tries + 1}
	if m.Contact.ID != [16]byte{} {
		act.Contact = m.Contact.ID.String()
	}
	if act.DueAt.IsZero() {
		act.DueAt = time.Now()
	}
	if c := a.fleet.shows(m.Person.Number, t.Trunk); c != nil {
		act.Trunk, act.CallerID, act.Lab = c.cfg.Name, c.callerID, c.cfg.Lab && m.Person.Number.IsLab()
	}
	act.Needs = a.rules.Needs(act)
	return act
}

// pathOf says how the contact's next try would come about, as the scheduler
// says it of an attempt.
func pathOf(c campaign.Contact) compliance.Path {
	switch p := compliance.Path(c.Path); {
	case p == compliance.PathCallback, p == compliance.PathManual:
		return p
	case c.Tries > 0:
		return compliance.PathRetry
	}
	return compliance.PathTask
}

// shows is the first trunk that a call to this number could take, busy or not.
func (f *fleet) shows(n phone.Number, want string) *trunk {
	for _, nd := range f.nodes {
		for _, t := range nd.trunks {
			if t.cfg.Lab == n.IsLab() && (want == "" || want == t.cfg.Name) {
				return t
			}
		}
	}
	return nil
}
