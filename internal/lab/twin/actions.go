package twin

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"ringmaster/internal/lab/twin/sound"
)

// channelActions are the commands on a channel.
func (ex *Exchange) channelActions(on func(string, call)) {
	on("POST /channels/{id}/answer", ex.inStasis(false, func(ch *channel, _ params, _ *http.Request) (int, any, *apiError) {
		ex.wait(ch)
		if !ch.gone && ch.state == stateRing {
			ch.answered()
		}
		return noContent, nil, nil
	}))
	on("POST /channels/{id}/ring", ex.inStasis(false, nothing))
	on("DELETE /channels/{id}/ring", ex.inStasis(false, nothing))
	for _, what := range []string{"hold", "mute"} {
		on("POST /channels/{id}/"+what, ex.inStasis(false, nothing))
		on("DELETE /channels/{id}/"+what, ex.inStasis(false, nothing))
	}
	quiet := func(on bool) call {
		return ex.inStasis(false, func(ch *channel, _ params, _ *http.Request) (int, any, *apiError) {
			ch.line.Silence(on)
			return noContent, nil, nil
		})
	}
	for _, what := range []string{"silence", "moh"} {
		on("POST /channels/{id}/"+what, quiet(true))
		on("DELETE /channels/{id}/"+what, quiet(false))
	}
	on("POST /channels/{id}/dtmf", ex.inStasis(true, func(ch *channel, p params, _ *http.Request) (int, any, *apiError) {
		keys := p.get("dtmf")
		if keys == "" {
			return 0, nil, bad(http.StatusBadRequest, "DTMF is required")
		}
		for i := range len(keys) { // what is no key is accepted and does nothing
			digit := keys[i]
			if !strings.ContainsRune("0123456789*#ABCD", rune(digit)) {
				continue
			}
			ch.after(time.Duration(i+1)*200*time.Millisecond, func() { ch.line.Key(digit) })
		}
		return noContent, nil, nil
	}))
	ex.variables(on)
	play := ex.inStasis(true, func(ch *channel, p params, r *http.Request) (int, any, *apiError) {
		pb, err := ex.play(p, r.PathValue("playback"), ch, nil)
		if err != nil {
			return 0, nil, err
		}
		j := pb.json()
		j.State = "queued"
		return http.StatusCreated, j, nil
	})
	on("POST /channels/{id}/play", play)
	on("POST /channels/{id}/play/{playback}", play)
	on("POST /channels/{id}/record", ex.inStasis(false, func(ch *channel, p params, _ *http.Request) (int, any, *apiError) {
		r, err := ex.record(p, ch)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, r.json(), nil
	}))
	on("POST /channels/{id}/snoop", ex.withChannel(ex.snoop))
	on("POST /channels/{id}/snoop/{snoop}", ex.withChannel(ex.snoop))
	on("POST /channels/{id}/continue", ex.inStasis(false, ex.proceed))
	on("POST /channels/{id}/redirect", ex.inStasis(false, func(ch *channel, p params, _ *http.Request) (int, any, *apiError) {
		if p.get("endpoint") == "" {
			return 0, nil, bad(http.StatusBadRequest, "Missing parameter endpoint")
		}
		ch.bye(0) // the carrier took the REFER and let go of us
		return noContent, nil, nil
	}))
	on("POST /channels/{id}/move", ex.inStasis(false, ex.move))
}

func nothing(*channel, params, *http.Request) (int, any, *apiError) { return noContent, nil, nil }

