package twin

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/lab/twin/sound"
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

	clip    *sound.Clip
	samples []int16
	loop    bool
	over    chan struct{}
	once    sync.Once
}

// playbackOf is whose clip it is.
func playbackOf(c *sound.Clip) *playback {
	p, _ := c.Owner.(*playback)
	return p
}

func (p *playback) json() *playbackJSON {
	return &playbackJSON{ID: p.id, Media: p.media, Target: p.target, Language: "en", State: p.state}
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
	pb.clip = sound.NewClip(pb, pb.samples, pb.loop)
	ex.playbacks[id] = pb
	if ch != nil {
		pb.target = "channel:" + ch.id
		if ch.line.Play(pb.clip) {
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
				s = r.tape.Samples()
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
	next := pb.ch.line.Unplay(pb.clip)
	if next != nil && !pb.ch.gone {
		after := playbackOf(next)
		ex.begin(after, len(after.samples) > 0)
	}
}

func (ex *Exchange) endPlaybacks(ch *channel) {
	for _, c := range ch.line.UnplayAll() {
		ex.finish(playbackOf(c), "failed")
	}
}

func (ex *Exchange) control(pb *playback, operation string) *apiError {
	const skip = 3 * callee.Rate
	switch operation {
	case "pause":
		pb.clip.Pause(true)
	case "unpause":
		pb.clip.Pause(false)
	case "restart":
		pb.clip.Seek(-pb.clip.Len())
	case "forward":
		pb.clip.Seek(skip)
	case "reverse":
		pb.clip.Seek(-skip)
	default:
		return bad(http.StatusBadRequest, "Invalid operation")
	}
	return nil
}
