package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/adapter/media"
	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// mediaLeg is the audio of a leg: a call that FreeSWITCH makes to our endpoint,
// and the channel of that call.
type mediaLeg struct {
	media.Session
	l       *leg
	channel string
	closing atomic.Bool
	// Under the leg's lock.
	bridged bool
	failed  string // why the bridge came to nothing
}

// Close implements pbx.Media.
func (m *mediaLeg) Close() error {
	m.legGone()
	m.l.mu.Lock()
	if m.l.media == m {
		m.l.media = nil
	}
	m.l.mu.Unlock()
	if m.l.sw.cfg.Media.Transport == TransportSIP {
		m.l.sw.killLater(m.channel, pbx.CauseNormal) // should the BYE be slow
	}
	return nil
}

// legGone ends the audio: readers get io.EOF, FreeSWITCH a BYE.
func (m *mediaLeg) legGone() {
	m.closing.Store(true)
	_ = m.Session.Close()
}

// bridgeWait is how long the bridge may take after our endpoint has answered;
// measured are 40 ms.
const bridgeWait = time.Second

// bridgeLead is how long after CHANNEL_BRIDGE FreeSWITCH still throws away what
// it hears from us (measured: up to two frames; it empties its buffers when the
// two directions start).
const bridgeLead = 60 * time.Millisecond

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
	l.opening.Lock()
	defer l.opening.Unlock()
	l.mu.Lock()
	old := l.media
	l.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
	// What runs in the bridge of before would end with it.
	if _, err := l.await(ctx, 2*time.Second, func() bool { return l.parked }); err != nil {
		return nil, l.why(err)
	}
	m, err := l.tryMedia(ctx, f)
	if m != nil && m.fell() {
		// Mostly an RTP port that another program had: the next try takes another.
		m, err = l.tryMedia(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// fell reports whether the exchange ended the media leg at once.
func (m *mediaLeg) fell() bool {
	m.l.mu.Lock()
	defer m.l.mu.Unlock()
	return m.failed != ""
}

// tryMedia opens one media leg; what came to nothing is told of, and gone.
func (l *leg) tryMedia(ctx context.Context, f audio.Format) (*mediaLeg, error) {
	m := &mediaLeg{l: l, channel: fmt.Sprintf("%s%s%08x", l.id, mediaMark, rand.Uint32())} //nolint:gosec // a name, not a secret
	err := l.connectMedia(ctx, m, f)
	if err == nil {
		return m, nil
	}
	if m.Session != nil {
		m.legGone()
	}
	l.forgetMedia(m)
	if l.sw.cfg.Media.Transport == TransportSIP {
		l.sw.killLater(m.channel, pbx.CauseNormal)
	}
	return m, err
}

// why is the error of a wait.
func (l *leg) why(err error) error {
	if errors.Is(err, pbx.ErrGone) {
		return err
	}
	return fmt.Errorf("%w: media leg: %w", pbx.ErrUnknown, err)
}

// audible is the gate of OpenMedia: answered, or early media.
func (l *leg) audible(ctx context.Context) error {
	if err := l.gate(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.answered && (!l.early || !l.req.EarlyMedia):
		return refuse("nothing is heard before the answer, unless early media was asked for")
	case l.away != nil || l.peer != nil || l.joining != nil:
		return refuse("the leg speaks with somebody else")
	}
	return nil
}

func (l *leg) forgetMedia(m *mediaLeg) {
	l.sw.unroute(m.channel)
	l.mu.Lock()
	delete(l.opened, m.channel)
	l.mu.Unlock()
}

// codec is what FreeSWITCH offers us for a format.
func codec(f audio.Format) string {
	switch f {
	case audio.FormatULaw:
		return "PCMU"
	case audio.FormatALaw:
		return "PCMA"
	case audio.FormatSlin16:
		return "L16@16000h"
	}
	return "L16@8000h"
}

// mediaOptions are of a session whose end is told to the leg. Its keys come by
// the exchange's events.
func (l *leg) mediaOptions(m *mediaLeg, f audio.Format) media.Options {
	return media.Options{Format: f, Dropped: &l.sw.dropped, Log: l.sw.log, OnEnd: func(err error) {
		if !m.closing.Load() {
			_ = l.in.Put(input{kind: inMediaLost, media: m, err: err})
		}
	}}
}

// connectMedia makes the leg call our endpoint, and waits until both are one.
func (l *leg) connectMedia(ctx context.Context, m *mediaLeg, f audio.Format) error {
	if l.sw.cfg.Media.Transport == TransportUnicast {
		return l.connectUnicast(ctx, m, f)
	}
	x, err := l.sw.endpoint.ExpectWith(l.mediaOptions(m, f))
	if err != nil {
		return refuse("%v", err)
	}
	defer x.Cancel()
	to, err := l.mediaString(m, f, x.URI())
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.opened[m.channel] = m
	l.mu.Unlock()
	l.sw.route(m.channel, l)
	if err := l.execute(ctx, bridgeTag+m.channel, "bridge", to); err != nil {
		return err
	}
	actx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // ends with actx, or at the failure
		if ok, err := l.await(actx, l.sw.cfg.Media.ConnectTimeout, func() bool { return m.failed != "" }); ok || errors.Is(err, pbx.ErrGone) {
			cancel(errors.New("FreeSWITCH did not reach our endpoint"))
		}
	}()
	call, err := x.Await(actx)
	if err != nil {
		return l.unheard(m, err)
	}
	session, ok := call.(media.Session)
	if !ok {
		_ = call.Close()
		return refuse("the media endpoint gave no session")
	}
	m.Session = session
	// A CHANNEL_BRIDGE that got lost is no reason to fail: the call is up.
	if _, err := l.await(ctx, bridgeWait, func() bool { return m.bridged || m.failed != "" }); err != nil {
		return l.why(err)
	}
	if _, err := l.await(ctx, bridgeLead, func() bool { return m.failed != "" }); err != nil {
		return l.why(err)
	}
	return l.keepMedia(m)
}

// mediaString is the dial string of the call to our endpoint. It shows nobody's
// number.
func (l *leg) mediaString(m *mediaLeg, f audio.Format, uri string) (string, error) {
	d, err := dialString([]variable{
		{"origination_uuid", m.channel}, {"absolute_codec_string", codec(f)}, {"originate_timeout", "5"}, {"ignore_early_media", "true"},
		{"origination_caller_id_number", "ringmaster"}, {"origination_caller_id_name", "ringmaster"}, {"hangup_after_bridge", "true"},
		{"park_after_bridge", "false"}, {"send_silence_when_idle", "-1"}, {"media_timeout", "60000"}, {"presence_data", "media"}, {"ignore_display_updates", "true"},
		// A marked packet would empty its buffer. (rtp_notimer_during_bridge brings
		// 11 ms to the callee where the default has 44, but the bridge does not end
		// when we fall silent; rtp_autoflush_during_bridge=false lets a queue grow.)
		{"rtp_manual_rtp_bugs", "IGNORE_MARK_BIT"},
	}, "sofia/"+l.sw.cfg.Media.Profile+"/"+strings.TrimPrefix(uri, "sip:"))
	if err != nil {
		return "", refuse("%v", err)
	}
	return d, nil
}

// unheard says why the endpoint was not called.
func (l *leg) unheard(m *mediaLeg, err error) error {
	l.mu.Lock()
	failed, over := m.failed, l.over
	l.mu.Unlock()
	switch {
	case over:
		return pbx.ErrGone
	case failed != "":
		return refuse("FreeSWITCH could not call our media endpoint (%s): its sofia profile %s has to reach %s, with the codec allowed",
			failed, l.sw.cfg.Media.Profile, l.sw.endpoint.Addr())
	}
	return fmt.Errorf("%w: media leg: %w", pbx.ErrUnknown, err)
}

// keepMedia makes m the leg's audio unless the leg ended meanwhile.
func (l *leg) keepMedia(m *mediaLeg) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over:
		return pbx.ErrGone
	case m.failed != "":
		return refuse("the media leg ended at once (%s)", m.failed)
	case m.Err() != nil:
		return fmt.Errorf("%w: %w", pbx.ErrUnknown, m.Err())
	}
	l.media = m
	m.Begin()
	return nil
}

