package twin

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/lab/twin/sound"
)

// kind of a channel.
type kind byte

const (
	phoneKind kind = iota // a subscriber, an agent
	mediaKind             // chan_websocket
	snoopKind             // a tap on another channel
)

// channel is an Asterisk channel. Signalling is guarded by the exchange's
// lock, sound by the line's own.
type channel struct {
	ex        *Exchange
	kind      kind
	id, name  string
	state     string // Down, Ring, Ringing, Up
	protocol  string
	caller    party
	connected party
	dialplan  dialplanJSON
	created   time.Time
	vars      map[string]string
	shown     map[string]string // channelvars that are always shown

	app     string   // Stasis application that it goes to or is in
	args    []string // of the StasisStart
	stasis  bool     // in the application now
	bridge  *bridge
	gone    bool
	timers  []*time.Timer // until the answer
	limits  []*time.Timer // until the end
	dialled bool
	create  bool // made by create: in Stasis before the answer
	inbound bool
	dialTo  string // as in the Dial events
	script  callee.Script
	call    *Call
	onUp    func() // a dialplan's continuation after the answer
	// dialledBy is the channel whose dialplan dials this one: it is told.
	dialledBy *channel
	onEnd     func(answered bool)

	line  *sound.Line
	media *media // of a media leg
}

// stateUp is the state of an answered channel.
const (
	stateDown    = "Down"
	stateRing    = "Ring"
	stateRinging = "Ringing"
	stateUp      = "Up"
)

// newChannel needs the lock; it is not yet in the table.
func (ex *Exchange) newChannel(k kind, id, name string) *channel {
	if id == "" {
		id = fmt.Sprintf("%d.%d", ex.startup.Unix(), ex.next())
	}
	ch := &channel{
		ex: ex, kind: k, id: id, name: name, state: stateDown, created: time.Now(), vars: map[string]string{},
		dialplan: dialplanJSON{Context: "default", Exten: "s", Priority: 1, App: "AppDial2", Data: "(Outgoing Line)"},
	}
	if k == phoneKind {
		ch.line = sound.NewPhone(ch)
	} else {
		ch.line = sound.NewLeg(ch, nil)
	}
	return ch
}

// add puts a channel into the table, watched by the application, if there is
// one of that name.
func (ex *Exchange) add(ch *channel) {
	ex.channels[ch.id] = ch
	ex.counters.Channels++
	if a := ex.apps[ch.app]; a != nil {
		a.channels[ch.id] = true
	}
	for _, a := range ex.apps {
		if a.all {
			a.send(event{Type: "ChannelCreated", Channel: ch.json()})
		}
	}
}

// mute ends the sound; crash leaves a media socket without a word.
func (ch *channel) mute(crash bool) {
	ch.ex.clock.Remove(ch.line)
	ch.line.Stop()
	if ch.media != nil {
		ch.media.goodbye(crash)
	}
}

func (ch *channel) json() *channelJSON {
	j := &channelJSON{
		ID: ch.id, Name: ch.name, State: ch.state, Protocol: ch.protocol, Caller: ch.caller, Connected: ch.connected,
		Dialplan: ch.dialplan, Created: stamp(ch.created), Language: "en",
	}
	if len(ch.shown)+len(ch.ex.cfg.ChannelVars) > 0 {
		j.Vars = maps.Clone(ch.shown)
		if j.Vars == nil {
			j.Vars = map[string]string{}
		}
		for _, v := range ch.ex.cfg.ChannelVars {
			j.Vars[v] = ch.vars[v]
		}
	}
	return j
}

func (ch *channel) emit(e event) {
	e.Channel = ch.json()
	ch.ex.emit(ch, e)
}

func (ch *channel) varset(name, value string) {
	ch.emit(event{Type: "ChannelVarset", Variable: ptr(name), Value: ptr(value)})
}

func (ch *channel) dial(status string) {
	to := ch.dialTo
	if ch.create && status != "" {
		to = ""
	}
	if c := ch.dialledBy; c != nil {
		ch.ex.emit(c, event{Type: "Dial", DialStatus: ptr(status), Forward: ptr(""), DialString: ptr(to), Caller: c.json(), Peer: ch.json()})
		return
	}
	ch.ex.emit(ch, event{Type: "Dial", DialStatus: ptr(status), Forward: ptr(""), DialString: ptr(to), Peer: ch.json()})
}

// after does something later, if the channel still lives.
func (ch *channel) after(d time.Duration, f func()) {
	ch.timers = append(ch.timers, time.AfterFunc(d, func() {
		ch.ex.mu.Lock()
		defer ch.ex.mu.Unlock()
		if !ch.gone {
			f()
		}
	}))
}

func (ch *channel) calm() {
	for _, t := range ch.timers {
		t.Stop()
	}
	ch.timers = nil
}

