package fstwin

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// socket is the application that hands a call over: "host:port [async] [full]".
// Nobody listening there ends the call.
func (r *running) socket() {
	ch, ex := r.ch, r.ch.ex
	f := strings.Fields(r.arg)
	if len(f) == 0 {
		r.done("")
		return
	}
	where := f[0]
	async, full := false, false
	for _, w := range f[1:] {
		async = async || w == "async"
		full = full || w == "full"
	}
	ex.running.Add(1)
	go func() {
		defer ex.running.Done()
		ctx, cancel := context.WithTimeout(ex.life, 2*time.Second)
		defer cancel()
		nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", where)
		ex.mu.Lock()
		defer ex.mu.Unlock()
		if err != nil || ch.hup || ex.closed {
			if err == nil {
				_ = nc.Close()
			}
			if !ch.hup {
				ex.cfg.Log.Debug("socket of the twin: nobody listens", "err", err)
				r.done("")
			}
			return
		}
		c := ex.serve(nc)
		c.authed, c.outbound, c.session, c.async, c.full = true, true, ch, async, full
		c.app = r
		ch.sockets = append(ch.sockets, c)
	}()
}

// sessionCommand is a command of an outbound connection; false where it is one
// of any connection.
func (c *conn) sessionCommand(verb, rest string) bool {
	ch := c.session
	switch verb {
	case "connect":
		e := ch.event("CHANNEL_DATA")
		mode, control := "static", "single-channel"
		if c.async {
			mode = "async"
		}
		if c.full {
			control = "full"
		}
		e.add("Content-Type", "command/reply", "Reply-Text", "+OK\n", "Socket-Mode", mode, "Control", control)
		c.send(e.plain(), false)
	case "myevents":
		c.mine("")
	case "getvar":
		c.reply(ch.vars[rest])
	case "resume":
		ch.set("socket_resume", "true")
		c.reply("+OK")
	case "linger":
		c.lingers, c.linger = true, -1
		if n := atoi(rest); n > 0 {
			c.linger = time.Duration(n) * time.Second
			c.reply(fmt.Sprintf("+OK will linger %d seconds", n))
			return true
		}
		c.reply("+OK will linger")
	case "nolinger":
		c.lingers = false
		c.reply("+OK will not linger")
	case "divert_events":
		c.reply("+OK events diverted")
	case "api", "bgapi", "event", "nixevent", "noevents", "filter", "sendevent", "log":
		if c.outbound && !c.full {
			c.reply("-ERR command not found")
			return true
		}
		return false
	default:
		return false
	}
	return true
}

// goodbye is what a connection hears last.
const goodbye = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"

func (c *conn) leave() {
	c.send(fmt.Appendf(nil, "Content-Type: text/disconnect-notice\nContent-Length: %d\n\n%s", len(goodbye), goodbye), false)
	c.hangUp()
}

// endSockets tells the outbound connections of a channel that it is over; one
// that lingers stays for a while.
func (ex *Exchange) endSockets(ch *channel) {
	for _, c := range ch.sockets {
		if !c.lingers {
			c.leave()
			continue
		}
		seconds := int(c.linger / time.Second)
		c.send(fmt.Appendf(nil, "Content-Type: text/disconnect-notice\nControlled-Session-UUID: %s\nContent-Disposition: linger\nChannel-Name: %s\nLinger-Time: %d\nContent-Length: 0\n\n",
			ch.uuid, ch.name, seconds), false)
		wait := c.linger
		if wait < 0 {
			wait = 600 * time.Second
		}
		ex.later(wait, c.leave)
	}
	ch.sockets = nil
}

// lostSocket is a connection that is gone: a call that it controlled goes on in
// its extension if it may, and else ends.
func (ex *Exchange) lostSocket(c *conn) {
	ch := c.session
	if !c.outbound || ch == nil || ch.hup || c.app == nil || c.app.over {
		return
	}
	if isTrue(ch.vars["socket_resume"]) {
		c.app.done("")
		return
	}
	c.app.close("")
	ch.hangup(normalClearing, false)
}
