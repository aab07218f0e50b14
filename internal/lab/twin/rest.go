package twin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

// params are the parameters of a request: the query, and the top level of a
// JSON body. Of a repeated query parameter the last counts, as in Asterisk.
type params struct {
	values map[string]string
	vars   map[string]string
	body   []byte
}

func (p params) get(name string) string { return p.values[name] }

// maxBody bounds a request.
const maxBody = 64 << 10

func readParams(r *http.Request) (params, error) {
	p := params{values: map[string]string{}, vars: map[string]string{}}
	for k, v := range r.URL.Query() {
		p.values[k] = v[len(v)-1]
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return p, fmt.Errorf("request body: %d bytes, %w", len(body), err)
	}
	p.body = body
	if len(body) == 0 {
		return p, nil
	}
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		return p, err
	}
	for k, v := range fields {
		switch v := v.(type) {
		case string:
			p.values[k] = v
		case float64, bool:
			p.values[k] = fmt.Sprint(v)
		case map[string]any:
			if k != "variables" {
				continue
			}
			for name, value := range v {
				p.vars[name] = fmt.Sprint(value)
			}
		}
	}
	return p, nil
}

// call is what an endpoint does, under the exchange's lock. A nil body is 204.
type call func(p params, r *http.Request) (code int, body any, err *apiError)

func refuse(w http.ResponseWriter, code int, text string) {
	if code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Asterisk REST Interface"`)
	}
	answer(w, code, map[string]string{"message": text})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Server", "Asterisk/"+Version)
	if body == nil {
		w.WriteHeader(code)
		return
	}
	b, isFile := body.(rawFile)
	kind := "audio/wav"
	if !isFile {
		b, kind = encode(body), "application/json"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(code)
	_, _ = w.Write(b)
}

// rest turns a call into a handler: authentication, parameters, faults, lock.
func (ex *Exchange) rest(c call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !ex.allowed(r) {
			refuse(w, http.StatusUnauthorized, "Authentication required")
			return
		}
		p, err := readParams(r)
		if err != nil {
			refuse(w, http.StatusBadRequest, "Request body is not valid")
			return
		}
		ex.mu.Lock()
		if ex.closed {
			ex.mu.Unlock()
			cut(w)
			return
		}
		ex.counters.Requests++
		f := ex.faults.request(r.Method + " " + strings.TrimPrefix(r.URL.Path, "/ari"))
		var code int
		var body any
		var no *apiError
		if f == nil || f.Code == 0 {
			code, body, no = c(p, r)
		} else {
			no = bad(f.Code, "Injected by the test")
		}
		if no != nil {
			code, body = no.code, map[string]string{no.key: no.text}
			ex.counters.Refused++
		}
		ex.mu.Unlock()
		if f != nil {
			if f.Delay > 0 {
				select {
				case <-time.After(f.Delay):
				case <-ex.stopped:
				case <-r.Context().Done():
				}
			}
			if f.Kind == LoseReply {
				cut(w)
				return
			}
		}
		answer(w, code, body)
	}
}

// cut ends a connection without an answer.
func cut(w http.ResponseWriter) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close()
	}
}

const noContent = http.StatusNoContent

func (ex *Exchange) routes() *http.ServeMux {
	mux := http.NewServeMux()
	on := func(pattern string, c call) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /ari"+path, ex.rest(c))
	}
	mux.HandleFunc("GET /ari/events", ex.serveEvents)
	mux.HandleFunc("GET /media/{id}", ex.serveMedia)
	ex.controlRoutes(mux)
	on("GET /asterisk/info", ex.info)
	on("GET /asterisk/ping", func(params, *http.Request) (int, any, *apiError) {
		return http.StatusOK, map[string]string{"asterisk_id": asteriskID, "ping": "pong", "timestamp": stamp(time.Now())}, nil
	})
	ex.appRoutes(on)
	ex.channelRoutes(on)
	ex.channelActions(on)
	ex.bridgeRoutes(on)
	ex.mediaRoutes(on)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if !ex.allowed(r) {
			refuse(w, http.StatusUnauthorized, "Authentication required")
			return
		}
		for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			other := r.Clone(r.Context())
			other.Method = m
			if _, pattern := mux.Handler(other); pattern != "/" && pattern != "" {
				refuse(w, http.StatusMethodNotAllowed, "Invalid method")
				return
			}
		}
		refuse(w, http.StatusNotFound, "Resource not found")
	})
	return mux
}

