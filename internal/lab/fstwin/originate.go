package fstwin

import (
	"net"
	"strings"
	"time"

	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
)

// group is an originate that goes on: the places of one dial string.
type group struct {
	ex          *Exchange
	dial        dialString
	next        int // try
	live        map[*channel]bool
	originator  *channel
	ignoreEarly bool
	over        bool
	last        cause
	status      int // SIP, of the last that failed
	timer       *time.Timer
	done        func(ch *channel, c cause) // once: who answered, or why nobody did
	name        string                     // caller id
	number      string
	shown       [2]string // name and number where the dial string has none
}

// start begins an originate. done is called once, under the lock.
func (g *group) start(ex *Exchange, text string, originator *channel, timeout time.Duration, done func(*channel, cause)) {
	g.ex, g.originator, g.live, g.last, g.done = ex, originator, map[*channel]bool{}, outOfOrder, done
	d, ok := parseDial(text)
	if !ok {
		g.finish(nil, outOfOrder)
		return
	}
	g.dial = d
	if n := atoi(value(d.vars, "originate_timeout")); n > 0 {
		timeout = time.Duration(n) * time.Second
	}
	if timeout <= 0 {
		timeout = 60 * time.Second
	}
	g.ignoreEarly = isTrue(value(d.vars, "ignore_early_media"))
	g.name, g.number = value(d.vars, "origination_caller_id_name"), value(d.vars, "origination_caller_id_number")
	if g.name == "" {
		g.name = g.shown[0]
	}
	if g.number == "" {
		g.number = g.shown[1]
	}
	if o := originator; o != nil {
		g.inherit(o)
	}
	if g.number == "" {
		g.number = "0000000000"
	}
	// Whole seconds of the exchange's clock: N-1 to N of them.
	g.timer = time.AfterFunc(timeout-time.Duration(ex.rand.IntN(950))*time.Millisecond, func() {
		ex.mu.Lock()
		defer ex.mu.Unlock()
		g.expire()
	})
	g.try()
}

// inherit takes the caller ID of the leg that bridges: what it is told to show,
// else its own, which on an originated leg is the number that was dialled.
func (g *group) inherit(o *channel) {
	if g.number == "" {
		g.number = o.vars["effective_caller_id_number"]
	}
	if g.name == "" {
		g.name = o.vars["effective_caller_id_name"]
	}
	if g.number == "" {
		g.number = o.callerID[1]
		if o.answered && !o.inbound {
			g.number = o.dialled
		}
	}
	if g.name == "" {
		g.name = o.callerID[0]
		if o.answered && !o.inbound {
			g.name = "Outbound Call"
		}
	}
}

func (g *group) expire() {
	if g.over || g.ex.closed {
		return
	}
	g.next = len(g.dial.tries)
	g.last = noAnswer
	g.hangupAll(noAnswer)
	g.finish(nil, noAnswer)
}

func (g *group) hangupAll(c cause) {
	for ch := range g.live {
		delete(g.live, ch)
		ch.group = nil
		ch.hangup(c, false)
	}
}

// cancel ends an originate whose originator left.
func (g *group) cancel(c cause) {
	if g.over {
		return
	}
	g.over = true
	if g.timer != nil {
		g.timer.Stop()
	}
	g.hangupAll(c)
}

func (g *group) finish(ch *channel, c cause) {
	if g.over {
		return
	}
	g.over = true
	if g.timer != nil {
		g.timer.Stop()
	}
	g.done(ch, c)
}

// try dials the next places.
func (g *group) try() {
	for !g.over && len(g.live) == 0 {
		if g.next >= len(g.dial.tries) {
			g.finish(nil, g.last)
			return
		}
		at := g.dial.tries[g.next]
		g.next++
		for _, e := range at {
			if c := g.place(e); c != none {
				g.last = c
			}
		}
	}
}

