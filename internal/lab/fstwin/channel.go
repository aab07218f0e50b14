package fstwin

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/lab/twin/sound"
)

// channel is a FreeSWITCH session: a scripted telephone, or a SIP leg to
// somewhere outside. Guarded by the exchange's lock, its sound by the line's.
type channel struct {
	ex       *Exchange
	uuid     string
	name     string // sofia/gateway/x/138
	dialled  string // destination number
	inbound  bool
	script   callee.Script
	call     *twin.Call
	leg      *sipLeg // of a SIP leg
	line     *sound.Line
	vars     map[string]string
	order    []string // of vars
	callerID [2]string

	state, callState              string
	answered, early, ringing, hup bool
	gone                          bool
	cause                         cause
	byCallee                      bool
	sipStatus, reason             int
	created, progress, progressed time.Time
	answeredAt, hungupAt, bridge  time.Time
	timers, limits                []*time.Timer // until the answer; until the end
	onAnswer                      func()
	onHangup                      []func()

	tasks    []task     // the extension: what is left to be executed
	stack    []*running // what runs, innermost last
	inbox    []*message // private events that were sent
	waiting  []*message // and that wait for a lock
	response string     // of the last application
	begun    bool       // it runs its extension
	coded    bool       // its codec is known
	parked   bool
	pausing  bool
	bridged  *channel
	first    bool // the A side of its bridge
	other    *channel
	group    *group // of an originate that is not over
	tapes    map[string]*taping
	tap      *sound.Line // eavesdrop
	stream   *unicast
	sockets  []*conn
	originee bool
}

// task is an application and its argument.
type task struct{ app, arg string }

// set puts a channel variable; an empty value removes it.
func (ch *channel) set(name, value string) {
	if value == "" {
		delete(ch.vars, name)
		ch.order = slices.DeleteFunc(ch.order, func(n string) bool { return n == name })
		return
	}
	if _, ok := ch.vars[name]; !ok {
		ch.order = append(ch.order, name)
	}
	ch.vars[name] = value
	if name == "send_silence_when_idle" {
		ch.line.Comfort(value != "0" && value != "false")
	}
}

// newChannel needs the lock; the uuid must be free.
func (ex *Exchange) newChannel(uuid, name string) *channel {
	ex.counters.Channels++
	ch := &channel{
		ex: ex, uuid: uuid, name: name, state: "CS_NONE", callState: "DOWN", created: time.Now(),
		vars: map[string]string{}, tapes: map[string]*taping{},
	}
	ch.line = sound.NewPhone(ch)
	ch.set("uuid", uuid)
	ch.set("direction", "outbound")
	ex.channels[uuid] = ch
	return ch
}

func (ch *channel) answerState() string {
	switch {
	case ch.hup:
		return "hangup"
	case ch.answered:
		return "answered"
	case ch.early:
		return "early"
	}
	return "ringing"
}

func stateNumber(s string) string {
	all := []string{
		"CS_NEW", "CS_INIT", "CS_ROUTING", "CS_SOFT_EXECUTE", "CS_EXECUTE", "CS_EXCHANGE_MEDIA", "CS_PARK", "CS_CONSUME_MEDIA",
		"CS_HIBERNATE", "CS_RESET", "CS_HANGUP", "CS_REPORTING", "CS_DESTROY",
	}
	return strconv.Itoa(max(0, slices.Index(all, s)))
}

// event is an event of the channel, with its variables where FreeSWITCH has
// them.
func (ch *channel) event(name string, pairs ...string) *event {
	e := ch.ex.newEvent(name)
	e.add("Channel-State", ch.state, "Channel-Call-State", ch.callState, "Channel-State-Number", stateNumber(ch.state),
		"Channel-Name", ch.name, "Unique-ID", ch.uuid, "Call-Direction", ch.direction(), "Presence-Call-Direction", ch.direction(),
		"Channel-HIT-Dialplan", strconv.FormatBool(ch.inbound), "Channel-Presence-ID", ch.vars["presence_id"],
		"Channel-Presence-Data", ch.presence(), "Channel-Call-UUID", ch.callUUID(), "Answer-State", ch.answerState(),
		"Hangup-Cause", string(ch.cause))
	if ch.coded {
		e.add("Channel-Read-Codec-Name", "PCMU", "Channel-Read-Codec-Rate", "8000", "Channel-Read-Codec-Bit-Rate", "64000",
			"Channel-Write-Codec-Name", "PCMU", "Channel-Write-Codec-Rate", "8000", "Channel-Write-Codec-Bit-Rate", "64000")
	}
	ch.profile(e, "Caller")
	if o := ch.other; o != nil {
		kind := "originatee"
		if ch.originee {
			kind = "originator"
		}
		e.add("Other-Type", kind)
		o.profile(e, "Other-Leg")
	}
	if withVariables(name) {
		for _, n := range ch.order {
			e.add("variable_"+n, ch.vars[n])
		}
	}
	return e.add(pairs...)
}

func (ch *channel) presence() string {
	if ch.state == "CS_NONE" {
		return "" // its variables are not there yet
	}
	return ch.vars["presence_data"]
}

