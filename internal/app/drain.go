package app

import (
	"context"
	"time"

	"ringmaster/internal/api"
	"ringmaster/internal/pacing"
)

// Drains that other controllers wrote are read this often.
const drainPeriod = time.Second

// drains keeps the fleet in step with what operators drained.
type drains struct {
	app  *App
	wake chan struct{}
}

func newDrains(a *App) *drains { return &drains{app: a, wake: make(chan struct{}, 1)} }

// Reload implements api.Fleet.
func (d *drains) Reload() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *drains) run(ctx context.Context) {
	t := time.NewTicker(drainPeriod)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-d.wake:
		}
		d.read(ctx)
	}
}

func (d *drains) read(ctx context.Context) {
	list, err := d.app.store.Drains(ctx)
	if err == nil {
		d.app.fleet.drain(list)
	} else if ctx.Err() == nil {
		d.app.log.Warn("which exchanges are drained could not be read: the last known state holds", "err", err)
	}
}

// Exchanges implements api.Fleet.
func (d *drains) Exchanges() []api.Exchange { return d.app.fleet.exchanges(time.Now()) }

// drain makes the list the state of the fleet.
func (f *fleet) drain(list []api.Drain) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drained = map[[2]string]api.Drained{}
	for _, d := range list {
		f.drained[[2]string{d.PBX, d.Trunk}] = api.Drained{Since: d.At, By: d.By, Reason: d.Reason}
	}
	for _, n := range f.nodes {
		_, n.state.Drained = f.drained[[2]string{n.cfg.Name, ""}]
		for _, t := range n.trunks {
			_, t.way.Drained = f.drained[[2]string{n.cfg.Name, t.cfg.Name}]
		}
	}
}

// since is nil for what is not drained. The caller holds f.mu.
func (f *fleet) since(pbx, trunk string) *api.Drained {
	if d, ok := f.drained[[2]string{pbx, trunk}]; ok {
		return &d
	}
	return nil
}

// exchanges is what the API shows.
func (f *fleet) exchanges(now time.Time) []api.Exchange {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ways(func(*trunk) bool { return false }) // the health as it is now
	out := make([]api.Exchange, 0, len(f.nodes))
	for _, n := range f.nodes {
		h := n.sw.Health()
		e := api.Exchange{Name: n.cfg.Name, Kind: n.cfg.Kind, Up: h.Up, Since: h.Since, Version: h.Version,
			Lines: n.cfg.Lines, Busy: n.state.Busy, Drained: f.since(n.cfg.Name, ""), Trunks: []api.TrunkNow{}}
		if !h.Up {
			e.Reason = h.Reason
		}
		for _, t := range n.trunks {
			e.Trunks = append(e.Trunks, api.TrunkNow{Name: t.cfg.Name, Lines: t.cfg.Lines, Busy: t.way.Busy, CPS: t.cfg.CPS, Weight: t.cfg.Weight,
				Drained: f.since(n.cfg.Name, t.cfg.Name), Resting: t.way.Breaker.Resting(), Shut: t.way.Shut(now)})
		}
		out = append(out, e)
	}
	return out
}

// why says what keeps a call from being started.
func why(now time.Time, ways []*pacing.Way) string {
	reason := "no line is free"
	for _, w := range ways {
		s := w.Shut(now)
		if s == "" {
			return "no line is free"
		}
		reason = w.Node.Name + "/" + w.Name + ": " + s
	}
	return reason
}
