package fstwin

import (
	"maps"
	"strings"
	"time"
)

// onChannel is an api command whose first word is a channel.
func onChannel(name string, f func(ch *channel, arg string) string) apiFunc {
	return func(ex *Exchange, _ *conn, arg string, reply func(string)) {
		uuid, rest, _ := strings.Cut(arg, " ")
		if uuid == "" {
			reply("-USAGE: <uuid> ...\n")
			return
		}
		ch := ex.channels[uuid]
		if ch == nil || ch.gone {
			reply(absent(name))
			return
		}
		reply(f(ch, strings.TrimSpace(rest)))
	}
}

// absent is what a command says of a channel that is not there.
func absent(name string) string {
	switch name {
	case "uuid_broadcast":
		return "-ERR invalid uuid\n"
	case "uuid_record", "uuid_send_dtmf":
		return "-ERR Cannot locate session!\n"
	case "uuid_bridge":
		return "-ERR Invalid uuid\n"
	}
	return noChan
}

// channelAPIs are the uuid_* commands.
func channelAPIs() map[string]func(ch *channel, arg string) string {
	t := map[string]func(ch *channel, arg string) string{
		"uuid_kill": func(ch *channel, arg string) string {
			c := normalClearing
			if arg != "" {
				c = ch.ex.causeOf(arg)
			}
			ch.hangup(c, false)
			return fine
		},
		"uuid_dump": (*channel).dump,
		"uuid_getvar": func(ch *channel, arg string) string {
			if v, set := ch.vars[arg]; set {
				return v
			}
			return "_undef_"
		},
		"uuid_setvar": func(ch *channel, arg string) string {
			name, value, _ := strings.Cut(arg, " ")
			if name == "" {
				return "-USAGE: <uuid> <var> [value]\n"
			}
			ch.set(name, strings.TrimSpace(value))
			return fine
		},
		"uuid_setvar_multi": func(ch *channel, arg string) string {
			for _, kv := range separate(arg, ';') {
				if name, value, cut := strings.Cut(kv, "="); cut {
					ch.set(strings.TrimSpace(name), value)
				}
			}
			return fine
		},
		"uuid_break": func(ch *channel, arg string) string {
			ch.broken(arg == "all")
			return fine
		},
		"uuid_broadcast": func(ch *channel, arg string) string {
			what := arg
			for _, leg := range []string{" aleg", " bleg", " both"} {
				what = strings.TrimSuffix(what, leg)
			}
			if what == "" {
				return "-USAGE: <uuid> <path> [aleg|bleg|both]\n"
			}
			ch.broadcast(what)
			return "+OK Message sent\n"
		},
		"uuid_bridge": func(ch *channel, arg string) string {
			other := ch.ex.channels[arg]
			if other == nil || other == ch || ch.hup || other.hup {
				return "-ERR Invalid uuid\n"
			}
			if !ch.answered || !other.answered { // one of them has to have media
				return "-ERR Invalid uuid\n"
			}
			ch.limit(40*time.Millisecond, func() {
				if !other.hup {
					ch.bridgeByUUID(other)
				}
			})
			return "+OK " + arg + "\n"
		},
	}
	maps.Copy(t, callAPIs())
	return t
}

// callAPIs are those that are methods, or do nothing here.
func callAPIs() map[string]func(ch *channel, arg string) string {
	ok := func(*channel, string) string { return fine }
	return map[string]func(ch *channel, arg string) string{
		"uuid_transfer": (*channel).transfer,
		"uuid_record":   (*channel).recordAPI,
		"uuid_send_dtmf": func(ch *channel, arg string) string {
			ch.sendDTMF(arg)
			return "+OK " + ch.uuid + " sent DTMF " + arg + ".\n"
		},
		"uuid_answer":         func(ch *channel, _ string) string { ch.accept(); return fine },
		"uuid_pre_answer":     ok,
		"uuid_audio":          (*channel).audio,
		"uuid_flush_dtmf":     ok,
		"uuid_fileman":        (*channel).fileman,
		"uuid_hold":           ok,
		"uuid_display":        ok,
		"uuid_send_info":      ok,
		"uuid_park":           func(ch *channel, _ string) string { ch.redirect([]task{{"park", ""}}); return fine },
		"uuid_displace":       ok,
		"sched_hangup_uuid":   ok,
		"uuid_media_reneg":    ok,
		"uuid_jitterbuffer":   ok,
		"uuid_early_ok":       ok,
		"uuid_ring_ready":     ok,
		"uuid_session_notify": ok,
	}
}

