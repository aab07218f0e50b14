package asterisk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/uuid"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/adapter/media"
	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// openRTP makes a media channel that sends to a port of ours.
func (l *leg) openRTP(ctx context.Context, m *mediaLeg, f audio.Format) error {
	s, err := media.ListenRTP(l.sw.cfg.Media.ListenIP, l.options(m, f))
	if err != nil {
		return refuse("%v", err)
	}
	ch, err := l.sw.ari.ExternalMedia(ctx, ari.ExternalMedia{
		ChannelID: m.channel, Format: f.String(), Host: s.LocalAddr(), Encapsulation: "rtp", Transport: "udp", ConnectionType: "client",
	})
	if err != nil {
		_ = s.Close()
		return own(err)
	}
	peer, err := netip.ParseAddrPort(ch.Vars["UNICASTRTP_LOCAL_ADDRESS"] + ":" + ch.Vars["UNICASTRTP_LOCAL_PORT"])
	if err != nil {
		_ = s.Close()
		return refuse("Asterisk gave no RTP address: it needs chan_rtp and res_rtp_multicast")
	}
	s.Start(peer)
	m.Session = s
	return nil
}

// openAudioSocket makes a media channel that connects to a port of ours; see
// media.AudioSocket for why this is not a default.
func (l *leg) openAudioSocket(ctx context.Context, m *mediaLeg, f audio.Format) error {
	id, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("%w: %w", pbx.ErrUnavailable, err)
	}
	s, err := media.ListenAudioSocket(l.sw.cfg.Media.ListenIP, id, l.options(m, f))
	if err != nil {
		return refuse("%v", err)
	}
	// Asterisk connects before it answers the request, and must find silence.
	accepted := make(chan error, 1)
	go func() { accepted <- s.Accept(ctx) }()
	_, err = l.sw.ari.ExternalMedia(ctx, ari.ExternalMedia{
		ChannelID: m.channel, Format: f.String(), Host: s.LocalAddr(), Encapsulation: "audiosocket", Transport: "tcp",
		ConnectionType: "client", Data: id.String(),
	})
	if err != nil {
		_ = s.Close()
		return own(errors.Join(err, <-accepted))
	}
	if err := <-accepted; err != nil {
		return fmt.Errorf("%w: media leg: %w", pbx.ErrUnknown, err)
	}
	m.Session = s
	return nil
}
