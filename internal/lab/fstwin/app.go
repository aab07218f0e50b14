package fstwin

import (
	"strings"
	"time"
)

// message is a private event of a channel: a sendmsg.
type message struct {
	heads map[string]string
	body  string
}

func (p *message) get(name string) string { return p.heads[name] }

// running is an application that a channel executes.
type running struct {
	ch        *channel
	app, arg  string
	uuid      string // Application-UUID
	lock      bool   // event-lock: nothing else is taken meanwhile
	private   bool   // it came by sendmsg
	over      bool
	silent    bool // it is told neither to begin nor to end
	breakable bool
	stop      func(broken bool) // ends what it does, before it is told to be over
}

// appFunc begins an application; it calls r.done now or later.
type appFunc func(r *running)

// take carries out a private event, or lets it wait for a lock.
func (ch *channel) take(p *message) {
	if ch.hup {
		return
	}
	if ch.locked() {
		if len(ch.waiting) < 1000 {
			ch.waiting = append(ch.waiting, p)
		}
		return
	}
	switch strings.ToLower(p.get("call-command")) {
	case "execute":
		app, arg := p.get("execute-app-name"), p.get("execute-app-arg")
		if arg == "" {
			arg = p.body
		}
		if app == "" {
			return
		}
		ch.execute(app, arg, &running{uuid: p.get("event-uuid"), lock: p.get("event-lock") == "true", private: true})
	case "hangup":
		ch.hangup(ch.ex.causeOf(p.get("hangup-cause")), false)
	case "unicast":
		ch.unicast(p)
	}
}

func (ch *channel) locked() bool {
	for _, r := range ch.stack {
		if r.lock {
			return true
		}
	}
	return false
}

// execute begins an application inside whatever runs.
func (ch *channel) execute(app, arg string, r *running) {
	ex := ch.ex
	f := ex.apps[strings.ToLower(app)]
	if f == nil { // "Invalid Application": of a sendmsg nothing is ever heard
		if !r.private {
			ch.hangup(outOfOrder, false)
		}
		return
	}
	r.ch, r.app, r.arg = ch, strings.ToLower(app), ch.expand(arg)
	if r.uuid == "" {
		r.uuid = ex.uuid()
	}
	ch.set("current_application", r.app)
	ch.set("current_application_data", r.arg)
	ch.response = ""
	ch.stack = append(ch.stack, r)
	ch.emit("CHANNEL_EXECUTE", "Application", r.app, "Application-Data", r.arg, "Application-UUID", r.uuid)
	f(r)
}

// done ends an application, and lets the next one begin.
func (r *running) done(response string) {
	ch := r.ch
	if !r.close(response) || ch.hup {
		return
	}
	ch.proceed()
}

// close tells that an application is over; false when it was before.
func (r *running) close(response string) bool {
	if r.over {
		return false
	}
	r.over = true
	ch := r.ch
	for i, o := range ch.stack {
		if o == r {
			inner := append([]*running(nil), ch.stack[i+1:]...)
			for j := len(inner) - 1; j >= 0; j-- {
				inner[j].abort(true)
			}
			ch.stack = ch.stack[:i]
			break
		}
	}
	if r.silent {
		return true
	}
	if response != "" {
		ch.response = response
	}
	say := ch.response
	if say == "" {
		say = "_none_"
	}
	ch.set("current_application_response", ch.response)
	ch.emit("CHANNEL_EXECUTE_COMPLETE", "Application", r.app, "Application-Data", r.arg, "Application-Response", say, "Application-UUID", r.uuid)
	if r.private {
		ch.emit("PRIVATE_COMMAND")
	}
	return true
}

// abort ends an application from outside.
func (r *running) abort(broken bool) {
	if r.over {
		return
	}
	if r.stop != nil {
		r.stop(broken)
	}
	if r.ch.hup && r.lock && r.app == "playback" {
		r.close("PLAYBACK ERROR")
		return
	}
	r.close("")
}

// unstack ends everything that runs, innermost first: a hang-up or a transfer.
func (ch *channel) unstack() {
	ch.waiting, ch.tasks = nil, nil
	for len(ch.stack) > 0 {
		ch.stack[len(ch.stack)-1].abort(!ch.hup)
	}
}

// proceed takes what waits, then goes on in the extension; at its end the
// call ends.
func (ch *channel) proceed() {
	for len(ch.waiting) > 0 && !ch.locked() && !ch.hup {
		p := ch.waiting[0]
		ch.waiting = ch.waiting[1:]
		ch.take(p)
	}
	for len(ch.stack) == 0 && !ch.hup && ch.begun {
		if len(ch.tasks) == 0 {
			ch.hangup(normalClearing, false)
			return
		}
		t := ch.tasks[0]
		ch.tasks = ch.tasks[1:]
		ch.execute(t.app, t.arg, &running{})
	}
}

// begin runs an extension from its first application.
func (ch *channel) begin(tasks []task) {
	if ch.hup {
		return
	}
	for len(ch.stack) > 0 { // what ran before the park dies of the change
		r := ch.stack[len(ch.stack)-1]
		if r.stop != nil {
			r.stop(false)
		}
		r.close("PLAYBACK ERROR")
	}
	ch.tasks, ch.begun = tasks, true
	ch.enter("CS_EXECUTE")
	ch.proceed()
}

