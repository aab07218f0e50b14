package app

import (
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"time"

	"ringmaster/adapter/asterisk"
	"ringmaster/config"
	"ringmaster/internal/audio"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/pacing"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// fleet is every exchange with its trunks, and who has a free line.
type fleet struct {
	mu    sync.Mutex
	nodes []*node
}

type node struct {
	cfg    config.PBX
	sw     pbx.Switch
	format audio.Format
	trunks []*trunk
}

type trunk struct {
	cfg      config.Trunk
	callerID phone.Number
	cps      pacing.CPS
	busy     int
}

// line is a line of a trunk, taken.
type line struct {
	node     *node
	trunk    *trunk
	released bool
}

func newFleet(o Options) (*fleet, error) {
	f := &fleet{}
	for _, p := range o.Config.PBX {
		format := audio.FormatSlin
		if p.Media.Format != "" {
			var err error
			if format, err = audio.ParseFormat(p.Media.Format); err != nil {
				return nil, err
			}
		}
		n := &node{cfg: p, format: format, sw: o.Switches[p.Name]}
		if n.sw == nil {
			sw, err := newSwitch(o, p)
			if err != nil {
				return nil, fmt.Errorf("pbx %s: %w", p.Name, err)
			}
			n.sw = sw
		}
		for _, t := range p.Trunks {
			tr := &trunk{cfg: t, cps: pacing.CPS{Rate: t.CPS, Burst: max(1, int(t.CPS))}}
			if t.CallerID != "" {
				id, err := config.ParseCallerID(t.CallerID)
				if err != nil {
					return nil, fmt.Errorf("trunk %s: caller_id: %w", t.Name, err)
				}
				tr.callerID = id
			}
			n.trunks = append(n.trunks, tr)
		}
		f.nodes = append(f.nodes, n)
	}
	if len(f.nodes) == 0 {
		return nil, errors.New("no exchange is configured")
	}
	return f, nil
}

// newSwitch makes the adapter for an exchange. Adding a kind is one line here.
func newSwitch(o Options, p config.PBX) (pbx.Switch, error) {
	switch p.Kind {
	case "asterisk":
		return asterisk.New(AsteriskConfig(o.Config, p, o.Log))
	}
	return nil, fmt.Errorf("kind %q is not known", p.Kind)
}

// AsteriskConfig is the adapter's configuration for an exchange.
func AsteriskConfig(c config.Config, p config.PBX, log *slog.Logger) asterisk.Config {
	ac := asterisk.Config{URL: p.URL, User: p.User, Password: p.Password.Reveal(), AppPrefix: p.App, ControllerID: c.Controller.ID, Region: c.Tenant.Region,
		Trunks: map[string]asterisk.Trunk{}, Agents: map[string]asterisk.Agent{}, Queues: map[string]asterisk.Queue{}, Log: log,
		Media: asterisk.MediaConfig{Transport: p.Media.Transport, UnsafeAudioSocket: p.Media.UnsafeAudioSocket, ListenIP: p.Media.ListenIP}}
	for _, t := range p.Trunks {
		ac.Trunks[t.Name] = asterisk.Trunk{Endpoint: t.Endpoint, StripPlus: t.StripPlus, Prefix: t.Prefix, Lab: t.Lab}
	}
	for _, g := range p.Agents {
		ac.Agents[g.Name] = asterisk.Agent{Endpoint: g.Endpoint}
	}
	for _, q := range p.Queues {
		ac.Queues[q.Name] = asterisk.Queue{Context: q.Context, Extension: q.Extension}
	}
	return ac
}

func (f *fleet) switches() map[string]pbx.Switch {
	all := map[string]pbx.Switch{}
	for _, n := range f.nodes {
		all[n.cfg.Name] = n.sw
	}
	return all
}

func (f *fleet) named(name string) pbx.Switch {
	for _, n := range f.nodes {
		if n.cfg.Name == name {
			return n.sw
		}
	}
	return nil
}

func (f *fleet) lab() bool {
	for _, n := range f.nodes {
		for _, t := range n.trunks {
			if t.cfg.Lab {
				return true
			}
		}
	}
	return false
}

// free is how many calls may be started now over all healthy exchanges.
func (f *fleet) free() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	total := 0
	for _, n := range f.nodes {
		if !n.sw.Health().Up {
			continue
		}
		for _, t := range n.trunks {
			// What the trunk's CPS lets start now: more would be claimed in vain.
			lines := t.cps.Take(time.Now(), max(0, t.cfg.Lines-t.busy))
			t.cps.Return(lines)
			total += lines
		}
	}
	return total
}

// take finds a line for a number: on a healthy exchange, over a trunk of the
// right sort (a lab extension only over a lab trunk and the other way round),
// the one with most free lines.
func (f *fleet) take(n phone.Number, want string) *line {
	f.mu.Lock()
	defer f.mu.Unlock()
	var fit []*line
	for _, nd := range f.nodes {
		if !nd.sw.Health().Up {
			continue
		}
		for _, t := range nd.trunks {
			if t.cfg.Lab == n.IsLab() && t.busy < t.cfg.Lines && (want == "" || want == t.cfg.Name) {
				fit = append(fit, &line{node: nd, trunk: t})
			}
		}
	}
	sort.SliceStable(fit, func(i, j int) bool {
		return fit[i].trunk.cfg.Lines-fit[i].trunk.busy > fit[j].trunk.cfg.Lines-fit[j].trunk.busy
	})
	for _, l := range fit {
		if l.trunk.cps.Take(time.Now(), 1) == 1 {
			l.trunk.busy++
			return l
		}
	}
	return nil
}

// serves reports a trunk of the right sort, busy or not.
func (f *fleet) serves(n phone.Number) bool {
	for _, nd := range f.nodes {
		for _, t := range nd.trunks {
			if t.cfg.Lab == n.IsLab() {
				return true
			}
		}
	}
	return false
}

func (f *fleet) release(l *line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !l.released {
		l.released = true
		l.trunk.busy--
	}
}

// target turns a transfer of a script into a target on the line's exchange:
// the named agent or queue, or else the first that there is.
func (n *node) target(t dialogue.Transfer) (pbx.Target, bool) {
	out := pbx.Target{Timeout: t.Timeout}
	if out.Timeout == 0 {
		out.Timeout = 20 * time.Second
	}
	for _, a := range n.cfg.Agents {
		if t.Agent == a.Name || t.Agent == "" && t.Queue == "" {
			out.Agent = a.Name
			return out, true
		}
	}
	for _, q := range n.cfg.Queues {
		if t.Queue == q.Name || t.Agent == "" && t.Queue == "" {
			out.Queue = q.Name
			return out, true
		}
	}
	return out, false
}
