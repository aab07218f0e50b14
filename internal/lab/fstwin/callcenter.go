package fstwin

import (
	"strings"
	"time"
)

// callcenter is a queue: whoever takes its calls rings, and is bridged by
// uuid_bridge. The caller's part of the application is over by then.
func (r *running) callcenter() {
	ch, ex := r.ch, r.ch.ex
	name, _, _ := strings.Cut(r.arg, "@")
	script, ok := ex.cast.ForQueue(name)
	if !ok { // "cannot find queue"
		r.done("")
		return
	}
	member := ex.uuid()
	ch.set("cc_side", "member")
	ch.set("cc_member_uuid", member)
	ch.set("cc_queue", r.arg)
	info := func(c *channel, action string, pairs ...string) {
		var e *event
		if c != nil {
			e = c.event("CUSTOM").custom("callcenter::info")
		} else {
			e = ex.newEvent("CUSTOM").custom("callcenter::info")
		}
		e.add("CC-Queue", r.arg, "CC-Action", action, "CC-Agent", name, "CC-Member-UUID", member, "CC-Member-Session-UUID", ch.uuid,
			"CC-Member-CID-Name", ch.callerID[0], "CC-Member-CID-Number", ch.callerID[1])
		ex.emit(e.add(pairs...))
	}
	info(ch, "member-queue-start")
	agent := ex.newChannel(ex.uuid(), "sofia/internal/"+name+"@twin")
	number := ch.vars["effective_caller_id_number"]
	if number == "" {
		number = ch.dialled
	}
	agent.callerID, agent.dialled = [2]string{ch.vars["effective_caller_id_name"], number}, name
	agent.script = script
	agent.set("park_after_bridge", "")
	agent.identity(location{key: "queue:" + name, trunk: name, script: script})
	agent.call.Rang = time.Now()
	ex.book.Ring(agent.call, agent.line.Record)
	info(nil, "agent-offering")
	agent.enter("CS_INIT")
	agent.emit("CHANNEL_CREATE")
	agent.enter("CS_CONSUME_MEDIA")
	answered := false
	r.stop = func(bool) {
		if answered {
			return
		}
		info(ch, "member-queue-end", "CC-Cause", "Cancel", "CC-Cancel-Reason", "BREAK_OUT")
		ch.set("cc_cause", "cancel")
		ch.set("cc_cancel_reason", "BREAK_OUT")
		if !agent.hup {
			agent.hangup(originatorCancel, false)
		}
	}
	agent.onAnswer = func() {
		if r.over || ch.hup {
			agent.hangup(originatorCancel, false)
			return
		}
		answered = true
		info(agent, "bridge-agent-start", "CC-Agent-UUID", agent.uuid)
		ch.set("cc_cause", "answered")
		agent.onHangup = append(agent.onHangup, func() {
			info(agent, "bridge-agent-end", "CC-Hangup-Cause", "SUCCESS", "CC-Agent-UUID", agent.uuid)
			info(ch, "member-queue-end", "CC-Hangup-Cause", "SUCCESS", "CC-Cause", "Terminated", "CC-Agent-UUID", agent.uuid)
		})
		r.close("")
		if !ch.hup {
			ch.bridgeByUUID(agent)
		}
	}
	agent.ring()
}