// dump is uuid_dump, in the format of events.
func (ch *channel) dump(arg string) string {
	e := ch.event("CHANNEL_DATA")
	switch arg {
	case "json":
		return string(e.json())
	case "plain": // for people: as they are, in brackets
		var b strings.Builder
		for _, h := range e.heads {
			if h.value != "" {
				b.WriteString(h.name + ": [" + h.value + "]\n")
			}
		}
		return b.String() + "\n"
	}
	return string(e.plain())
}

// transfer is "uuid_transfer <uuid> [-bleg|-both] <place> [<dialplan> [<context>]]".
func (ch *channel) transfer(arg string) string {
	f := strings.Fields(arg)
	both := false
	for len(f) > 0 && strings.HasPrefix(f[0], "-") {
		both = f[0] == "-both"
		if f[0] == "-bleg" {
			if ch.bridged == nil {
				return "-ERR no bridged channel\n"
			}
			ch = ch.bridged
		}
		f = f[1:]
	}
	if len(f) == 0 {
		return "-USAGE: <uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]\n"
	}
	places := []*channel{ch}
	if both && ch.bridged != nil {
		b := ch.bridged
		ch.unbridge(false)
		places = append(places, b)
	}
	ch.limit(20*time.Millisecond, func() {
		for _, x := range places {
			if x.hup {
				continue
			}
			tasks, ok := x.ex.extension(x, f)
			if !ok {
				x.unstack()
				x.hangup(noRoute, false)
				continue
			}
			x.redirect(tasks)
		}
	})
	return fine
}

func (ch *channel) recordAPI(arg string) string {
	f := strings.Fields(arg)
	if len(f) < 2 {
		return "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>]\n"
	}
	var done bool
	failure := "-ERR Cannot record session!\n"
	switch f[0] {
	case "start":
		done = ch.record(f[1])
	case "stop":
		failure = "-ERR Cannot stop record session!\n"
		if f[1] == "all" {
			ch.closeTapes()
			done = true
		} else {
			done = ch.stopTape(f[1])
		}
	case "mask", "unmask":
		failure = "-ERR Cannot " + f[0] + " recording session!\n"
		done = ch.mask(f[1], f[0] == "mask")
	default:
		return "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>]\n"
	}
	if !done {
		return failure
	}
	return "+OK Success\n"
}

// audio is "uuid_audio <uuid> start|stop read|write mute <level>": muting what
// the channel hears is what the twin does of it.
func (ch *channel) audio(arg string) string {
	f := strings.Fields(arg)
	switch {
	case len(f) >= 1 && f[0] == "stop":
		ch.line.Silence(false)
	case len(f) >= 3 && f[0] == "start" && f[1] == "write" && f[2] == "mute":
		ch.line.Silence(len(f) < 4 || atoi(f[3]) != 0)
	case len(f) == 0:
		return "-USAGE: <uuid> [start [read|write] [[mute|level] <level>]|stop]\n"
	}
	return fine
}

// fileman moves about in the file that is being played; pause toggles.
func (ch *channel) fileman(arg string) string {
	c := ch.line.Playing()
	if c == nil {
		return "-ERR no file\n"
	}
	verb, by, _ := strings.Cut(arg, ":")
	switch verb {
	case "pause":
		ch.pausing = !ch.pausing
		c.Pause(ch.pausing)
	case "restart":
		c.Seek(-c.Len())
	case "seek":
		c.Seek(8 * atoi(by))
	}
	return fine
}

// originate is "originate <dial string> <place> [<dialplan>] [<context>]
// [<name>] [<number>] [<seconds>]".
func (ex *Exchange) originate(_ *conn, arg string, reply func(string)) {
	f := separate(arg, ' ')
	if len(f) < 2 {
		reply("-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] [<timeout_sec>]\n")
		return
	}
	timeout := time.Duration(0)
	if len(f) >= 7 {
		timeout = time.Duration(atoi(f[6])) * time.Second
	}
	g := &group{}
	g.start(ex, f[0], nil, timeout, func(ch *channel, c cause) {
		if ch == nil {
			reply("-ERR " + string(c) + "\n")
			return
		}
		tasks, ok := []task(nil), true
		if inner, cut := strings.CutPrefix(f[1], "&"); cut {
			app, rest, _ := strings.Cut(inner, "(")
			tasks = []task{{app, strings.TrimSuffix(rest, ")")}}
		} else {
			tasks, ok = ex.extension(ch, f[1:])
		}
		// The answer and its job are told some milliseconds apart.
		ex.later(time.Duration(1+ex.rand.IntN(19))*time.Millisecond, func() {
			reply("+OK " + ch.uuid + "\n")
			switch {
			case ch.hup:
			case !ok:
				ch.hangup(noRoute, false)
			default:
				ch.begin(tasks)
			}
		})
	})
}
