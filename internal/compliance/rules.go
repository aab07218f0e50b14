package compliance

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
)

// Rule judges one thing. Rules are pure: they take the moment, the act and
// the facts, and look at nothing else.
type Rule interface {
	Check(now time.Time, act Act, facts Facts) Verdict
}

// gate is a rule whose verdict costs nothing to write down until it is asked for.
type gate interface {
	name() string
	judge(now time.Time, a *Act, f *Facts) ruling
	inputs(now time.Time, a *Act, f *Facts, r ruling) map[string]string
}

// ruling is a verdict before it is written down. The zero ruling refuses.
type ruling struct {
	decision Decision
	reason   string
	until    time.Time
	which    int // of a rule's parts: for inputs
	count    int
	err      error
}

func allowed() ruling { return ruling{decision: Allow, which: -1} }

func refused(reason string) ruling { return ruling{reason: reason, which: -1} }

func waiting(reason string, until time.Time) ruling {
	return ruling{decision: Wait, reason: reason, until: until, which: -1}
}

// verdict writes a ruling down.
func verdict(g gate, now time.Time, a *Act, f *Facts, r ruling) Verdict {
	return Verdict{Decision: r.decision, Rule: g.name(), Reason: r.reason, Until: r.until, Inputs: g.inputs(now, a, f, r)}
}

// check is Rule.Check of a gate.
func check(g gate, now time.Time, a Act, f Facts) Verdict {
	return verdict(g, now, &a, &f, g.judge(now, &a, &f))
}

// Rules are checked in order; the first that does not allow decides.
type Rules []Rule

// Options are the operator's own part of the rules.
type Options struct {
	Regions []string      // ISO 3166-1 regions that may be dialled
	Late    time.Duration // a time missed by more than this is not made up for
	// Basis is the legal basis of a purpose when the task states none.
	Basis map[campaign.Purpose]string
	// Caps are on top of those of the law, and hold in the lab too.
	Caps []Cap
	// CallerIDs are those that the configuration registers for its trunks.
	CallerIDs []OwnCallerID
}

// New is the complete list of gates in its order. Set holds the law.
func New(set *Set, o Options) Rules {
	return Rules{
		Stop{}, ContactState{}, TaskState{}, DoNotCall{},
		Consents{Set: set, Basis: o.Basis}, TollFraud{Regions: o.Regions}, CallerIDs{Set: set, Own: o.CallerIDs}, Late{Grace: o.Late},
		Hours{Set: set}, Caps{Set: set, Own: o.Caps}, CoolDown{Set: set}, Abandons{Set: set},
	}
}

// Check runs the rules in order and returns the first verdict that does not
// allow, or the last. No rules at all refuse, and so does a rule that fails.
func (rs Rules) Check(now time.Time, act Act, facts Facts) Verdict {
	if len(rs) == 0 {
		return none()
	}
	act = rs.look(act)
	for _, r := range rs {
		if v, ok := pass(r, now, &act, &facts, true); !ok {
			return v
		}
	}
	return ask(rs[len(rs)-1], now, &act, &facts)
}

// Quick is Check without inputs, for who asks about thousands at once and
// shows none of them. An act that is Prepared costs nothing to look at again.
func (rs Rules) Quick(now time.Time, act *Act, facts *Facts) Verdict {
	if len(rs) == 0 {
		return none()
	}
	if set := rs.set(); !act.known.holds(act, set) {
		looked := rs.look(*act)
		act = &looked
	}
	for _, r := range rs {
		if v, ok := pass(r, now, act, facts, false); !ok {
			return v
		}
	}
	return Verdict{Decision: Allow}
}

// pass is the quick way: a verdict is written only when it does not allow.
func pass(r Rule, now time.Time, a *Act, f *Facts, inputs bool) (v Verdict, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			v, ok = failed(r, p), false
		}
	}()
	if g, isGate := r.(gate); isGate {
		ru := g.judge(now, a, f)
		switch {
		case ru.decision == Allow:
			return v, true
		case !inputs:
			return Verdict{Decision: ru.decision, Rule: g.name(), Reason: ru.reason, Until: ru.until}, false
		}
		return verdict(g, now, a, f, ru), false
	}
	v = r.Check(now, *a, *f)
	return v, v.Decision == Allow
}

// Explain is every rule's verdict in order, whatever those before it said.
func (rs Rules) Explain(now time.Time, act Act, facts Facts) []Verdict {
	if len(rs) == 0 {
		return []Verdict{none()}
	}
	act = rs.look(act)
	vs := make([]Verdict, len(rs))
	for i, r := range rs {
		vs[i] = ask(r, now, &act, &facts)
	}
	return vs
}

