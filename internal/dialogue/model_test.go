package dialogue

import (
	"fmt"
	"strings"
	"testing"
)

// A checker sees everything that the engine goes by.
func TestModel(t *testing.T) {
	m := restricted(t).Model()
	nodes := map[string]NodeModel{}
	for _, n := range m.Nodes {
		nodes[n.ID] = n
	}
	if m.Start != "press" || !nodes["_callback"].Engine || nodes["press"].Engine || len(nodes) != 10+3 {
		t.Errorf("%s %d", m.Start, len(nodes))
	}
	press := nodes["press"]
	if v := press.Say.Variants[2]; v.Tone != Strong || press.Say.Variants[1].Tone != Firm || press.Say.Variants[0].Tone != Soft {
		t.Errorf("the words weigh: %+v", v)
	}
	if v := press.Say.Variants[3]; v.When != "vars.days == 45" || v.Segments[0] != "mid" {
		t.Errorf("%+v", v)
	}
	if r := press.Replies[5]; r.Do[0] != (DoModel{"unlock", "account"}) || r.To.Goal != "stay" || r.At.Line == 0 {
		t.Errorf("%+v", r)
	}
	if press.Replies[2].To.Node != "verify__ask" {
		t.Errorf("%+v", press.Replies[2].To)
	}
	ask := nodes["verify__ask"]
	if ask.At.File != "finance/identity.part.yaml" || ask.NoMatch.Limit != 1 || ask.NoMatch.Then.Node != "bye" || ask.Say.At.Line != 9 {
		t.Errorf("%+v %+v", ask.At, ask.Say.At)
	}
	if r := nodes["verify__check"].Route[0]; !strings.Contains(r.When, "visits.verify__ask < 3") || r.To.Node != "safe" {
		t.Errorf("%+v", r)
	}
	if v := nodes["offer"].Say.Variants[0]; fmt.Sprint(v.Offers) != "[g9]" || v.Text != "送您一张{{offer.p8}}，{{offer.g9}}也可以用。" {
		t.Errorf("%+v", v)
	}
	if nodes["hard"].Say.Variants[0].Tone != Strong {
		t.Error("the node's tone is that of its lines")
	}
	if m.Ceilings["mid"] != Firm || m.Tier != "level" || len(m.Offers) != 2 || len(m.Segments) != 3 || m.Lexicon.Name != "finance" || m.Unlocks["account"] == "" {
		t.Errorf("%+v", m)
	}
	if a := m.Advice[0]; a.ID != "fruit" || fmt.Sprint(a.Excludes) != "[sugar]" {
		t.Errorf("contradiction holds both ways: %+v", a)
	}
	if got := fmt.Sprint(m.Values["level"]); got != "[gold platinum]" {
		t.Error(got)
	}
}
