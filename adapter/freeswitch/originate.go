package freeswitch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// signOfLife is how long Originate waits for the channel, or for the refusal,
// after FreeSWITCH took the job; both come within milliseconds.
const signOfLife = 2 * time.Second

// jobGrace is how long the events of a channel may come after its job's end.
const jobGrace = 300 * time.Millisecond

// dialled is the dial string's endpoint: configured technology only.
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

// plan checks a request and makes the command of it.
func (s *Switch) plan(req pbx.OriginateRequest) (command string, err error) {
	if err := checkLegID(req.ID); err != nil {
		return "", err
	}
	if req.RingTimeout < time.Second || req.RingTimeout > 180*time.Second {
		return "", refuse("the ring time-out %s is not 1 s to 180 s", req.RingTimeout)
	}
	if req.MaxDuration < 0 || req.MaxDuration > 24*time.Hour {
		return "", refuse("the longest duration %s is not within a day", req.MaxDuration)
	}
	endpoint, err := s.dialled(req.To)
	if err != nil {
		return "", err
	}
	vars, err := s.variables(req)
	if err != nil {
		return "", err
	}
	d, err := dialString(vars, endpoint)
	if err != nil {
		return "", refuse("%v", err)
	}
	return "originate " + d + " &park()", nil
}

// Originate implements pbx.Switch. An ID that is alive on the exchange was
// placed before (by us, before a crash): it is taken hold of, never dialled
// twice. An exchange that is full or too fast (ErrRefused) has rung nobody.
func (s *Switch) Originate(ctx context.Context, req pbx.OriginateRequest) (pbx.Leg, error) {
	command, err := s.plan(req)
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
	l.req, l.claimed = req, true
	if !s.add(l) {
		return nil, refuse("leg %s exists already", req.ID)
	}
	if err := l.originate(ctx, command); err != nil {
		return nil, err
	}
	return l, nil
}

// originate sends the job and waits for the first sign of what became of it.
func (l *leg) originate(ctx context.Context, command string) error {
	err := l.sw.esl.BgAPI(ctx, jobMark+l.id, command)
	if errors.Is(err, pbx.ErrUnknown) {
		return l.unsure(err)
	}
	if err != nil {
		l.drop()
		return err
	}
	_, err = l.await(ctx, signOfLife, func() bool { return l.known || l.refused != "" })
	l.mu.Lock()
	known, refused := l.known, l.refused
	l.mu.Unlock()
	switch {
	case known || errors.Is(err, pbx.ErrGone):
	case refused != "":
		return l.refusal(ctx, refused)
	case err != nil: // the caller gave up, the job runs
		return l.unsure(fmt.Errorf("%w: %w", pbx.ErrUnknown, err))
	}
	_ = l.in.Put(input{kind: inPlaced, unsure: !known})
	return nil
}

// unsure keeps a leg that may be ringing, so that its events are there for
// Attach.
func (l *leg) unsure(err error) error {
	l.mu.Lock()
	l.claimed = false
	l.mu.Unlock()
	_ = l.in.Put(input{kind: inPlaced, unsure: true})
	return err
}

// drop ends a leg of which nothing exists.
func (l *leg) drop() {
	_ = l.in.Put(input{kind: inDiscard})
	<-l.ended
}

// refusal is a job that failed before any channel of that ID was seen. One
// cause stands for "the ID is taken" as well as for "too many": only the
// exchange itself can tell them apart.
func (l *leg) refusal(ctx context.Context, words string) error {
	bg, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.sw.cfg.RequestTimeout)
	defer cancel()
	alive, err := l.sw.exists(bg, l.id)
	switch {
	case err != nil:
		return l.unsure(fmt.Errorf("%w: %w", pbx.ErrUnknown, err))
	case alive:
		_ = l.in.Put(input{kind: inAdopt})
		return nil
	}
	l.mu.Lock()
	known := l.known // an event may have come meanwhile
	l.mu.Unlock()
	if known {
		_ = l.in.Put(input{kind: inPlaced})
		return nil
	}
	l.drop()
	l.sw.mu.Lock()
	load := l.sw.load
	l.sw.mu.Unlock()
	text := words
	if words == "DESTINATION_OUT_OF_ORDER" {
		text += ": too many sessions at once or a second, or the exchange is paused"
		if load != "" {
			text += " (last heartbeat: " + load + ")"
		}
	}
	return &esl.Error{Op: "originate", Text: text}
}

// beforeInvite are the outcomes of a job by which FreeSWITCH says that it never
// made a channel: full, too fast, paused, the ID is taken; or a dial string
// that leads nowhere.
func beforeInvite(words string) bool {
	switch words {
	case "DESTINATION_OUT_OF_ORDER", "INVALID_GATEWAY", "GATEWAY_DOWN", "INVALID_PROFILE", "INVALID_URL", "CHAN_NOT_IMPLEMENTED", "SUBSCRIBER_ABSENT",
		"USER_NOT_REGISTERED":
		return true
	}
	return strings.HasPrefix(words, "-USAGE") || strings.HasSuffix(words, "Command not found!")
}