// finishGroup tells an originate that a leg of it is gone.
func (ex *Exchange) finishGroup(ch *channel) {
	g := ch.group
	if g == nil {
		return
	}
	ch.group = nil
	delete(g.live, ch)
	g.last, g.status = ch.cause, ch.sipStatus
	if len(g.live) == 0 {
		g.try()
	}
}

// won is an answer, or early media that nobody asked to ignore.
func (g *group) won(ch *channel) {
	if g.over {
		return
	}
	ch.group = nil
	delete(g.live, ch)
	g.hangupAll(loseRace)
	g.finish(ch, none)
}

// admit says why a call may not begin; none when it may.
func (ex *Exchange) admit(uuid string) cause {
	now := time.Now().Unix()
	if ex.second != now {
		ex.second, ex.sessions = now, 0
	}
	switch {
	case uuid != "" && ex.channels[uuid] != nil: // "Duplicate UUID!"
	case ex.paused: // "The system cannot create any sessions at this time."
	case ex.cfg.MaxSessions > 0 && len(ex.channels) >= ex.cfg.MaxSessions: // "Over Session Limit!"
	case ex.cfg.SessionsPerSecond > 0 && ex.sessions >= ex.cfg.SessionsPerSecond: // "Throttle Error!"
	default:
		ex.sessions++
		return none
	}
	ex.counters.Refused++
	return outOfOrder
}

// place dials one endpoint; the cause when that fails at once.
func (g *group) place(e endpoint) cause {
	ex := g.ex
	vars := append(append([]pair(nil), g.dial.vars...), e.vars...)
	where, c := ex.resolve(e.target)
	if c != none {
		return c
	}
	uuid := value(vars, "origination_uuid")
	if c := ex.admit(uuid); c != none {
		return c
	}
	if uuid == "" {
		uuid = ex.uuid()
	}
	ch := ex.newChannel(uuid, where.name)
	ch.group, ch.dialled = g, where.dialled
	ch.callerID = [2]string{g.name, g.number}
	if g.originator != nil {
		ch.other, ch.originee = g.originator, true
		ch.set("call_uuid", g.originator.callUUID())
		ch.set("originator", g.originator.uuid)
		for _, p := range g.originator.exported("export_vars") {
			ch.set(p.name, p.value)
		}
	}
	for _, p := range vars {
		ch.set(p.name, expandGlobals(ex, p.value))
	}
	g.live[ch] = true
	ch.identity(where)
	ch.emit("CHANNEL_OUTGOING")
	ch.enter("CS_INIT")
	ch.emit("CHANNEL_CREATE")
	ch.emit("CHANNEL_ORIGINATE")
	ch.enter("CS_ROUTING")
	ch.enter("CS_CONSUME_MEDIA")
	if n := atoi(value(vars, "leg_timeout")); n > 0 {
		ch.after(time.Duration(n)*time.Second+time.Duration(ex.rand.IntN(1000))*time.Millisecond, func() { ch.hangup(allottedTimeout, false) })
	}
	if n := atoi(value(vars, "media_timeout")); n > 0 && ch.leg != nil {
		ch.leg.patience = time.Duration(n) * time.Millisecond
	}
	ch.call.Rang = time.Now()
	if where.sip == "" {
		ex.book.Ring(ch.call, ch.line.Record)
		ch.ring()
		return none
	}
	ch.invite(where.sip)
	return none
}

// expandGlobals replaces ${x} in the value of a variable: of a leg that does
// not exist yet, only globals are known.
func expandGlobals(ex *Exchange, v string) string {
	return (&channel{ex: ex, vars: nil}).expand(v)
}

// place of a dial string.
type location struct {
	name    string // of the channel
	dialled string
	key     string // in the book
	trunk   string
	script  callee.Script
	sip     string // a real SIP address: user@host:port
}

