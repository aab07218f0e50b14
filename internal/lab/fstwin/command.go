package fstwin

import (
	"crypto/subtle"
	"strings"
	"time"
)

// handle carries out one command; false ends the connection.
func (c *conn) handle(m command) bool {
	verb, rest, _ := strings.Cut(m.line, " ")
	rest = strings.TrimSpace(rest)
	ex := c.ex
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if ex.deaf {
		return true
	}
	ex.counters.Commands++
	if f := ex.faults.command(m.line); f != nil && !c.suffer(f, m) {
		return f.Kind != DropSockets
	}
	switch verb = strings.ToLower(verb); {
	case verb == "exit" || verb == "...":
		c.reply("+OK bye")
		c.leave()
		return false
	case !c.authed:
		return c.login(verb, rest)
	case c.session != nil && c.sessionCommand(verb, rest):
	default:
		c.run(verb, rest, m)
	}
	return true
}

func (c *conn) login(verb, rest string) bool {
	var same bool
	switch verb {
	case "auth":
		same = subtle.ConstantTimeCompare([]byte(rest), []byte(c.ex.cfg.Password)) == 1
	case "userauth": // user@domain:password
		_, password, ok := strings.Cut(rest, ":")
		same = ok && subtle.ConstantTimeCompare([]byte(password), []byte(c.ex.cfg.Password)) == 1
	default:
		c.reply("-ERR command not found")
		return true
	}
	if !same {
		c.reply("-ERR invalid")
		c.leave()
		return false
	}
	c.authed = true
	if verb == "userauth" {
		c.reply("+OK accepted", "Allowed-Events", "all", "Allowed-API", "all", "Allowed-LOG", "true")
		return true
	}
	c.reply("+OK accepted")
	return true
}

// run is every command of a connection that is logged in. FreeSWITCH compares
// beginnings; so "eventing" is "event", and this does not imitate it.
func (c *conn) run(verb, rest string, m command) {
	switch verb {
	case "api":
		c.api(rest)
	case "bgapi":
		c.background(rest, m)
	case "sendmsg":
		c.message(rest, m)
	case "event":
		c.subscribe(rest)
	case "nixevent":
		c.nix(rest)
	case "noevents":
		c.wants, c.custom = map[string]bool{}, map[string]bool{}
		c.reply("+OK no longer listening for events")
	case "filter":
		c.filter(rest)
	case "myevents":
		c.mine(rest)
	case "sendevent":
		c.publish(rest, m)
	case "log":
		c.reply("+OK log level " + rest + " [7]")
	case "nolog":
		c.reply("-ERR not loging")
	case "linger", "nolinger":
		c.reply("-ERR not controlling a session")
	case "divert_events":
		c.reply("-ERR not controlling a session.")
	default:
		c.reply("-ERR command not found")
	}
}

// subscribe is "event <format> <names> CUSTOM <subclasses>": whatever comes
// after CUSTOM is taken for a subclass, the names of events too.
func (c *conn) subscribe(rest string) {
	known, custom := 0, false
	for i, w := range strings.Fields(rest) {
		format := strings.ToLower(w)
		if i == 0 && (format == "plain" || format == "json" || format == "xml") {
			c.json = format == "json"
			continue
		}
		switch name := strings.ToUpper(w); {
		case custom:
			c.custom[w] = true
		case !knownEvent(name):
		default:
			known++
			c.wants[name] = true
			custom = name == "CUSTOM"
		}
	}
	if known == 0 {
		c.reply("-ERR no keywords supplied")
		return
	}
	format := "plain"
	if c.json {
		format = "json"
	}
	c.reply("+OK event listener enabled " + format)
}

