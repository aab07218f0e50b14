package compliance

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"ringmaster/internal/campaign"
)

// ErrLaw is wrapped by every error of a jurisdiction file or of the set of
// them: the rules are not usable and nothing may be dialled by them.
var ErrLaw = errors.New("jurisdictions are not usable")

// Law is what applies to an act: one jurisdiction, or several whose rules all
// hold.
type Law struct {
	Names []string
	parts []*Jurisdiction
}

// Set is all jurisdictions. It is immutable but for a cache.
type Set struct {
	by      map[string]*Jurisdiction
	region  map[string]string // phone region to name
	other   string            // for all other regions
	lab     string
	special map[string][]*Jurisdiction // by what they extend, in order of names
	ranges  []NumberRange              // longest prefix first
	digest  string
	names   []string
	zones   *zones
	laws    sync.Map // lawKey to *Law
}

type lawKey struct {
	stated, region string
	purpose        campaign.Purpose
	lab            bool
}

// NewSet checks that jurisdictions and calendars fit together. drafts names
// the drafts that are to be obeyed.
func NewSet(js []Jurisdiction, cs []Calendar, drafts []string) (*Set, error) {
	s := &Set{by: map[string]*Jurisdiction{}, region: map[string]string{}, special: map[string][]*Jurisdiction{}, zones: &zones{}}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	calendars := map[string]*Calendar{}
	for i := range cs {
		if calendars[cs[i].Name] != nil {
			bad("calendar %s stands twice", cs[i].Name)
		}
		calendars[cs[i].Name] = &cs[i]
	}
	for i := range js {
		j := js[i]
		if s.by[j.Name] != nil {
			bad("jurisdiction %s stands twice", j.Name)
		}
		s.by[j.Name] = &j
		s.names = append(s.names, j.Name)
	}
	sort.Strings(s.names)
	for _, name := range s.names {
		s.place(s.by[name], calendars, drafts, bad)
	}
	if s.other == "" {
		bad(`no jurisdiction has regions: ["*"]: numbers of unknown regions need rules too`)
	}
	if s.lab == "" {
		bad("no jurisdiction has lab: true")
	}
	for _, d := range drafts {
		if j := s.by[d]; j == nil || !j.Draft {
			bad("%s is no draft that is known", clipped(d))
		}
	}
	s.cycles(bad)
	s.prefixes(bad)
	if len(errs) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrLaw, errors.Join(errs...))
	}
	s.seal(calendars, drafts)
	return s, nil
}

// place puts a jurisdiction where it governs.
func (s *Set) place(j *Jurisdiction, calendars map[string]*Calendar, drafts []string, bad func(string, ...any)) {
	for _, r := range j.Regions {
		switch {
		case r == "*" && s.other != "":
			bad("%s and %s both claim all other regions", s.other, j.Name)
		case r == "*":
			s.other = j.Name
		case s.region[r] != "":
			bad("%s and %s both claim region %s: leave it to one of them", s.region[r], j.Name, r)
		default:
			s.region[r] = j.Name
		}
	}
	if j.Lab {
		if s.lab != "" {
			bad("%s and %s both claim the lab", s.lab, j.Name)
		}
		s.lab = j.Name
	}
	if j.Calendar != "" {
		if j.calendar = calendars[j.Calendar]; j.calendar == nil {
			bad("%s: calendar %s does not exist", j.Name, clipped(j.Calendar))
		}
	}
	if j.Extends == "" {
		return
	}
	if s.by[j.Extends] == nil {
		bad("%s: extends %s, which does not exist", j.Name, clipped(j.Extends))
		return
	}
	if len(j.Purposes) > 0 && (!j.Draft || slices.Contains(drafts, j.Name)) {
		s.special[j.Extends] = append(s.special[j.Extends], j)
	}
}

func (s *Set) cycles(bad func(string, ...any)) {
	for _, name := range s.names {
		seen := 0
		for j := s.by[name]; j != nil && j.Extends != ""; j = s.by[j.Extends] {
			if seen++; seen > len(s.names) {
				bad("%s extends itself in a circle", name)
				break
			}
		}
	}
}

func (s *Set) prefixes(bad func(string, ...any)) {
	seen := map[string]string{}
	for _, name := range s.names {
		for _, r := range s.by[name].CallerIDs {
			if other, ok := seen[r.Prefix]; ok {
				bad("%s and %s both type the caller IDs %s...", other, name, r.Prefix)
			}
			seen[r.Prefix] = name
			s.ranges = append(s.ranges, r)
		}
	}
	sort.SliceStable(s.ranges, func(i, k int) bool { return len(s.ranges[i].Prefix) > len(s.ranges[k].Prefix) })
}

func (s *Set) seal(calendars map[string]*Calendar, drafts []string) {
	h := sha256.New()
	for _, name := range s.names {
		d := s.by[name].digest
		_, _ = fmt.Fprintf(h, "%s %x\n", name, d)
	}
	var names []string
	for n := range calendars {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		_, _ = fmt.Fprintf(h, "calendar %s %x\n", n, calendars[n].digest)
	}
	ds := slices.Clone(drafts)
	sort.Strings(ds)
	_, _ = fmt.Fprintf(h, "drafts %v\n", ds)
	s.digest = hex.EncodeToString(h.Sum(nil)[:12])
}

