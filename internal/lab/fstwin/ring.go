package fstwin

import (
	"strings"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// ring sends the INVITE to a scripted telephone.
func (ch *channel) ring() {
	s := ch.script
	if s.Silent && s.Never {
		return
	}
	ch.after(s.Trying, ch.alert)
	if !s.Never {
		ch.after(s.Trying+s.Ring, ch.decide)
	}
}

// alert is the 180, or the 183 with sound.
func (ch *channel) alert() {
	if len(ch.script.Early) > 0 {
		ch.line.Begin(callee.NewEarly(ch.script))
		ch.ex.clock.Add(ch.line)
		ch.showEarly()
		return
	}
	if !ch.script.Silent {
		ch.showRinging()
	}
}

func (ch *channel) showRinging() {
	if ch.ringing || ch.answered {
		return
	}
	ch.ringing, ch.progress = true, time.Now()
	ch.emit("CHANNEL_PROGRESS")
	ch.calling("RINGING")
}

// showEarly is early media: for an originate that does not ignore it, as good
// as an answer.
func (ch *channel) showEarly() {
	if ch.early || ch.answered {
		return
	}
	ch.early, ch.progressed = true, time.Now()
	ch.emit("CHANNEL_PROGRESS_MEDIA")
	ch.coded = true
	ch.calling("EARLY")
	if g := ch.group; g != nil && !g.ignoreEarly {
		g.won(ch)
	}
}

// decide is the final answer to the INVITE.
func (ch *channel) decide() {
	if !ch.ringing && len(ch.script.Early) == 0 {
		ch.alert() // timers of the same moment come in any order
	}
	if code := ch.script.Reject; code != 0 {
		ch.refused(code, ch.script.Reason)
		return
	}
	ch.accepted()
}

// refused is a failure response.
func (ch *channel) refused(status, reason int) {
	ch.sipStatus, ch.reason = status, reason
	ch.hangup(ch.ex.byReason(status, reason), true)
}

// accepted is the 200.
func (ch *channel) accepted() {
	stop(ch.timers)
	ch.timers = nil
	ch.answered, ch.answeredAt = true, time.Now()
	ex := ch.ex
	if ch.leg == nil {
		ex.book.Answer(ch.call)
		ch.line.Begin(callee.New(ch.script))
	}
	ex.clock.Add(ch.line)
	ch.coded = true
	ch.emit("CODEC")
	ch.set("endpoint_disposition", "ANSWER")
	ch.emit("CHANNEL_ANSWER")
	ch.calling("ACTIVE")
	if v := ch.vars["execute_on_answer"]; v != "" {
		app, arg, _ := strings.Cut(v, " ")
		if app == "sched_hangup" {
			ch.scheduleHangup(arg)
		}
	}
	if ch.hup {
		return
	}
	ch.emit("CALL_UPDATE", "Direction", "SEND")
	if g := ch.group; g != nil {
		g.won(ch)
	}
	if f := ch.onAnswer; f != nil {
		ch.onAnswer = nil
		f()
	}
}

// accept is our answer to an inbound call.
func (ch *channel) accept() {
	if ch.inbound && !ch.answered {
		ch.accepted()
	}
}

// Ring makes an inbound call to an extension of the dialplan; s is what the
// caller does once it is answered. It returns the channel's uuid.
func (ex *Exchange) Ring(extension, from string, s callee.Script) string {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if ex.closed {
		return ""
	}
	return ex.ringIn(extension, from, s)
}

func (ex *Exchange) ringIn(extension, from string, s callee.Script) string {
	uuid := ex.uuid()
	ch := ex.newChannel(uuid, "sofia/internal/"+from+"@twin")
	ch.inbound, ch.dialled = true, extension
	ch.set("direction", "inbound")
	ch.set("destination_number", extension)
	ch.callerID = [2]string{from, from}
	ch.identity(location{key: "in:" + extension, trunk: "line", script: s})
	ch.call.Rang = time.Now()
	ex.book.Ring(ch.call, ch.line.Record)
	ch.enter("CS_INIT")
	ch.emit("CHANNEL_CREATE")
	ch.calling("RINGING")
	ch.enter("CS_ROUTING")
	tasks, ok := ex.extension(ch, []string{extension})
	if !ok {
		ch.hangup(noRoute, false)
		return uuid
	}
	ch.begin(tasks)
	return uuid
}

// extension finds what a place of the dialplan runs: "ext [XML [context]]", or
// "app:arg,app:arg inline".
func (ex *Exchange) extension(ch *channel, f []string) ([]task, bool) {
	if len(f) == 0 {
		return nil, false
	}
	if len(f) > 1 && strings.EqualFold(f[1], "inline") {
		var out []task
		for _, one := range strings.Split(f[0], ",") {
			app, arg, _ := strings.Cut(one, ":")
			out = append(out, task{strings.TrimSpace(app), arg})
		}
		return out, true
	}
	ch.dialled = f[0]
	ch.set("destination_number", f[0])
	if line, ok := ex.cfg.Dialplan[f[0]]; ok {
		var out []task
		for _, one := range strings.Split(line, ";") {
			app, arg, _ := strings.Cut(strings.TrimSpace(one), " ")
			out = append(out, task{app, arg})
		}
		return out, true
	}
	if _, ok := ex.cast.ForQueue(f[0]); ok {
		return []task{{"answer", ""}, {"callcenter", f[0]}}, true
	}
	return nil, false
}