func (c *conn) nix(rest string) {
	known, custom := 0, false
	for _, w := range strings.Fields(rest) {
		switch name := strings.ToUpper(w); {
		case custom:
			delete(c.custom, w)
		case !knownEvent(name):
		default:
			known++
			custom = name == "CUSTOM"
			if c.wants["ALL"] && name != "ALL" {
				delete(c.wants, "ALL")
				for _, n := range eventNames() {
					c.wants[n] = true
				}
			}
			delete(c.wants, name)
			if name == "ALL" {
				c.wants = map[string]bool{}
			}
		}
	}
	if known == 0 {
		c.reply("-ERR no keywords supplied")
		return
	}
	c.reply("+OK events nixed")
}

func (c *conn) filter(rest string) {
	f := strings.SplitN(rest, " ", 2)
	switch {
	case len(f) == 2 && strings.EqualFold(f[0], "delete"):
		name, value, _ := strings.Cut(f[1], " ")
		var kept []pair
		for _, p := range c.filters {
			if !strings.EqualFold(name, "all") && (!strings.EqualFold(p.name, name) || value != "" && p.value != value) {
				kept = append(kept, p)
			}
		}
		c.filters = kept
		c.reply("+OK filter deleted. [" + name + "][" + value + "]")
	case len(f) == 2:
		if strings.EqualFold(f[0], "add") {
			f = strings.SplitN(f[1], " ", 2)
		}
		if len(f) != 2 {
			c.reply("-ERR invalid syntax")
			return
		}
		c.filters = append(c.filters, pair{f[0], f[1]})
		c.reply("+OK filter added. [" + f[0] + "]=[" + f[1] + "]")
	default:
		c.reply("-ERR invalid syntax")
	}
}

// mine is myevents: a fixed list, without playbacks, recordings and CUSTOM.
func (c *conn) mine(uuid string) {
	if c.session == nil {
		uuid, _, _ = strings.Cut(uuid, " ")
		ch := c.ex.channels[uuid]
		if ch == nil {
			c.reply("-ERR invalid uuid")
			return
		}
		c.session, c.async, c.full = ch, true, true
	}
	for _, n := range strings.Fields(`CHANNEL_ANSWER CHANNEL_APPLICATION CHANNEL_BRIDGE CHANNEL_CREATE CHANNEL_DATA CHANNEL_DESTROY
		CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE CHANNEL_HANGUP CHANNEL_HANGUP_COMPLETE CHANNEL_ORIGINATE CHANNEL_UUID
		CHANNEL_OUTGOING CHANNEL_PARK CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_STATE CHANNEL_UNBRIDGE CHANNEL_UNPARK
		DETECTED_SPEECH DTMF NOTALK TALK MYEVENTS`) {
		c.wants[n] = true
	}
	c.reply("+OK Events Enabled")
}

func (c *conn) publish(rest string, m command) {
	name := strings.ToUpper(strings.TrimSpace(rest))
	e := c.ex.newEvent(name)
	for k, v := range m.heads {
		if k != "content-length" {
			e.add(k, v)
		}
	}
	e.subclass, e.body = m.heads["event-subclass"], m.body
	id := c.ex.uuid()
	e.add("Event-UUID", id)
	c.reply("+OK " + id)
	c.ex.emit(e)
}

// api runs in the connection's own thread: nothing else is read, and no event
// is sent, until it has its answer.
func (c *conn) api(rest string) {
	ex := c.ex
	done := make(chan string, 1)
	c.busy = true
	ex.api(c, rest, func(reply string) {
		select {
		case done <- reply:
		default:
		}
	})
	select {
	case body := <-done:
		c.respond(body)
	default:
		ex.mu.Unlock()
		var body string
		select {
		case body = <-done:
		case <-ex.stopped:
		}
		ex.mu.Lock()
		c.respond(body)
	}
	c.idle()
}

// background is bgapi: the answer comes as BACKGROUND_JOB, to whoever listens.
func (c *conn) background(rest string, m command) {
	ex := c.ex
	job := m.heads["job-uuid"]
	if job == "" {
		job = ex.uuid()
	}
	c.reply("+OK Job-UUID: "+job, "Job-UUID", job)
	name, arg, _ := strings.Cut(rest, " ")
	core := ex.core
	ex.api(c, rest, func(reply string) {
		if ex.core != core || ex.closed {
			return
		}
		e := ex.newEvent("BACKGROUND_JOB").add("Job-UUID", job, "Job-Owner-UUID", "", "Job-Command", name, "Job-Command-Arg", arg)
		e.body = reply
		ex.emit(e)
	})
}

