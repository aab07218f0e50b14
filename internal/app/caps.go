package app

import (
	"time"

	"ringmaster/internal/compliance"
)

// stop waits while the stop button is pressed.
type stop struct{}

// Check looks at the facts alone.
func (stop) Check(_ time.Time, _ compliance.Act, f compliance.Facts) compliance.Verdict {
	if f.Stopped != "" {
		return compliance.Verdict{Decision: compliance.Wait, Rule: "stop", Reason: "stopped"}
	}
	return compliance.Verdict{Decision: compliance.Allow, Rule: "stop"}
}

// attempts are dialling.attempts_per_day and attempts_per_week: how often a person may be rung within 24 hours and 7 days.
type attempts struct{ Day, Week int }

// Check counts the acts of the person.
func (r attempts) Check(now time.Time, _ compliance.Act, f compliance.Facts) compliance.Verdict {
	for _, c := range []struct {
		most int
		span time.Duration
	}{{r.Day, 24 * time.Hour}, {r.Week, 7 * 24 * time.Hour}} {
		used, oldest := 0, now
		for _, s := range f.Spent {
			if s.SamePerson && now.Sub(s.At) < c.span {
				used++
				if s.At.Before(oldest) {
					oldest = s.At
				}
			}
		}
		if c.most > 0 && used >= c.most {
			return compliance.Verdict{Decision: compliance.Wait, Rule: "attempts", Reason: "contact_budget", Until: oldest.Add(c.span)}
		}
	}
	return compliance.Verdict{Decision: compliance.Allow, Rule: "attempts"}
}