// enter is the way into the application: StasisStart. false: nobody listens
// there, and Asterisk drops the call.
func (ch *channel) enter(args []string) bool {
	a := ch.ex.apps[ch.app]
	if a == nil || a.conn == nil {
		ch.ex.counters.Dropped++
		return false
	}
	a.channels[ch.id] = true
	ch.stasis = true
	if args == nil {
		args = []string{}
	}
	ch.dialplan.App, ch.dialplan.Data = "Stasis", strings.Join(append([]string{ch.app}, args...), ",")
	if ch.create {
		ch.emit(event{Type: "ChannelDialplan", App: "Stasis", AppData: ptr(ch.dialplan.Data)})
	}
	ch.varset("STASISSTATUS", "")
	ch.emit(event{Type: "StasisStart", Args: &args})
	return true
}

// leaveStasis is the way out of the application.
func (ch *channel) leaveStasis() {
	if !ch.stasis {
		return
	}
	ch.stasis = false
	ch.emit(event{Type: "StasisEnd"})
	if ch.kind != snoopKind {
		ch.varset("STASISSTATUS", "SUCCESS")
	}
}

// qos is the noise that a telephone channel makes when it ends.
func (ch *channel) qos() {
	if ch.kind != phoneKind || ch.state != stateUp {
		return
	}
	for _, v := range []string{"", "JITTER", "LOSS", "RTT", "MES"} {
		ch.varset("RTPAUDIOQOS"+v, "ssrc=0;themssrc=0;lp=0;rxjitter=0.000000;rxcount=0")
	}
}

// hangup ends a channel by a command: cause is what ChannelDestroyed says.
func (ch *channel) hangup(cause, tech int) {
	if ch.gone {
		return
	}
	ch.qos()
	ch.emit(event{Type: "ChannelHangupRequest", Cause: ptr(32), Soft: true})
	if ch.call != nil && ch.call.Ended.IsZero() {
		ch.call.Cause = cause
	}
	if ch.dialled && ch.state != stateUp && !ch.create {
		ch.dial("NOANSWER")
	}
	ch.end(cause, tech)
}

// bye ends a channel because the other end said so; reason is the Q.850 of the
// Reason header, 0 for none.
func (ch *channel) bye(reason int) {
	if ch.gone {
		return
	}
	ch.qos()
	e := event{Type: "ChannelHangupRequest"}
	cause, tech := 0, 0
	if reason != 0 {
		cause, tech = reason, 480
		e.Cause, e.TechCause = ptr(reason), tech
	} else if ch.bridge != nil {
		cause = 16
	}
	ch.emit(e)
	if ch.call != nil {
		ch.call.ByCallee = true
	}
	ch.end(cause, tech)
}

// end is the last of a channel: everything on it ends, ChannelDestroyed last
// (a snoop has none).
func (ch *channel) end(cause, tech int) {
	if ch.gone {
		return
	}
	ch.gone = true
	ch.calm()
	for _, t := range ch.limits {
		t.Stop()
	}
	ex := ch.ex
	ch.mute(false)
	ch.settle(cause)
	ex.endPlaybacks(ch)
	ex.endRecordings(ch)
	if b := ch.bridge; b != nil {
		ch.varset("BRIDGEPEER", "")
		b.remove(ch)
	}
	ch.leaveStasis()
	for _, other := range ex.channels {
		if other.kind == snoopKind && other.line.Spied() == ch.line && !other.gone {
			other.end(0, 0)
		}
	}
	if ch.kind != snoopKind {
		ch.dialplan.App, ch.dialplan.Data = "AppDial2", "(Outgoing Line)"
		ch.emit(event{Type: "ChannelDestroyed", Cause: ptr(cause), CauseText: causeText(cause), TechCause: tech})
	}
	if ch.onEnd != nil {
		ch.onEnd(ch.state == stateUp)
	}
	ch.forget()
}

// settle closes the books of a call.
func (ch *channel) settle(cause int) {
	if ch.call == nil || !ch.call.Ended.IsZero() {
		return
	}
	ch.ex.book.Settle(ch.call, outcome(ch, cause), ch.line.Record())
}

func outcome(ch *channel, cause int) string {
	switch {
	case ch.state == stateUp && ch.call.ByCallee:
		return "answered_callee_hung_up"
	case ch.state == stateUp:
		return "answered_caller_hung_up"
	case ch.call.ByCallee:
		return fmt.Sprintf("failed_%d", ch.script.Reject)
	case cause == 19:
		return "no_answer"
	}
	return "cancelled"
}

func (ch *channel) forget() {
	ex := ch.ex
	delete(ex.channels, ch.id)
	for _, a := range ex.apps {
		delete(a.channels, ch.id)
		a.tidy()
	}
}

// vanish ends a channel without an event: the exchange crashed.
func (ch *channel) vanish() {
	if ch.gone {
		return
	}
	ch.gone = true
	ch.calm()
	for _, t := range ch.limits {
		t.Stop()
	}
	ch.mute(true)
	ch.settle(0)
	for _, c := range ch.line.UnplayAll() {
		playbackOf(c).finish("failed")
	}
}
