package twin

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// apiError is an answer that is not 2xx.
type apiError struct {
	code int
	text string
	key  string // message, or error where Asterisk says so
}

func bad(code int, text string) *apiError { return &apiError{code, text, "message"} }

// errAllocation is compared by its address: it is a constant that Go cannot have.
var errAllocation = apiError{http.StatusInternalServerError, "Allocation failed", "error"}

// maxID is the longest id that Asterisk takes.
const maxID = 149

// originate is POST /channels and, with create, POST /channels/create.
func (ex *Exchange) originate(p params, create bool) (*channel, *apiError) {
	switch {
	case p.get("endpoint") == "":
		return nil, bad(http.StatusBadRequest, "Endpoint must be specified")
	case p.get("app") == "":
		return nil, bad(http.StatusBadRequest, "Application or extension must be specified")
	}
	id := p.get("channelId")
	if err := ex.free(id); err != nil {
		return nil, err
	}
	ch, err := ex.place(p.get("endpoint"), id)
	if err != nil {
		return nil, err
	}
	ch.app, ch.create = p.get("app"), create
	ch.args = split(p.get("appArgs"))
	for k, v := range p.vars {
		ch.vars[k] = v
	}
	ch.identity(p)
	if create {
		ch.dialplan.App, ch.dialplan.Data = "", ""
	}
	ex.add(ch)
	if n, err := strconv.Atoi(p.vars["TIMEOUT(absolute)"]); err == nil && n > 0 && n < 1<<20 {
		ch.after(time.Duration(n)*time.Second, ch.outOfTime)
		ch.limits = ch.timers // they outlive the answer
		ch.timers = nil
	}
	if create {
		if !ch.enter(ch.args) {
			ch.end(0, 0)
		}
		return ch, nil
	}
	ch.ring(timeout(p.get("timeout"), 30*time.Second))
	return ch, nil
}

func (ex *Exchange) free(id string) *apiError {
	if len(id) > maxID {
		return bad(http.StatusBadRequest, "Uniqueid length exceeds maximum of 149")
	}
	if ex.channels[id] != nil {
		return errTaken()
	}
	return nil
}

// timeout reads seconds; like Asterisk it takes any text, and what is no number
// waits for ever.
func timeout(s string, otherwise time.Duration) time.Duration {
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 || n > 86400 {
		return 0
	}
	return time.Duration(n) * time.Second
}

// place finds who is dialled and makes the channel.
func (ex *Exchange) place(endpoint, id string) (*channel, *apiError) {
	rest, ok := strings.CutPrefix(endpoint, "PJSIP/")
	if !ok {
		return nil, &errAllocation
	}
	user, trunk, dialled := strings.Cut(rest, "@")
	var script callee.Script
	var key string
	if slash, uri, isURI := strings.Cut(rest, "/sip:"); isURI {
		trunk, dialled = slash, true
		user, _, _ = strings.Cut(uri, "@")
	}
	if dialled {
		if !ex.trunk(trunk) {
			return nil, &errAllocation
		}
		key = user
		script = ex.cast.ForNumber(user, ex.cfg.Seed, ex.book.Nth(user))
	} else {
		trunk, key = rest, "agent:"+rest
		script, ok = ex.cast.ForAgent(rest)
		if !ok {
			return nil, &errAllocation
		}
	}
	ch := ex.newChannel(phoneKind, id, fmt.Sprintf("PJSIP/%s-%08x", trunk, ex.next()))
	ch.protocol = ex.uuid()
	ch.dialplan.Context = "from-trunk"
	ch.dialTo = rest
	if ex.cfg.Keep {
		script.Keep = true
	}
	ch.script = script
	ch.call = &Call{Number: key, Trunk: trunk}
	ch.call.ID = ch.id
	ch.call.Record.FirstAudible = -1
	return ch, nil
}

func (ex *Exchange) trunk(name string) bool {
	if ex.cfg.Trunks == nil {
		return true
	}
	for _, t := range ex.cfg.Trunks {
		if t == name {
			return true
		}
	}
	return false
}

