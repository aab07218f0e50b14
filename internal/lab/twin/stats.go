package twin

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// Call is one ring on the twin.
type Call struct {
	callee.Call
	// Number is what was dialled; "agent:<name>" and "queue:<name>" for those.
	Number string
	Trunk  string
	// Variables are the channel variables that the controller set with the call.
	Variables map[string]string
	// Outcome is how it ended: answered_callee_hung_up, answered_caller_hung_up,
	// failed_<SIP status>, no_answer, cancelled; "" while it lasts.
	Outcome string

	ch *channel // while it lives
}

// counters are guarded by the exchange's lock.
type counters struct {
	Rings, Answered, Channels  int64
	Dropped                    int64 // answered, and dropped because the application was away
	Requests, Refused, Blocked int64
	Events, Missed             int64
	Sockets, Replaced          int64
	Restarts                   int64
	Outcomes                   map[string]int64
	Audible                    time.Duration
	Missing                    int64 // 20 ms periods of a dead line
	BargeIns                   int64
	BargeMax, BargeSum         time.Duration
	FirstSum                   time.Duration
	FirstCount                 int64
}

func (c *counters) heard(r *callee.Record) {
	c.Audible += r.Audible
	c.Missing += int64(r.Missing)
	for _, b := range r.BargeIns {
		c.BargeIns++
		c.BargeSum += b.LastAudible - b.Onset
		c.BargeMax = max(c.BargeMax, b.LastAudible-b.Onset)
	}
	if r.FirstAudible >= 0 {
		c.FirstCount++
		c.FirstSum += r.FirstAudible
	}
}

// keep needs the lock.
func (ex *Exchange) keep(c *Call) {
	ex.counters.Rings++
	ex.calls = append(ex.calls, c)
	b := ex.rung[c.key()]
	if b == nil && len(ex.rung) < maxRingKeys {
		b = &ringBook{ids: map[string]int{}}
		ex.rung[c.key()] = b
	}
	if b != nil {
		b.rings++
		if b.ids[c.ID]++; b.ids[c.ID] > 1 {
			ex.twice[c.ID] = b.ids[c.ID]
		}
	}
	if len(ex.calls) > 2*ex.cfg.MaxCalls {
		ex.calls = slices.Clone(ex.calls[len(ex.calls)-ex.cfg.MaxCalls:])
	}
}

// Calls are the rings of a number so far, oldest first, as far as they are
// kept; "" is every number, "agent:<name>" and "queue:<name>" name those.
func (ex *Exchange) Calls(number string) []Call {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	var out []Call
	for _, c := range ex.calls {
		if number != "" && c.Number != number {
			continue
		}
		d := *c
		d.Call = c.Clone()
		d.Variables = maps.Clone(c.Variables)
		if c.Ended.IsZero() && c.ch != nil {
			d.Record = c.ch.line.Record()
		}
		out = append(out, d)
	}
	return out
}

// Stats is the state of the twin, as /twin/stats shows it.
type Stats struct {
	Live        int              `json:"live_channels"`
	LiveUp      int              `json:"live_answered"`
	MediaLegs   int              `json:"media_legs"`
	Bridges     int              `json:"bridges"`
	Rings       int64            `json:"rings"`
	Answered    int64            `json:"answered"`
	Dropped     int64            `json:"answered_and_dropped"`
	Outcomes    map[string]int64 `json:"outcomes"`
	Requests    int64            `json:"requests"`
	Refused     int64            `json:"requests_refused"`
	Blocked     int64            `json:"requests_blocked"`
	Events      int64            `json:"events"`
	Missed      int64            `json:"events_missed"`
	Replaced    int64            `json:"applications_replaced"`
	Restarts    int64            `json:"restarts"`
	HeardMS     int64            `json:"heard_ms"`
	DeadFrames  int64            `json:"dead_line_frames"`
	BargeIns    int64            `json:"barge_ins"`
	BargeMeanMS int64            `json:"barge_in_to_silence_mean_ms"`
	BargeMaxMS  int64            `json:"barge_in_to_silence_max_ms"`
	FirstMeanMS int64            `json:"first_audible_mean_ms"`
	Ticks       int64            `json:"clock_ticks"`
	Late        int64            `json:"clock_late"`
	LostTicks   int64            `json:"clock_lost"`
	MaxLagMS    int64            `json:"clock_max_lag_ms"`
	// RungTwice are channel ids that rang more than once, with how often: calls
	// that were placed twice.
	RungTwice map[string]int `json:"rung_twice,omitempty"`
}

// RingKey says what a call was for: the tag that the controller gave it (the
// variable RINGMASTER_TAG, or the header X-Tag), the number, and the try (the
// header X-Try), as far as they were given.
type RingKey struct {
	Tag    string `json:"tag,omitempty"`
	Number string `json:"number"`
	Try    string `json:"try,omitempty"`
}

// RingCount is how often that rang, and under how many channel ids.
type RingCount struct {
	RingKey
	Rings    int `json:"rings"`
	Channels int `json:"channels"`
}

// maxRingKeys bounds the books of rings; beyond it new keys are not counted.
const maxRingKeys = 200000

type ringBook struct {
	rings int
	ids   map[string]int
}

func (c *Call) key() RingKey {
	k := RingKey{Tag: c.Variables["RINGMASTER_TAG"], Number: c.Number, Try: c.Headers["X-Try"]}
	if k.Tag == "" {
		k.Tag = c.Headers["X-Tag"]
	}
	return k
}