func (ex *Exchange) info(params, *http.Request) (int, any, *apiError) {
	type m = map[string]any
	return http.StatusOK, m{
		"build":  m{"os": "Linux", "kernel": "unknown", "machine": "unknown", "options": "OPTIONAL_API", "date": "2026-07-20 21:35:32 UTC", "user": "nobody"},
		"system": m{"version": Version, "entity_id": asteriskID},
		"config": m{"name": "twin", "default_language": "en", "setid": m{"user": "", "group": ""}, "max_open_files": 20000},
		"status": m{"startup_time": stamp(ex.startup), "last_reload_time": stamp(ex.startup)},
	}, nil
}

func (ex *Exchange) appRoutes(on func(string, call)) {
	named := func(f func(a *app, p params) (int, any, *apiError)) call {
		return func(p params, r *http.Request) (int, any, *apiError) {
			a := ex.apps[r.PathValue("app")]
			if a == nil {
				return 0, nil, bad(http.StatusNotFound, "Application not found")
			}
			return f(a, p)
		}
	}
	on("GET /applications", func(params, *http.Request) (int, any, *apiError) {
		out := []any{}
		for _, a := range ex.apps {
			out = append(out, ex.appJSON(a))
		}
		return http.StatusOK, out, nil
	})
	on("GET /applications/{app}", named(func(a *app, _ params) (int, any, *apiError) { return http.StatusOK, ex.appJSON(a), nil }))
	on("PUT /applications/{app}/eventFilter", named(func(a *app, p params) (int, any, *apiError) {
		if err := ex.setFilter(a, p.body); err != nil {
			return 0, nil, bad(http.StatusBadRequest, "Invalid filter")
		}
		return http.StatusOK, ex.appJSON(a), nil
	}))
	subscribe := func(want bool) call {
		return named(func(a *app, p params) (int, any, *apiError) {
			for _, source := range split(p.get("eventSource")) {
				what, id, _ := strings.Cut(source, ":")
				set := map[string]map[string]bool{"channel": a.channels, "bridge": a.bridges}[what]
				switch {
				case set == nil:
					return 0, nil, bad(http.StatusBadRequest, "Invalid event source")
				case what == "channel" && ex.channels[id] == nil, what == "bridge" && ex.bridges[id] == nil:
					return 0, nil, bad(http.StatusUnprocessableEntity, "Event source does not exist")
				case want:
					set[id] = true
				default:
					delete(set, id)
				}
			}
			return http.StatusOK, ex.appJSON(a), nil
		})
	}
	on("POST /applications/{app}/subscription", subscribe(true))
	on("DELETE /applications/{app}/subscription", subscribe(false))
}

// withChannel finds the channel of a path.
func (ex *Exchange) withChannel(f func(ch *channel, p params, r *http.Request) (int, any, *apiError)) call {
	return func(p params, r *http.Request) (int, any, *apiError) {
		ch := ex.channels[r.PathValue("id")]
		if ch == nil {
			return 0, nil, bad(http.StatusNotFound, "Channel not found")
		}
		return f(ch, p, r)
	}
}

// inStasis is withChannel for commands that the application must own it for.
func (ex *Exchange) inStasis(needUp bool, f func(ch *channel, p params, r *http.Request) (int, any, *apiError)) call {
	return ex.withChannel(func(ch *channel, p params, r *http.Request) (int, any, *apiError) {
		switch {
		case !ch.stasis:
			return 0, nil, bad(http.StatusConflict, "Channel not in Stasis application")
		case needUp && ch.state != stateUp:
			return 0, nil, bad(http.StatusPreconditionFailed, "Channel in invalid state")
		}
		return f(ch, p, r)
	})
}

