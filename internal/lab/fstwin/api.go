package fstwin

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/lab/twin"
)

// apiFunc carries out an api command; reply may be called later, under the lock.
type apiFunc func(ex *Exchange, c *conn, arg string, reply func(string))

const (
	fine   = "+OK\n"
	noChan = "-ERR No such channel!\n"
)

// apiTable are the api commands that the twin knows.
func apiTable() map[string]apiFunc {
	text := func(f func(ex *Exchange, arg string) string) apiFunc {
		return func(ex *Exchange, _ *conn, arg string, reply func(string)) { reply(f(ex, arg)) }
	}
	t := map[string]apiFunc{
		"version": text(func(*Exchange, string) string { return "FreeSWITCH Version " + Version + " (twin)\n" }),
		"status": text(func(ex *Exchange, _ string) string {
			return fmt.Sprintf("UP 0 years, 0 days, 0 hours, 0 minutes, %d seconds\nFreeSWITCH (Version %s) is ready\n%d session(s) since startup\n%d session(s) - peak 0\n",
				int(time.Since(ex.startup).Seconds()), Version, ex.counters.Channels, len(ex.channels))
		}),
		"uptime": text(func(ex *Exchange, arg string) string {
			d := time.Since(ex.startup)
			switch arg {
			case "us":
				return strconv.FormatInt(d.Microseconds(), 10) + "\n"
			case "ms":
				return strconv.FormatInt(d.Milliseconds(), 10) + "\n"
			}
			return strconv.FormatInt(int64(d.Seconds()), 10) + "\n"
		}),
		"echo":          text(func(_ *Exchange, arg string) string { return arg }),
		"eval":          text(func(ex *Exchange, arg string) string { return expandGlobals(ex, arg) }),
		"create_uuid":   text(func(ex *Exchange, _ string) string { return ex.uuid() }),
		"hostname":      text(func(*Exchange, string) string { return "twin" }),
		"switchname":    text(func(*Exchange, string) string { return "twin" }),
		"reloadxml":     text(func(*Exchange, string) string { return "+OK [Success]\n" }),
		"module_exists": text(func(*Exchange, string) string { return "true" }),
		"strepoch":      text(func(*Exchange, string) string { return strconv.FormatInt(time.Now().Unix(), 10) }),
		"global_getvar": text((*Exchange).getGlobal),
		"global_setvar": text(func(ex *Exchange, arg string) string {
			name, value, _ := strings.Cut(arg, "=")
			ex.globals[name] = value
			return fine
		}),
		"show":  text((*Exchange).show),
		"fsctl": text((*Exchange).control),
		"sofia": text((*Exchange).sofiaStatus),
		"hupall": text(func(ex *Exchange, arg string) string {
			c := managerRequest
			if f := strings.Fields(arg); len(f) > 0 {
				c = ex.causeOf(f[0])
			}
			for _, ch := range ex.sorted() {
				ch.hangup(c, false)
			}
			return "+OK hangup all channels with cause " + string(c) + "\n"
		}),
		"uuid_exists": text(func(ex *Exchange, arg string) string { return strconv.FormatBool(ex.channels[arg] != nil) }),
		"originate":   (*Exchange).originate,
		"msleep": func(ex *Exchange, _ *conn, arg string, reply func(string)) {
			ex.later(time.Duration(min(atoi(arg), 600000))*time.Millisecond, func() { reply("+OK\n") })
		},
		"twin": text((*Exchange).own),
	}
	for name, f := range channelAPIs() {
		t[name] = onChannel(name, f)
	}
	return t
}

// later does something under the lock unless the exchange was closed.
func (ex *Exchange) later(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		ex.mu.Lock()
		defer ex.mu.Unlock()
		if !ex.closed {
			f()
		}
	})
}

func (ex *Exchange) getGlobal(arg string) string {
	if arg == "recordings_dir" || arg == "sounds_dir" {
		if v := ex.globals[arg]; v != "" {
			return v
		}
		return "/var/lib/freeswitch/" + strings.TrimSuffix(arg, "_dir")
	}
	if arg == "" {
		var b strings.Builder
		for _, n := range sortedKeys(ex.globals) {
			b.WriteString(n + "=" + ex.globals[n] + "\n")
		}
		return b.String()
	}
	return ex.globals[arg]
}

func sortedKeys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func (ex *Exchange) sorted() []*channel {
	out := make([]*channel, 0, len(ex.channels))
	for _, ch := range ex.channels {
		out = append(out, ch)
	}
	sort.Slice(out, func(i, j int) bool {
		return out[i].created.Before(out[j].created) || out[i].created.Equal(out[j].created) && out[i].uuid < out[j].uuid
	})
	return out
}