// job does what BACKGROUND_JOB says of our originate. It may come before or
// after the channel's own events; those know more.
func (l *leg) job(in input) bool {
	words := in.why
	if rest, ok := strings.CutPrefix(words, "-ERR "); ok {
		words = rest
	} else if strings.HasPrefix(words, "+OK") {
		l.setKnown()
		l.failed = ""
		return false
	}
	words = esl.Clean(words, 80)
	l.failed = words
	switch {
	case in.kind == inJob:
		// Its last events may be on their way.
		time.AfterFunc(jobGrace, func() { _ = l.in.Put(input{kind: inJobLate, why: in.why}) })
	case l.isKnown():
		return l.lookUp()
	case beforeInvite(words):
		l.change(func() { l.refused = words })
		if !l.placedAt.IsZero() { // nobody waits for it any more
			return l.lookUp()
		}
	default:
		l.setKnown() // a channel was there, and every event of it got lost
		return l.lookUp()
	}
	return false
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
	ch, err := s.channel(ctx, string(id))
	if err != nil {
		return nil, err
	}
	if ch == nil {
		return nil, fmt.Errorf("%w: %s is not on the exchange", pbx.ErrGone, id)
	}
	l := newLeg(s, string(id))
	l.claimed, l.req.ID = true, id
	l.req.Tag, _ = s.tagOf(ch.Get("Channel-Presence-Data"))
	l.inbound = ch.Get("Call-Direction") == "inbound"
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
	if first {
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
		alive, err := l.sw.exists(ctx, l.id)
		if err != nil {
			l.mu.Lock()
			l.claimed, l.taken = false, make(chan struct{})
			l.mu.Unlock()
			return nil, err
		}
		if !alive {
			// It may have ended a moment ago, and its last event be on its way.
			if known, _ := l.await(ctx, jobGrace, func() bool { return l.known }); known {
				return l, nil
			}
			l.mu.Lock()
			known := l.known
			l.mu.Unlock()
			if known {
				return l, nil
			}
			l.sw.giveUp(l.id)
			_ = l.in.Put(input{kind: inDiscard})
			return nil, fmt.Errorf("%w: %s is not on the exchange", pbx.ErrGone, l.id)
		}
	}
	_ = l.in.Put(input{kind: inAdopt})
	return l, nil
}

// exists asks whether a channel is alive; this is never late.
func (s *Switch) exists(ctx context.Context, id string) (bool, error) {
	reply, err := s.esl.API(ctx, "uuid_exists "+id)
	if err != nil {
		return false, err
	}
	switch strings.TrimSpace(reply) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%w: FreeSWITCH does not say whether a channel exists", pbx.ErrUnknown)
}

// dump is a channel as uuid_dump tells it: the headers of its events.
type dump map[string]any

// Get is a header's value, "" if there is none.
func (d dump) Get(name string) string {
	s, _ := d[name].(string)
	return s
}

// channel is a channel as it stands; nil without an error when it is gone. (Of
// the formats of uuid_dump only JSON marks where a value ends.)
func (s *Switch) channel(ctx context.Context, id string) (dump, error) {
	reply, err := s.esl.API(ctx, "uuid_dump "+id+" json")
	if errors.Is(err, pbx.ErrRefused) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var d dump
	if err := json.Unmarshal([]byte(reply), &d); err != nil || d == nil {
		return nil, fmt.Errorf("%w: what the exchange says of a channel cannot be read", pbx.ErrUnknown)
	}
	return d, nil
}

// listed is a row of "show channels as json".
type listed struct {
	UUID    string `json:"uuid"`
	Created string `json:"created_epoch"`
	State   string `json:"callstate"`
	Mark    string `json:"presence_data"`
}

// up: an answered channel has one of many states (RING_WAIT while it waits for
// a bridge, HELD, ...), one that is not has one of these.
func (r listed) up() bool {
	switch r.State {
	case "", "DOWN", "DIALING", "RINGING", "EARLY", "HANGUP":
		return false
	}
	return true
}

// Legs implements pbx.Switch. What we hold is told from its events; the list of
// the exchange is late by up to 300 ms, so what is only there is asked after.
func (s *Switch) Legs(ctx context.Context) ([]pbx.LegInfo, error) {
	if err := s.up(); err != nil {
		return nil, err
	}
	reply, err := s.esl.API(ctx, "show channels as json")
	if err != nil {
		return nil, err
	}
	var table struct {
		Rows []listed `json:"rows"`
	}
	if err := json.Unmarshal([]byte(reply), &table); err != nil {
		return nil, fmt.Errorf("%w: the list of channels cannot be read: %w", pbx.ErrUnknown, err)
	}
	out := []pbx.LegInfo{}
	s.mu.Lock()
	held := s.allLegs()
	s.mu.Unlock()
	seen := map[string]bool{}
	for _, l := range held {
		seen[l.id] = true
		if i, ok := l.info(); ok {
			out = append(out, i)
		}
	}
	for _, r := range table.Rows {
		tag, ours := s.tagOf(r.Mark)
		if !ours || seen[r.UUID] || checkLegID(pbx.LegID(r.UUID)) != nil {
			continue
		}
		if alive, err := s.exists(ctx, r.UUID); err != nil {
			return nil, err
		} else if alive {
			out = append(out, pbx.LegInfo{ID: pbx.LegID(r.UUID), Up: r.up(), Created: time.Unix(atoi64(r.Created), 0), Tag: tag})
		}
	}
	return out, nil
}

func atoi64(s string) int64 {
	var n int64
	if len(s) > 12 {
		return 0
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n
}

// info is a leg that is held, as it stands.
func (l *leg) info() (pbx.LegInfo, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return pbx.LegInfo{ID: l.ID(), Up: l.answered, Created: l.since, Tag: l.req.Tag}, l.known && !l.over
}

// kill hangs a channel up; one that is gone is no error.
func (s *Switch) kill(ctx context.Context, id string, cause pbx.Cause) error {
	_, err := s.esl.API(ctx, fmt.Sprintf("uuid_kill %s %d", id, int(cause)))
	if errors.Is(err, pbx.ErrRefused) && strings.HasPrefix(esl.Refusal(err), "No such channel") {
		return nil
	}
	return err
}

// killLater hangs up without holding the dispatcher.
func (s *Switch) killLater(id string, cause pbx.Cause) {
	s.spawn(func() {
		ctx, cancel := s.background()
		defer cancel()
		_ = s.kill(ctx, id, cause)
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
