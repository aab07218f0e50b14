package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ringmaster/adapter/store"
	"ringmaster/config"
	"ringmaster/internal/call"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/replay"
	"ringmaster/internal/recommend"
	"ringmaster/internal/redact"
)

// PastTalk is a call that took place, told again from its log.
type PastTalk struct {
	Attempt  string
	At       time.Time
	Script   *dialogue.Script // the version that it ran by
	Customer dialogue.Customer
	Talk     replay.Talk
	// Wrong says why the call cannot be replayed, or in what its replay differs
	// from what is stored; empty = it was told again exactly.
	Wrong string
}

// PastTalks are the last n answered calls of a script, newest first. Nothing
// is written. The customer's variables are those of today.
func PastTalks(ctx context.Context, c config.Config, st *store.Store, script string, n int) ([]PastTalk, error) {
	calls, err := st.LastCalls(ctx, c.Tenant.ID, script, n)
	if err != nil {
		return nil, err
	}
	r, err := newRetelling(c, st)
	if err != nil {
		return nil, err
	}
	out := make([]PastTalk, 0, len(calls))
	for _, sc := range calls {
		p := PastTalk{Attempt: sc.Attempt.ID.String(), At: sc.Outcome.StartedAt}
		if err := r.tell(ctx, &p, sc); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			p.Wrong = err.Error()
		}
		out = append(out, p)
	}
	return out, nil
}

// errNoTalk: the call was decided again as it was, and there was no dialogue.
var errNoTalk = errors.New("nobody was talked to")

type retelling struct {
	cfg      config.Config
	library  *library
	versions map[string]*dialogue.Script
}

func newRetelling(c config.Config, st *store.Store) (*retelling, error) {
	l := &library{store: st, tenant: c.Tenant.ID}
	err := l.readShared(c.Scripts.Dir)
	if err != nil {
		return nil, err
	}
	if l.courses, err = recommend.Shipped(); err != nil {
		return nil, err
	}
	if c.Scripts.Dir != "" {
		err = filepath.WalkDir(c.Scripts.Dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() != coursesFile {
				return err
			}
			src, err := os.ReadFile(path) //nolint:gosec // the operator's own folder
			if err == nil {
				l.courses, err = recommend.Load(path, src)
			}
			return err
		})
	}
	return &retelling{cfg: c, library: l, versions: map[string]*dialogue.Script{}}, err
}

func (r *retelling) tell(ctx context.Context, p *PastTalk, sc store.StoredCall) (err error) {
	a := sc.Attempt
	if p.Script, err = r.version(ctx, a.Tenant, a.Task.Script, a.Placed.ScriptVersion); err != nil {
		return err
	}
	p.Customer = r.library.customer(a.Person, p.Script)
	if p.Script.ReadsHistory() {
		past, err := r.library.store.CallsBefore(ctx, a.Tenant, a.Person.ID, sc.Outcome.StartedAt, pastCalls)
		if err != nil {
			return err
		}
		for _, c := range past {
			p.Customer.History = append(p.Customer.History, dialogue.Past{At: c.At, Script: c.Script, Disposition: c.Disposition, Tags: c.Tags, Slots: c.Slots})
		}
	}
	told := call.Told{Script: p.Script, Customer: p.Customer, Zone: a.Zone, Limits: callLimits(r.cfg, p.Script), Started: sc.Outcome.StartedAt,
		Masker: redact.New(r.cfg.Redact.Patterns...)}
	for _, in := range sc.Inputs {
		told.Inputs = append(told.Inputs, call.Logged{At: in.At, Kind: call.Kind(in.Kind), Data: in.Data})
	}
	got, err := call.Replay(told)
	if err != nil {
		return err
	}
	p.Wrong = call.Differs(sc.Outcome, got.Outcome)
	if got.Opened.IsZero() && p.Wrong == "" {
		return errNoTalk
	}
	p.Talk = replay.Talk{Opened: got.Opened, Disposition: sc.Outcome.Disposition}
	for _, h := range got.Heeded {
		p.Talk.Steps = append(p.Talk.Steps, replay.Step(h))
	}
	return nil
}

func (r *retelling) version(ctx context.Context, tenant, script, version string) (*dialogue.Script, error) {
	key := script + "/" + version
	if sc, ok := r.versions[key]; ok {
		if sc == nil {
			return nil, fmt.Errorf("version %s of the script cannot be read", version)
		}
		return sc, nil
	}
	r.versions[key] = nil
	stored, err := r.library.store.StoredScript(ctx, tenant, script, version)
	if err != nil {
		return nil, err
	}
	sc, err := r.library.shared.Compile(script+".yaml", stored.Source)
	if err != nil {
		return nil, fmt.Errorf("version %s of the script: %w", version, err)
	}
	if have := sc.Info().Version; have != version {
		return nil, fmt.Errorf("version %s of the script used lexicons or parts that have changed since (it is %s now)", version, have)
	}
	r.versions[key] = sc
	return sc, nil
}

// callLimits are those of a call by a script.
func callLimits(c config.Config, sc *dialogue.Script) call.Limits {
	limits := call.DefaultLimits()
	limits.Ring, limits.Duration = c.Dialling.RingTimeout, c.Dialling.MaxDuration
	if d := sc.Info().Duration; d > 0 {
		limits.Duration = min(limits.Duration, d)
	}
	return limits
}