// resolve finds who is behind a dial string.
func (ex *Exchange) resolve(target string) (location, cause) {
	kind, rest, ok := strings.Cut(target, "/")
	if !ok {
		return location{}, notImplemented
	}
	switch kind {
	case "error":
		return location{}, ex.causeOf(rest)
	case "user":
		name, _, _ := strings.Cut(rest, "@")
		s, ok := ex.cast.ForAgent(name)
		if !ok {
			return location{}, subscriberAbsent
		}
		return location{name: "sofia/internal/" + name + "@twin", dialled: name, key: "agent:" + name, trunk: name, script: s}, none
	case "sofia":
	default:
		return location{}, notImplemented
	}
	profile, rest, ok := strings.Cut(rest, "/")
	switch {
	case !ok:
		return location{}, invalidProfile
	case profile == "gateway":
		gw, number, _ := strings.Cut(rest, "/")
		if !ex.gateway(gw) {
			return location{}, invalidGateway
		}
		return ex.subscriber(number, gw), none
	case profile != "internal" && profile != "external":
		return location{}, invalidProfile
	}
	user, host, _ := strings.Cut(strings.TrimPrefix(rest, "sip:"), "@")
	if numeric(host) {
		return location{name: "sofia/" + profile + "/" + user + "@" + host, dialled: user, key: "sip:" + user, trunk: profile, sip: rest}, none
	}
	if s, ok := ex.cast.ForAgent(user); ok {
		return location{name: "sofia/" + profile + "/" + user, dialled: user, key: "agent:" + user, trunk: user, script: s}, none
	}
	return ex.subscriber(user, profile), none
}

// numeric says that a host is an address with a port: somewhere outside.
func numeric(host string) bool {
	host, _, _ = strings.Cut(host, ";")
	h, _, err := net.SplitHostPort(host)
	return err == nil && net.ParseIP(h) != nil
}

func (ex *Exchange) gateway(name string) bool {
	if ex.cfg.Gateways == nil {
		return name != ""
	}
	for _, g := range ex.cfg.Gateways {
		if g == name {
			return true
		}
	}
	return false
}

func (ex *Exchange) subscriber(number, trunk string) location {
	return location{
		name: "sofia/" + trunk + "/" + number, dialled: number, key: number, trunk: trunk,
		script: ex.cast.ForNumber(number, ex.cfg.Seed, ex.book.Nth(number)),
	}
}

// identity works out what the callee sees.
func (ch *channel) identity(where location) {
	ch.script = where.script
	if ch.ex.cfg.Keep {
		ch.script.Keep = true
	}
	c := &twin.Call{Number: where.key, Trunk: where.trunk, Variables: map[string]string{}}
	c.ID, c.Record.FirstAudible = ch.uuid, -1
	c.ShownName, c.ShownNumber = displayed(ch.callerID[0]), ch.callerID[1]
	if u := ch.vars["sip_from_uri"]; u != "" {
		user, _, _ := strings.Cut(strings.TrimPrefix(u, "sip:"), "@")
		c.ShownNumber = user
	}
	if v := ch.vars["sip_from_display"]; v != "" {
		c.ShownName = v
	}
	if strings.Contains(ch.vars["origination_privacy"], "hide") || isTrue(ch.vars["sip_cid_hide"]) {
		c.ShownName, c.ShownNumber = "Anonymous", "anonymous"
	}
	c.Headers = headers(ch.vars)
	for _, n := range ch.order {
		c.Variables[n] = ch.vars[n]
	}
	if c.Variables["RINGMASTER_TAG"] == "" {
		c.Variables["RINGMASTER_TAG"] = ch.vars["presence_data"]
	}
	ch.call = c
}

// displayed is what becomes of a caller's name on its way into From: one that
// looks like a SIP address is read as one.
func displayed(name string) string {
	if i := strings.IndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	name, _, _ = strings.Cut(name, "@")
	return name
}

// headers are those of sip_h_*; a line break inside a value begins another, as
// it does on the real wire.
func headers(vars map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range vars {
		name, ok := strings.CutPrefix(k, "sip_h_")
		if !ok {
			continue
		}
		for _, l := range strings.Split(name+": "+v, "\n") {
			n, val, _ := strings.Cut(strings.TrimRight(l, "\r"), ": ")
			out[n] = val
		}
	}
	return out
}
