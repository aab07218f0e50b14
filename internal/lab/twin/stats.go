package twin

import "net/http"

// counters are guarded by the exchange's lock.
type counters struct {
	Channels                   int64
	Dropped                    int64 // answered, and dropped because the application was away
	Requests, Refused, Blocked int64
	Events, Missed             int64
	Sockets, Replaced          int64
	Restarts                   int64
}

// Calls are the rings of a number so far, oldest first, as far as they are
// kept; "" is every number, "agent:<name>" and "queue:<name>" name those.
func (ex *Exchange) Calls(number string) []Call {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	return ex.book.Calls(number)
}

// Rings counts every ring since the start, by what it was for.
func (ex *Exchange) Rings() []RingCount {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	return ex.book.Rings()
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

// Stats is a snapshot.
func (ex *Exchange) Stats() Stats {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	c, ticks := &ex.counters, ex.clock.Stats()
	s := Stats{
		Live: len(ex.channels), Bridges: len(ex.bridges), Dropped: c.Dropped,
		Requests: c.Requests, Refused: c.Refused, Blocked: c.Blocked, Events: c.Events,
		Missed: c.Missed, Replaced: c.Replaced, Restarts: c.Restarts,
		Ticks: ticks.Ticks, Late: ticks.Late, LostTicks: ticks.Lost, MaxLagMS: ticks.MaxLag.Milliseconds(),
	}
	ex.book.Count(&s)
	for _, ch := range ex.channels {
		switch {
		case ch.kind == mediaKind:
			s.MediaLegs++
		case ch.state == stateUp:
			s.LiveUp++
		}
	}
	return s
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
		answer(w, http.StatusOK, Show(ex.Calls(r.URL.Query().Get("number"))))
	}))
	mux.HandleFunc("GET /twin/rings", guard(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, ex.Rings()) }))
	mux.HandleFunc("POST /twin/faults", guard(ex.serveFault))
	mux.HandleFunc("POST /twin/ring", guard(ex.serveRing))
}