// redirect leaves whatever runs and begins another extension.
func (ch *channel) redirect(tasks []task) {
	ch.unstack()
	if ch.bridged != nil {
		ch.unbridge(true)
	}
	ch.begin(tasks)
}

// broken is uuid_break: without locks it cascades through everything that was
// nested; with them it ends the innermost only, and all empties the queue.
func (ch *channel) broken(all bool) {
	if all {
		ch.waiting, ch.inbox = nil, nil
	}
	for i := len(ch.stack) - 1; i >= 0 && i < len(ch.stack); i-- {
		r := ch.stack[i]
		if !r.breakable {
			return
		}
		locked := r.lock
		if r.stop != nil {
			r.stop(true)
		}
		r.close("")
		if locked {
			break
		}
	}
	if !ch.hup {
		ch.proceed()
	}
}

// expand replaces ${name} by the variable's value.
func (ch *channel) expand(s string) string {
	for range 32 {
		a := strings.Index(s, "${")
		if a < 0 {
			return s
		}
		b := strings.IndexByte(s[a:], '}')
		if b < 0 {
			return s
		}
		name := s[a+2 : a+b]
		value, ok := ch.vars[name]
		if !ok {
			value = ch.ex.globals[name]
		}
		s = s[:a] + value + s[a+b+1:]
	}
	return s
}

// appTable are the applications that the twin knows.
func appTable() map[string]appFunc {
	quiet := func(r *running) { r.done("") }
	return map[string]appFunc{
		"park": (*running).park, "playback": (*running).playback, "endless_playback": (*running).playback,
		"bridge": (*running).bridge, "eavesdrop": (*running).eavesdrop, "callcenter": (*running).callcenter, "socket": (*running).socket,
		"sleep": (*running).sleep, "record_session": (*running).recordSession, "stop_record_session": (*running).stopRecord,
		"record_session_mask":   func(r *running) { r.ch.mask(r.arg, true); r.done("") },
		"record_session_unmask": func(r *running) { r.ch.mask(r.arg, false); r.done("") },
		"answer":                func(r *running) { r.ch.accept(); r.done("") },
		"pre_answer":            quiet, "ring_ready": quiet, "log": quiet, "info": quiet, "start_dtmf": quiet, "stop_dtmf": quiet,
		"avmd_start": quiet, "avmd_stop": quiet, "flush_dtmf": quiet, "detect_speech": quiet, "enable_heartbeat": quiet,
		"hangup": func(r *running) { r.ch.hangup(r.ch.ex.causeOf(r.arg), false) },
		"set":    func(r *running) { r.assign(r.arg); r.done("") },
		"export": func(r *running) { r.assign(strings.TrimPrefix(r.arg, "nolocal:")); r.done("") },
		"unset":  func(r *running) { r.ch.set(r.arg, ""); r.done("") },
		"multiset": func(r *running) {
			for _, kv := range strings.Fields(r.arg) {
				r.assign(kv)
			}
			r.done("")
		},
		"sched_hangup": func(r *running) { r.ch.scheduleHangup(r.arg); r.done("") },
		"break":        func(r *running) { r.done(""); r.ch.broken(false) },
		"send_dtmf":    func(r *running) { r.ch.sendDTMF(r.arg); r.done("") },
		"transfer": func(r *running) {
			ch := r.ch
			tasks, ok := ch.ex.extension(ch, strings.Fields(r.arg))
			r.close("")
			if !ok {
				ch.hangup(noRoute, false)
				return
			}
			ch.redirect(tasks)
		},
	}
}

func (r *running) assign(kv string) {
	name, value, _ := strings.Cut(kv, "=")
	r.ch.set(strings.TrimSpace(name), strings.TrimSpace(value))
}

// park waits for ever, and takes private events.
func (r *running) park() {
	ch := r.ch
	ch.parked = true
	ch.emit("CHANNEL_PARK")
	r.stop = func(bool) {
		ch.parked = false
		if ch.stream != nil {
			ch.stream.close()
			ch.stream = nil
		}
		ch.connect()
		ch.emit("CHANNEL_UNPARK")
	}
	if n := atoi(ch.vars["park_timeout"]); n > 0 {
		ch.limit(time.Duration(n)*time.Second, func() {
			if !r.over && len(ch.stack) == 1 {
				ch.hangup(normalClearing, false)
			}
		})
	}
}

func (r *running) sleep() {
	r.breakable = true
	r.ch.limit(time.Duration(min(atoi(r.arg), 600000))*time.Millisecond, func() { r.done("") })
}

// scheduleHangup is "sched_hangup [+]<seconds> [cause]".
func (ch *channel) scheduleHangup(arg string) {
	f := strings.Fields(arg)
	if len(f) == 0 {
		return
	}
	c := normalClearing
	if len(f) > 1 {
		c = ch.ex.causeOf(f[1])
	}
	n := atoi(strings.TrimPrefix(f[0], "+"))
	if !strings.HasPrefix(f[0], "+") {
		n -= int(time.Now().Unix())
	}
	if n <= 0 {
		ch.hangup(c, false)
		return
	}
	// The scheduler counts whole seconds of the clock: it may be early.
	early := time.Duration(ch.ex.rand.IntN(500)) * time.Millisecond
	ch.limit(time.Duration(min(n, 86400))*time.Second-early, func() { ch.hangup(c, false) })
}
