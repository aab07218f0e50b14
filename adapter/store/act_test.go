package store

import (
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// actOf is what an attempt does.
func actOf(a campaign.Attempt) compliance.Act {
	return compliance.Act{
		Channel: compliance.Voice, Path: compliance.PathTask, Tenant: a.Tenant, Person: a.Person.ID.String(), Contact: a.Contact.ID.String(),
		Task: a.Task.ID.String(), Number: a.Person.Number, Purpose: a.Task.Purpose, Jurisdiction: a.Task.Jurisdiction, Trunk: "trunk-1",
		Script: a.Task.Script, ScriptVersion: "v1", DueAt: a.DueAt, Try: a.Try,
	}
}

// allowed judges that everything may be done.
func allowed(time.Time, compliance.Facts) compliance.Judgement {
	return judgement(compliance.Verdict{Decision: compliance.Allow, Rule: "test", Inputs: map[string]string{"of": "a test"}})
}

func judgement(v compliance.Verdict) compliance.Judgement {
	return compliance.Judgement{Verdict: v, Verdicts: []compliance.Verdict{v}, Version: "test-1"}
}

// capped allows so many acts of a person and so many of a number within 24 hours.
func capped(person, number int) compliance.Judge {
	return func(now time.Time, f compliance.Facts) compliance.Judgement {
		p, n := 0, 0
		for _, s := range f.Spent {
			if now.Sub(s.At) >= 24*time.Hour {
				continue
			}
			if s.SamePerson {
				p++
			}
			if s.SameNumber {
				n++
			}
		}
		if p >= person || n >= number {
			return judgement(compliance.Verdict{Decision: compliance.Wait, Rule: "caps", Reason: "cap"})
		}
		return allowed(now, f)
	}
}
