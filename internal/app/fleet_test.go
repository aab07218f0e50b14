package app

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// linked is an exchange of which only the link matters.
type linked struct {
	pbx.Switch
	health pbx.Health
}

func (l *linked) Health() pbx.Health { return l.health }

func twoBrands(t *testing.T) (*fleet, *linked, *linked) {
	t.Helper()
	a, b := &linked{health: pbx.Health{Up: true}}, &linked{health: pbx.Health{Up: true}}
	carrier := func(name string, lines int) []config.Trunk {
		return []config.Trunk{{Name: name, Lines: lines, CallerID: "+861065521234"}}
	}
	f, err := newFleet(Options{Log: slog.New(slog.DiscardHandler), Switches: map[string]pbx.Switch{"ast": a, "fs": b}, Config: config.Config{PBX: []config.PBX{
		{Name: "ast", Kind: "asterisk", Trunks: carrier("one", 20)}, {Name: "fs", Kind: "freeswitch", Lines: 10, Trunks: carrier("two", 20)},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return f, a, b
}

func TestCallsGoWhereALineIs(t *testing.T) {
	f, ast, fs := twoBrands(t)
	n, err := phone.Parse("+8613800001111", "CN")
	if err != nil {
		t.Fatal(err)
	}
	took := func(want string) *line {
		t.Helper()
		l, why := f.take(n, "")
		if l == nil && want != "" || l != nil && l.node.cfg.Name != want {
			t.Fatalf("%+v %s, want %q", l, why, want)
		}
		return l
	}
	if f.free() != 30 {
		t.Errorf("%d lines are free, want 20 and the 10 of the other exchange", f.free())
	}
	both := []*line{took("ast"), took("fs")} // equal shares
	for _, l := range both {
		f.release(l)
		f.release(l) // once
	}
	ast.health = pbx.Health{Reason: "connection refused"}
	var live []*line
	for range 10 {
		live = append(live, took("fs"))
	}
	if l := took(""); l != nil || f.free() != 0 {
		t.Error("the eleventh of an exchange with ten lines")
	}
	if _, why := f.take(n, "one"); why != "ast/one: the exchange is not connected" {
		t.Errorf("why: %q", why)
	}
	for _, l := range live {
		f.ended(l, pbxFailed)
	}
	if got := f.exchanges(time.Now())[1].Trunks[0]; got.Busy != 0 || !strings.Contains(got.Shut, "rests") || got.Resting.IsZero() {
		t.Errorf("ten failures: %+v", got)
	}
	ast.health.Up = true
	for range 20 {
		took("ast")
	}
	if _, why := f.take(n, ""); why != "no line is free" {
		t.Errorf("why: %q", why)
	}
	_ = fs
}

var pbxFailed = result(campaign.Outcome{Disposition: campaign.Congestion})

func TestADrainedWayTakesNoCall(t *testing.T) {
	f, _, _ := twoBrands(t)
	n, err := phone.Parse("+8613800001111", "CN")
	if err != nil {
		t.Fatal(err)
	}
	before, _ := f.take(n, "one") // goes on
	f.drain([]api.Drain{{PBX: "ast", Reason: "upgrade", By: "key/1"}, {PBX: "fs", Trunk: "none"}})
	for range 5 {
		if l, why := f.take(n, ""); l == nil || l.node.cfg.Name != "fs" {
			t.Fatalf("%+v %s", l, why)
		}
	}
	if _, why := f.take(n, "one"); why != "ast/one: the exchange is drained" {
		t.Errorf("why: %q", why)
	}
	if e := f.exchanges(time.Now()); e[0].Busy != 1 || e[0].Drained == nil || e[0].Drained.Reason != "upgrade" || e[0].Trunks[0].Shut == "" || e[1].Drained != nil {
		t.Errorf("%+v", e)
	}
	f.release(before)
	f.drain([]api.Drain{{PBX: "fs", Trunk: "two"}})
	if l, _ := f.take(n, ""); l == nil || l.node.cfg.Name != "ast" {
		t.Fatalf("%+v", l)
	}
	f.drain(nil)
	if e := f.exchanges(time.Now()); e[0].Trunks[0].Shut != "" || e[1].Trunks[0].Shut != "" {
		t.Errorf("%+v", e)
	}
}

func TestWhatAnOutcomeSaysOfItsWay(t *testing.T) {
	for _, c := range []struct {
		o    campaign.Outcome
		want bool // the way failed
	}{
		{campaign.Outcome{Disposition: campaign.Congestion}, true}, {campaign.Outcome{Disposition: campaign.Failed}, true},
		{campaign.Outcome{NeverSent: "exchange_refused"}, true}, {campaign.Outcome{Disposition: campaign.InvalidNumber}, false},
		{campaign.Outcome{Disposition: campaign.Failed, AnsweredAt: time.Now()}, false}, {campaign.Outcome{Disposition: campaign.Failed, RingingAt: time.Now()}, false},
		{campaign.Outcome{Disposition: campaign.Uncertain}, false}, {campaign.Outcome{Disposition: campaign.Busy}, false}, {campaign.Outcome{Disposition: campaign.Withdrawn}, false},
	} {
		if got := result(c.o) == pbxFailed; got != c.want {
			t.Errorf("%+v: %v", c.o, got)
		}
	}
}
