package fstwin

import (
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/lab/twin/sound"
)

// connect tells a channel's line who is heard on it.
func (ch *channel) connect() {
	var peers []*sound.Line
	if ch.bridged != nil {
		peers = append(peers, ch.bridged.line)
	}
	if ch.tap != nil {
		peers = append(peers, ch.tap)
	}
	if ch.stream != nil {
		peers = append(peers, ch.stream.line)
	}
	ch.line.Connect(peers, nil)
}

// bridge dials and connects: the application.
func (r *running) bridge() {
	ch := r.ch
	if ch.stream != nil {
		ch.stream.close()
		ch.stream = nil
	}
	ch.calling("RING_WAIT")
	g := &group{}
	r.stop = func(bool) {
		g.cancel(originatorCancel)
		if ch.bridged != nil {
			ch.unbridge(true)
		}
	}
	g.start(ch.ex, r.arg, ch, 0, func(b *channel, c cause) {
		if r.over || ch.hup {
			if b != nil {
				b.hangup(originatorCancel, false)
			}
			return
		}
		ch.calling("ACTIVE")
		if b == nil {
			r.failed(c, g.status)
			return
		}
		ch.set("originate_disposition", "SUCCESS")
		ch.set("DIALSTATUS", "SUCCESS")
		b.enter("CS_EXCHANGE_MEDIA")
		ch.join(b)
		b.onHangup = append(b.onHangup, func() {
			if ch.bridged == b {
				ch.unbridge(false)
				ch.alone(r, b.cause)
			}
		})
	})
}

// failed is a bridge that nobody answered: without continue_on_fail it takes
// the caller with it.
func (r *running) failed(c cause, status int) {
	ch := r.ch
	ch.set("originate_disposition", string(c))
	ch.set("originate_failed_cause", string(c))
	ch.set("DIALSTATUS", dialStatus(c))
	if status != 0 { // it stays there, and is not of this leg
		ch.set("sip_invite_failure_status", strconv.Itoa(status))
		ch.set("sip_invite_failure_phrase", sipPhrase(status))
	}
	cont := ch.vars["continue_on_fail"]
	named := false
	for name := range strings.SplitSeq(cont, ",") {
		named = named || strings.EqualFold(strings.TrimSpace(name), string(c))
	}
	if isTrue(cont) || named {
		r.done("")
		return
	}
	r.close("")
	ch.hangup(c, false)
}

func dialStatus(c cause) string {
	switch c {
	case userBusy:
		return "BUSY"
	case noAnswer, "NO_USER_RESPONSE":
		return "NOANSWER"
	case originatorCancel:
		return "CANCEL"
	case invalidGateway:
		return "INVALID_GATEWAY"
	}
	return string(c)
}

// join connects two channels, a first.
func (ch *channel) join(b *channel) {
	for _, pair := range [][2]*channel{{ch, b}, {b, ch}} {
		x, y := pair[0], pair[1]
		x.bridged, x.other, x.first, x.originee = y, y, x == ch, x != ch
		x.bridge = time.Now()
		x.set("bridge_uuid", y.uuid)
		x.set("bridge_to", y.uuid) // only while it lasts; the others stay
		x.set("bridge_channel", y.name)
		x.set("signal_bond", y.uuid)
		x.set("last_bridge_to", y.uuid)
	}
	ch.connect()
	b.connect()
	ch.emit("CHANNEL_BRIDGE", "Bridge-A-Unique-ID", ch.uuid, "Bridge-B-Unique-ID", b.uuid)
	b.emit("CALL_UPDATE", "Direction", "SEND", "Bridged-To", ch.uuid)
	ch.emit("CALL_UPDATE", "Direction", "SEND", "Bridged-To", b.uuid)
	ch.display(b)
	b.display(ch)
}

// unbridge parts a channel from its partner; a partner that was dialled by it
// is hung up with it.
func (ch *channel) unbridge(end bool) {
	b := ch.bridged
	if b == nil {
		return
	}
	a := ch
	if !ch.first {
		a, b = b, ch
	}
	a.bridged, b.bridged = nil, nil
	a.connect()
	b.connect()
	partner := b
	if ch == b {
		partner = a
	}
	ends := end && !partner.hup
	survives := partner.bridging()
	if ends && !survives {
		partner.left(ch)
	}
	a.emit("CHANNEL_UNBRIDGE", "Bridge-A-Unique-ID", a.uuid, "Bridge-B-Unique-ID", b.uuid)
	for _, x := range []*channel{a, b} {
		x.set("bridge_to", "")
	}
	if ends && survives {
		partner.left(ch)
	}
}

