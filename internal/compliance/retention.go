package compliance

import (
	"fmt"
	"slices"
	"time"

	"ringmaster/internal/campaign"
)

// Term is a length of time as laws write it.
type Term struct{ Years, Months, Days int }

// After is the end of the term that begins at t.
func (t Term) After(from time.Time) time.Time { return from.AddDate(t.Years, t.Months, t.Days) }

// IsZero reports no term.
func (t Term) IsZero() bool { return t == Term{} }

// String is 5y, 5mo or 30d.
func (t Term) String() string {
	out := ""
	for _, p := range []struct {
		n    int
		unit string
	}{{t.Years, "y"}, {t.Months, "mo"}, {t.Days, "d"}} {
		if p.n != 0 {
			out += fmt.Sprintf("%d%s", p.n, p.unit)
		}
	}
	return out
}

// RetentionRule is how long something has to be kept and may be kept.
type RetentionRule struct {
	ID       string
	Source   string
	What     string             // recording, record, consent
	Purposes []campaign.Purpose // none = all
	Sector   string             // finance, insurance_short, insurance_long, ...: empty = all
	From     string             // made, contract_end, last_use
	AtLeast  Term
	AtMost   Term // zero = no bound
}

// Kept is a thing whose keeping is judged.
type Kept struct {
	What    string
	Purpose campaign.Purpose
	Sectors []string
	Made    time.Time
	// Anchors are the other moments from which terms run: contract_end, last_use.
	// One that is missing has not come yet.
	Anchors map[string]time.Time
	Hold    bool // legal hold
}

// Keeping says how long something stays.
type Keeping struct {
	// Until is the moment before which nothing may delete it; zero with Forever.
	Until time.Time
	// Forever: a legal hold, or a term that has not begun.
	Forever bool
	// By is when it must be gone; zero = no such rule, or a longer duty to keep.
	By time.Time
	// Rules that decided, the longest first.
	Rules []string
	// Conflict says that a rule wants it gone before another lets it go: the
	// duty to keep wins, and counsel should know.
	Conflict bool
}

// MayDelete reports that nothing forbids deleting now.
func (k Keeping) MayDelete(now time.Time) bool { return !k.Forever && !now.Before(k.Until) }

// MustDelete reports that it has to be gone now.
func (k Keeping) MustDelete(now time.Time) bool {
	return k.MayDelete(now) && !k.By.IsZero() && !now.Before(k.By)
}

// Keep is the maximum of the rules that apply: the longest duty to keep, and
// the shortest permission that does not break it. No rule at all keeps for
// ever: nobody said that it may go.
func Keep(rules []RetentionRule, k Kept) Keeping {
	out := Keeping{Forever: k.Hold}
	applied := false
	var longest time.Time
	for _, r := range rules {
		if r.What != k.What || len(r.Purposes) > 0 && !slices.Contains(r.Purposes, k.Purpose) || r.Sector != "" && !slices.Contains(k.Sectors, r.Sector) {
			continue
		}
		applied = true
		from, begun := k.Made, true
		if r.From != "" && r.From != "made" {
			from, begun = k.Anchors[r.From], !k.Anchors[r.From].IsZero()
		}
		if !begun {
			if !r.AtLeast.IsZero() {
				out.Forever = true
				out.Rules = append(out.Rules, r.ID)
			}
			continue
		}
		if end := r.AtLeast.After(from); !r.AtLeast.IsZero() {
			out.Rules = append(out.Rules, r.ID)
			if end.After(longest) {
				longest = end
			}
		}
		if end := r.AtMost.After(from); !r.AtMost.IsZero() && (out.By.IsZero() || end.Before(out.By)) {
			out.By = end
		}
	}
	if !applied {
		return Keeping{Forever: true}
	}
	if longest.IsZero() { // only bounds above: it may go at any time
		longest = k.Made
	}
	if !out.By.IsZero() && out.By.Before(longest) {
		out.Conflict, out.By = true, longest
	}
	if out.Forever {
		out.By = time.Time{}
		return out
	}
	out.Until = longest
	return out
}

// Retention is the rules of keeping that the law of an act has.
func (l *Law) Retention() []RetentionRule {
	var out []RetentionRule
	for _, j := range l.parts {
		out = append(out, j.Retain...)
	}
	return out
}
