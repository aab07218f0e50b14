package asterisk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// Arguments of Stasis by which we know our own channels.
const (
	argOut     = "out"
	argInbound = "inbound"
	argQueue   = "queue-left"
	argMedia   = "media"
	argSnoop   = "snoop"
)

// dialled is the dial string of an endpoint: configured technology only.
func (s *Switch) dialled(to pbx.Endpoint) (string, error) {
	if to.Agent != "" {
		if to.Trunk != "" || !to.Number.IsZero() {
			return "", refuse("dial either an agent or a number over a trunk")
		}
		a, ok := s.cfg.Agents[to.Agent]
		if !ok {
			return "", refuse("no agent of that name is configured")
		}
		return a.Endpoint, nil
	}
	t, ok := s.cfg.Trunks[to.Trunk]
	if !ok {
		return "", refuse("no trunk of that name is configured")
	}
	d, err := t.dialString(to.Number)
	if err != nil {
		return "", refuse("%v", err)
	}
	return d, nil
}

// plan is a checked request.
func (s *Switch) plan(req pbx.OriginateRequest) (ari.Originate, error) {
	var o ari.Originate
	if err := checkLegID(req.ID); err != nil {
		return o, err
	}
	if req.RingTimeout < time.Second || req.RingTimeout > 180*time.Second {
		return o, refuse("the ring time-out %s is not 1 s to 180 s", req.RingTimeout)
	}
	if req.MaxDuration < 0 || req.MaxDuration > 24*time.Hour {
		return o, refuse("the longest duration %s is not within a day", req.MaxDuration)
	}
	endpoint, err := s.dialled(req.To)
	if err != nil {
		return o, err
	}
	vars, err := variables(req)
	if err != nil {
		return o, err
	}
	o = ari.Originate{ChannelID: string(req.ID), Endpoint: endpoint, Args: argOut + "," + req.Tag, Timeout: req.RingTimeout, Vars: vars}
	if req.EarlyMedia || req.To.Agent != "" {
		o.Vars = merge(o.Vars, connectedLine(req.CallerID))
	} else {
		o.CallerID = callerID(req.CallerID)
	}
	return o, nil
}

// Originate implements pbx.Switch. An ID that is alive on the exchange was
// placed before (by us, before a crash): it is taken hold of, never dialled
// twice.
func (s *Switch) Originate(ctx context.Context, req pbx.OriginateRequest) (pbx.Leg, error) {
	o, err := s.plan(req)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", pbx.ErrUnavailable, err)
	}
	if err := s.up(); err != nil {
		return nil, err
	}
	l := newLeg(s, string(req.ID))
	l.req, l.created = req, req.EarlyMedia || req.To.Agent != ""
	l.claimed = true
	l.end.created = l.created
	if !s.add(l) {
		return nil, refuse("leg %s exists already", req.ID)
	}
	if l.created {
		err = l.createAndDial(ctx, o)
	} else {
		err = s.ari.Originate(ctx, o)
	}
	return l.placed(err)
}

// placed turns what became of the request into what the caller may know.
func (l *leg) placed(err error) (pbx.Leg, error) {
	switch {
	case err == nil:
		l.setKnown()
		_ = l.in.Put(input{kind: inPlaced})
		return l, nil
	case ari.Status(err) == http.StatusConflict:
		_ = l.in.Put(input{kind: inAdopt})
		return l, nil
	case errors.Is(err, pbx.ErrUnknown):
		// It may be ringing: the leg stays, so that its events are kept for
		// Attach.
		l.mu.Lock()
		l.claimed = false
		l.mu.Unlock()
		_ = l.in.Put(input{kind: inPlaced, unsure: true})
		return nil, err
	}
	_ = l.in.Put(input{kind: inDiscard})
	<-l.done
	return nil, err
}

