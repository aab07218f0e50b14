package asterisk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/adapter/media"
	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// mediaLeg is the audio of a leg and the exchange's channel for it.
type mediaLeg struct {
	media.Session
	l       *leg
	channel string
	closing atomic.Bool
}

// Close implements pbx.Media.
func (m *mediaLeg) Close() error {
	m.legGone()
	m.l.mu.Lock()
	if m.l.media == m {
		m.l.media = nil
	}
	m.l.mu.Unlock()
	m.l.dropHelper(m.channel)
	return nil
}

// legGone ends the audio: readers get io.EOF.
func (m *mediaLeg) legGone() {
	m.closing.Store(true)
	_ = m.Session.Close()
}

// ended is told by the exchange: the channel is gone.
func (m *mediaLeg) ended(err error) { m.Abort(err) }

// OpenMedia implements pbx.Leg. A second one replaces the first.
func (l *leg) OpenMedia(ctx context.Context, f audio.Format) (pbx.Media, error) {
	if err := f.Validate(); err != nil {
		return nil, refuse("%v", err)
	}
	if err := l.audible(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.sw.cfg.Media.ConnectTimeout)
	defer cancel()
	l.mu.Lock()
	old := l.media
	l.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
	m := &mediaLeg{l: l}
	var h *helper
	m.channel, h = l.newHelper(mediaMark)
	err := l.openSession(ctx, m, f)
	if err == nil {
		err = l.bridgeMedia(ctx, m, h)
	}
	if err == nil {
		err = l.keepMedia(m)
	}
	if err != nil {
		if m.Session != nil {
			m.legGone()
		}
		l.dropHelper(m.channel)
		return nil, err
	}
	return m, nil
}

// audible is the gate of OpenMedia: answered, or early media.
func (l *leg) audible(ctx context.Context) error {
	if err := l.gate(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	answered, away, peer := l.answered, l.away, l.peer
	l.mu.Unlock()
	switch {
	case !answered && (!l.created || !isClosed(l.ready)):
		return refuse("nothing is heard before the answer, unless early media was asked for")
	case away || peer != nil:
		return refuse("the leg speaks with somebody else")
	}
	return nil
}

// keepMedia makes m the leg's audio unless the leg ended meanwhile.
func (l *leg) keepMedia(m *mediaLeg) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return pbx.ErrGone
	}
	if l.media != nil {
		return refuse("two media legs were opened at once")
	}
	if m.Err() != nil {
		return fmt.Errorf("%w: %w", pbx.ErrUnknown, m.Err())
	}
	l.media = m
	m.Begin()
	return nil
}

// options of a session whose keys and end are told to the leg.
func (l *leg) options(m *mediaLeg, f audio.Format) media.Options {
	return media.Options{
		Format: f, Dropped: &l.sw.dropped, Log: l.sw.log,
		OnDTMF: func(d byte) { _ = l.in.Put(input{kind: inKey, digit: d}) },
		OnEnd: func(err error) {
			if !m.closing.Load() {
				_ = l.in.Put(input{kind: inMediaLost, media: m, err: err})
			}
		},
	}
}

func (l *leg) openSession(ctx context.Context, m *mediaLeg, f audio.Format) error {
	var err error
	switch l.sw.cfg.Media.Transport {
	case TransportRTP:
		err = l.openRTP(ctx, m, f)
	case TransportAudioSocket:
		err = l.openAudioSocket(ctx, m, f)
	default:
		err = l.openWebSocket(ctx, m, f)
	}
	return err
}

// openWebSocket makes a chan_websocket channel that waits for us and dials it.
func (l *leg) openWebSocket(ctx context.Context, m *mediaLeg, f audio.Format) error {
	ch, err := l.sw.ari.ExternalMedia(ctx, ari.ExternalMedia{
		ChannelID: m.channel, Format: f.String(), Host: "INCOMING", Encapsulation: "none", Transport: "websocket",
		ConnectionType: "server", TransportData: "f(json)",
	})
	if err != nil {
		return own(err)
	}
	id := ch.Vars["MEDIA_WEBSOCKET_CONNECTION_ID"]
	if id == "" || len(id) > 64 || !identifier(id) {
		return refuse("Asterisk gave no media connection: it needs chan_websocket, or use media transport rtp")
	}
	s, err := media.DialWebSocket(ctx, mediaURL(l.sw.cfg.URL, id), l.sw.cfg.TLS, l.options(m, f))
	if err != nil {
		return fmt.Errorf("%w: media leg: %w", pbx.ErrUnknown, err)
	}
	m.Session = s
	return nil
}

// mediaURL is where chan_websocket listens: beside /ari on the same server.
func mediaURL(ariURL, id string) string {
	u, err := url.Parse(ariURL)
	if err != nil {
		return ""
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/ari") + "/media/" + id
	u.RawPath = ""
	return u.String()
}

// bridgeMedia waits for the channel to be ours and puts it into the bridge.
func (l *leg) bridgeMedia(ctx context.Context, m *mediaLeg, h *helper) error {
	// A lost StasisStart is made up for by trying.
	if err := l.await(ctx, h.started, time.Second); errors.Is(err, pbx.ErrGone) {
		return err
	}
	for try := 0; ; try++ {
		err := l.sw.ari.AddToBridge(ctx, bridgeOf(l.id), m.channel)
		status := ari.Status(err)
		if err == nil || try == 10 || (status != http.StatusUnprocessableEntity && status != http.StatusBadRequest) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", pbx.ErrUnknown, ctx.Err())
		case <-l.done:
			return pbx.ErrGone
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// mediaLost: the audio died under a call that goes on.
func (l *leg) mediaLost(m *mediaLeg, err error) {
	l.mu.Lock()
	was := l.media == m && !l.over
	if was {
		l.media = nil
	}
	l.mu.Unlock()
	l.dropHelper(m.channel)
	if was {
		l.emit(pbx.MediaLost{At: time.Now(), Err: err})
	}
}
