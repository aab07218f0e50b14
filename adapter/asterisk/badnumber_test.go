package asterisk

import (
	"regexp"
	"testing"

	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
	"ringmaster/internal/phone/phonetest"
)

// Whatever somebody wrote where a number was wanted: it is refused before here,
// or it is exactly one endpoint of the trunk, and one caller ID.
func TestNoBadNumberIsASecondEndpoint(t *testing.T) {
	one := regexp.MustCompile(`^PJSIP/(9[0-9]{3,20}|[A-Za-z0-9._-]{1,32})@carrier$`)
	trunk := Trunk{Endpoint: "PJSIP/{number}@carrier", StripPlus: true, Prefix: "9", Lab: true}
	dialled := 0
	for _, in := range phonetest.Some() {
		for _, read := range []func(string) (phone.Number, error){func(s string) (phone.Number, error) { return phone.Parse(s, "CN") }, phone.Short, phone.Lab, phone.Restore} {
			n, err := read(in.Text)
			if err != nil {
				continue
			}
			d, err := trunk.dialString(n)
			if err != nil {
				continue // such as 00: refused here
			}
			dialled++
			if !one.MatchString(d) || checkDialString(d) != nil {
				t.Errorf("%s %q is dialled as %q", in.Kind, in.Text, d)
			}
			if id := callerNumber(pbx.CallerID{Number: n}); id != n.Dial() && id != "" {
				t.Errorf("%s %q is shown as %q", in.Kind, in.Text, id)
			}
		}
	}
	if dialled < 100 {
		t.Errorf("only %d were dialled: the test looks at nothing", dialled)
	}
}
