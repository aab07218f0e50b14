package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ringmaster/adapter/archive/local"
	"ringmaster/adapter/speech/cache"
	"ringmaster/config"
	"ringmaster/internal/api"
	"ringmaster/internal/audio"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/pbx"
	"ringmaster/internal/scheduler"
	"ringmaster/internal/speech"
)

// caller turns attempts into calls (scheduler.Caller).
type caller struct {
	cfg     config.Config
	log     *slog.Logger
	fleet   *fleet
	library *library
	prompts *cache.Cache
	deps    call.Deps
	watch   func(Sight)
	roll    roll
	ahead   chan foreseen
	archive *local.Archive // nil = no recordings
	law     *compliance.Set
	ears    *ears
}

// foreseen is a call that will come: its prompts can be made now.
type foreseen struct {
	person campaign.Person
	script string
}

// foresee queues the making of prompts. A queue that is full is no fault:
// Prepare makes what is missing.
func (c *caller) foresee(p campaign.Person, script string) {
	select {
	case c.ahead <- foreseen{p, script}:
	default:
	}
}

// warmAhead makes prompts before their time, so that a call ordered for a
// moment rings at that moment.
func (c *caller) warmAhead(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-c.ahead:
			sc, err := c.library.current(ctx, f.person.Tenant, f.script)
			if err != nil {
				continue
			}
			for _, n := range c.fleet.nodes {
				if err := c.warm(ctx, sc, c.library.customer(f.person, sc), n.format); err != nil && ctx.Err() == nil {
					c.log.Warn("prompts could not be made ahead of the call", "script", f.script, "err", err)
				}
			}
		}
	}
}

// Free is how many calls may be started now.
func (c *caller) Free() int { return c.fleet.free() }

// Prepare finds script and line and warms the prompts, so that nothing has to
// be synthesized when somebody answers.
func (c *caller) Prepare(ctx context.Context, a campaign.Attempt) (scheduler.Call, error) {
	sc, err := c.library.current(ctx, a.Tenant, a.Task.Script)
	if errors.Is(err, api.ErrNotFound) {
		return nil, fmt.Errorf("script %s is not published", a.Task.Script)
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", scheduler.ErrNotNow, err)
	}
	who := c.library.customer(a.Person, sc)
	if who.History, err = c.library.history(ctx, a.Person, sc); err != nil {
		return nil, fmt.Errorf("%w: %w", scheduler.ErrNotNow, err)
	}
	if missing := sc.Missing(who); len(missing) > 0 {
		return nil, fmt.Errorf("contact lacks variables of the script: %v", missing)
	}
	if !c.fleet.serves(a.Person.Number) {
		return nil, errors.New("no trunk serves this sort of number: a lab extension needs a trunk marked lab, any other number one that is not")
	}
	l, why := c.fleet.take(a.Person.Number, a.Task.Trunk)
	if l == nil {
		return nil, fmt.Errorf("%w: %s", scheduler.ErrNotNow, why)
	}
	p := &prepared{caller: c, attempt: a, script: sc, customer: who, line: l}
	if err := p.unsaid(c.law); err != nil {
		c.fleet.release(l)
		return nil, err
	}
	if err := c.warm(ctx, sc, who, l.node.format); err != nil {
		c.fleet.release(l)
		return nil, fmt.Errorf("%w: voice is not ready: %w", scheduler.ErrNotNow, err)
	}
	// The prompts may have taken their time: what was rolled back meanwhile is not dialled any more.
	if now, err := c.library.current(ctx, a.Tenant, a.Task.Script); err != nil || now.Info().Version != sc.Info().Version {
		c.fleet.release(l)
		return nil, errors.Join(scheduler.ErrNotNow, errors.New("another version of the script came into force"), err)
	}
	return p, nil
}

func (c *caller) warm(ctx context.Context, sc *dialogue.Script, who dialogue.Customer, f audio.Format) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var us []speech.Utterance
	lines := sc.PromptsAt(who, time.Now())
	if len(lines) > 0 { // should this controller die in mid-call
		if b := call.BridgeLine(lines[0]); b.Text != "" {
			lines = append(lines, b)
		}
	}
	for _, l := range lines {
		us = append(us, speech.Utterance{Text: l.Text, Language: l.Language, Voice: l.Voice, Hints: l.Hints, Format: f})
	}
	err := c.prompts.Warm(ctx, us, nil)
	if script := sc.Info().Language; errors.Is(err, speech.ErrUnsupported) && who.Language != script {
		// No voice offers the person's language: the call will fall back to the
		// script's, so that is what must be ready.
		who.Language = script
		return c.warm(ctx, sc, who, f)
	}
	return err
}