// show is "show channels [as json]": a table that lies behind.
func (ex *Exchange) show(arg string) string {
	f := strings.Fields(arg)
	if len(f) == 0 || f[0] != "channels" && f[0] != "calls" && f[0] != "bridged_calls" && f[0] != "detailed_calls" {
		if len(f) > 0 && f[0] == "modules" {
			return "type,name,ikey,filename\n\n0 total.\n"
		}
		return "-USAGE: show channels|calls [as json]\n"
	}
	now := time.Now()
	var rows []map[string]string
	kept := ex.ghosts[:0]
	for _, ch := range ex.ghosts {
		if now.Sub(ch.hungupAt) < ex.cfg.Lag {
			kept = append(kept, ch)
			rows = append(rows, ch.row())
		}
	}
	ex.ghosts = kept
	for _, ch := range ex.sorted() {
		if now.Sub(ch.created) >= min(ex.cfg.Lag, 100*time.Millisecond) {
			rows = append(rows, ch.row())
		}
	}
	if strings.HasSuffix(arg, "as json") {
		if len(rows) == 0 {
			return `{"row_count": 0}`
		}
		b, err := json.Marshal(rows)
		if err != nil {
			return refusal(err)
		}
		return fmt.Sprintf(`{"row_count":%d,"rows":%s}`, len(rows), b)
	}
	return fmt.Sprintf("\n%d total.\n", len(rows))
}

// row is a channel in the table of channels.
func (ch *channel) row() map[string]string {
	app, data := "", ""
	if n := len(ch.stack); n > 0 {
		app, data = ch.stack[n-1].app, ch.stack[n-1].arg
	}
	name, number := ch.callerID[0], ch.callerID[1]
	if ch.answered && !ch.inbound {
		name, number = "Outbound Call", ch.dialled
	}
	return map[string]string{
		"uuid": ch.uuid, "direction": ch.direction(), "created": ch.created.Format("2006-01-02 15:04:05"),
		"created_epoch": strconv.FormatInt(ch.created.Unix(), 10), "name": ch.name, "state": ch.state, "cid_name": name, "cid_num": number,
		"ip_addr": "", "dest": ch.dialled, "application": app, "application_data": data, "dialplan": "XML", "context": "default",
		"read_codec": "PCMU", "read_rate": "8000", "read_bit_rate": "64000", "write_codec": "PCMU", "write_rate": "8000", "write_bit_rate": "64000",
		"secure": "", "hostname": "twin", "presence_id": ch.vars["presence_id"], "presence_data": ch.vars["presence_data"],
		"accountcode": ch.vars["accountcode"], "callstate": ch.callState, "callee_name": ch.callerID[0], "callee_num": ch.callerID[1],
		"callee_direction": "SEND", "call_uuid": ch.vars["call_uuid"], "sent_callee_name": "", "sent_callee_num": "",
		"initial_cid_name": ch.callerID[0], "initial_cid_num": ch.callerID[1], "initial_ip_addr": "", "initial_dest": ch.dialled,
		"initial_dialplan": "XML", "initial_context": "default",
	}
}

func (ex *Exchange) control(arg string) string {
	f := strings.Fields(arg)
	switch {
	case len(f) == 0:
		return "-USAGE: fsctl\n"
	case f[0] == "pause":
		ex.paused = true
	case f[0] == "resume":
		ex.paused = false
	case f[0] == "max_sessions" && len(f) > 1:
		ex.cfg.MaxSessions = atoi(f[1])
		return "+OK max sessions: " + f[1] + "\n"
	case f[0] == "sps" && len(f) > 1:
		ex.cfg.SessionsPerSecond = atoi(f[1])
		return "+OK sessions per second: " + f[1] + "\n"
	case f[0] == "ready_check":
		return "true"
	}
	return fine
}

func (ex *Exchange) sofiaStatus(arg string) string {
	f := strings.Fields(arg)
	if len(f) >= 3 && f[0] == "status" && f[1] == "gateway" {
		if !ex.gateway(f[2]) {
			return "Invalid Gateway!\n"
		}
		return "Name    \t" + f[2] + "\nState   \tNOREG\nStatus  \tUP\n"
	}
	if len(f) >= 3 && f[0] == "status" && f[1] == "profile" && f[2] != "internal" && f[2] != "external" {
		return "Invalid Profile!\n"
	}
	return "                     Name\t   Type\t                                      Data\tState\ninternal\tprofile\tsip:mod_sofia@" + ex.sip.addr() + "\tRUNNING (0)\n"
}

// own are the twin's own: "api twin stats", "calls [number]", "rings" in JSON,
// "fault <JSON>", "ring <extension> <from> <as>".
func (ex *Exchange) own(arg string) string {
	verb, rest, _ := strings.Cut(arg, " ")
	var v any
	switch verb {
	case "fault":
		var f Fault
		if err := json.Unmarshal([]byte(rest), &f); err != nil {
			return refusal(err)
		}
		if err := ex.inject(f); err != nil {
			return refusal(err)
		}
		return fine
	case "ring":
		f := strings.Fields(rest)
		if len(f) != 3 {
			return "-USAGE: twin ring <extension> <from> <as>\n"
		}
		s := ex.cast.ForNumber(f[2], ex.cfg.Seed, 1)
		ex.later(0, func() { ex.ringIn(f[0], f[1], s) })
		return fine
	case "stats":
		v = ex.statsLocked()
	case "calls":
		v = twin.Show(ex.book.Calls(strings.TrimSpace(rest)))
	case "rings":
		v = ex.book.Rings()
	default:
		return "-USAGE: twin stats|calls|rings|fault|ring\n"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return refusal(err)
	}
	return string(b)
}
