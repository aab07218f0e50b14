package compliance

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Rule judges one thing.
type Rule interface {
	Check(now time.Time, act Act, facts Facts) Verdict
}

// Rules are checked in order; the first that does not allow decides.
type Rules []Rule

// Check runs the rules in order and returns the first verdict that does not
// allow, or the last. No rules at all refuse.
func (rs Rules) Check(now time.Time, act Act, facts Facts) Verdict {
	return rs.Judge(act)(now, facts).Verdict
}

// Explain is every rule's verdict in order, whatever those before it said.
func (rs Rules) Explain(now time.Time, act Act, facts Facts) []Verdict {
	if len(rs) == 0 {
		return []Verdict{none()}
	}
	act = act.look()
	vs := make([]Verdict, len(rs))
	for i, r := range rs {
		vs[i] = ask(r, now, act, facts)
	}
	return vs
}

// Judge binds the rules to an act. What follows from the act alone is computed
// here, once.
func (rs Rules) Judge(act Act) Judge {
	act = act.look()
	version := rs.Version()
	return func(now time.Time, f Facts) Judgement {
		j := Judgement{Verdict: none(), Version: version}
		for _, r := range rs {
			j.Verdict = ask(r, now, act, f)
			j.Verdicts = append(j.Verdicts, j.Verdict)
			if j.Decision != Allow {
				break
			}
		}
		return j
	}
}

// Needs says over which spans the store has to count for an act.
func (rs Rules) Needs(act Act) Needs {
	act = act.look()
	n := Needs{Abandon: 30 * 24 * time.Hour}
	for _, r := range rs {
		if a, ok := r.(interface{ needs(act Act) Needs }); ok {
			n = a.needs(act)
		}
	}
	return n
}

