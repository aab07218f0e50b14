package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"ringmaster/config"
	"ringmaster/dialplan"
	"ringmaster/internal/pbx"
)

// asked is an exchange whose dialplan has some contexts.
type asked struct {
	pbx.Switch
	has  []string // "context,extension"
	fail error
}

func (a asked) MissingContexts(_ context.Context, want map[string]string) (missing []string, err error) {
	for name, ext := range want {
		if !slices.Contains(a.has, name+","+ext) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing, a.fail
}

// TestRow_T27_TheDoctorTellsWhatTheDialplanLacks: a queue without its context is
// a fault; calls that come in may have a way of the user's own, which is said.
func TestRow_T27_TheDoctorTellsWhatTheDialplanLacks(t *testing.T) {
	queues := []config.Queue{{Name: "support", Context: "ai-handover"}, {Name: "sales", Context: "ai-handover", Extension: "700"}, {Name: "cc", Callcenter: "cc@default"}}
	all := []string{dialplan.InboundContext + ",10", dialplan.FallbackContext + ",s", "ai-handover,support", "ai-handover,700"}
	for name, c := range map[string]struct {
		kind  string
		sw    pbx.Switch
		want  []string // OK or what is said
		wrong int
	}{
		"all there":          {config.Asterisk, asked{has: all}, []string{"are there"}, 0},
		"no menu":            {config.Asterisk, asked{has: slices.Concat(all[:1], all[2:])}, []string{"while Ringmaster is away nobody answers"}, 0},
		"nothing of ours":    {config.Asterisk, asked{has: all[2:]}, []string{"while Ringmaster is away", "only by a dialplan of yours"}, 0},
		"one queue":          {config.Asterisk, asked{has: all[:3]}, []string{"queue sales"}, 1},
		"another brand":      {config.FreeSWITCH, asked{has: append(all, dialplan.FallbackContext+",menu")}, []string{"are there"}, 0},
		"cannot be asked":    {config.Asterisk, asked{has: all, fail: errors.New("func_dialplan is not loaded")}, []string{"cannot be told: func_dialplan"}, 0},
		"knows no dialplans": {config.Asterisk, struct{ pbx.Switch }{}, nil, 0},
	} {
		var found []Finding
		if !checkDialplan(t.Context(), &node{cfg: config.PBX{Kind: c.kind, Queues: queues}, sw: c.sw}, "pbx main", func(f Finding) bool { found = append(found, f); return true }) {
			t.Errorf("%s: stopped", name)
		}
		wrong := 0
		for i, f := range found {
			if !f.OK {
				wrong++
			}
			if i >= len(c.want) || !strings.Contains(f.Detail, c.want[i]) || !f.OK && !strings.Contains(f.Fix, "dialplan render") || f.Part != "pbx main dialplan" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if wrong != c.wrong || len(found) != len(c.want) {
			t.Errorf("%s: %d findings, %d wrong: %+v", name, len(found), wrong, found)
		}
	}
}