// bridging says that a channel has an application that outlives its partner.
func (ch *channel) bridging() bool {
	for _, r := range ch.stack {
		if r.app == "bridge" || r.app == "uuid_bridge" {
			return true
		}
	}
	return false
}

// left is a channel whose partner went away from the bridge.
func (ch *channel) left(by *channel) {
	c := normalClearing
	if by.hup {
		c = by.cause
	}
	for _, r := range ch.stack {
		if r.app == "bridge" || r.app == "uuid_bridge" {
			ch.alone(r, c)
			return
		}
	}
	ch.hangup(normalClearing, false) // it was dialled by the other
}

// alone goes on after a bridge: parked, hung up, or in the extension.
func (ch *channel) alone(r *running, c cause) {
	if ch.hup {
		return
	}
	switch {
	case isTrue(ch.vars["park_after_bridge"]):
		r.close("")
		ch.unstack()
		ch.enter("CS_PARK")
		p := &running{ch: ch, app: "park", silent: true}
		ch.stack = append(ch.stack, p)
		p.park()
	case isTrue(ch.vars["hangup_after_bridge"]) || r.app == "uuid_bridge":
		r.close("")
		if c == none {
			c = normalClearing
		}
		ch.hangup(c, false)
	default:
		r.done("")
	}
}

// bridgeByUUID is uuid_bridge: both leave what they do and hear each other.
func (ch *channel) bridgeByUUID(b *channel) {
	for _, x := range []*channel{ch, b} {
		x.unstack()
		if x.bridged != nil {
			x.unbridge(true)
		}
	}
	if ch.hup || b.hup {
		return
	}
	for _, pair := range [][2]*channel{{ch, b}, {b, ch}} {
		x, y := pair[0], pair[1]
		x.enter("CS_SOFT_EXECUTE")
		r := &running{ch: x, app: "uuid_bridge", arg: y.uuid, uuid: x.ex.uuid(), silent: true}
		r.stop = func(bool) {
			if x.bridged != nil {
				x.unbridge(true)
			}
		}
		x.stack = append(x.stack, r)
		x.emit("CHANNEL_EXECUTE", "Application", "uuid_bridge", "Application-Data", y.uuid, "Application-UUID", r.uuid)
	}
	ch.join(b)
	for _, pair := range [][2]*channel{{ch, b}, {b, ch}} {
		x, y := pair[0], pair[1]
		x.onHangup = append(x.onHangup, func() {
			if y.bridged == x {
				y.unbridge(false)
				y.left(x)
			}
		})
	}
}

// eavesdrop listens to another channel, and whispers to it where the variables
// say so: bleg to the one that is listened to, aleg to who it speaks with.
func (r *running) eavesdrop() {
	ch := r.ch
	target := ch.ex.channels[strings.TrimSpace(r.arg)]
	if target == nil || target == ch || target.hup {
		r.done("")
		return
	}
	spy, whisper := sound.Both, sound.Nothing
	if isTrue(ch.vars["eavesdrop_bridge_aleg"]) {
		spy = sound.In
	}
	a, b := isTrue(ch.vars["eavesdrop_whisper_aleg"]), isTrue(ch.vars["eavesdrop_whisper_bleg"])
	switch {
	case a && b:
		whisper = sound.Both
	case a:
		whisper = sound.In
	case b:
		whisper = sound.Out
	}
	ch.tap = sound.NewTap(ch, target.line, spy, whisper)
	ch.tap.Connect([]*sound.Line{ch.line}, nil)
	ch.connect()
	ch.ex.clock.Add(ch.tap)
	r.stop = func(bool) {
		ch.ex.clock.Remove(ch.tap)
		ch.tap.Stop()
		ch.tap = nil
		ch.connect()
	}
	target.onHangup = append(target.onHangup, func() {
		if !r.over {
			r.stop(true)
			r.done("")
		}
	})
}