// Version names the configuration of the rules: a hash that changes when a
// rule, its place or one of its figures changes.
func (rs Rules) Version() string {
	h := sha256.New()
	for _, r := range rs {
		if v, ok := r.(interface{ Version() string }); ok {
			_, _ = fmt.Fprintf(h, "%T %s\n", r, v.Version())
		} else {
			_, _ = fmt.Fprintf(h, "%T %+v\n", r, r)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func none() Verdict { return Verdict{Rule: "none", Reason: "no_rules"} }

// ask is one rule's verdict. A rule that fails refuses.
func ask(r Rule, now time.Time, act Act, f Facts) (v Verdict) {
	defer func() {
		if p := recover(); p != nil {
			v = Verdict{Rule: "failed", Reason: "rule_failed", Inputs: map[string]string{"rule": fmt.Sprintf("%T", r)}}
		}
	}()
	return r.Check(now, act, f)
}

// known is what follows from an act alone.
type known struct {
	region, kind string
	zones        []string
}

// look computes what follows from the act, once.
func (a Act) look() Act {
	if a.known == nil {
		a.known = &known{region: a.Number.Region(), kind: a.Number.Type(), zones: a.Number.Zones()}
	}
	return a
}

// DoNotCall refuses what a do-not-call list forbids.
type DoNotCall struct{}

// Check refuses when the facts name a list.
func (DoNotCall) Check(_ time.Time, _ Act, f Facts) Verdict {
	if len(f.Blocks) > 0 {
		f.BlockedBy = string(f.Blocks[0].Layer)
	}
	if f.BlockedBy != "" {
		return Verdict{Decision: Refuse, Rule: "do_not_call", Reason: "do_not_call", Inputs: map[string]string{"list": f.BlockedBy}}
	}
	return Verdict{Decision: Allow, Rule: "do_not_call"}
}

// TollFraud refuses what no campaign may dial: premium and emergency numbers,
// and foreign ones unless their region is allowed.
type TollFraud struct {
	Regions []string // ISO 3166-1 regions that may be dialled
}

// Check looks at the number alone.
func (r TollFraud) Check(_ time.Time, a Act, _ Facts) Verdict {
	v := Verdict{Decision: Allow, Rule: "toll_fraud", Inputs: map[string]string{"region": a.Number.Region(), "type": a.Number.Type()}}
	switch {
	case a.Lab:
		return v
	case a.Number.Type() == "premium", a.Number.Type() == "short":
		v.Decision, v.Reason = Refuse, "number_type_forbidden"
		return v
	}
	for _, region := range r.Regions {
		if region == a.Number.Region() {
			return v
		}
	}
	v.Decision, v.Reason = Refuse, "region_forbidden"
	return v
}

// Late refuses a call whose time passed longer than Grace ago: a controller
// that was down must not surprise anybody.
type Late struct{ Grace time.Duration }

// Check compares the due time with now.
func (r Late) Check(now time.Time, a Act, _ Facts) Verdict {
	if late := now.Sub(a.DueAt); late > r.Grace {
		return Verdict{Decision: Refuse, Rule: "late", Reason: "call_time_missed",
			Inputs: map[string]string{"late": late.Round(time.Second).String(), "grace": r.Grace.String()}}
	}
	return Verdict{Decision: Allow, Rule: "late"}
}

// Window is a daily interval in the called party's zone, [From, To).
type Window struct{ From, To time.Duration }

// Hours are the calling hours per jurisdiction.
type Hours struct {
	// Windows by jurisdiction; "" is the strictest, for unknown ones.
	Windows map[string]Window
}

// DefaultHours are presets with their sources; an operator has them checked
// by counsel.
//
//	CN: GB/T 45251-2025 forbids 22:00-08:00; marketing habit is narrower.
//	US: 47 CFR 64.1200(c)(1), 16 CFR 310.4(c): 08:00-21:00.
//	UK: Ofcom persistent-misuse statement: 08:00-21:00 is common practice.
//	lab: extensions of a lab trunk stand for no person.
func DefaultHours() Hours {
	return Hours{Windows: map[string]Window{
		"":    {9 * time.Hour, 20 * time.Hour},
		"CN":  {8 * time.Hour, 22 * time.Hour},
		"US":  {8 * time.Hour, 21 * time.Hour},
		"UK":  {8 * time.Hour, 21 * time.Hour},
		"EU":  {9 * time.Hour, 20 * time.Hour},
		"lab": {0, 24 * time.Hour},
	}}
}

// Check requires that every candidate zone is inside the window.
func (r Hours) Check(now time.Time, a Act, f Facts) Verdict {
	v := Verdict{Rule: "calling_hours", Inputs: map[string]string{}}
	jurisdiction := JurisdictionOf(a)
	w, ok := r.Windows[jurisdiction]
	if !ok {
		w, ok = r.Windows[""]
	}
	v.Inputs["jurisdiction"] = jurisdiction
	if !ok {
		v.Reason = "no_window"
		return v
	}
	v.Inputs["window"] = fmt.Sprintf("%s-%s", clock(w.From), clock(w.To))
	if w.From == 0 && w.To >= 24*time.Hour {
		v.Decision = Allow
		return v
	}
	zones, err := candidateZones(a, f)
	if err != nil {
		v.Reason = "zone_unknown"
		v.Inputs["error"] = err.Error()
		return v
	}
	open := nextOpen(now, w, zones)
	if open.IsZero() {
		v.Reason = "zones_never_agree"
		return v
	}
	if !open.After(now) {
		v.Decision = Allow
		return v
	}
	v.Decision, v.Reason, v.Until = Wait, "outside_calling_hours", open
	return v
}

// JurisdictionOf is the law that an act falls under.
func JurisdictionOf(a Act) string {
	switch {
	case a.Lab:
		return "lab"
	case a.Jurisdiction != "":
		return a.Jurisdiction
	}
	switch region := a.Number.Region(); region {
	case "CN", "US":
		return region
	case "GB":
		return "UK"
	case "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE":
		return "EU"
	}
	return ""
}

func candidateZones(a Act, f Facts) ([]*time.Location, error) {
	names := a.Number.Zones()
	if f.Zone != "" {
		names = []string{f.Zone}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no time zone is known for this contact: set one on the contact")
	}
	var zones []*time.Location
	for _, n := range names {
		loc, err := time.LoadLocation(n)
		if err != nil || n == "Local" {
			return nil, fmt.Errorf("time zone %q does not exist", n)
		}
		zones = append(zones, loc)
	}
	return zones, nil
}

// nextOpen is the first instant at or after now, to the minute, that is inside
// w in every zone; zero if there is none within two days.
func nextOpen(now time.Time, w Window, zones []*time.Location) time.Time {
	if inside(now, w, zones) {
		return now
	}
	t := now.Truncate(time.Minute)
	for range 2 * 24 * 60 {
		t = t.Add(time.Minute)
		if inside(t, w, zones) {
			return t
		}
	}
	return time.Time{}
}

func inside(t time.Time, w Window, zones []*time.Location) bool {
	for _, z := range zones {
		l := t.In(z)
		d := time.Duration(l.Hour())*time.Hour + time.Duration(l.Minute())*time.Minute + time.Duration(l.Second())*time.Second
		if d < w.From || d >= w.To {
			return false
		}
	}
	return true
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
}
