package freeswitch

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/internal/pbx"
)

// Variables that the dialplan may set before it hands a call over.
const (
	calledVariable = "variable_ringmaster_called" // the number that was called, if not the destination
	argsVariable   = "variable_ringmaster_args"   // what Inbound.Args gets, separated by semicolons
)

// allows says who may hand calls over: the exchange itself.
func (s *Switch) allows(from netip.Addr) bool {
	if from.IsLoopback() {
		return true
	}
	for _, p := range s.cfg.Media.Allow {
		if p.Contains(from) {
			return true
		}
	}
	host, _, err := net.SplitHostPort(s.cfg.Addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap() == from
}

// inboundCall hands a ringing call to Accept. It is ours while its socket is
// open; who says that is not believed before our own exchange says it too.
func (s *Switch) inboundCall(c *esl.Call) {
	id := c.Channel.Get("Unique-ID")
	ctx, cancel := s.background()
	defer cancel()
	alive, err := false, checkLegID(pbx.LegID(id))
	if err == nil {
		alive, err = s.exists(ctx, id)
	}
	if err != nil || !alive {
		s.log.Warn("freeswitch: an inbound call that the exchange does not know is not taken", "err", err)
		c.Close()
		return
	}
	l := newLeg(s, id)
	l.inbound, l.claimed, l.known, l.parked, l.settled, l.call = true, true, true, true, true, c
	l.req.ID = pbx.LegID(id)
	if !s.add(l) {
		c.Close()
		return
	}
	s.prepare(ctx, id)
	_ = l.in.Put(input{kind: inPlaced})
	if up(c.Channel) {
		_ = l.in.Put(input{kind: inAdopt})
	}
	in := pbx.Inbound{Leg: l, From: s.readNumber(c.Channel.Get("Caller-Caller-ID-Number")), Called: c.Channel.Get(calledVariable)}
	if in.Called == "" {
		in.Called = c.Channel.Get("Caller-Destination-Number")
	}
	in.Called = esl.Clean(in.Called, 80)
	if args := esl.Clean(c.Channel.Get(argsVariable), 1000); args != "" {
		in.Args = strings.Split(args, ";")
	}
	if err := s.inbound.Put(in); err != nil {
		s.log.Error("freeswitch: an inbound call was refused: nobody accepts them", "leg", id, "err", err)
		s.killLater(id, pbx.CauseCongestion)
	}
	s.spawn(func() { l.watchSocket(c) })
}

// watchSocket looks the leg up when its socket ends: the call mostly has too.
func (l *leg) watchSocket(c *esl.Call) {
	select {
	case <-c.Done():
		t := time.NewTimer(jobGrace)
		defer t.Stop()
		select {
		case <-t.C:
			_ = l.in.Put(input{kind: inLook})
		case <-l.done:
		}
	case <-l.done:
	case <-l.sw.life.Done():
	}
}

// prepare gives an inbound channel what originate gives to ours.
func (s *Switch) prepare(ctx context.Context, id string) {
	if _, err := s.esl.API(ctx, "uuid_setvar_multi "+id+" presence_data="+s.mark("")+";park_after_bridge=false;ignore_display_updates=true;hangup_after_bridge=false;"+
		"continue_on_fail=true;send_silence_when_idle=-1;RECORD_STEREO=true"); err != nil {
		s.log.Warn("freeswitch: an inbound call could not be prepared", "leg", id, "err", err)
	}
}