// createAndDial makes a channel, bridges it while it is still down and dials
// it: so it can be heard before the answer.
func (l *leg) createAndDial(ctx context.Context, o ari.Originate) error {
	if err := l.sw.ari.Create(ctx, o); err != nil {
		return err
	}
	dialling := false // of the three steps only the last one rings
	err := l.await(ctx, l.inStasis, 2*time.Second)
	if err == nil {
		err = l.join(ctx)
	}
	if err == nil {
		dialling = true
		err = l.sw.ari.Dial(ctx, l.id, l.req.RingTimeout)
	}
	if err == nil || dialling && errors.Is(err, pbx.ErrUnknown) {
		return err
	}
	// Nothing was dialled: take the channel away again.
	bg, cancel := l.sw.background()
	defer cancel()
	if derr := l.sw.ari.Hangup(bg, l.id, pbx.CauseNormal); derr != nil && ari.Status(derr) != http.StatusNotFound {
		return fmt.Errorf("%w: %w", pbx.ErrUnknown, err)
	}
	if errors.Is(err, pbx.ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", pbx.ErrRefused, err)
}

// await waits for a signal of the leg's goroutine, at most d.
func (l *leg) await(ctx context.Context, signal <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-signal:
		return nil
	case <-l.done:
		return pbx.ErrGone
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", pbx.ErrUnknown, ctx.Err())
	case <-t.C:
		return fmt.Errorf("%w: Asterisk did not hand the channel to our application within %s", pbx.ErrUnknown, d)
	}
}

// Attach implements pbx.Switch. The first event of the leg is LinkRestored,
// which says whether it is answered.
func (s *Switch) Attach(ctx context.Context, id pbx.LegID) (pbx.Leg, error) {
	if err := checkLegID(id); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", pbx.ErrUnavailable, err)
	}
	if err := s.up(); err != nil {
		return nil, err
	}
	if l := s.find(string(id)); l != nil {
		return l.claim(ctx)
	}
	ch, err := s.ari.Channel(ctx, string(id))
	if ari.Status(err) == http.StatusNotFound {
		return nil, fmt.Errorf("%w: %s is not on the exchange", pbx.ErrGone, id)
	}
	if err != nil {
		return nil, err
	}
	l := newLeg(s, string(id))
	l.claimed, l.req.Tag = true, ch.Vars[tagVariable]
	l.req.ID = id
	if !s.add(l) {
		if l := s.find(string(id)); l != nil {
			return l.claim(ctx)
		}
		return nil, fmt.Errorf("%w: %w", pbx.ErrUnavailable, errStopping)
	}
	_ = l.in.Put(input{kind: inAdopt})
	return l, nil
}

// claim hands out a leg that we hold: one whose Originate ended in ErrUnknown
// with all its events since, even if it is over; or once more a leg that is
// already held, from its present state on.
func (l *leg) claim(ctx context.Context) (pbx.Leg, error) {
	l.mu.Lock()
	first, over, sure := !l.claimed, l.over, l.known
	if !l.claimed {
		l.claimed = true
		close(l.taken)
	}
	l.mu.Unlock()
	if over {
		if !first || !sure {
			return nil, fmt.Errorf("%w: %s", pbx.ErrGone, l.id)
		}
		return l, nil
	}
	if first && !sure {
		if _, err := l.sw.ari.Channel(ctx, l.id); err != nil {
			if ari.Status(err) == http.StatusNotFound {
				if l.endedJustNow(ctx) {
					return l, nil
				}
				l.sw.giveUp(l.id)
				_ = l.in.Put(input{kind: inDiscard})
				return nil, fmt.Errorf("%w: %s is not on the exchange", pbx.ErrGone, l.id)
			}
			l.mu.Lock()
			l.claimed, l.taken = false, make(chan struct{})
			l.mu.Unlock()
			return nil, err
		}
	}
	_ = l.in.Put(input{kind: inAdopt})
	return l, nil
}

