package twin

import (
	"net/http"
)

func (ex *Exchange) bridgeRoutes(on func(string, call)) {
	named := func(f func(b *bridge, p params, r *http.Request) (int, any, *apiError)) call {
		return func(p params, r *http.Request) (int, any, *apiError) {
			b := ex.bridges[r.PathValue("bridge")]
			if b == nil {
				return 0, nil, bad(http.StatusNotFound, "Bridge not found")
			}
			return f(b, p, r)
		}
	}
	on("GET /bridges", func(params, *http.Request) (int, any, *apiError) {
		out := []*bridgeJSON{}
		for _, b := range ex.bridges {
			out = append(out, b.json())
		}
		return http.StatusOK, out, nil
	})
	create := func(p params, r *http.Request) (int, any, *apiError) {
		b, err := ex.createBridge(p, r.PathValue("bridge"))
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, b.json(), nil
	}
	on("POST /bridges", create)
	on("POST /bridges/{bridge}", create)
	on("GET /bridges/{bridge}", named(func(b *bridge, _ params, _ *http.Request) (int, any, *apiError) {
		return http.StatusOK, b.json(), nil
	}))
	on("DELETE /bridges/{bridge}", named(func(b *bridge, _ params, _ *http.Request) (int, any, *apiError) {
		ex.destroyBridge(b)
		return noContent, nil, nil
	}))
	on("POST /bridges/{bridge}/addChannel", named(func(b *bridge, p params, _ *http.Request) (int, any, *apiError) {
		chs, err := ex.owned(p.get("channel"))
		if err != nil {
			return 0, nil, err
		}
		for _, ch := range chs {
			ex.wait(ch)
			if !ch.gone && ex.bridges[b.id] == b {
				b.join(ch)
			}
		}
		return noContent, nil, nil
	}))
	on("POST /bridges/{bridge}/removeChannel", named(func(b *bridge, p params, _ *http.Request) (int, any, *apiError) {
		chs, err := ex.owned(p.get("channel"))
		if err != nil {
			return 0, nil, err
		}
		for _, ch := range chs {
			if ch.bridge != b {
				return 0, nil, bad(http.StatusUnprocessableEntity, "Channel not in this bridge")
			}
		}
		for _, ch := range chs {
			b.remove(ch)
		}
		return noContent, nil, nil
	}))
	play := named(func(b *bridge, p params, r *http.Request) (int, any, *apiError) {
		pb, err := ex.play(p, r.PathValue("playback"), nil, b)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, pb.json(), nil
	})
	on("POST /bridges/{bridge}/play", play)
	on("POST /bridges/{bridge}/play/{playback}", play)
}

func (ex *Exchange) mediaRoutes(on func(string, call)) {
	playing := func(f func(pb *playback, p params) (int, any, *apiError)) call {
		return func(p params, r *http.Request) (int, any, *apiError) {
			pb := ex.playbacks[r.PathValue("playback")]
			if pb == nil {
				return 0, nil, bad(http.StatusNotFound, "Playback not found")
			}
			return f(pb, p)
		}
	}
	on("GET /playbacks/{playback}", playing(func(pb *playback, _ params) (int, any, *apiError) { return http.StatusOK, pb.json(), nil }))
	on("DELETE /playbacks/{playback}", playing(func(pb *playback, _ params) (int, any, *apiError) {
		ex.finish(pb, "done")
		return noContent, nil, nil
	}))
	on("POST /playbacks/{playback}/control", playing(func(pb *playback, p params) (int, any, *apiError) {
		return noContent, nil, ex.control(pb, p.get("operation"))
	}))
	ex.liveRoutes(on)
	stored := func(f func(r *recording) (int, any, *apiError)) call {
		return func(_ params, r *http.Request) (int, any, *apiError) {
			rec := ex.stored[r.PathValue("name")]
			if rec == nil {
				return 0, nil, bad(http.StatusNotFound, "Recording not found")
			}
			return f(rec)
		}
	}
	type storedJSON struct {
		Name   string `json:"name"`
		Format string `json:"format"`
	}
	on("GET /recordings/stored", func(params, *http.Request) (int, any, *apiError) {
		out := []storedJSON{}
		for _, r := range ex.stored {
			out = append(out, storedJSON{r.name, r.format})
		}
		return http.StatusOK, out, nil
	})
	on("GET /recordings/stored/{name}", stored(func(r *recording) (int, any, *apiError) {
		return http.StatusOK, storedJSON{r.name, r.format}, nil
	}))
	on("DELETE /recordings/stored/{name}", stored(func(r *recording) (int, any, *apiError) {
		delete(ex.stored, r.name)
		return noContent, nil, nil
	}))
	on("GET /recordings/stored/{name}/file", stored(func(r *recording) (int, any, *apiError) {
		return http.StatusOK, rawFile(r.tape.WAV()), nil
	}))
}

// rawFile is an answer that is no JSON.
type rawFile []byte

func (ex *Exchange) liveRoutes(on func(string, call)) {
	live := func(f func(r *recording)) call {
		return func(_ params, r *http.Request) (int, any, *apiError) {
			rec := ex.live[r.PathValue("name")]
			if rec == nil {
				return 0, nil, bad(http.StatusNotFound, "Recording not found")
			}
			f(rec)
			return noContent, nil, nil
		}
	}
	on("GET /recordings/live/{name}", func(_ params, r *http.Request) (int, any, *apiError) {
		if rec := ex.live[r.PathValue("name")]; rec != nil {
			return http.StatusOK, rec.json(), nil
		}
		return 0, nil, bad(http.StatusNotFound, "Recording not found")
	})
	on("DELETE /recordings/live/{name}", live(func(r *recording) { ex.stopRecording(r, false) }))
	on("POST /recordings/live/{name}/stop", live(func(r *recording) { ex.stopRecording(r, true) }))
	on("POST /recordings/live/{name}/pause", live(func(r *recording) { r.tape.Pause(true) }))
	on("DELETE /recordings/live/{name}/pause", live(func(r *recording) { r.tape.Pause(false) }))
	on("POST /recordings/live/{name}/mute", live(func(r *recording) { r.tape.Mute(true) }))
	on("DELETE /recordings/live/{name}/mute", live(func(r *recording) { r.tape.Mute(false) }))
}
