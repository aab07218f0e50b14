package demo

import (
	"context"
	"errors"
	"fmt"

	"ringmaster/config"
	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/lab/twin"
)

// ErrExchange is a value of Options.PBX that names no exchange.
var ErrExchange = errors.New("no exchange of the demonstration: use ari, esl, both, or asterisk for a real one")

const (
	twinUser     = "ringmaster"
	twinPassword = "twin-password"
	twinAgent    = "agent1"
)

// exchanges starts what Options.PBX names and returns how to reach it. The
// callees are the same on each.
func (d *demo) exchanges(ctx context.Context) ([]config.PBX, error) {
	var start []func(twin.Cast) (config.PBX, error)
	switch d.o.PBX {
	case "asterisk":
		p, err := d.asterisk(ctx)
		return []config.PBX{p}, err
	case "", "ari", "twin":
		start = append(start, d.ari)
	case "esl":
		start = append(start, d.esl)
	case "both":
		start = append(start, d.ari, d.esl)
	default:
		return nil, fmt.Errorf("--pbx %q: %w", d.o.PBX, ErrExchange)
	}
	cast, err := twin.DemoCast(speak)
	if err != nil {
		return nil, err
	}
	var all []config.PBX
	for _, f := range start {
		p, err := f(cast)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// ari starts an Asterisk twin.
func (d *demo) ari(cast twin.Cast) (config.PBX, error) {
	ex, err := twin.Start(twin.Config{User: twinUser, Password: twinPassword, Cast: cast, Log: d.o.Log}, "127.0.0.1:0")
	if err != nil {
		return config.PBX{}, err
	}
	d.stops = append(d.stops, ex.Close)
	return config.PBX{
		Name: "asterisk-twin", Kind: config.Asterisk, URL: ex.URL(), User: twinUser, Password: config.NewSecret(twinPassword), App: "ringmaster",
		Media:  config.Media{Format: "slin"},
		Trunks: []config.Trunk{{Name: "lab", Endpoint: "PJSIP/{number}@lab", Lab: true, Lines: 100}},
		Agents: []config.Agent{{Name: twinAgent, Endpoint: "PJSIP/" + twinAgent}},
	}, nil
}

// esl starts a FreeSWITCH twin; its media comes to us by SIP and RTP.
func (d *demo) esl(cast twin.Cast) (config.PBX, error) {
	ex, err := fstwin.Start(fstwin.Config{Password: twinPassword, Cast: cast, Gateways: []string{"lab"}, Log: d.o.Log}, "127.0.0.1:0")
	if err != nil {
		return config.PBX{}, err
	}
	d.stops = append(d.stops, ex.Close)
	return config.PBX{
		Name: "freeswitch-twin", Kind: config.FreeSWITCH, Address: ex.Addr(), Password: config.NewSecret(twinPassword), App: "ringmaster",
		Media:  config.Media{Format: "slin"},
		Trunks: []config.Trunk{{Name: "lab", Endpoint: "sofia/gateway/lab/{number}", Lab: true, Lines: 100}},
		Agents: []config.Agent{{Name: twinAgent, Endpoint: "user/" + twinAgent}},
	}, nil
}

func speak(text string) ([]int16, error) { return tone.Encode(text, 8000), nil }
