package compliance

import (
	"slices"
	"strconv"
	"time"

	"ringmaster/internal/campaign"
)

// Whom a cap counts for.
const (
	SubjectPerson  = "person"
	SubjectNumber  = "number"
	SubjectContact = "contact"
)

// What a cap counts.
const (
	CountAll       = "all"       // every act
	CountAnswered  = "answered"  // calls that a person took, and those whose end is not known yet
	CountEffective = "effective" // calls in which there was a conversation, and those whose end is not known yet
)

// Cap is at most so many acts in a span of time.
type Cap struct {
	ID       string
	Source   string
	Subject  string             // person, number, contact
	Channels []Channel          // none = all; acts of these are judged and counted together
	Purposes []campaign.Purpose // none = all; likewise
	Counts   string             // all, answered, effective
	// Exactly one of Day, Within and Life.
	Day    bool          // a calendar day on the person's clock
	Within time.Duration // any span of this length
	Life   bool
	AtMost int
}

func (c *Cap) covers(ch Channel, p campaign.Purpose) bool {
	return (len(c.Channels) == 0 || slices.Contains(c.Channels, ch)) && (len(c.Purposes) == 0 || slices.Contains(c.Purposes, p))
}

// counts reports that an act of the past uses up the cap.
func (c *Cap) counts(s *Spent) bool {
	switch {
	case c.Subject == SubjectPerson && !s.SamePerson, c.Subject == SubjectNumber && !s.SameNumber, c.Subject == SubjectContact && !s.SameContact:
		return false
	case !c.covers(s.Channel, s.Purpose):
		return false
	case c.Counts == CountEffective && !s.Open && !s.Talked:
		return false
	case c.Counts == CountAnswered && !s.Open && !s.Answered && !s.Talked:
		return false
	}
	return true
}

// Caps keeps how often a person, a number and a contact are approached within
// bounds, over every campaign, path and channel.
type Caps struct {
	Set *Set
	Own []Cap // the operator's, on top of the law's
}

func (Caps) name() string { return "caps" }

func (r Caps) laws() *Set      { return r.Set }
func (r Caps) version() string { return r.Set.Version() + describe(r.Own) }

// Check waits for the first instant at which no cap is used up.
func (r Caps) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (r Caps) judge(now time.Time, a *Act, f *Facts) ruling {
	worst := allowed()
	law := r.Set.of(a)
	n := 0
	for i := range r.Own {
		worst = worse(worst, r.one(&r.Own[i], n, now, a, f))
		n++
	}
	for _, j := range law.parts {
		for i := range j.Caps {
			worst = worse(worst, r.one(&j.Caps[i], n, now, a, f))
			n++
		}
	}
	return worst
}

// worse is what holds when both do: a refusal, or the longer wait. Each wait
// ends for good (nothing is spent meanwhile), so the longer one is the first
// instant at which both allow.
func worse(a, b ruling) ruling {
	switch {
	case a.decision == Refuse:
		return a
	case b.decision == Refuse:
		return b
	case a.decision == Allow:
		return b
	case b.decision == Wait && b.until.After(a.until):
		return b
	}
	return a
}

// at is a cap by its place in the order of judging.
func (r Caps) at(law *Law, n int) *Cap {
	if n < 0 {
		return nil
	}
	if n < len(r.Own) {
		return &r.Own[n]
	}
	n -= len(r.Own)
	for _, j := range law.parts {
		if n < len(j.Caps) {
			return &j.Caps[n]
		}
		n -= len(j.Caps)
	}
	return nil
}

func (r Caps) one(c *Cap, n int, now time.Time, a *Act, f *Facts) ruling {
	if !c.covers(a.Channel, a.Purpose) {
		return allowed()
	}
	ru := ruling{decision: Allow, which: n}
	switch {
	case c.Life:
		if ru.count = f.life(c.Subject); ru.count >= c.AtMost {
			ru.decision, ru.reason = Refuse, "cap_"+c.ID
		}
		return allowedUnless(ru)
	case c.Day:
		return r.byDay(c, ru, now, a, f)
	}
	since := now.Add(-c.Within)
	for i := range f.Spent {
		if s := &f.Spent[i]; s.At.After(since) && c.counts(s) {
			ru.count++
		}
	}
	if ru.count < c.AtMost {
		return allowed()
	}
	ends := make([]time.Time, 0, ru.count)
	for i := range f.Spent {
		if s := &f.Spent[i]; s.At.After(since) && c.counts(s) {
			ends = append(ends, s.At.Add(c.Within))
		}
	}
	return c.full(ru, ends)
}

func (f *Facts) life(subject string) int {
	switch subject {
	case SubjectNumber:
		return f.LifeNumber
	case SubjectContact:
		return f.LifeContact
	}
	return f.LifePerson
}

func allowedUnless(r ruling) ruling {
	if r.decision == Allow {
		return allowed()
	}
	return r
}

// full is a cap that is used up: it opens when enough of what counts has
// stopped to count.
func (c *Cap) full(ru ruling, ends []time.Time) ruling {
	slices.SortFunc(ends, func(x, y time.Time) int { return y.Compare(x) })
	ru.decision, ru.reason, ru.until = Wait, "cap_"+c.ID, ends[c.AtMost-1]
	return ru
}

// longestDay is more than any calendar day lasts.
const longestDay = 50 * time.Hour