// api finds and runs an api command; reply may be called later, under the lock.
func (ex *Exchange) api(c *conn, line string, reply func(string)) {
	name, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
	f := ex.apis[name]
	if f == nil {
		reply("-ERR " + name + " Command not found!\n")
		return
	}
	f(ex, c, strings.TrimSpace(arg), reply)
}

// message is sendmsg: a private event of a channel.
func (c *conn) message(rest string, m command) {
	uuid := rest
	if uuid == "" {
		uuid = m.heads["session-id"]
	}
	ch := c.ex.channels[uuid]
	if uuid == "" && c.session != nil {
		ch = c.session
	}
	if ch == nil || ch.gone {
		c.reply("-ERR invalid session id [" + uuid + "]")
		return
	}
	c.reply("+OK")
	ch.inbox = append(ch.inbox, &message{heads: m.heads, body: m.body})
	if len(ch.inbox) > 1 {
		return
	}
	// The channel's own thread takes it at its next frame.
	time.AfterFunc(time.Duration(1+c.ex.rand.IntN(19))*time.Millisecond, func() {
		c.ex.mu.Lock()
		defer c.ex.mu.Unlock()
		all := ch.inbox
		ch.inbox = nil
		for _, p := range all {
			ch.take(p)
		}
	})
}

func eventNames() []string {
	return strings.Fields(`CUSTOM CLONE CHANNEL_CREATE CHANNEL_DESTROY CHANNEL_STATE CHANNEL_CALLSTATE CHANNEL_ANSWER CHANNEL_HANGUP
		CHANNEL_HANGUP_COMPLETE CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE CHANNEL_HOLD CHANNEL_UNHOLD CHANNEL_BRIDGE CHANNEL_UNBRIDGE
		CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_OUTGOING CHANNEL_PARK CHANNEL_UNPARK CHANNEL_APPLICATION CHANNEL_ORIGINATE
		CHANNEL_UUID API LOG INBOUND_CHAN OUTBOUND_CHAN STARTUP SHUTDOWN PUBLISH UNPUBLISH TALK NOTALK SESSION_CRASH MODULE_LOAD
		MODULE_UNLOAD DTMF MESSAGE PRESENCE_IN NOTIFY_IN PRESENCE_OUT PRESENCE_PROBE MESSAGE_WAITING MESSAGE_QUERY ROSTER CODEC
		BACKGROUND_JOB DETECTED_SPEECH DETECTED_TONE PRIVATE_COMMAND HEARTBEAT TRAP ADD_SCHEDULE DEL_SCHEDULE EXE_SCHEDULE RE_SCHEDULE
		RELOADXML NOTIFY PHONE_FEATURE PHONE_FEATURE_SUBSCRIBE SEND_MESSAGE RECV_MESSAGE REQUEST_PARAMS CHANNEL_DATA GENERAL COMMAND
		SESSION_HEARTBEAT CLIENT_DISCONNECTED SERVER_DISCONNECTED SEND_INFO RECV_INFO RECV_RTCP_MESSAGE SEND_RTCP_MESSAGE CALL_SECURE
		NAT RECORD_START RECORD_STOP PLAYBACK_START PLAYBACK_STOP CALL_UPDATE FAILURE SOCKET_DATA MEDIA_BUG_START MEDIA_BUG_STOP
		CONFERENCE_DATA_QUERY CONFERENCE_DATA CALL_SETUP_REQ CALL_SETUP_RESULT CALL_DETAIL DEVICE_STATE TEXT SHUTDOWN_REQUESTED ALL`)
}

func knownEvent(name string) bool {
	for _, n := range eventNames() {
		if n == name {
			return true
		}
	}
	return false
}

func refusal(err error) string { return "-ERR " + err.Error() + "\n" }
