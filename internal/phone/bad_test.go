package phone_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"ringmaster/internal/phone"
	"ringmaster/internal/phone/phonetest"
)

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// asWritten are the digits of a text, of whatever script, as ASCII.
func asWritten(s string) string {
	var b strings.Builder
	for _, r := range s {
		for _, zero := range "0٠۰०０𝟎" {
			if r >= zero && r <= zero+9 {
				b.WriteRune('0' + r - zero)
			}
		}
	}
	return b.String()
}

// Each of 5,000 texts is refused with an error that tells what to write and
// not what was written, or is a number whose digits are those of the text: a
// mistake may cost a call, and never rings a stranger.
func TestBadPhoneInputsAreRefusedOrNormalised(t *testing.T) {
	all := phonetest.Bad()
	if len(all) < 5000 {
		t.Fatalf("only %d inputs", len(all))
	}
	refused, taken := map[string]int{}, map[string]int{}
	for _, in := range all {
		n, err := phone.Parse(in.Text, "CN")
		if err != nil {
			refused[in.Kind]++
			if !errors.Is(err, phone.ErrInvalid) || !n.IsZero() || len(err.Error()) < 30 || len(err.Error()) > 160 {
				t.Errorf("%s %q: %v with %q", in.Kind, clip(in.Text), err, n.Dial())
			}
			if len(in.Text) > 5 && strings.Contains(err.Error(), in.Text) {
				t.Errorf("%s: the error tells the input: %v", in.Kind, err)
			}
			continue
		}
		taken[in.Kind]++
		if !e164.MatchString(n.Dial()) {
			t.Errorf("%s %q became %q", in.Kind, in.Text, n.Dial())
			continue
		}
		national := strings.TrimPrefix(strings.TrimPrefix(n.Dial(), "+"), "86")
		if !strings.Contains(asWritten(in.Text), national) && !strings.Contains(asWritten(in.Text), n.Dial()[1:]) && !trunkZero(in.Text, n.Dial()) {
			t.Errorf("%s %q became %q: other digits than were written", in.Kind, in.Text, n.Dial())
		}
		if again, err := phone.Parse(n.Dial(), "ZZ"); err != nil || again != n {
			t.Errorf("%s %q became %q, which is read as %q, %v", in.Kind, in.Text, n.Dial(), again.Dial(), err)
		}
	}
	t.Logf("%d inputs: refused %v, normalised %v", len(all), refused, taken)
}

// trunkZero: within a number that has its country code, a national 0 is left
// out, so its digits are two runs of the written ones.
func trunkZero(text, dial string) bool {
	w := asWritten(text)
	for cc := 2; cc <= 4 && cc < len(dial); cc++ {
		if i := strings.Index(w, dial[1:cc]); i >= 0 && strings.HasSuffix(w[i+cc-1:], dial[cc:]) {
			return true
		}
	}
	return false
}

// The other two readers: digits, and the letters of a lab extension, and
// nothing besides.
func TestBadPhoneInputsAsShortNumbersAndExtensions(t *testing.T) {
	short, ext := regexp.MustCompile(`^[0-9]{3,20}$`), regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)
	for _, in := range phonetest.Bad() {
		if n, err := phone.Short(in.Text); (err == nil) != short.MatchString(in.Text) || err == nil && n.Dial() != in.Text {
			t.Errorf("short %q: %q, %v", clip(in.Text), n.Dial(), err)
		}
		if n, err := phone.Lab(in.Text); (err == nil) != ext.MatchString(in.Text) || err == nil && n.Dial() != in.Text {
			t.Errorf("lab %q: %q, %v", clip(in.Text), n.Dial(), err)
		}
		if n, err := phone.Restore(in.Text); err == nil && strings.Trim(n.Dial(), "+0123456789") != "" && !n.IsLab() {
			t.Errorf("restored %q as %q", clip(in.Text), n.Dial())
		}
	}
}

func clip(s string) string { return s[:min(len(s), 80)] }
