package twin

import (
	"fmt"
	"net/http"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// Ring makes an inbound call, as the dialplan line
// Stasis(<app>,inbound,<called>,<from>) does; s is what the caller does once we
// answer. It returns the channel's id, "" when the application is away.
func (ex *Exchange) Ring(app, called, from string, s callee.Script) string {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if ex.closed {
		return ""
	}
	ch := ex.newChannel(phoneKind, "", fmt.Sprintf("PJSIP/line-%08x", ex.next()))
	ch.app, ch.inbound, ch.script, ch.state = app, true, s, stateRing
	if ex.cfg.Keep {
		ch.script.Keep = true
	}
	ch.caller = party{Number: from}
	ch.dialplan = dialplanJSON{Context: "from-trunk", Exten: called, Priority: 1}
	ch.call = &Call{Number: "in:" + called, Trunk: "line"}
	ch.call.ID, ch.call.Rang, ch.call.Record.FirstAudible = ch.id, time.Now(), -1
	ex.book.Ring(ch.call, ch.line.Record)
	ex.add(ch)
	if !ch.enter([]string{"inbound", called, from}) {
		ch.end(0, 0)
		return ""
	}
	return ch.id
}

// serveRing is POST /twin/ring?app=&called=&from=&as=: an inbound call whose
// caller behaves as the subscriber with the number as.
func (ex *Exchange) serveRing(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	ex.mu.Lock()
	s := ex.cast.ForNumber(q.Get("as"), ex.cfg.Seed, 1)
	ex.mu.Unlock()
	id := ex.Ring(q.Get("app"), q.Get("called"), q.Get("from"), s)
	if id == "" {
		refuse(w, http.StatusConflict, "The application is not there")
		return
	}
	answer(w, http.StatusOK, map[string]string{"id": id})
}
