// Package phone is a telephone number that cannot leak: it prints, logs and
// marshals masked, and gives its digits only to who asks for them by name.
package phone

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// ErrInvalid is a text that is no telephone number.
var ErrInvalid = errors.New("not a telephone number")

// Number is an E.164 number, a national short number (such as 1069...), or a
// lab extension. The zero Number is "no number".
type Number struct {
	digits string // "+8613800001111"; short numbers and extensions without "+"
	lab    bool
}

// Parse reads a number as people write it. region (ISO 3166-1 alpha-2) is
// assumed when the number has no country code. Never echoes its input. A
// letter is refused, and never read as the key that it stands on: an O for a 0
// would ring a stranger. So is an extension, which nobody here could dial.
func Parse(raw, region string) (Number, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" || len(raw) > 64 {
		return Number{}, fmt.Errorf("%w: empty or longer than 64 bytes", ErrInvalid)
	}
	if strings.ContainsFunc(strings.TrimPrefix(raw, "tel:"), letter) {
		return Number{}, fmt.Errorf("%w: it has letters in it: write digits only (an O for a 0?)", ErrInvalid)
	}
	n, err := phonenumbers.Parse(raw, region)
	if err != nil {
		return Number{}, fmt.Errorf("%w: write it as +<country><number>", ErrInvalid)
	}
	if n.GetExtension() != "" {
		return Number{}, fmt.Errorf("%w: an extension cannot be dialled: write the number alone", ErrInvalid)
	}
	if !phonenumbers.IsValidNumber(n) {
		return Number{}, fmt.Errorf("%w: no such number range in region %s", ErrInvalid, phonenumbers.GetRegionCodeForNumber(n))
	}
	return Number{digits: phonenumbers.Format(n, phonenumbers.E164)}, nil
}

func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// Short is a number that is dialled or shown without a country code, such as
// an enterprise's 95xxx or 1069xxxx: 3 to 20 digits.
func Short(digits string) (Number, error) {
	if len(digits) < 3 || len(digits) > 20 || strings.Trim(digits, "0123456789") != "" {
		return Number{}, fmt.Errorf("%w: a short number is 3 to 20 digits", ErrInvalid)
	}
	return Number{digits: digits}, nil
}

// Lab is an extension of a lab trunk: 1 to 32 of [A-Za-z0-9._-]. It stands
// for no person, so it is shown in full.
func Lab(extension string) (Number, error) {
	if extension == "" || len(extension) > 32 {
		return Number{}, fmt.Errorf("%w: a lab extension is 1 to 32 characters", ErrInvalid)
	}
	for _, c := range extension {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", c) {
			return Number{}, fmt.Errorf("%w: a lab extension is letters, digits, dot, dash and underscore", ErrInvalid)
		}
	}
	return Number{digits: extension, lab: true}, nil
}

// Restore takes back what Reveal gave (from encrypted storage). It checks the
// form alone: the number was judged when Parse took it, and to judge it again
// at every claim costs more than the rest of the claim.
func Restore(revealed string) (Number, error) {
	if ext, ok := strings.CutPrefix(revealed, "lab:"); ok {
		return Lab(ext)
	}
	if digits, ok := strings.CutPrefix(revealed, "+"); ok {
		if len(digits) < 4 || len(digits) > 20 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
			return Number{}, fmt.Errorf("%w: an international number is + and 4 to 20 digits", ErrInvalid)
		}
		return Number{digits: revealed}, nil
	}
	return Short(revealed)
}

// IsZero reports "no number".
func (n Number) IsZero() bool { return n.digits == "" }

// IsLab reports a lab extension.
func (n Number) IsLab() bool { return n.lab }

// Dial is the user part to be dialled. For exchanges only.
func (n Number) Dial() string { return n.digits }

// Reveal is the full number for encrypted storage and permitted display only.
func (n Number) Reveal() string {
	if n.lab {
		return "lab:" + n.digits
	}
	return n.digits
}

// Masked shows the first three and last two digits at most:
// +86138******11.
func (n Number) Masked() string {
	switch {
	case n.lab:
		return n.digits
	case n.digits == "":
		return ""
	}
	d := n.digits
	head, tail := 3, 2
	if strings.HasPrefix(d, "+") {
		head = 6
	}
	if len(d) < head+tail+4 {
		head, tail = min(2, len(d)-1), 0
	}
	return d[:head] + strings.Repeat("*", len(d)-head-tail) + d[len(d)-tail:]
}

// String is Masked, so that no format verb leaks.
func (n Number) String() string { return n.Masked() }

// GoString is Masked too: %#v does not leak.
func (n Number) GoString() string { return "phone.Number(" + n.Masked() + ")" }

// Format keeps every verb, %x and %d among them, from reaching the digits.
func (n Number) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(n.Masked())) }

// LogValue is Masked.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.Masked()) }

// MarshalText is Masked: JSON and YAML show no number.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.Masked()), nil }

// Hash is the keyed fingerprint by which a number is found in the database.
func (n Number) Hash(key []byte) [32]byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(n.Reveal()))
	return [32]byte(m.Sum(nil))
}

// Region is the ISO 3166-1 region, "ZZ" when unknown.
func (n Number) Region() string {
	if p := n.parsed(); p != nil {
		return phonenumbers.GetRegionCodeForNumber(p)
	}
	return "ZZ"
}

// Zones are the candidate time zones (IANA names, sorted); none for short
// numbers and extensions. Several mean that a rule must hold in all of them.
func (n Number) Zones() []string {
	p := n.parsed()
	if p == nil {
		return nil
	}
	zones, err := phonenumbers.GetTimezonesForNumber(p)
	if err != nil {
		return nil
	}
	kept := zones[:0:0]
	for _, z := range zones {
		if z != "Etc/Unknown" {
			kept = append(kept, z)
		}
	}
	sort.Strings(kept)
	return kept
}

// Type is mobile, fixed, fixed_or_mobile, toll_free, premium, voip, short,
// lab or unknown.
func (n Number) Type() string {
	if n.lab {
		return "lab"
	}
	p := n.parsed()
	if p == nil {
		return "short"
	}
	switch phonenumbers.GetNumberType(p) {
	case phonenumbers.MOBILE:
		return "mobile"
	case phonenumbers.FIXED_LINE:
		return "fixed"
	case phonenumbers.FIXED_LINE_OR_MOBILE:
		return "fixed_or_mobile"
	case phonenumbers.TOLL_FREE:
		return "toll_free"
	case phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST:
		return "premium"
	case phonenumbers.VOIP:
		return "voip"
	}
	return "unknown"
}

func (n Number) parsed() *phonenumbers.PhoneNumber {
	if n.lab || !strings.HasPrefix(n.digits, "+") {
		return nil
	}
	p, err := phonenumbers.Parse(n.digits, "ZZ")
	if err != nil {
		return nil
	}
	return p
}