// Judge binds the rules to an act. What follows from the act alone is computed
// here, once.
func (rs Rules) Judge(act Act) Judge {
	act = rs.look(act)
	version := rs.Version()
	return func(now time.Time, f Facts) Judgement {
		j := Judgement{Verdict: none(), Version: version}
		for _, r := range rs {
			j.Verdict = ask(r, now, &act, &f)
			j.Verdicts = append(j.Verdicts, j.Verdict)
			if j.Decision != Allow {
				break
			}
		}
		return j
	}
}

// Opens is the first instant from now on at which every rule would allow the
// act if nothing else happened, with the verdict of the last rule that stood
// in the way. It is zero when a rule refuses for good or does not know, and
// then the verdict is that rule's.
func (rs Rules) Opens(now time.Time, act Act, facts Facts) (time.Time, Verdict) {
	act = rs.look(act)
	var last Verdict
	t := now
	for range 1000 {
		v := rs.Check(t, act, facts)
		switch {
		case v.Decision == Allow && last.Rule == "":
			return t, v
		case v.Decision == Allow:
			return t, last
		case v.Decision == Refuse, !v.Until.After(t):
			return time.Time{}, v
		}
		t, last = v.Until, v
	}
	return time.Time{}, last
}

// Needs says over which spans the store has to count for an act.
func (rs Rules) Needs(act Act) Needs {
	n := Needs{Abandon: 30 * 24 * time.Hour}
	for _, r := range rs {
		if a, ok := r.(Abandons); ok && a.Set != nil {
			if rule, ok := a.Set.Law(act).abandon(); ok {
				n.Abandon = rule.Period
			}
		}
	}
	return n
}

// Named are the rules of these names, in their order here.
func (rs Rules) Named(names ...string) Rules {
	var some Rules
	for _, r := range rs {
		for _, n := range names {
			if g, ok := r.(gate); ok && g.name() == n {
				some = append(some, r)
			}
		}
	}
	return some
}

// Version names the configuration of the rules: a hash that changes when a
// rule, its place or one of its figures changes.
func (rs Rules) Version() string {
	h := sha256.New()
	for _, r := range rs {
		if v, ok := r.(interface{ version() string }); ok {
			_, _ = fmt.Fprintf(h, "%T %s\n", r, v.version())
		} else {
			_, _ = fmt.Fprintf(h, "%T %+v\n", r, r)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func none() Verdict { return Verdict{Rule: "none", Reason: "no_rules"} }

// ask is one rule's verdict, written down.
func ask(r Rule, now time.Time, a *Act, f *Facts) (v Verdict) {
	defer func() {
		if p := recover(); p != nil {
			v = failed(r, p)
		}
	}()
	if g, ok := r.(gate); ok {
		return verdict(g, now, a, f, g.judge(now, a, f))
	}
	return r.Check(now, *a, *f)
}

// failed is the refusal of a rule that panicked. What it panicked with is not
// shown: it may hold anything.
func failed(r Rule, p any) Verdict {
	name := fmt.Sprintf("%T", r)
	if g, ok := r.(gate); ok {
		name = g.name()
	}
	what := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok { // these name types and places, no data
		what = err.Error()
	}
	return Verdict{Rule: name, Reason: ReasonFailed, Inputs: map[string]string{"failure": what}}
}

// ReasonFailed is the reason of a rule that failed instead of judging: it
// refuses.
const ReasonFailed = "rule_failed"

// known is what follows from an act alone. It is not written to once it is there.
type known struct {
	number       phone.Number // what was looked at
	region, kind string
	zones        []string
	set          *Set
	stated       string
	purpose      campaign.Purpose
	lab          bool
	law          *Law
}

// holds reports that the act is still the one that was looked at.
func (k *known) holds(a *Act, s *Set) bool {
	return k != nil && k.number == a.Number && (s == nil || k.set == s && k.stated == a.Jurisdiction && k.purpose == a.Purpose && k.lab == a.Lab)
}

// look computes what follows from the act, once.
func (rs Rules) look(a Act) Act {
	if set := rs.set(); set != nil {
		return set.Look(a)
	}
	return a.look()
}

// set is the one that the rules judge by; nil = none.
func (rs Rules) set() *Set {
	for _, r := range rs {
		if l, ok := r.(interface{ laws() *Set }); ok && l.laws() != nil {
			return l.laws()
		}
	}
	return nil
}

func (a Act) look() Act {
	if !a.known.holds(&a, nil) {
		a.known = &known{number: a.Number, region: a.Number.Region(), kind: a.Number.Type(), zones: a.Number.Zones()}
	}
	return a
}

func (a *Act) region() string {
	if a.known.holds(a, nil) {
		return a.known.region
	}
	return a.Number.Region()
}

func (a *Act) kind() string {
	if a.known.holds(a, nil) {
		return a.known.kind
	}
	return a.Number.Type()
}

func (a *Act) numberZones() []string {
	if a.known.holds(a, nil) {
		return a.known.zones
	}
	return a.Number.Zones()
}

// Prepared is the act with what follows from it alone, for an act that is
// judged many times.
func (rs Rules) Prepared(a Act) Act { return rs.look(a) }