func (ex *Exchange) variables(on func(string, call)) {
	on("GET /channels/{id}/variable", ex.withChannel(func(ch *channel, p params, _ *http.Request) (int, any, *apiError) {
		name := p.get("variable")
		if name == "" {
			return 0, nil, bad(http.StatusBadRequest, "Variable name is required")
		}
		value, ok := ch.vars[name]
		switch {
		case name == "CHANNEL(pjsip,call-id)":
			value = ch.protocol
		case strings.ContainsAny(name, "()") && !ok:
			return 0, nil, &apiError{http.StatusInternalServerError, "Unable to read provided function", "message"}
		case !ok:
			return 0, nil, bad(http.StatusNotFound, "Provided variable was not found")
		}
		return http.StatusOK, map[string]string{"value": value}, nil
	}))
	on("POST /channels/{id}/variable", ex.withChannel(func(ch *channel, p params, _ *http.Request) (int, any, *apiError) {
		name := p.get("variable")
		if name == "" {
			return 0, nil, bad(http.StatusBadRequest, "Variable name is required")
		}
		if ch.stasis {
			ex.wait(ch)
		}
		if ch.gone {
			return 0, nil, bad(http.StatusConflict, "Channel not in Stasis application")
		}
		ch.vars[name] = p.get("value")
		ch.varset(name, p.get("value"))
		return noContent, nil, nil
	}))
}

// snoop makes a channel that hears, or whispers to, another.
func (ex *Exchange) snoop(ch *channel, p params, r *http.Request) (int, any, *apiError) {
	spy, whisper := p.get("spy"), p.get("whisper")
	good := func(s string) bool { return s == "" || s == "none" || s == "in" || s == "out" || s == "both" }
	id := r.PathValue("snoop")
	if id == "" {
		id = p.get("snoopId")
	}
	switch {
	case !good(spy) || !good(whisper) || (spy == "" || spy == "none") && (whisper == "" || whisper == "none"):
		return 0, nil, bad(http.StatusBadRequest, "Direction specified for spy and whisper is invalid")
	case p.get("app") == "":
		return 0, nil, bad(http.StatusBadRequest, "Missing application name")
	}
	if err := ex.free(id); err != nil {
		return 0, nil, err
	}
	s := ex.newChannel(snoopKind, id, fmt.Sprintf("Snoop/%s-%08x", ch.id, ex.next()))
	s.app, s.args, s.state = p.get("app"), split(p.get("appArgs")), stateUp
	s.line = sound.NewTap(s, ch.line, sound.Direction(spy), sound.Direction(whisper))
	ex.add(s)
	j := s.json()
	j.Dialplan.App, j.Dialplan.Data = "Stasis", s.app
	if !s.enter(s.args) {
		s.end(0, 0)
		return http.StatusOK, j, nil
	}
	ex.clock.Add(s.line)
	return http.StatusOK, j, nil
}

// proceed is POST continue: into the dialplan, which on the twin has queues
// and nothing else.
func (ex *Exchange) proceed(ch *channel, p params, _ *http.Request) (int, any, *apiError) {
	queue := p.get("extension")
	if queue == "" {
		queue = p.get("label")
	}
	if b := ch.bridge; b != nil {
		b.remove(ch)
	}
	ch.leaveStasis()
	ch.dialplan = dialplanJSON{Context: p.get("context"), Exten: queue, Priority: 1, App: "Queue", Data: queue}
	script, ok := ex.cast.ForQueue(queue)
	if !ok {
		ch.after(5*time.Millisecond, func() { ch.end(16, 0) }) // the dialplan has no such place: it hangs up
		return noContent, nil, nil
	}
	ch.emit(event{Type: "ChannelDialplan", App: "Queue", AppData: ptr(queue)})
	ex.enqueue(ch, queue, script)
	return noContent, nil, nil
}

// move is POST move: into another application.
func (ex *Exchange) move(ch *channel, p params, _ *http.Request) (int, any, *apiError) {
	to := p.get("app")
	if to == "" {
		return 0, nil, bad(http.StatusBadRequest, "Missing parameter app")
	}
	args := split(p.get("appArgs"))
	if a := ex.apps[to]; a == nil || a.conn == nil {
		ch.emit(event{Type: "ApplicationMoveFailed", Dest: to, Args: &args})
		return noContent, nil, nil
	}
	ch.stasis = false
	ch.emit(event{Type: "StasisEnd"})
	ch.app = to
	ch.enter(args)
	return noContent, nil, nil
}
