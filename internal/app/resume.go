package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"ringmaster/config"
	"ringmaster/internal/api"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/pbx"
	"ringmaster/internal/scheduler"
)

// farewellLimit is how long the goodbye of a call that cannot go on may take.
const farewellLimit = 8 * time.Second

// linkWait is how long an adopted call waits for its exchange before it asks
// the scheduler to come back.
const linkWait = 10 * time.Second

// Adopt goes on with a placed attempt whose controller died: the conversation is
// told again from its log and taken up where it stood. A call that a person has
// is left alone; one that cannot be told again gets a goodbye.
func (c *caller) Adopt(ctx context.Context, a campaign.Attempt, open func(seq int64) scheduler.InputLog) (campaign.Outcome, error) {
	node := c.fleet.node(a.Placed.PBX)
	if node == nil {
		return campaign.Outcome{StartedAt: a.PlacedAt, EndedAt: time.Now(), Disposition: campaign.Uncertain,
			Reason: "controller_died: its exchange is not configured any more"}, nil
	}
	id := a.ID.String()
	if a.Inbound {
		leg, err := c.library.store.Leg(ctx, a.Tenant, a.ID)
		if err != nil {
			return campaign.Outcome{}, err
		}
		id = leg
	}
	c.roll.enter(id)
	defer c.roll.leave(id)
	if err := reachable(ctx, node.sw); err != nil {
		return campaign.Outcome{}, err
	}
	inputs, whole, err := c.library.store.Inputs(ctx, a.Tenant, a.ID)
	if err != nil {
		return campaign.Outcome{}, err
	}
	l := c.fleet.reoccupy(node, a.Placed.Trunk)
	defer c.fleet.release(l)
	p := &prepared{caller: c, attempt: a, line: l}
	past, err := p.retell(ctx, pbx.LegID(id), inputs, whole, open)
	if err != nil {
		if !errors.Is(err, call.ErrNotWhole) {
			return campaign.Outcome{}, err
		}
		return p.dismiss(ctx, pbx.LegID(id), inputs, err)
	}
	return p.goOn(ctx, pbx.LegID(id), past, lives(inputs))
}

// reachable waits until an exchange can be asked, for a while.
func reachable(ctx context.Context, sw pbx.Switch) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(linkWait)
	defer limit.Stop()
	for !sw.Health().Up {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return fmt.Errorf("%w (%s)", pbx.ErrUnavailable, sw.Health().Reason)
		}
	}
	return nil
}

// retell finds the script's version and the person, and tells the call again.
func (p *prepared) retell(ctx context.Context, leg pbx.LegID, inputs []scheduler.InputRecord, whole bool, open func(int64) scheduler.InputLog) (*call.Resumption, error) {
	c, a := p.caller, p.attempt
	if !whole {
		return nil, call.ErrNotWhole
	}
	var err error
	if p.script, err = c.library.spoken(ctx, a.Tenant, a.Task.Script, a.Placed.ScriptVersion); errors.Is(err, api.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", call.ErrNotWhole, err)
	} else if err != nil {
		return nil, err
	}
	p.customer = c.library.customer(a.Person, p.script)
	if p.script.ReadsHistory() {
		past, err := c.library.store.CallsBefore(ctx, a.Tenant, a.Person.ID, a.PlacedAt, pastCalls)
		if err != nil {
			return nil, err
		}
		for _, h := range past {
			p.customer.History = append(p.customer.History, dialogue.Past{At: h.At, Script: h.Script, Disposition: h.Disposition, Tags: h.Tags, Slots: h.Slots})
		}
	}
	plan, deps := p.ready(a, leg, open(int64(len(inputs))))
	log := make([]call.Logged, 0, len(inputs))
	for _, in := range inputs {
		log = append(log, call.Logged{At: in.At, Kind: call.Kind(in.Kind), Data: in.Data})
	}
	return call.Rebuild(plan, deps, log)
}