// mediaEvent is about the channel of a media leg.
func (l *leg) mediaEvent(e *esl.Event, channel string) {
	if e.Name != esl.NameHangupComplete {
		return
	}
	l.mu.Lock()
	m := l.opened[channel]
	l.mu.Unlock()
	if m == nil {
		return
	}
	f := readFinal(e)
	l.change(func() {
		delete(l.opened, channel)
		if !m.bridged && m.failed == "" {
			m.failed = f.raw()
		}
	})
	l.sw.unroute(channel)
	l.mu.Lock()
	current := l.media == m
	l.mu.Unlock()
	if current {
		m.Abort(errors.New("the exchange ended the media leg: " + f.raw()))
	}
}

// mediaGrace is how long the end of the leg, or its bridge with another, may
// come after the end of its audio.
const mediaGrace = 200 * time.Millisecond

// mediaLost: the audio died; of a call that goes on, perhaps.
func (l *leg) mediaLost(m *mediaLeg, err error) {
	time.AfterFunc(mediaGrace, func() { _ = l.in.Put(input{kind: inMediaGone, media: m, err: err}) })
}

func (l *leg) mediaGone(m *mediaLeg, err error) {
	l.mu.Lock()
	was, busy := l.media == m && !l.over, l.joining != nil
	if was && !busy {
		l.media = nil
	}
	l.mu.Unlock()
	switch {
	case !was:
	case busy:
		l.mediaLost(m, err)
	default:
		m.legGone()
		ctx, cancel := l.sw.background()
		defer cancel()
		if ch, cerr := l.sw.channel(ctx, l.id); cerr == nil && ch == nil {
			l.lookUp() // it ended, and its last event is late or lost
			return
		}
		l.emit(pbx.MediaLost{At: time.Now(), Err: err})
	}
}
