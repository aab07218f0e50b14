package freeswitch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/adapter/media"
	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// Ports of the exchange for unicast: it binds the one that we name, and says
// only in its log that it could not.
const (
	unicastFirst = 20000
	unicastPorts = 10000
)

// connectUnicast opens the audio without SIP: FreeSWITCH's park loop sends and
// takes datagrams. It dies with every application that runs on the leg
// (playback, bridge); a second one in the same park does nothing, so the leg
// goes through its park again first.
func (l *leg) connectUnicast(ctx context.Context, m *mediaLeg, f audio.Format) error {
	if f.Rate != 8000 {
		return refuse("unicast carries the leg's own rate, 8 kHz on a telephone line: not %s", f)
	}
	exchange, err := netip.ParseAddr(l.sw.cfg.Media.ExchangeIP)
	if err != nil {
		return refuse("media exchange ip %q is no address", l.sw.cfg.Media.ExchangeIP)
	}
	host, _, err := net.SplitHostPort(l.sw.cfg.Media.Listen)
	if err != nil {
		return refuse("media listen %q is no host:port", l.sw.cfg.Media.Listen)
	}
	u, err := media.ListenUnicast(host, l.mediaOptions(m, audio.FormatSlin))
	if err != nil {
		return refuse("%v", err)
	}
	m.Session = shown{u, f}
	if err := l.again(ctx); err != nil {
		return err
	}
	us, err := netip.ParseAddrPort(u.LocalAddr())
	if err != nil {
		return refuse("%v", err)
	}
	port := unicastFirst + rand.N(unicastPorts) //nolint:gosec // spreads, guards nothing
	fields := []esl.Field{
		{Name: "call-command", Value: "unicast"}, {Name: "local-ip", Value: exchange.String()}, {Name: "local-port", Value: strconv.Itoa(port)},
		{Name: "remote-ip", Value: us.Addr().String()}, {Name: "remote-port", Value: strconv.Itoa(int(us.Port()))}, {Name: "transport", Value: "udp"},
	}
	if err := own(l.sw.esl.SendMsg(ctx, l.id, fields, "")); err != nil {
		return err
	}
	u.Start(netip.AddrPortFrom(exchange, uint16(port))) //nolint:gosec // below 65536
	return l.keepMedia(m)
}

// shown is a session in another format of the same rate: frames are linear
// anyway, and the encoded ones (flags: native) are not heard while the exchange
// sends silence on the leg.
type shown struct {
	media.Session
	as audio.Format
}

// Format implements pbx.Media.
func (s shown) Format() audio.Format { return s.as }

// again takes the leg through a new park, where unicast can begin.
func (l *leg) again(ctx context.Context) error {
	l.mu.Lock()
	fresh := !l.unicast
	l.unicast = true
	l.mu.Unlock()
	if fresh {
		return nil
	}
	if err := l.toPark(ctx); err != nil {
		return err
	}
	if _, err := l.await(ctx, settleWait, func() bool { return l.parked }); err != nil {
		return fmt.Errorf("%w: media leg: %w", pbx.ErrUnknown, err)
	}
	return nil
}
