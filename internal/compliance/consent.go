package compliance

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/campaign"
)

// Bases on which somebody may be called. Those of a person's own will are
// withdrawn by that person; the others are not.
var ownWill = []string{
	"consent",      // stated by a task, of no known form
	"express",      // said, clicked or given with the number: prior express consent
	"explicit",     // a clear affirmative act for this purpose
	"separate",     // PIPL Art. 29: separate consent for sensitive data
	"written",      // signed, E-SIGN included: prior express written consent
	"request",      // the person asked to be called
	"relationship", // a customer of ours who could say no and did not: soft opt-in
}

var otherBases = []string{
	"contract",        // to fulfil one with this person
	"legal_duty",      // a statute demands it
	"vital_interest",  // life and health
	"public_interest", // authorities
}

// Bases are all bases that a consent, a task or a jurisdiction may name.
func Bases() []string { return append(slices.Clone(ownWill), otherBases...) }

// ErrConsent is a consent record that proves nothing.
var ErrConsent = errors.New("consent record is not usable")

// Validate reports what a consent record lacks to prove anything.
func (c Consent) Validate(now time.Time) error {
	var errs []error
	must := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	must(slices.Contains(ownWill, c.Basis), "basis must be one of "+strings.Join(ownWill, ", "))
	must(c.Purpose == "" || slices.Contains(purposes, c.Purpose), "purpose must be empty (all) or one of those of scripts")
	must(c.Channel == "" || c.Channel == Voice || c.Channel == SMS, "channel must be empty (all), voice or sms")
	must(c.Source != "" && len(c.Source) <= 255, "source must say where the proof lies, in 1 to 255 bytes")
	must(!c.ObtainedAt.IsZero() && !c.ObtainedAt.After(now), "obtained_at must be given and not lie ahead")
	must(c.ExpiresAt.IsZero() || c.ExpiresAt.After(c.ObtainedAt), "expires_at must be after obtained_at")
	must(c.WithdrawnAt.IsZero() || !c.WithdrawnAt.Before(c.ObtainedAt), "withdrawn_at must not be before obtained_at")
	if len(errs) > 0 {
		return fmt.Errorf("%w: %w", ErrConsent, errors.Join(errs...))
	}
	return nil
}

func (c *Consent) covers(ch Channel, p campaign.Purpose) bool {
	return (c.Channel == "" || c.Channel == ch) && (c.Purpose == "" || c.Purpose == p)
}

// Consents asks for the legal basis that the law demands for the act: a
// consent record where it wants proof, else at least a basis that the task or
// the configuration states.
type Consents struct {
	Set   *Set
	Basis map[campaign.Purpose]string // when the task states none
}

func (Consents) name() string { return "consent" }

func (r Consents) laws() *Set { return r.Set }

func (r Consents) version() string {
	parts := []string{r.Set.Version()}
	for _, p := range purposes {
		parts = append(parts, string(p)+"="+r.Basis[p])
	}
	return strings.Join(parts, " ")
}

// Check refuses what has no basis, and what a person took back.
func (r Consents) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (r Consents) judge(now time.Time, a *Act, f *Facts) ruling {
	if !a.Lab && !slices.Contains(purposes, a.Purpose) {
		return refused("purpose_unknown")
	}
	// A withdrawal takes back every consent that is older.
	var withdrawn time.Time
	for i := range f.Consents {
		c := &f.Consents[i]
		if c.covers(a.Channel, a.Purpose) && !c.WithdrawnAt.IsZero() && !c.WithdrawnAt.After(now) && c.WithdrawnAt.After(withdrawn) {
			withdrawn = c.WithdrawnAt
		}
	}
	out, n, asked := allowed(), 0, false
	for _, j := range r.Set.of(a).parts {
		for i := range j.Consents {
			d := &j.Consents[i]
			n++
			if (len(d.Channels) > 0 && !slices.Contains(d.Channels, a.Channel)) || (len(d.Purposes) > 0 && !slices.Contains(d.Purposes, a.Purpose)) {
				continue
			}
			asked = true
			if ok, which := r.met(d, now, a, f, withdrawn); ok {
				if out.decision == Allow && out.count == 0 {
					out.count = which
				}
				continue
			}
			reason := "consent_missing"
			switch {
			case !withdrawn.IsZero():
				reason = "consent_withdrawn"
			case d.Record && expired(now, a, f):
				reason = "consent_expired"
			case !d.Record && r.basis(a) == "":
				reason = "legal_basis_missing"
			}
			return ruling{reason: reason, which: n - 1}
		}
	}
	if !asked && !withdrawn.IsZero() && r.record(nil, now, a, f, withdrawn) < 0 {
		return refused("consent_withdrawn")
	}
	return out
}

// met reports that a demand is fulfilled, and by which record (its place plus
// one; 0 = by the stated basis).
func (r Consents) met(d *Demand, now time.Time, a *Act, f *Facts, withdrawn time.Time) (bool, int) {
	if i := r.record(d.Accept, now, a, f, withdrawn); i >= 0 {
		return true, i + 1
	}
	if d.Record {
		return false, 0
	}
	basis := r.basis(a)
	if !slices.Contains(d.Accept, basis) {
		return false, 0
	}
	return withdrawn.IsZero() || slices.Contains(otherBases, basis), 0
}

// record is the place of a consent that holds now; -1 = none. accept nil takes any.
func (Consents) record(accept []string, now time.Time, a *Act, f *Facts, withdrawn time.Time) int {
	for i := range f.Consents {
		c := &f.Consents[i]
		if c.covers(a.Channel, a.Purpose) && (accept == nil || slices.Contains(accept, c.Basis)) &&
			c.WithdrawnAt.IsZero() && !c.ObtainedAt.IsZero() && !c.ObtainedAt.After(now) && c.ObtainedAt.After(withdrawn) &&
			(c.ExpiresAt.IsZero() || now.Before(c.ExpiresAt)) {
			return i
		}
	}
	return -1
}

func expired(now time.Time, a *Act, f *Facts) bool {
	for i := range f.Consents {
		c := &f.Consents[i]
		if c.covers(a.Channel, a.Purpose) && !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt) {
			return true
		}
	}
	return false
}

func (r Consents) basis(a *Act) string {
	if a.LegalBasis != "" {
		return a.LegalBasis
	}
	return r.Basis[a.Purpose]
}

func (r Consents) inputs(_ time.Time, a *Act, f *Facts, ru ruling) map[string]string {
	law := r.Set.of(a)
	m := map[string]string{"jurisdiction": law.String(), "purpose": string(a.Purpose), "channel": string(a.Channel), "records": strconv.Itoa(len(f.Consents))}
	if b := r.basis(a); b != "" && slices.Contains(Bases(), b) {
		m["stated_basis"] = b
	}
	if ru.decision == Allow && ru.count > 0 {
		c := f.Consents[ru.count-1]
		m["basis"], m["obtained"] = c.Basis, stamp(c.ObtainedAt)
		if !c.ExpiresAt.IsZero() {
			m["expires"] = stamp(c.ExpiresAt)
		}
	}
	n := 0
	for _, j := range law.parts {
		for i := range j.Consents {
			if n == ru.which {
				d := &j.Consents[i]
				m["demand"], m["accepts"], m["proof"] = d.ID, strings.Join(d.Accept, " "), "statement"
				if d.Record {
					m["proof"] = "record"
				}
			}
			n++
		}
	}
	return m
}
