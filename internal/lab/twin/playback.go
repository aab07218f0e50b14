package twin

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// playback is one POST play. Its sound is guarded by the line's lock that it
// plays on, the rest by the exchange's.
type playback struct {
	ex     *Exchange
	id     string
	media  string
	target string
	state  string // queued, playing, paused, done, failed
	ch     *channel
	br     *bridge
	dumb   bool // an unknown scheme: it never finishes

	mu      sync.Mutex
	samples []int16
	loop    bool
	at      int
	paused  bool
	over    chan struct{}
	once    sync.Once

	// A bridge hears one frame in all its members.
	turn    sync.Mutex
	tick    int64 // of current
	current pcm
	spent   bool // the last frame was given
}

func (p *playback) json() *playbackJSON {
	return &playbackJSON{ID: p.id, Media: p.media, Target: p.target, Language: "en", State: p.state}
}

// frame is the next 20 ms; done after the last.
func (p *playback) frame(dst []int16) (done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(dst)
	if p.paused {
		return false
	}
	p.at += copy(dst, p.samples[min(p.at, len(p.samples)):])
	if p.at >= len(p.samples) && p.loop {
		p.at = 0
	}
	return p.at >= len(p.samples)
}

// finish lets go of whoever waits for the end.
func (p *playback) finish(state string) {
	p.state = state
	p.once.Do(func() { close(p.over) })
}

// play is POST /channels/{id}/play and /bridges/{id}/play.
func (ex *Exchange) play(p params, id string, ch *channel, br *bridge) (*playback, *apiError) {
	if p.get("media") == "" {
		return nil, bad(http.StatusBadRequest, "Missing parameter media")
	}
	if id == "" {
		id = p.get("playbackId")
	}
	if id == "" {
		id = ex.uuid()
	}
	if ex.playbacks[id] != nil {
		return nil, bad(http.StatusConflict, "Playback with given ID already exists")
	}
	pb := &playback{ex: ex, id: id, media: p.get("media"), state: "queued", ch: ch, br: br, over: make(chan struct{})}
	found := ex.find(pb)
	ex.playbacks[id] = pb
	if ch != nil {
		pb.target = "channel:" + ch.id
		ch.line.mu.Lock()
		ch.line.plays = append(ch.line.plays, pb)
		first := len(ch.line.plays) == 1
		ch.line.mu.Unlock()
		if first {
			ex.begin(pb, found)
		}
	} else {
		pb.target = "bridge:" + br.id
		br.plays = append(br.plays[:len(br.plays):len(br.plays)], pb)
		br.peers()
		ex.begin(pb, found)
	}
	return pb, nil
}

// find loads what is to be played; false when there is no such file.
func (ex *Exchange) find(pb *playback) bool {
	for _, uri := range split(pb.media) {
		scheme, name, _ := strings.Cut(uri, ":")
		switch scheme {
		case "sound", "recording":
			s := ex.cfg.Prompts[name]
			if r := ex.stored[name]; scheme == "recording" && r != nil {
				s = r.samples
			}
			if len(s) == 0 {
				return false
			}
			pb.samples = append(pb.samples, s...)
		case "tone":
			pb.samples = append(pb.samples, callee.Tone(440, 400*time.Millisecond, 8000)...)
			pb.loop = true
		case "digits", "number", "characters":
			pb.samples = append(pb.samples, callee.Tone(600, 300*time.Millisecond, 8000)...)
		default:
			pb.dumb = true // res_stasis_playback.c: started, and no end is ever told
		}
	}
	return true
}

// begin is the moment a playback comes first in its queue.
func (ex *Exchange) begin(pb *playback, found bool) {
	pb.state = "playing"
	ex.onPlayback(pb, "PlaybackStarted")
	switch {
	case pb.dumb:
		ex.drop(pb)
	case !found:
		ex.finish(pb, "failed")
	}
}

func (ex *Exchange) onPlayback(pb *playback, eventType string) {
	e := event{Type: eventType, Playback: pb.json()}
	if pb.ch != nil {
		ex.emit(pb.ch, e)
		return
	}
	ex.announce(pb.br, e)
}

// finish ends a playback and lets the next in its queue begin.
func (ex *Exchange) finish(pb *playback, state string) {
	if ex.playbacks[pb.id] != pb {
		return
	}
	pb.finish(state)
	ex.onPlayback(pb, "PlaybackFinished")
	ex.drop(pb)
}

func (ex *Exchange) drop(pb *playback) {
	delete(ex.playbacks, pb.id)
	pb.finish(pb.state)
	if pb.br != nil {
		kept := []*playback{}
		for _, o := range pb.br.plays {
			if o != pb {
				kept = append(kept, o)
			}
		}
		pb.br.plays = kept
		pb.br.peers()
		return
	}
	l := pb.ch.line
	l.mu.Lock()
	first := len(l.plays) > 0 && l.plays[0] == pb
	for i, o := range l.plays {
		if o == pb {
			l.plays = append(l.plays[:i:i], l.plays[i+1:]...)
			break
		}
	}
	var next *playback
	if first && len(l.plays) > 0 {
		next = l.plays[0]
	}
	l.mu.Unlock()
	if next != nil && !pb.ch.gone {
		ex.begin(next, len(next.samples) > 0)
	}
}

func (ex *Exchange) endPlaybacks(ch *channel) {
	ch.line.mu.Lock()
	plays := ch.line.plays
	ch.line.plays = nil
	ch.line.mu.Unlock()
	for _, p := range plays {
		ex.finish(p, "failed")
	}
}

func (ex *Exchange) control(pb *playback, operation string) *apiError {
	pb.mu.Lock()
	defer pb.mu.Unlock()
	const skip = 3 * callee.Rate
	switch operation {
	case "pause":
		pb.paused = true
	case "unpause":
		pb.paused = false
	case "restart":
		pb.at = 0
	case "forward":
		pb.at = min(pb.at+skip, len(pb.samples))
	case "reverse":
		pb.at = max(pb.at-skip, 0)
	default:
		return bad(http.StatusBadRequest, "Invalid operation")
	}
	return nil
}
