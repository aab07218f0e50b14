package call

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/pbx/pbxtest"
)

// An exchange that proved that it rang nobody (full, too fast, paused: on
// FreeSWITCH after it was asked whether the channel exists) has the attempt taken
// back; one that did not answer has not.
func TestOnlyAProvenRefusalIsTakenBack(t *testing.T) {
	refusal := fmt.Errorf("originate: %w: DESTINATION_OUT_OF_ORDER: too many sessions", pbx.ErrRefused)
	for name, row := range map[string]struct {
		err  error
		back bool
	}{"refused": {refusal, true}, "no answer": {pbx.ErrUnknown, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, "x", callee.Script{})
				l.sim.Fail("originate", pbxtest.Fault{Err: row.err})
				o := l.run(t)
				if strings.HasPrefix(o.NeverSent, "exchange_refused: ") != row.back || len(l.sim.Calls("x")) != 0 {
					t.Errorf("%s (%s), never sent %q, %d rings", o.Disposition, o.Reason, o.NeverSent, len(l.sim.Calls("x")))
				}
			})
		})
	}
}
