package twin

import (
	"fmt"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// queueWait is how long a caller waits in a queue before it gives up, unless
// the channel variable QTIMEOUT says otherwise.
const queueWait = 15 * time.Second

// enqueue rings whoever takes a queue's calls. The caller comes back to the
// application as Stasis(app,queue-left,<queue>,<status>) when the agent has
// left or none came.
func (ex *Exchange) enqueue(ch *channel, queue string, s callee.Script) {
	agent := ex.newChannel(phoneKind, ch.id+"-queue", fmt.Sprintf("PJSIP/%s-%08x", queue, ex.next()))
	if ex.channels[agent.id] != nil {
		agent.id = ex.uuid()
	}
	agent.script, agent.dialTo, agent.dialledBy = s, queue, ch
	if ex.cfg.Keep {
		agent.script.Keep = true
	}
	agent.call = &Call{Number: "queue:" + queue, Trunk: queue}
	agent.call.ID, agent.call.Record.FirstAudible = agent.id, -1
	agent.call.ShownName, agent.call.ShownNumber = ch.caller.Name, ch.caller.Number
	ex.channels[agent.id] = agent
	b := &bridge{ex: ex, id: ex.uuid(), created: time.Now()}
	agent.onUp = func() {
		for _, m := range []*channel{ch, agent} {
			b.members = append(b.members, m)
			m.bridge = b
		}
		b.peers()
		ex.emit(ch, event{Type: "ChannelEnteredBridge", Bridge: b.json(), Channel: ch.json()})
	}
	back := func(status string) {
		if ch.gone || ch.stasis {
			return
		}
		if ch.bridge == b {
			b.remove(ch)
			ex.emit(ch, event{Type: "ChannelLeftBridge", Bridge: b.json(), Channel: ch.json()})
		}
		ch.varset("QUEUESTATUS", status)
		if !ch.enter([]string{"queue-left", queue, status}) {
			ch.end(0, 0)
		}
	}
	agent.onEnd = func(answered bool) {
		if answered {
			back("CONTINUE")
			return
		}
		back("TIMEOUT")
	}
	ended := ch.onEnd
	ch.onEnd = func(answered bool) {
		if ended != nil {
			ended(answered)
		}
		if !agent.gone {
			agent.end(16, 0)
		}
	}
	agent.ring(timeout(ch.vars["QTIMEOUT"], queueWait))
}