// prepared is a call that only needs to be placed.
type prepared struct {
	caller   *caller
	attempt  campaign.Attempt
	script   *dialogue.Script
	customer dialogue.Customer
	line     *line
	inbound  pbx.Leg // a call that came in; nil = one that is placed
}

// Placement is what is written before the exchange hears of the call.
func (p *prepared) Placement() campaign.Placement {
	return campaign.Placement{PBX: p.line.node.cfg.Name, Trunk: p.line.trunk.cfg.Name, CallerID: p.line.trunk.callerID, ScriptVersion: p.script.Info().Version}
}

// Act is what the gates judge.
func (p *prepared) Act() compliance.Act {
	a := p.attempt
	return compliance.Act{Channel: compliance.Voice, Person: a.Person.ID.String(), Number: a.Person.Number, Purpose: a.Task.Purpose,
		Jurisdiction: a.Task.Jurisdiction, CallerID: p.line.trunk.callerID, Trunk: p.line.trunk.cfg.Name,
		Script: a.Task.Script, ScriptVersion: p.script.Info().Version,
		Lab: p.line.trunk.cfg.Lab && a.Person.Number.IsLab(), DueAt: a.DueAt}
}

// Discard gives the line back.
func (p *prepared) Discard() { p.caller.fleet.release(p.line) }

// Run places the call and stays with it until its end.
func (p *prepared) Run(ctx context.Context, log scheduler.InputLog) campaign.Outcome {
	defer p.caller.fleet.release(p.line)
	c, a := p.caller, p.attempt
	leg := pbx.LegID(a.ID.String())
	if p.inbound != nil {
		leg = p.inbound.ID()
	} else {
		a.Placed = p.Placement()
	}
	c.roll.enter(string(leg))
	defer c.roll.leave(string(leg))
	plan, deps := p.ready(a, leg, log)
	o := call.Run(ctx, plan, deps)
	if p.inbound == nil {
		c.fleet.ended(p.line, result(o))
	}
	p.expectLabel(&o)
	c.fetchHandover(ctx, p.line.node.sw, a, &o)
	if c.watch != nil {
		c.watch(Sight{Attempt: a, Outcome: &o})
	}
	return o
}

// ready is what the call is made of.
func (p *prepared) ready(a campaign.Attempt, leg pbx.LegID, log scheduler.InputLog) (call.Plan, call.Deps) {
	c := p.caller
	limits := callLimits(c.cfg, p.script)
	longest := limits.Duration + time.Minute
	if n := p.line.node.cfg; len(n.Agents)+len(n.Queues) > 0 { // a person may take over
		longest += limits.HandedOver
	}
	deps := c.deps
	deps.Switch, deps.Synthesizer = p.line.node.sw, p.voice()
	deps.Input = func(in call.Logged) {
		log.Append(scheduler.InputRecord{At: in.At, Kind: string(in.Kind), Data: in.Data})
	}
	if c.watch != nil {
		deps.Observe = func(n call.Note) { c.watch(Sight{Attempt: a, Note: &n}) }
	}
	plan := call.Plan{
		Attempt: a, Script: p.script, Customer: p.customer, Format: p.line.node.format, Limits: limits,
		Target: p.line.node.target, Inbound: p.inbound,
		Request: pbx.OriginateRequest{
			ID: leg, To: pbx.Endpoint{Trunk: p.line.trunk.cfg.Name, Number: a.Person.Number},
			CallerID: pbx.CallerID{Number: p.line.trunk.callerID}, RingTimeout: limits.Ring,
			MaxDuration: longest, Tag: a.Contact.ID.String(),
		},
	}
	if err := c.ears.tune(&plan, &deps, p.script); err != nil {
		c.log.Error("hotwords are missing: the recognizer is asked without them", "attempt", a.ID, "err", err)
	}
	return plan, deps
}