// Version is a hash over every figure of the set.
func (s *Set) Version() string { return s.digest }

// Names of the jurisdictions, sorted.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Jurisdiction by name. What it points to must not be written to.
func (s *Set) Jurisdiction(name string) (*Jurisdiction, bool) {
	j, ok := s.by[name]
	return j, ok
}

// Law is what applies to an act: the jurisdiction that the task states and
// that of the number's region, with all that they extend and the special ones
// of the act's purpose. All rules of all of them hold, so that two laws that
// disagree give the narrower answer. A name or a region that nobody knows
// falls under the strictest.
func (s *Set) Law(a Act) *Law { return s.of(&a) }

func (s *Set) of(a *Act) *Law {
	if a.known.holds(a, s) {
		return a.known.law
	}
	return s.find(a)
}

func (s *Set) find(a *Act) *Law {
	key := lawKey{stated: a.Jurisdiction, region: a.region(), purpose: a.Purpose, lab: a.Lab}
	if key.lab {
		key = lawKey{lab: true}
	} else {
		if key.stated != "" && s.by[key.stated] == nil { // hostile names do not fill the cache
			key.stated = s.other
		}
		if s.region[key.region] == "" {
			key.region = "*"
		}
		if !slices.Contains(purposes, key.purpose) {
			key.purpose = "?"
		}
	}
	if l, ok := s.laws.Load(key); ok {
		if law, isLaw := l.(*Law); isLaw {
			return law
		}
	}
	law := s.law(key)
	s.laws.Store(key, law)
	return law
}

// Purposes are all that the law distinguishes.
func Purposes() []Purpose { return slices.Clone(purposes) }

var purposes = []campaign.Purpose{campaign.Marketing, campaign.Collections, campaign.Service, campaign.Fraud, campaign.Health}

func (s *Set) law(key lawKey) *Law {
	l := &Law{}
	if key.lab {
		l.add(s.by[s.lab])
		return l
	}
	byNumber := s.region[key.region]
	if byNumber == "" {
		byNumber = s.other
	}
	for _, name := range []string{key.stated, byNumber} {
		if name == "" {
			continue
		}
		s.gather(l, s.by[name], key.purpose)
	}
	return l
}

// gather adds a jurisdiction, what it extends, and the special ones of the
// purpose of each of these.
func (s *Set) gather(l *Law, j *Jurisdiction, p campaign.Purpose) {
	if j.Lab { // a task that says so of a number that is none is not believed
		j = s.by[s.other]
	}
	for ; j != nil; j = s.by[j.Extends] {
		l.add(j)
		for _, sp := range s.special[j.Name] {
			// A purpose that nobody knows falls under every special rule.
			if p == "?" || slices.Contains(sp.Purposes, p) {
				l.add(sp)
			}
		}
	}
}

func (l *Law) add(j *Jurisdiction) {
	if !slices.Contains(l.Names, j.Name) {
		l.Names = append(l.Names, j.Name)
		l.parts = append(l.parts, j)
	}
}

// String names the law: CN-collections+CN.
func (l *Law) String() string { return strings.Join(l.Names, "+") }

// Look computes what follows from the act alone. An act that is judged often
// is looked at once.
func (s *Set) Look(a Act) Act {
	if a.known.holds(&a, s) {
		return a
	}
	a = a.look()
	k := *a.known
	k.set, k.stated, k.purpose, k.lab, k.law = s, a.Jurisdiction, a.Purpose, a.Lab, s.find(&a)
	a.known = &k
	return a
}

// Ring is how long it must ring at least before we give up; zero = no rule.
func (l *Law) Ring() time.Duration {
	var d time.Duration
	for _, j := range l.parts {
		if j.Ring != nil {
			d = max(d, j.Ring.AtLeast)
		}
	}
	return d
}

// Disclosures are what must be said, each kind once with the forms that every
// rule accepts.
func (l *Law) Disclosures() []DisclosureRule {
	var out []DisclosureRule
	for _, j := range l.parts {
	next:
		for _, d := range j.Disclose {
			for i := range out {
				if out[i].What == d.What {
					out[i].Forms = slices.DeleteFunc(slices.Clone(out[i].Forms), func(f string) bool { return !slices.Contains(d.Forms, f) })
					continue next
				}
			}
			out = append(out, d)
		}
	}
	return out
}

// abandon is the strictest abandon cap.
func (l *Law) abandon() (AbandonRule, bool) {
	var best AbandonRule
	found := false
	for _, j := range l.parts {
		if a := j.Abandon; a != nil && (!found || a.Percent < best.Percent || a.Percent == best.Percent && a.Period > best.Period) {
			best, found = *a, true
		}
	}
	return best, found
}

func clipped(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return fmt.Sprintf("%q", s)
}

// describe writes caps down for a version hash.
func describe(caps []Cap) string { return fmt.Sprintf("%+v", caps) }