func (ch *channel) callUUID() string {
	if v := ch.vars["call_uuid"]; v != "" {
		return v
	}
	return ch.uuid
}

func (ch *channel) direction() string {
	if ch.inbound {
		return "inbound"
	}
	return "outbound"
}

// profile writes the caller profile. On an originated leg that was answered
// FreeSWITCH has turned caller and callee round.
func (ch *channel) profile(e *event, prefix string) {
	name, number := ch.callerID[0], ch.callerID[1]
	calleeName, calleeNumber := "", ""
	switch {
	case ch.inbound:
	case ch.answered:
		name, number, calleeName, calleeNumber = "Outbound Call", ch.dialled, name, number
	default:
		calleeName, calleeNumber = "Outbound Call", ch.dialled
	}
	p := func(what, value string) { e.add(prefix+"-"+what, value) }
	p("Direction", ch.direction())
	p("Logical-Direction", ch.direction())
	if prefix == "Caller" && ch.inbound {
		p("Dialplan", "XML")
	}
	p("Caller-ID-Name", name)
	p("Caller-ID-Number", number)
	p("Orig-Caller-ID-Name", ch.callerID[0])
	p("Orig-Caller-ID-Number", ch.callerID[1])
	p("Callee-ID-Name", calleeName)
	p("Callee-ID-Number", calleeNumber)
	p("ANI", ch.callerID[1])
	p("Destination-Number", ch.dialled)
	p("Unique-ID", ch.uuid)
	p("Source", "src/switch_ivr_originate.c")
	p("Context", "default")
	p("Channel-Name", ch.name)
	if prefix == "Caller" {
		p("Profile-Index", "1")
	}
	p("Profile-Created-Time", micros(ch.created))
	for _, t := range []struct {
		what string
		at   time.Time
	}{
		{"Created", ch.created},
		{"Answered", ch.answeredAt},
		{"Progress", ch.progress},
		{"Progress-Media", ch.progressed},
		{"Hangup", ch.hungupAt},
		{"Transfer", time.Time{}},
		{"Resurrect", time.Time{}},
		{"Bridged", ch.bridge},
	} {
		p("Channel-"+t.what+"-Time", micros(t.at))
	}
	p("Channel-Last-Hold", "0")
	p("Channel-Hold-Accum", "0")
	p("Screen-Bit", "true")
	p("Privacy-Hide-Name", "false")
	p("Privacy-Hide-Number", "false")
}

// withVariables says which events carry the channel's variables.
func withVariables(name string) bool {
	switch name {
	case "CHANNEL_CREATE", "CHANNEL_ORIGINATE", "CHANNEL_UUID", "CHANNEL_ANSWER", "CHANNEL_PARK", "CHANNEL_UNPARK", "CHANNEL_BRIDGE",
		"CHANNEL_UNBRIDGE", "CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE",
		"CHANNEL_DATA", "CHANNEL_EXECUTE", "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_DESTROY", "SESSION_HEARTBEAT", "RECORD_START",
		"RECORD_STOP", "PLAYBACK_START", "PLAYBACK_STOP", "CALL_UPDATE", "MEDIA_BUG_START", "MEDIA_BUG_STOP", "CHANNEL_HOLD",
		"CHANNEL_UNHOLD", "CUSTOM":
		return true
	}
	return false
}

func (ch *channel) emit(name string, pairs ...string) {
	if !ch.ex.wanted(name) { // it has its number, and nobody to read it
		ch.ex.sequence++
		ch.ex.counters.Events++
		return
	}
	ch.ex.emit(ch.event(name, pairs...))
}

// enter is a change of the channel's state.
func (ch *channel) enter(state string) {
	ch.state = state
	ch.emit("CHANNEL_STATE")
}

// calling is a change of its call state.
func (ch *channel) calling(state string) {
	if ch.callState == state {
		return
	}
	before := ch.callState
	ch.callState = state
	numbers := []string{"DOWN", "DIALING", "RINGING", "EARLY", "ACTIVE", "HELD", "RING_WAIT", "HANGUP", "UNHELD"}
	ch.emit("CHANNEL_CALLSTATE", "Original-Channel-Call-State", before, "Channel-Call-State-Number", strconv.Itoa(max(0, slices.Index(numbers, state))))
}

// after does something later, if the channel still lives and is not answered.
func (ch *channel) after(d time.Duration, f func()) {
	ch.timers = append(ch.timers, ch.later(d, f))
}

// limit does something later, if the channel still lives.
func (ch *channel) limit(d time.Duration, f func()) {
	ch.limits = append(ch.limits, ch.later(d, f))
}

func (ch *channel) later(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		ch.ex.mu.Lock()
		defer ch.ex.mu.Unlock()
		if !ch.hup && !ch.ex.closed {
			f()
		}
	})
}

func stop(timers []*time.Timer) {
	for _, t := range timers {
		t.Stop()
	}
}