// endedJustNow waits for the last event of a leg that is not on the exchange
// any more: it may be on its way.
func (l *leg) endedJustNow(ctx context.Context) bool {
	_ = l.await(ctx, nil, 200*time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over && l.known
}

// strangerGrace is how long a channel of ours that nobody holds may live after
// its answer.
const strangerGrace = 5 * time.Second

// stranger is a channel that enters our application and belongs to no leg:
// an inbound call, or one of ours that outlived the process that placed it.
func (s link) stranger(e *ari.Event) {
	if len(e.Args) == 0 {
		s.log.Warn("asterisk: a channel entered the application without arguments and is left alone", "leg", e.Channel.ID)
		return
	}
	switch e.Args[0] {
	case argInbound:
		s.inboundCall(e)
	case argOut:
		// The callee took a call that nobody speaks on.
		id := e.Channel.ID
		time.AfterFunc(strangerGrace, func() { s.endStranger(id) })
	}
}

func (s *Switch) endStranger(id string) {
	if s.find(id) != nil {
		return
	}
	s.log.Warn("asterisk: a leg that nobody holds was answered and is ended", "leg", id)
	s.hangupLater(id, pbx.CauseTemporary)
}

// inboundCall hands a ringing call to Accept.
func (s link) inboundCall(e *ari.Event) {
	id := e.Channel.ID
	l := newLeg(s.Switch, id)
	l.inbound, l.end.inbound, l.claimed, l.stasis = true, true, true, true
	l.req.ID = pbx.LegID(id)
	if err := checkLegID(pbx.LegID(id)); err != nil {
		s.log.Warn("asterisk: an inbound call has an ID that we cannot name", "err", err)
		s.hangupLater(id, pbx.CauseTemporary)
		return
	}
	in := pbx.Inbound{Leg: l, From: s.readNumber(e.Channel.Caller.Number)}
	if len(e.Args) > 1 {
		in.Called = e.Args[1]
		in.Args = e.Args[2:]
	}
	if !s.add(l) {
		return
	}
	close(l.inStasis)
	_ = l.in.Put(input{kind: inPlaced})
	if e.Channel.State == ari.StateUp {
		_ = l.in.Put(input{kind: inAdopt})
	}
	if err := s.inbound.Put(in); err != nil {
		s.log.Error("asterisk: an inbound call was refused: nobody accepts them", "leg", id, "err", err)
		s.hangupLater(id, pbx.CauseCongestion)
	}
}

// hangupLater hangs up without holding the reader.
func (s *Switch) hangupLater(id string, cause pbx.Cause) {
	s.spawn(func() {
		ctx, cancel := s.background()
		defer cancel()
		_ = s.ari.Hangup(ctx, id, cause)
	})
}

// readNumber reads a caller's number; zero when withheld or odd.
func (s *Switch) readNumber(raw string) phone.Number {
	if n, err := phone.Parse(raw, s.cfg.Region); err == nil {
		return n
	}
	if n, err := phone.Short(raw); err == nil {
		return n
	}
	return phone.Number{}
}

// Accept implements pbx.Switch.
func (s *Switch) Accept(ctx context.Context) (pbx.Inbound, error) { return s.inbound.Next(ctx) }

// Legs implements pbx.Switch: channels that our application gets events of,
// without media legs and snoops.
func (s *Switch) Legs(ctx context.Context) ([]pbx.LegInfo, error) {
	if err := s.up(); err != nil {
		return nil, err
	}
	ids, err := s.ari.Subscribed(ctx)
	if err != nil {
		return nil, err
	}
	channels, err := s.ari.Channels(ctx)
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, id := range ids {
		ours[id] = true
	}
	out := []pbx.LegInfo{}
	for _, c := range channels {
		if !ours[c.ID] || helperTech(c.Name) || checkLegID(pbx.LegID(c.ID)) != nil {
			continue
		}
		out = append(out, pbx.LegInfo{ID: pbx.LegID(c.ID), Up: c.State == ari.StateUp, Created: c.Created.Time, Tag: s.tagOf(ctx, c)})
	}
	return out, nil
}

// tagOf finds the tag: with us, among the channel's variables, in its Stasis
// arguments, or by asking.
func (s *Switch) tagOf(ctx context.Context, c ari.Channel) string {
	if l := s.find(c.ID); l != nil && l.req.Tag != "" {
		return l.req.Tag
	}
	tag := c.Vars[tagVariable]
	if tag == "" && c.Dialplan.App == "Stasis" {
		if parts := strings.Split(c.Dialplan.Data, ","); len(parts) >= 3 && parts[1] == argOut {
			tag = parts[2]
		}
	}
	if tag == "" {
		tag, _ = s.ari.Variable(ctx, c.ID, tagVariable)
	}
	if len(tag) > 64 || !identifier(tag) {
		return ""
	}
	return tag
}
