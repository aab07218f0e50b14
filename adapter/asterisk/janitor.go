package asterisk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/pbx"
)

// world is the exchange at one moment.
type world struct {
	began     time.Time // before it was asked for
	restarted bool
	channels  map[string]ari.Channel
	bridges   []ari.Bridge
}

// look lists bridges first: the owner of a bridge in the list existed then, so
// if its channel is not in the later list it has ended.
func (s *Switch) look(ctx context.Context) (*world, error) {
	w := &world{began: time.Now(), channels: map[string]ari.Channel{}}
	var err error
	if w.bridges, err = s.ari.Bridges(ctx); err != nil {
		return nil, err
	}
	channels, err := s.ari.Channels(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range channels {
		w.channels[c.ID] = c
	}
	return w, nil
}

// janitor deletes what crashes left behind, every five minutes.
func (s *Switch) janitor(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.life.Done():
			return
		case <-time.After(4*time.Minute + rand.N(2*time.Minute)): //nolint:gosec // spreads load, guards nothing
		}
		if s.up() != nil {
			continue
		}
		if w, err := s.look(ctx); err == nil {
			s.clean(ctx, w)
		}
	}
}

// clean deletes bridges, media legs and snoops whose leg is neither on the
// exchange nor held by us.
func (s *Switch) clean(ctx context.Context, w *world) {
	gone := func(leg string) bool {
		_, alive := w.channels[leg]
		return !alive && s.find(leg) == nil
	}
	for _, b := range w.bridges {
		if leg, ok := ownerOf(b.ID); ok && gone(leg) {
			s.log.Info("asterisk: removing the bridge of a leg that is over", "leg", leg)
			_ = s.ari.DeleteBridge(ctx, b.ID)
		}
	}
	for id, c := range w.channels {
		if leg, ok := helperOf(id, c.Name); ok && gone(leg) {
			s.log.Info("asterisk: removing a media leg or snoop of a leg that is over", "leg", leg)
			_ = s.ari.Hangup(ctx, id, pbx.CauseNormal)
		}
	}
}

// helperOf tells the leg that a media channel or snoop of ours belongs to.
func helperOf(id, name string) (leg string, ok bool) {
	if !helperTech(name) {
		return "", false
	}
	for _, mark := range []string{mediaMark, snoopMark} {
		if i := strings.LastIndex(id, mark); i > 0 {
			return id[:i], true
		}
	}
	return "", false
}

func helperTech(name string) bool {
	tech, _, _ := strings.Cut(name, "/")
	switch tech {
	case "WebSocket", "UnicastRTP", "AudioSocket", "Snoop", "Announcer", "Recorder":
		return true
	}
	return false
}

// Marks in the IDs of a leg's helper channels, each followed by 8 hex digits.
const (
	mediaMark = "-m-"
	snoopMark = "-s-"
)

func helperID(leg, mark string) string { return fmt.Sprintf("%s%s%08x", leg, mark, rand.Uint32()) } //nolint:gosec // a name, not a secret