// hangup ends a channel. remote says that the other side did.
func (ch *channel) hangup(c cause, remote bool) {
	if ch.hup {
		return
	}
	ch.hup, ch.cause, ch.hungupAt, ch.byCallee = true, c, time.Now(), remote
	stop(ch.timers)
	stop(ch.limits)
	ex := ch.ex
	was := ch.answered
	ch.emit("CHANNEL_HANGUP")
	ex.clock.Remove(ch.line)
	ch.line.Stop()
	ch.settle(c)
	if ch.leg != nil {
		ch.leg.end(ex.q850(c), remote, was)
	}
	ch.unstack()
	early := ex.rand.IntN(2) == 0 // either order
	if early {
		ex.finishGroup(ch)
	}
	ch.report()
	hooks := ch.onHangup
	ch.onHangup = nil
	for _, f := range hooks {
		f()
	}
	if !early {
		ex.finishGroup(ch)
	}
	ch.emit("CHANNEL_DESTROY")
	ch.enter("CS_DESTROY")
	ch.forget()
}

// report is the last word about a channel: HANGUP_COMPLETE, with everything
// that a call detail record has.
func (ch *channel) report() {
	ch.enter("CS_HANGUP")
	ch.calling("HANGUP")
	ch.closeTapes()
	ch.enter("CS_REPORTING")
	ch.detail()
	ch.emit("CHANNEL_HANGUP_COMPLETE")
	ch.ex.endSockets(ch)
}

func (ch *channel) detail() {
	ch.set("hangup_cause", string(ch.cause))
	ch.set("hangup_cause_q850", strconv.Itoa(ch.ex.q850(ch.cause)))
	how := "send_cancel"
	switch {
	case ch.answered && ch.byCallee:
		how = "recv_bye"
	case ch.answered:
		how = "send_bye"
	case ch.byCallee:
		how = "recv_refuse"
	}
	ch.set("sip_hangup_disposition", how)
	if ch.sipStatus != 0 {
		s := strconv.Itoa(ch.sipStatus)
		ch.set("sip_invite_failure_status", s)
		ch.set("sip_invite_failure_phrase", sipPhrase(ch.sipStatus))
		ch.set("sip_term_status", s)
		ch.set("proto_specific_hangup_cause", "sip:"+s)
		ch.set("sip_term_cause", strconv.Itoa(ch.ex.q850(ch.cause)))
	} else if ch.answered {
		ch.set("sip_term_status", "200")
		ch.set("proto_specific_hangup_cause", "sip:200")
		ch.set("sip_term_cause", "16")
	}
	if ch.reason != 0 {
		ch.set("sip_reason", fmt.Sprintf("Q.850;cause=%d", ch.reason))
	}
	ch.set("start_uepoch", micros(ch.created))
	ch.set("answer_uepoch", micros(ch.answeredAt))
	ch.set("progress_uepoch", micros(ch.progress))
	ch.set("end_uepoch", micros(ch.hungupAt))
	ch.set("duration", strconv.FormatInt(int64(ch.hungupAt.Sub(ch.created).Seconds()), 10))
	ch.set("mduration", strconv.FormatInt(ch.hungupAt.Sub(ch.created).Milliseconds(), 10))
	bill := time.Duration(0)
	if ch.answered {
		bill = ch.hungupAt.Sub(ch.answeredAt)
	}
	ch.set("billsec", strconv.FormatInt(int64(bill.Seconds()), 10))
	ch.set("billmsec", strconv.FormatInt(bill.Milliseconds(), 10))
}

// settle closes the books of a call.
func (ch *channel) settle(c cause) {
	if ch.call == nil || !ch.call.Ended.IsZero() {
		return
	}
	outcome := "cancelled"
	switch {
	case ch.answered && ch.byCallee:
		outcome = "answered_callee_hung_up"
	case ch.answered:
		outcome = "answered_caller_hung_up"
	case ch.byCallee:
		outcome = fmt.Sprintf("failed_%d", ch.sipStatus)
	case c == noAnswer || c == allottedTimeout:
		outcome = "no_answer"
	}
	ch.call.ByCallee = ch.byCallee
	if !ch.byCallee {
		ch.call.Cause = ch.ex.q850(c)
	}
	ch.ex.book.Settle(ch.call, outcome, ch.line.Record())
}

func (ch *channel) forget() {
	ch.gone = true
	delete(ch.ex.channels, ch.uuid)
	ch.ex.ghosts = append(ch.ex.ghosts, ch)
}

// vanish ends a channel without an event: the exchange crashed.
func (ch *channel) vanish() {
	if ch.hup {
		return
	}
	ch.hup, ch.gone = true, true
	stop(ch.timers)
	stop(ch.limits)
	ch.ex.clock.Remove(ch.line)
	ch.line.Stop()
	if ch.tap != nil {
		ch.ex.clock.Remove(ch.tap)
	}
	if ch.stream != nil {
		ch.stream.close()
	}
	if ch.leg != nil {
		ch.leg.crash()
	}
	ch.settle(none)
}

func sipPhrase(status int) string {
	phrases := map[int]string{
		400: "Bad Request", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout", 410: "Gone", 480: "Temporarily Unavailable",
		484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 500: "Server Internal Error",
		502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline",
		604: "Does Not Exist Anywhere", 606: "Not Acceptable",
	}
	if s, ok := phrases[status]; ok {
		return s
	}
	return "Failure"
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
