package fstwin

import (
	"strings"
	"time"
)

// queueing is one caller in a queue, until somebody takes the call.
type queueing struct {
	r        *running
	ch       *channel // the caller
	name     string   // of the queue, and of its one agent
	member   string
	answered bool
}

// callcenter is a queue: whoever takes its calls rings, and is bridged by
// uuid_bridge. The caller's part of the application is over by then.
func (r *running) callcenter() {
	ch, ex := r.ch, r.ch.ex
	name, _, _ := strings.Cut(r.arg, "@")
	script, ok := ex.cast.ForQueue(name)
	contact := ex.members[name]
	if !ok && contact == "" { // "cannot find queue"
		r.done("")
		return
	}
	q := &queueing{r: r, ch: ch, name: name, member: ex.uuid()}
	ch.set("cc_side", "member")
	ch.set("cc_member_uuid", q.member)
	ch.set("cc_queue", r.arg)
	q.info(ch, "member-queue-start")
	if contact != "" {
		q.ring(contact)
		return
	}
	agent := ex.newChannel(ex.uuid(), "sofia/internal/"+name+"@twin")
	agent.callerID, agent.dialled = q.shown(), name
	agent.script = script
	agent.set("park_after_bridge", "")
	agent.identity(location{key: "queue:" + name, trunk: name, script: script})
	agent.call.Rang = time.Now()
	ex.book.Ring(agent.call, agent.line.Record)
	q.info(nil, "agent-offering")
	agent.enter("CS_INIT")
	agent.emit("CHANNEL_CREATE")
	agent.enter("CS_CONSUME_MEDIA")
	r.stop = func(bool) {
		q.left(func() {
			if !agent.hup {
				agent.hangup(originatorCancel, false)
			}
		})
	}
	agent.onAnswer = func() { q.taken(agent) }
	agent.ring()
}

// ring calls a contact outside, with what the caller's leg exports to it; who
// does not take the call is not called again.
func (q *queueing) ring(contact string) {
	var vars []string
	for _, p := range q.ch.exported("cc_export_vars") {
		vars = append(vars, p.name+"="+p.value)
	}
	if len(vars) > 0 {
		contact = "[" + strings.Join(vars, ",") + "]" + contact
	}
	// It is dialled for nobody: only what cc_export_vars names is handed on.
	g := &group{shown: q.shown()}
	q.r.stop = func(bool) { q.left(func() { g.cancel(originatorCancel) }) }
	q.info(nil, "agent-offering")
	g.start(q.ch.ex, contact, nil, 0, func(agent *channel, _ cause) {
		if agent != nil {
			q.taken(agent)
		}
	})
}

// shown is the caller ID that the agent sees: what the caller's leg is told to
// show, else its own number, which is the customer's.
func (q *queueing) shown() [2]string {
	number := q.ch.vars["effective_caller_id_number"]
	if number == "" {
		number = q.ch.dialled
	}
	return [2]string{q.ch.vars["effective_caller_id_name"], number}
}

// exported are the variables that a leg hands on, by the list in one of them.
func (ch *channel) exported(list string) []pair {
	var out []pair
	for name := range strings.SplitSeq(ch.vars[list], ",") {
		if name = strings.TrimSpace(name); ch.vars[name] != "" {
			out = append(out, pair{name, ch.vars[name]})
		}
	}
	return out
}

// info is an event callcenter::info, of a channel or of nobody.
func (q *queueing) info(c *channel, action string, pairs ...string) {
	ex := q.ch.ex
	var e *event
	if c != nil {
		e = c.event("CUSTOM").custom("callcenter::info")
	} else {
		e = ex.newEvent("CUSTOM").custom("callcenter::info")
	}
	e.add("CC-Queue", q.r.arg, "CC-Action", action, "CC-Agent", q.name, "CC-Member-UUID", q.member, "CC-Member-Session-UUID", q.ch.uuid,
		"CC-Member-CID-Name", q.ch.callerID[0], "CC-Member-CID-Number", q.ch.callerID[1])
	ex.emit(e.add(pairs...))
}

// left is a caller who was taken out of the queue.
func (q *queueing) left(cancel func()) {
	if q.answered {
		return
	}
	q.info(q.ch, "member-queue-end", "CC-Cause", "Cancel", "CC-Cancel-Reason", "BREAK_OUT")
	q.ch.set("cc_cause", "cancel")
	q.ch.set("cc_cancel_reason", "BREAK_OUT")
	cancel()
}

// taken is an agent who answered.
func (q *queueing) taken(agent *channel) {
	ch := q.ch
	if q.r.over || ch.hup {
		agent.hangup(originatorCancel, false)
		return
	}
	q.answered = true
	q.info(agent, "bridge-agent-start", "CC-Agent-UUID", agent.uuid)
	ch.set("cc_cause", "answered")
	agent.onHangup = append(agent.onHangup, func() {
		q.info(agent, "bridge-agent-end", "CC-Hangup-Cause", "SUCCESS", "CC-Agent-UUID", agent.uuid)
		q.info(ch, "member-queue-end", "CC-Hangup-Cause", "SUCCESS", "CC-Cause", "Terminated", "CC-Agent-UUID", agent.uuid)
	})
	q.r.close("")
	if !ch.hup {
		ch.bridgeByUUID(agent)
	}
}