// wait blocks as long as a playback or recording runs on a channel that is in
// no bridge: POST variable, answer and addChannel do so on a real Asterisk.
func (ex *Exchange) wait(ch *channel) {
	for ch.bridge == nil && !ch.gone {
		clip := ch.line.Playing()
		if clip == nil {
			return
		}
		pb := playbackOf(clip)
		ex.counters.Blocked++
		ex.mu.Unlock()
		select {
		case <-pb.over:
		case <-ex.stopped:
		}
		ex.mu.Lock()
		if ex.closed {
			return
		}
	}
}

func (ex *Exchange) channelRoutes(on func(string, call)) {
	on("GET /channels", func(params, *http.Request) (int, any, *apiError) {
		out := []*channelJSON{}
		for _, ch := range ex.channels {
			out = append(out, ch.json())
		}
		sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
		return http.StatusOK, out, nil
	})
	place := func(create bool) call {
		return func(p params, r *http.Request) (int, any, *apiError) {
			if id := r.PathValue("id"); id != "" {
				p.values["channelId"] = id
			}
			ch, err := ex.originate(p, create)
			if err != nil {
				return 0, nil, ex.stale(r, err)
			}
			j := ch.json()
			if !ch.stasis {
				j.State = stateDown // the answer was written when the call went out
			}
			return http.StatusOK, j, nil
		}
	}
	on("POST /channels", place(false))
	on("POST /channels/{id}", place(false))
	on("POST /channels/create", place(true))
	on("POST /channels/externalMedia", func(p params, _ *http.Request) (int, any, *apiError) {
		j, err := ex.externalMedia(p)
		return http.StatusOK, j, err
	})
	on("GET /channels/{id}", ex.withChannel(func(ch *channel, _ params, _ *http.Request) (int, any, *apiError) {
		return http.StatusOK, ch.json(), nil
	}))
	on("DELETE /channels/{id}", ex.withChannel(func(ch *channel, p params, _ *http.Request) (int, any, *apiError) {
		cause, tech, ok := reason(p.get("reason"), p.get("reason_code"))
		if !ok {
			return 0, nil, bad(http.StatusBadRequest, "Invalid reason for hangup reason provided")
		}
		ch.hangup(cause, tech)
		return noContent, nil, nil
	}))
	on("POST /channels/{id}/dial", ex.withChannel(func(ch *channel, p params, _ *http.Request) (int, any, *apiError) {
		if ch.call == nil || !ch.create || ch.state == stateUp {
			return 0, nil, bad(http.StatusConflict, "Channel is not in the 'Down' state")
		}
		if !ch.dialled {
			ch.ring(timeout(p.get("timeout"), 0))
		}
		return noContent, nil, nil
	}))
}

// stale is an error as Asterisk reports it: whether an id was taken is read
// from errno, which nobody clears. On a connection that once had a 409, every
// other failure to make a channel is a 409 too, though there is no such
// channel (measured on 22.10.1).
func (ex *Exchange) stale(r *http.Request, err *apiError) *apiError {
	switch {
	case err.code == http.StatusConflict:
		if len(ex.conflicts) > 10000 {
			clear(ex.conflicts)
		}
		ex.conflicts[r.RemoteAddr] = true
	case err == &errAllocation && ex.conflicts[r.RemoteAddr]:
		return errTaken()
	}
	return err
}

func errTaken() *apiError {
	return bad(http.StatusConflict, "Channel with given unique ID already exists")
}

// reason is the Q.850 cause of a DELETE.
func reason(name, code string) (cause, tech int, ok bool) {
	if code != "" {
		n, err := strconv.Atoi(code)
		if err != nil || n < 1 || n > 127 {
			return 0, 0, false
		}
		if n == 16 {
			return 16, 0, true
		}
		return n, 480, true
	}
	if name == "" || name == "normal" {
		return 16, 0, true
	}
	cause, ok = map[string]int{
		"busy": 17, "congestion": 34, "no_answer": 19, "timeout": 102, "rejected": 21, "unallocated": 1,
		"normal_unspecified": 31, "number_incomplete": 28, "codec_mismatch": 58, "interworking": 127, "failure": 38, "answered_elsewhere": 26,
	}[name]
	return cause, 0, ok
}
