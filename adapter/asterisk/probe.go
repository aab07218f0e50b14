package asterisk

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/google/uuid"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/adapter/media"
	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// ProbeMedia opens an audio leg that belongs to no call, by the configured
// transport, and closes it again: what a doctor asks before the first call.
func (s *Switch) ProbeMedia(ctx context.Context, f audio.Format) error {
	if err := f.Validate(); err != nil {
		return refuse("%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Media.ConnectTimeout)
	defer cancel()
	id := "probe-" + uuid.NewString()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = s.ari.Hangup(ctx, id, pbx.CauseNormal)
	}()
	switch s.cfg.Media.Transport {
	case TransportWebSocket:
		return s.probeWebSocket(ctx, id, f)
	case TransportRTP:
		return s.probeRTP(ctx, id, f)
	}
	return refuse("an audio leg by %s cannot be tried without a call", s.cfg.Media.Transport)
}

func (s *Switch) probeWebSocket(ctx context.Context, id string, f audio.Format) error {
	ch, err := s.ari.ExternalMedia(ctx, ari.ExternalMedia{ChannelID: id, Format: f.String(), Host: "INCOMING", Encapsulation: "none",
		Transport: "websocket", ConnectionType: "server", TransportData: "f(json)"})
	if err != nil {
		return own(err)
	}
	conn := ch.Vars["MEDIA_WEBSOCKET_CONNECTION_ID"]
	if conn == "" || len(conn) > 64 || !identifier(conn) {
		return refuse("Asterisk gave no media connection: it needs chan_websocket, or use media transport rtp")
	}
	session, err := media.DialWebSocket(ctx, mediaURL(s.cfg.URL, conn), s.cfg.TLS, media.Options{Format: f, Log: s.log})
	if err != nil {
		return fmt.Errorf("%w: media leg: %w", pbx.ErrUnavailable, err)
	}
	return session.Close()
}

func (s *Switch) probeRTP(ctx context.Context, id string, f audio.Format) error {
	sock, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", net.JoinHostPort(s.cfg.Media.ListenIP, "0"))
	if err != nil {
		return fmt.Errorf("%w: media.listen_ip: %w", pbx.ErrUnavailable, err)
	}
	defer func() { _ = sock.Close() }()
	_, err = s.ari.ExternalMedia(ctx, ari.ExternalMedia{ChannelID: id, Format: f.String(), Host: sock.LocalAddr().String(),
		Encapsulation: "rtp", Transport: "udp", ConnectionType: "client", TransportData: ""})
	return own(err)
}