// goOn takes the call up where it stood, or leaves it to the person who has it.
func (p *prepared) goOn(ctx context.Context, id pbx.LegID, past *call.Resumption, lost int) (campaign.Outcome, error) {
	c, a, since := p.caller, p.attempt, time.Now()
	log := c.log.With("attempt", a.ID, "leg", id)
	earlier := make([]uuid.UUID, lost) // their IDs sort before that of what is recorded now
	for i := range earlier {
		earlier[i] = uuid.Must(uuid.NewV7())
	}
	var o campaign.Outcome
	switch phase := past.Phase(); {
	case phase == call.Over:
		o = past.Outcome()
	case a.Inbound && p.line.node.cfg.Kind == config.FreeSWITCH && phase != call.Closing:
		// When its socket closed the exchange's own menu took the caller.
		log.Warn("the controller died in mid-call: the caller is in the exchange's menu")
		o = past.Left()
		o.Disposition = campaign.Uncertain
	case phase == call.HandedOver, past.Queued():
		log.Warn("the controller died while a person had the call: it goes on without us")
		o = past.Left()
	default:
		leg, err := p.line.node.sw.Attach(ctx, id)
		if err != nil && !errors.Is(err, pbx.ErrGone) {
			past.Outcome() // lets go of it
			return o, err
		}
		if err != nil {
			leg = nil
			log.Warn("the controller died in mid-call, and so did the call", "phase", phase)
		} else {
			log.Warn("the controller died in mid-call: the conversation goes on", "phase", phase)
		}
		if phase == call.Transferring {
			p.letGo(ctx, id)
		}
		o = past.Run(ctx, leg)
	}
	if o.Disclosure != nil && o.Disclosure.PlayedAt.After(since) { // in what this life recorded
		p.expectLabel(&o)
	}
	p.parts(&o, earlier)
	if c.watch != nil {
		c.watch(Sight{Attempt: a, Outcome: &o})
	}
	return o, nil
}

// letGo hangs up the people who were being called for a leg.
func (p *prepared) letGo(ctx context.Context, id pbx.LegID) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	sw := p.line.node.sw
	legs, err := sw.Legs(ctx)
	for _, l := range legs {
		if !strings.HasPrefix(string(l.ID), string(id)+"-") {
			continue
		}
		leg, aerr := sw.Attach(ctx, l.ID)
		if aerr == nil {
			aerr = leg.Hangup(ctx, pbx.CauseNormal)
		}
		if !errors.Is(aerr, pbx.ErrGone) {
			err = errors.Join(err, aerr)
		}
	}
	if err != nil {
		p.caller.log.Warn("who was being fetched for a call could not be let go; the janitor will", "leg", id, "err", err)
	}
}

// lives are the earlier lives that recorded something of a call.
func lives(inputs []scheduler.InputRecord) (n int) {
	heard := false
	for _, in := range inputs {
		switch call.Kind(in.Kind) {
		case call.InMediaOpen:
			if !heard {
				n++
			}
			heard = true
		case call.InResumed:
			heard = false
		}
	}
	return n
}

// parts says in the record what is missing of the recording: what earlier lives
// recorded is not known well enough to be silenced where it must be.
func (p *prepared) parts(o *campaign.Outcome, earlier []uuid.UUID) {
	if p.caller.archive == nil || len(earlier) == 0 {
		return
	}
	for i := range o.Recordings {
		if o.Recordings[i].Incomplete == "" {
			o.Recordings[i].Incomplete = "it begins where the controller, which had died in mid-call, came back"
		}
	}
	var gone []campaign.Recording
	for _, id := range earlier {
		gone = append(gone, campaign.Recording{ID: id, Rate: p.line.node.format.Rate, Channels: 2, Label: campaign.LabelNone,
			Withheld: "the controller died while this part was recorded: what must not be heard in it is not known for certain"})
	}
	o.Recordings = append(gone, o.Recordings...)
	if !slices.Contains(o.Degraded, "recording") {
		o.Degraded = append(o.Degraded, "recording")
	}
}

// dismiss ends a call that cannot be told again: one that a person has is left
// alone, another gets a goodbye.
func (p *prepared) dismiss(ctx context.Context, id pbx.LegID, inputs []scheduler.InputRecord, why error) (campaign.Outcome, error) {
	c, a := p.caller, p.attempt
	log := c.log.With("attempt", a.ID, "leg", id)
	person := false
	for _, in := range inputs {
		switch call.Kind(in.Kind) {
		case call.InBridged:
			person = true
		case call.InUnbridged, call.InTransferEnded:
			person = false
		}
	}
	if person {
		log.Warn("the controller died while a person had the call: it goes on without us", "err", why)
		return campaign.Outcome{StartedAt: a.PlacedAt, EndedAt: time.Now(), Disposition: campaign.Transferred, Reason: call.ReasonLeft,
			Degraded: []string{call.DegradedController}}, nil
	}
	line := call.FarewellLine(a.Person.Language)
	return call.Abandoned(ctx, p.line.node.sw, id, a, func(ctx context.Context, leg pbx.Leg) {
		log.Warn("a call cannot go on after its controller died, and is ended with a goodbye", "err", why)
		if err := call.Farewell(ctx, leg, call.Plan{Format: p.line.node.format}, c.deps.Synthesizer, line, farewellLimit); err != nil {
			log.Warn("the goodbye was not heard", "err", err)
		}
	})
}