// identity works out what the callee sees: the connected line, which callerId
// sets on originate, CONNECTEDLINE() in variables, and originator on create.
func (ch *channel) identity(p params) {
	name, number := callerID(p.get("callerId"))
	if o := ch.ex.channels[p.get("originator")]; o != nil && ch.create {
		name, number = o.caller.Name, o.caller.Number
	}
	if !ch.create {
		ch.caller = party{name, number}
		ch.connected = ch.caller
	}
	hidden := false
	for k, v := range p.vars {
		switch strings.TrimSuffix(strings.TrimSuffix(k, ",i)"), ")") {
		case "CONNECTEDLINE(num":
			number = v
		case "CONNECTEDLINE(name":
			name = v
		case "CONNECTEDLINE(pres":
			hidden = strings.HasPrefix(v, "prohib")
		}
	}
	if ch.call == nil {
		return
	}
	if hidden || number == "" {
		name, number = "Anonymous", "anonymous"
	}
	ch.call.ShownName, ch.call.ShownNumber = name, number
	ch.call.Headers = headers(p.vars)
	ch.call.Variables = map[string]string{}
	for k, v := range p.vars {
		if !strings.Contains(k, "(") {
			ch.call.Variables[k] = v
		}
	}
}

// callerID reads "name" <number>, or a number alone.
func callerID(s string) (name, number string) {
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		return strings.Trim(strings.TrimSpace(s[:i]), `"`), strings.TrimSuffix(s[i+1:], ">")
	}
	return "", s
}

// headers are those that PJSIP_HEADER(add,...) puts into the INVITE. A line
// break inside a value begins another header, as it does on the real wire.
func headers(vars map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range vars {
		name, ok := strings.CutPrefix(k, "PJSIP_HEADER(add,")
		if !ok {
			continue
		}
		lines := strings.Split(strings.TrimSuffix(name, ")")+": "+v, "\n")
		for _, l := range lines {
			n, val, _ := strings.Cut(strings.TrimRight(l, "\r"), ": ")
			out[n] = val
		}
	}
	return out
}

// ring sends the INVITE; limit 0 waits for ever.
func (ch *channel) ring(limit time.Duration) {
	ch.dialled = true
	s := ch.script
	ch.call.Rang = time.Now()
	ch.ex.book.Ring(ch.call, ch.line.Record)
	ch.dial("")
	if limit > 0 {
		ch.after(limit, ch.expire)
	}
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
		ch.dial("PROGRESS")
		ch.line.Begin(callee.NewEarly(ch.script))
		ch.ex.clock.Add(ch.line)
		return
	}
	if ch.script.Silent || ch.state != stateDown {
		return
	}
	ch.state = stateRinging
	if ch.create || ch.ex.rand.IntN(2) == 0 { // their order is not fixed
		ch.emit(event{Type: "ChannelStateChange"})
		ch.dial("RINGING")
		return
	}
	ch.dial("RINGING")
	ch.emit(event{Type: "ChannelStateChange"})
}

// decide is the final answer to the INVITE.
func (ch *channel) decide() {
	if ch.state == stateDown && len(ch.script.Early) == 0 {
		ch.alert() // timers of the same moment come in any order
	}
	if code := ch.script.Reject; code != 0 {
		ch.refused(code)
		return
	}
	ch.answered()
}

// answered is the 200.
func (ch *channel) answered() {
	ch.calm()
	ch.state = stateUp
	ch.ex.book.Answer(ch.call)
	ch.line.Begin(callee.New(ch.script))
	ch.emit(event{Type: "ChannelStateChange"})
	if ch.dialled {
		ch.dial("ANSWER")
	}
	ch.ex.clock.Add(ch.line)
	switch {
	case ch.onUp != nil:
		ch.onUp()
	case !ch.stasis && !ch.enter(ch.args):
		ch.end(0, 0) // the application is away: Asterisk drops whom it has just connected
	}
}

// refused is a failure response. Its Reason header is ignored, as Asterisk
// ignores it.
func (ch *channel) refused(code int) {
	cause := callee.AsteriskCause(code)
	ch.call.ByCallee = true
	ch.emit(event{Type: "ChannelHangupRequest", Cause: ptr(cause), TechCause: code})
	if !ch.create {
		status := "NOANSWER"
		switch code {
		case 486, 600:
			status = "BUSY"
		case 503:
			status = "CONGESTION"
		}
		ch.dial(status)
	}
	ch.end(cause, code)
}

// outOfTime is TIMEOUT(absolute): no hang-up request announces it.
func (ch *channel) outOfTime() {
	ch.qos()
	cause := 0
	if ch.bridge != nil {
		cause = 16
	}
	ch.end(cause, 0)
}

// expire is our own timeout: for an originated channel nothing announces it.
func (ch *channel) expire() {
	if ch.state == stateUp {
		return
	}
	if ch.create {
		ch.emit(event{Type: "ChannelHangupRequest", Cause: ptr(32), Soft: true})
	}
	ch.end(19, 480)
}