func (r Caps) byDay(c *Cap, ru ruling, now time.Time, a *Act, f *Facts) ruling {
	recent := false
	for i := range f.Spent {
		if s := &f.Spent[i]; now.Sub(s.At) < longestDay && c.counts(s) {
			recent = true
			break
		}
	}
	if !recent { // the day's zone need not be known
		return allowed()
	}
	var buf [maxZones + 1]*time.Location
	zs, err := r.Set.zones.candidates(a, f, buf[:])
	if err != nil && a.Lab {
		zs, err = append(buf[:0], time.UTC), nil
	}
	if err != nil {
		ru.decision, ru.reason, ru.err = Refuse, "zone_unknown", err
		return ru
	}
	var ends []time.Time
	for i := range f.Spent {
		s := &f.Spent[i]
		if now.Sub(s.At) >= longestDay || !c.counts(s) {
			continue
		}
		var end time.Time // of its day, where that is last
		same := false
		for _, z := range zs {
			if localDay(s.At, z) >= localDay(now, z) {
				same = true
			}
			if e := dayEnds(s.At, z); e.After(end) {
				end = e
			}
		}
		if same {
			ru.count++
			ends = append(ends, end)
		}
	}
	if ru.count < c.AtMost {
		return allowed()
	}
	return c.full(ru, ends)
}

func (r Caps) inputs(_ time.Time, a *Act, f *Facts, ru ruling) map[string]string {
	law := r.Set.of(a)
	m := map[string]string{"jurisdiction": law.String(), "acts": strconv.Itoa(len(f.Spent))}
	if ru.err != nil {
		m["error"] = ru.err.Error()
	}
	if c := r.at(law, ru.which); c != nil {
		m["cap"], m["at_most"], m["used"], m["subject"], m["per"], m["counts"] = c.ID, strconv.Itoa(c.AtMost), strconv.Itoa(ru.count), c.Subject, c.per(), c.Counts
	}
	return m
}

func (c *Cap) per() string {
	switch {
	case c.Day:
		return "day"
	case c.Life:
		return "life"
	case c.Within%(24*time.Hour) == 0 && c.Within > 24*time.Hour:
		return strconv.Itoa(int(c.Within/(24*time.Hour))) + "d"
	}
	return c.Within.String()
}

// CoolDownRule is peace after a conversation.
type CoolDownRule struct {
	ID       string
	Source   string
	Subject  string // person, number
	Channels []Channel
	Purposes []campaign.Purpose
	For      time.Duration
}

// CoolDown leaves a person in peace after a conversation for as long as the
// law says.
type CoolDown struct{ Set *Set }

func (CoolDown) name() string { return "cool_down" }

func (r CoolDown) laws() *Set      { return r.Set }
func (r CoolDown) version() string { return r.Set.Version() }

// Check waits until the peace is over. A call whose end is not known counts
// from its beginning.
func (r CoolDown) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (r CoolDown) judge(now time.Time, a *Act, f *Facts) ruling {
	out, n := allowed(), 0
	for _, j := range r.Set.of(a).parts {
		for i := range j.CoolDowns {
			c := &j.CoolDowns[i]
			n++
			as := Cap{Subject: c.Subject, Channels: c.Channels, Purposes: c.Purposes, Counts: CountEffective}
			if !as.covers(a.Channel, a.Purpose) {
				continue
			}
			for i := range f.Spent {
				s := &f.Spent[i]
				if s.Channel != Voice || !as.counts(s) {
					continue
				}
				talked := s.At
				if s.TalkedAt.After(talked) {
					talked = s.TalkedAt
				}
				if until := talked.Add(c.For); until.After(now) && until.After(out.until) {
					out = ruling{decision: Wait, reason: "cool_down", until: until, which: n - 1}
				}
			}
		}
	}
	return out
}

func (r CoolDown) inputs(_ time.Time, a *Act, _ *Facts, ru ruling) map[string]string {
	law := r.Set.of(a)
	m := map[string]string{"jurisdiction": law.String()}
	n := 0
	for _, j := range law.parts {
		for _, c := range j.CoolDowns {
			if n == ru.which {
				m["rule"], m["for"], m["subject"] = c.ID, c.For.String(), c.Subject
			}
			n++
		}
	}
	return m
}

// AbandonRule is at most Percent of the calls that a person answers left
// without anybody speaking.
type AbandonRule struct {
	Percent float64
	Period  time.Duration
	Scope   string        // task
	Floor   int           // of answered calls: below it, Percent is taken of Floor
	Answer  time.Duration // within which somebody must speak
	Source  string
}

// Abandons stops a task whose share of abandoned calls is above the cap. When
// it may go on is not known: calls of the past leave the period one by one.
type Abandons struct{ Set *Set }

func (Abandons) name() string { return "abandon" }

func (r Abandons) laws() *Set      { return r.Set }
func (r Abandons) version() string { return r.Set.Version() }

// Check compares the task's counts with the cap.
func (r Abandons) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (r Abandons) judge(_ time.Time, a *Act, f *Facts) ruling {
	if a.Channel != Voice {
		return allowed()
	}
	rule, ok := r.Set.of(a).abandon()
	if ok && float64(f.Abandoned)*100 > rule.Percent*float64(max(f.Answered, rule.Floor)) {
		return waiting("abandon_cap", time.Time{})
	}
	return allowed()
}

func (r Abandons) inputs(_ time.Time, a *Act, f *Facts, _ ruling) map[string]string {
	law := r.Set.of(a)
	m := map[string]string{"jurisdiction": law.String(), "answered": strconv.Itoa(f.Answered), "abandoned": strconv.Itoa(f.Abandoned)}
	if rule, ok := law.abandon(); ok {
		m["percent"], m["period"], m["floor"] = strconv.FormatFloat(rule.Percent, 'f', -1, 64), rule.Period.String(), strconv.Itoa(rule.Floor)
	}
	return m
}
