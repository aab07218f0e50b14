package compliance

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/phone"
)

// CallerIDs shows only numbers that the registry types as fit for the channel
// on the trunk that carries the act. It is never guessed: what is not
// registered is refused.
type CallerIDs struct {
	Set *Set
	// Own are registered by configuration. What the registry says of the same
	// number and trunk goes before them.
	Own []OwnCallerID
}

// OwnCallerID is a caller ID that the configuration registers for a trunk.
type OwnCallerID struct {
	Number  phone.Number
	Trunk   string
	Voice   bool   // the carrier shows it on calls; needless where its first digits are a voice number's
	Licence string // of a call-centre number
}

func (CallerIDs) name() string { return "caller_id" }

func (r CallerIDs) laws() *Set      { return r.Set }
func (r CallerIDs) version() string { return r.Set.Version() + fmt.Sprintf(" %v", r.Own) }

// registration is what the registry says, else what the configuration does.
func (r CallerIDs) registration(a *Act, f *Facts) *Registration {
	if f.CallerID != nil || a.CallerID.IsZero() {
		return f.CallerID
	}
	for i := range r.Own {
		if o := &r.Own[i]; o.Number == a.CallerID && o.Trunk == a.Trunk {
			reg := &Registration{Voice: true, SMS: true, Trunk: o.Trunk, Licence: o.Licence}
			if typed, known := r.Set.TypeOf(o.Number); known {
				reg.Voice, reg.SMS = typed.Voice || o.Voice, typed.SMS
			}
			return reg
		}
	}
	return nil
}

// Check compares the registration with the act. Towards a lab extension a
// number needs none, unless it is of a sort that is no voice caller ID.
func (r CallerIDs) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (r CallerIDs) judge(now time.Time, a *Act, f *Facts) ruling {
	reg := r.registration(a, f)
	typed, known := r.Set.TypeOf(a.CallerID)
	if reg == nil {
		switch {
		case a.Lab && (a.CallerID.IsZero() || !known || typed.Voice || a.Channel != Voice):
			return allowed()
		case a.CallerID.IsZero():
			return refused("caller_id_missing")
		case known && a.Channel == Voice && !typed.Voice:
			return refused("caller_id_sms_only")
		}
		return refused("caller_id_unregistered")
	}
	switch {
	case a.CallerID.IsZero():
		return refused("caller_id_missing")
	case reg.Trunk != a.Trunk:
		return refused("caller_id_other_trunk")
	case reg.State != "" && reg.State != "active":
		return refused("caller_id_suspended")
	case a.Channel == Voice && !reg.Voice:
		return refused("caller_id_sms_only")
	case a.Channel == SMS && !reg.SMS:
		return refused("caller_id_voice_only")
	case reg.Type != "" && known && reg.Type != typed.Type:
		return refused("caller_id_mistyped")
	case known && typed.Licence && strings.TrimSpace(reg.Licence) == "":
		return refused("caller_id_licence_missing")
	case !a.Lab && reg.Region != "" && reg.Region != a.region():
		return refused("caller_id_other_region")
	case reg.DailyCap > 0 && reg.UsedToday >= reg.DailyCap && (reg.Resets.IsZero() || now.Before(reg.Resets)):
		return waiting("caller_id_daily_cap", reg.Resets)
	}
	return allowed()
}

func (r CallerIDs) inputs(_ time.Time, a *Act, f *Facts, _ ruling) map[string]string {
	m := map[string]string{"caller_id": a.CallerID.Masked(), "trunk": a.Trunk, "channel": string(a.Channel), "registered": "no"}
	if t, ok := r.Set.TypeOf(a.CallerID); ok {
		m["prefix"], m["type"] = t.Prefix, t.Type
	}
	if reg := r.registration(a, f); reg != nil {
		m["registered"], m["registered_trunk"], m["voice"], m["sms"] = "yes", reg.Trunk, strconv.FormatBool(reg.Voice), strconv.FormatBool(reg.SMS)
		if reg.DailyCap > 0 {
			m["used"], m["daily_cap"] = strconv.Itoa(reg.UsedToday), strconv.Itoa(reg.DailyCap)
		}
	}
	return m
}

// TypeOf types a short caller ID by its first digits (106x an SMS port, 950
// a call centre, ...), as the jurisdiction files say. Numbers with a country
// code are typed by the numbering plan and not here.
func (s *Set) TypeOf(n phone.Number) (NumberRange, bool) {
	if n.Type() != "short" || n.IsZero() {
		return NumberRange{}, false
	}
	digits := n.Reveal()
	for _, r := range s.ranges { // longest prefix first
		if strings.HasPrefix(digits, r.Prefix) {
			return r, true
		}
	}
	return NumberRange{}, false
}
