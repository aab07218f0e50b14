package app

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ringmaster/adapter/asterisk"
	"ringmaster/adapter/freeswitch"
	"ringmaster/config"
	"ringmaster/internal/api"
	"ringmaster/internal/audio"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/pacing"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// fleet is every exchange with its trunks, and who has a free line.
type fleet struct {
	mu      sync.Mutex
	nodes   []*node
	drained map[[2]string]api.Drained // by exchange and trunk; "" is the whole exchange
}

type node struct {
	cfg    config.PBX
	sw     pbx.Switch
	format audio.Format
	trunks []*trunk
	state  *pacing.Node // of fleet.mu
}

type trunk struct {
	cfg      config.Trunk
	callerID phone.Number
	node     *node
	way      *pacing.Way // of fleet.mu
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
		n.state = &pacing.Node{Name: p.Name, Lines: p.Lines, CPS: pacing.CPS{Rate: p.CPS, Burst: max(1, int(p.CPS))}}
		if n.sw == nil {
			sw, err := newSwitch(o, p)
			if err != nil {
				return nil, fmt.Errorf("pbx %s: %w", p.Name, err)
			}
			n.sw = sw
		}
		for _, t := range p.Trunks {
			tr := &trunk{cfg: t, node: n}
			tr.way = &pacing.Way{Name: t.Name, Node: n.state, Lines: t.Lines, Weight: t.Weight, CPS: pacing.CPS{Rate: t.CPS, Burst: max(1, int(t.CPS))}}
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
	case config.Asterisk:
		return asterisk.New(AsteriskConfig(o.Config, p, o.Log))
	case config.FreeSWITCH:
		fc, err := FreeSWITCHConfig(o.Config, p, o.Log)
		if err != nil {
			return nil, err
		}
		return freeswitch.New(fc)
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

// FreeSWITCHConfig is the adapter's configuration for an exchange.
func FreeSWITCHConfig(c config.Config, p config.PBX, log *slog.Logger) (freeswitch.Config, error) {
	allow, err := p.Media.Prefixes()
	if err != nil {
		return freeswitch.Config{}, err
	}
	low, high, err := p.Media.Ports()
	if err != nil {
		return freeswitch.Config{}, err
	}
	fc := freeswitch.Config{Addr: p.Address, User: p.User, Password: p.Password.Reveal(), AppPrefix: p.App, ControllerID: c.Controller.ID, Region: c.Tenant.Region,
		Trunks: map[string]freeswitch.Trunk{}, Agents: map[string]freeswitch.Agent{}, Queues: map[string]freeswitch.Queue{}, Log: log,
		Inbound: p.Inbound, Sounds: p.Sounds, Recordings: p.Recordings,
		Media: freeswitch.MediaConfig{Transport: p.Media.Transport, Profile: p.Media.Profile, Listen: p.Media.Listen, Advertise: p.Media.Advertise, Allow: allow, PortMin: low, PortMax: high}}
	for _, t := range p.Trunks {
		fc.Trunks[t.Name] = freeswitch.Trunk{Endpoint: t.Endpoint, StripPlus: t.StripPlus, Prefix: t.Prefix, Lab: t.Lab}
	}
	for _, g := range p.Agents {
		fc.Agents[g.Name] = freeswitch.Agent{Endpoint: g.Endpoint}
	}
	for _, q := range p.Queues {
		fc.Queues[q.Name] = freeswitch.Queue{Callcenter: q.Callcenter, Context: q.Context, Extension: q.Extension}
	}
	return fc, nil
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

func (f *fleet) node(name string) *node {
	for _, n := range f.nodes {
		if n.cfg.Name == name {
			return n
		}
	}
	return nil
}

// reoccupy takes the line that a call of an earlier life is on, whether or not
// there is one left: the call is there.
func (f *fleet) reoccupy(n *node, name string) *line {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &trunk{cfg: config.Trunk{Name: name}, node: n, way: &pacing.Way{Name: name, Node: n.state}} // not configured any more
	for _, have := range n.trunks {
		if have.cfg.Name == name {
			t = have
		}
	}
	t.way.Busy++
	n.state.Busy++
	return &line{node: n, trunk: t}
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

// ways are the ways out that fit, with the health of their exchanges as it is
// now. The caller holds f.mu.
func (f *fleet) ways(fits func(*trunk) bool) ([]*pacing.Way, map[*pacing.Way]*trunk) {
	var ways []*pacing.Way
	of := map[*pacing.Way]*trunk{}
	for _, n := range f.nodes {
		n.state.Up = n.sw.Health().Up
		for _, t := range n.trunks {
			if fits(t) {
				ways, of[t.way] = append(ways, t.way), t
			}
		}
	}
	return ways, of
}

// free is how many calls may be started now over all healthy exchanges.
func (f *fleet) free() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	ways, _ := f.ways(func(*trunk) bool { return true })
	return pacing.Room(time.Now(), ways)
}

// take finds a line for a number: on a healthy exchange, over a trunk of the
// right sort (a lab extension only over a lab trunk and the other way round),
// by the rules of pacing.Take. Without a line it says why.
func (f *fleet) take(n phone.Number, want string) (*line, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ways, of := f.ways(func(t *trunk) bool { return t.cfg.Lab == n.IsLab() && (want == "" || want == t.cfg.Name) })
	w := pacing.Take(time.Now(), ways)
	if w == nil {
		return nil, why(time.Now(), ways)
	}
	return &line{node: of[w].node, trunk: of[w]}, ""
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

// release gives a line back that was never dialled on.
func (f *fleet) release(l *line) { f.ended(l, pacing.SaysNothing) }

// ended gives a line back and says how the set-up on it went.
func (f *fleet) ended(l *line, r pacing.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !l.released {
		l.released = true
		l.trunk.way.Release(time.Now(), r)
	}
}

// result is what an outcome says of the way that the call took.
func result(o campaign.Outcome) pacing.Result {
	switch {
	case o.Answered() || !o.RingingAt.IsZero():
		return pacing.GotThrough
	case o.NeverSent != "":
		return pacing.WayFailed
	}
	switch o.Disposition {
	case campaign.Congestion, campaign.Failed:
		return pacing.WayFailed
	case campaign.Busy, campaign.NoAnswer, campaign.Rejected, campaign.InvalidNumber, campaign.Unreachable:
		return pacing.GotThrough
	}
	return pacing.SaysNothing
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
