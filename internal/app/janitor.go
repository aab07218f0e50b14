package app

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/call"
	"ringmaster/internal/pbx"
)

// roll is the list of attempts that this controller has a live call for.
type roll struct {
	mu   sync.Mutex
	live map[string]bool
}

func (r *roll) enter(attempt string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live == nil {
		r.live = map[string]bool{}
	}
	r.live[attempt] = true
}

func (r *roll) leave(attempt string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, attempt)
}

// calls reports a live call of an attempt.
func (r *roll) calls(attempt string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live[attempt]
}

// owns reports whether a leg belongs to a live call: its ID is the attempt's,
// or the exchange's own of a call that came in, with a suffix for legs that
// serve it (agents, media).
func (r *roll) owns(leg pbx.LegID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := string(leg); id != ""; id = id[:max(0, strings.LastIndexByte(id, '-'))] {
		if r.live[id] {
			return true
		}
	}
	return false
}

// janitor hangs up legs of ours that no call of this controller owns: what a
// crash, a lost hang-up or a lost answer left on the exchange. A leg is given
// `age` to be claimed, so that nothing that is just being set up is swept.
type janitor struct {
	app   *App
	every time.Duration
	age   time.Duration

	mu    sync.Mutex
	swept uint64
}

func (j *janitor) run(ctx context.Context) {
	for {
		timer := time.NewTimer(j.every)
		select {
		case <-timer.C:
			j.sweep(ctx)
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (j *janitor) sweep(ctx context.Context) {
	for name, sw := range j.app.fleet.switches() {
		if !sw.Health().Up {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		legs, err := sw.Legs(ctx)
		if err != nil {
			j.app.log.Warn("legs of the exchange cannot be listed; orphans wait", "pbx", name, "err", err)
		}
		for _, l := range legs {
			if j.app.caller.roll.owns(l.ID) || time.Since(l.Created) < j.age || j.left(ctx, l.ID) {
				continue
			}
			j.hangup(ctx, name, sw, l.ID)
		}
		cancel()
	}
}

// left reports a leg on which customer and person talk on since an earlier life
// of a controller stopped. A database that cannot be asked spares the leg until
// the next sweep.
func (j *janitor) left(ctx context.Context, leg pbx.LegID) bool {
	id, err := uuid.Parse(string(leg[:min(36, len(leg))]))
	if err != nil { // the exchange's own name: they called us
		id, err = j.app.store.ByLeg(ctx, j.app.cfg.Tenant.ID, string(leg))
	}
	if err != nil {
		return !errors.Is(err, api.ErrNotFound)
	}
	a, err := j.app.store.Attempt(ctx, j.app.cfg.Tenant.ID, id)
	if err != nil {
		return !errors.Is(err, api.ErrNotFound)
	}
	return a.Outcome != nil && a.Outcome.Reason == call.ReasonLeft &&
		time.Since(a.Outcome.EndedAt) < call.DefaultLimits().HandedOver
}

func (j *janitor) hangup(ctx context.Context, name string, sw pbx.Switch, id pbx.LegID) {
	leg, err := sw.Attach(ctx, id)
	if err == nil {
		err = leg.Hangup(ctx, pbx.CauseTemporary)
	}
	if err != nil && !errors.Is(err, pbx.ErrGone) {
		j.app.log.Warn("an orphaned leg could not be hung up; it is tried again", "pbx", name, "leg", id, "err", err)
		return
	}
	j.mu.Lock()
	j.swept++
	j.mu.Unlock()
	j.app.log.Warn("a leg without a call was hung up", "pbx", name, "leg", id)
}

// count is how many legs were swept so far.
func (j *janitor) count() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.swept
}