// Rings counts every ring since the start, by what it was for.
func (ex *Exchange) Rings() []RingCount {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	out := make([]RingCount, 0, len(ex.rung))
	for k, b := range ex.rung {
		out = append(out, RingCount{RingKey: k, Rings: b.rings, Channels: len(b.ids)})
	}
	slices.SortFunc(out, func(a, b RingCount) int {
		return strings.Compare(a.Tag+"\x00"+a.Number+"\x00"+a.Try, b.Tag+"\x00"+b.Number+"\x00"+b.Try)
	})
	return out
}

// Stats is a snapshot.
func (ex *Exchange) Stats() Stats {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	c, ticks := &ex.counters, ex.clock.Stats()
	s := Stats{
		Live: len(ex.channels), Bridges: len(ex.bridges), Rings: c.Rings, Answered: c.Answered, Dropped: c.Dropped,
		Outcomes: maps.Clone(c.Outcomes), Requests: c.Requests, Refused: c.Refused, Blocked: c.Blocked, Events: c.Events,
		Missed: c.Missed, Replaced: c.Replaced, Restarts: c.Restarts, HeardMS: c.Audible.Milliseconds(),
		DeadFrames: c.Missing, BargeIns: c.BargeIns, BargeMaxMS: c.BargeMax.Milliseconds(),
		Ticks: ticks.Ticks, Late: ticks.Late, LostTicks: ticks.Lost, MaxLagMS: ticks.MaxLag.Milliseconds(),
	}
	if c.BargeIns > 0 {
		s.BargeMeanMS = c.BargeSum.Milliseconds() / c.BargeIns
	}
	if c.FirstCount > 0 {
		s.FirstMeanMS = c.FirstSum.Milliseconds() / c.FirstCount
	}
	for _, ch := range ex.channels {
		switch {
		case ch.kind == mediaKind:
			s.MediaLegs++
		case ch.state == stateUp:
			s.LiveUp++
		}
	}
	s.RungTwice = maps.Clone(ex.twice)
	return s
}

// callJSON is a call in /twin/calls: no samples.
type callJSON struct {
	ID        string            `json:"id"`
	Number    string            `json:"number"`
	Trunk     string            `json:"trunk"`
	Rang      time.Time         `json:"rang"`
	Answered  *time.Time        `json:"answered,omitempty"`
	Ended     *time.Time        `json:"ended,omitempty"`
	Outcome   string            `json:"outcome,omitempty"`
	Cause     int               `json:"cause,omitempty"`
	Shown     string            `json:"shown_number"`
	ShownName string            `json:"shown_name,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Variables map[string]string `json:"variables,omitempty"`
	FirstMS   int64             `json:"first_audible_ms"`
	AudibleMS int64             `json:"audible_ms"`
	Missing   int               `json:"dead_line_frames"`
	Said      []string          `json:"said,omitempty"`
	BargeIns  []string          `json:"barge_ins,omitempty"`
	Digits    string            `json:"digits,omitempty"`
}

func (c *Call) json() callJSON {
	j := callJSON{
		ID: c.ID, Number: c.Number, Trunk: c.Trunk, Rang: c.Rang, Outcome: c.Outcome, Cause: c.Cause, Shown: c.ShownNumber,
		ShownName: c.ShownName, Headers: c.Headers, Variables: c.Variables, FirstMS: c.Record.FirstAudible.Milliseconds(),
		AudibleMS: c.Record.Audible.Milliseconds(), Missing: c.Record.Missing, Digits: c.Record.Digits,
	}
	if c.Record.FirstAudible < 0 {
		j.FirstMS = -1
	}
	if !c.Answered.IsZero() {
		j.Answered = &c.Answered
	}
	if !c.Ended.IsZero() {
		j.Ended = &c.Ended
	}
	for _, u := range c.Record.Said {
		j.Said = append(j.Said, fmt.Sprintf("%d-%d ms %s", u.Start.Milliseconds(), u.End.Milliseconds(), u.Text))
	}
	for _, b := range c.Record.BargeIns {
		j.BargeIns = append(j.BargeIns, fmt.Sprintf("at %d ms, heard on for %d ms", b.Onset.Milliseconds(), (b.LastAudible-b.Onset).Milliseconds()))
	}
	return j
}

// controlRoutes are the twin's own: /twin/stats, /twin/calls, /twin/rings,
// /twin/faults, /twin/ring.
func (ex *Exchange) controlRoutes(mux *http.ServeMux) {
	guard := func(f http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !ex.allowed(r) {
				refuse(w, http.StatusUnauthorized, "Authentication required")
				return
			}
			f(w, r)
		}
	}
	mux.HandleFunc("GET /twin/stats", guard(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, ex.Stats()) }))
	mux.HandleFunc("GET /twin/calls", guard(func(w http.ResponseWriter, r *http.Request) {
		out := []callJSON{}
		for _, c := range ex.Calls(r.URL.Query().Get("number")) {
			out = append(out, c.json())
		}
		answer(w, http.StatusOK, out)
	}))
	mux.HandleFunc("GET /twin/rings", guard(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, ex.Rings()) }))
	mux.HandleFunc("POST /twin/faults", guard(ex.serveFault))
	mux.HandleFunc("POST /twin/ring", guard(ex.serveRing))
}
