package freeswitch

import (
	"testing"

	"ringmaster/internal/phone"
	"ringmaster/internal/phone/phonetest"
)

// Whatever somebody wrote where a number was wanted: it is refused before here,
// or FreeSWITCH reads exactly one endpoint, whose user part is the number.
func TestNoBadNumberIsASecondEndpoint(t *testing.T) {
	trunk := Trunk{Endpoint: "sofia/gateway/carrier/{number}", StripPlus: true, Prefix: "9", Lab: true}
	dialled := 0
	for _, in := range phonetest.Some() {
		for _, read := range []func(string) (phone.Number, error){func(s string) (phone.Number, error) { return phone.Parse(s, "CN") }, phone.Short, phone.Lab, phone.Restore} {
			n, err := read(in.Text)
			if err != nil {
				continue
			}
			endpoint, err := trunk.dialString(n)
			if err != nil {
				continue
			}
			d, err := dialString([]variable{{"origination_uuid", "leg-1"}, {"origination_caller_id_number", n.Dial()}}, endpoint)
			if err != nil {
				t.Errorf("%s %q: a number that is one cannot be dialled: %v", in.Kind, in.Text, err)
				continue
			}
			dialled++
			vars, endpoints, do := readOriginate(t, "originate "+d+" &park()")
			if len(endpoints) != 1 || endpoints[0] != endpoint || len(do) != 1 || len(vars) != 2 || vars["origination_caller_id_number"] != n.Dial() {
				t.Errorf("%s %q is dialled as %q, which is read as %q %q %q", in.Kind, in.Text, d, vars, endpoints, do)
			}
		}
	}
	if dialled < 100 {
		t.Errorf("only %d were dialled: the test looks at nothing", dialled)
	}
}
