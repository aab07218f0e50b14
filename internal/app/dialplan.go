package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringmaster/adapter/asterisk"
	"ringmaster/config"
	"ringmaster/dialplan"
	"ringmaster/internal/call"
)

// ErrDialplan is wrapped by errors of RenderDialplan about the configuration.
var ErrDialplan = errors.New("no dialplan can be rendered from this configuration")

// RenderDialplan writes the parts of an exchange's own configuration into dir,
// those of its kind, and returns the kind. name is the exchange's name in the
// configuration; empty means the only one.
func RenderDialplan(c config.Config, name, dir string) (kind string, err error) {
	p, err := onePBX(c, name)
	if err != nil {
		return "", err
	}
	if p.Kind == config.FreeSWITCH {
		d, err := freeSWITCHData(c, p)
		if err != nil {
			return p.Kind, err
		}
		return p.Kind, dialplan.RenderFreeSWITCH(dir, d)
	}
	d, err := asteriskData(c, p)
	if err != nil {
		return p.Kind, err
	}
	return p.Kind, dialplan.Render(dir, d)
}

// DialplanData are the names that a configuration shares with an Asterisk.
func DialplanData(c config.Config, name string) (dialplan.Data, error) {
	p, err := onePBX(c, name)
	if err == nil && p.Kind != config.Asterisk {
		err = fmt.Errorf("%w: %s is no Asterisk", ErrDialplan, p.Name)
	}
	if err != nil {
		return dialplan.Data{}, err
	}
	return asteriskData(c, p)
}

func asteriskData(c config.Config, p config.PBX) (dialplan.Data, error) {
	app := p.App
	if app == "" {
		app = "ringmaster"
	}
	d := dialplan.Data{App: app + "-" + c.Controller.ID, User: p.User, Password: p.Password.Reveal(),
		RTP: p.Media.Transport == asterisk.TransportRTP, AudioSocket: p.Media.Transport == asterisk.TransportAudioSocket}
	if err := bindOf(p.URL, &d); err != nil {
		return dialplan.Data{}, err
	}
	for _, t := range p.Trunks {
		if m := pjsipTrunk.FindStringSubmatch(t.Endpoint); m != nil {
			d.Trunks = append(d.Trunks, m[1]+m[2])
		}
	}
	for _, a := range p.Agents {
		d.Agents = append(d.Agents, a.Endpoint)
	}
	for _, q := range p.Queues {
		d.Queues = append(d.Queues, dialplan.Queue{Name: q.Name, Context: q.Context, Extension: q.Extension})
	}
	d.Fallback, d.MaxSeconds = fallbackOf(c, p), longestInbound(c)
	return d, nil
}

// FreeSWITCHDialplan are the names that a configuration shares with a
// FreeSWITCH.
func FreeSWITCHDialplan(c config.Config, name string) (dialplan.FreeSWITCH, error) {
	p, err := onePBX(c, name)
	if err == nil && p.Kind != config.FreeSWITCH {
		err = fmt.Errorf("%w: %s is no FreeSWITCH", ErrDialplan, p.Name)
	}
	if err != nil {
		return dialplan.FreeSWITCH{}, err
	}
	return freeSWITCHData(c, p)
}

func freeSWITCHData(c config.Config, p config.PBX) (dialplan.FreeSWITCH, error) {
	host, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		return dialplan.FreeSWITCH{}, fmt.Errorf("%w: pbx.address is host:port of the event socket", ErrDialplan)
	}
	d := dialplan.FreeSWITCH{Password: p.Password.Reveal(), Fallback: fallbackOf(c, p), MaxSeconds: longestInbound(c)}
	if d.Port, err = strconv.Atoi(port); err != nil {
		return d, fmt.Errorf("%w: pbx.address has no usable port", ErrDialplan)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if a, err := netip.ParseAddr(host); err == nil {
		d.Bind = a.String()
	}
	ours := []string{hostOf(p.Media.Advertise), hostOf(p.Inbound), hostOf(p.Media.Listen)}
	if d.Socket, err = handOver(p.Inbound, ours[0]); err != nil {
		return d, err
	}
	for _, h := range ours {
		a, err := netip.ParseAddr(h)
		if err != nil || a.IsLoopback() || a.IsUnspecified() {
			continue
		}
		if one := netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()); !slices.Contains(d.Allow, one) {
			d.Allow = append(d.Allow, one)
		}
	}
	for _, t := range p.Trunks {
		if parts := strings.Split(t.Endpoint, "/"); len(parts) > 3 && parts[0] == "sofia" && parts[1] == "gateway" && !slices.Contains(d.Gateways, parts[2]) {
			d.Gateways = append(d.Gateways, parts[2])
		}
	}
	for _, a := range p.Agents {
		d.Agents = append(d.Agents, dialplan.Agent{Name: a.Name, Endpoint: a.Endpoint})
	}
	for _, q := range p.Queues {
		d.Queues = append(d.Queues, dialplan.Queue{Name: q.Name, Context: q.Context, Extension: q.Extension, Callcenter: q.Callcenter})
	}
	return d, nil
}

// hostOf is the host of host:port, or of a bare address.
func hostOf(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return s
}

// handOver is where a dialplan hands calls over: where we listen, by the
// address that the exchange reaches.
func handOver(listen, advertise string) (string, error) {
	if listen == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("%w: pbx.inbound is host:port", ErrDialplan)
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		if advertise == "" {
			return "", fmt.Errorf("%w: pbx.inbound listens everywhere: write media.advertise, the address by which FreeSWITCH reaches us", ErrDialplan)
		}
		host = advertise
	}
	return net.JoinHostPort(host, port), nil
}

// fallbackOf are the keys that lead to queues of an exchange.
func fallbackOf(c config.Config, p config.PBX) dialplan.Fallback {
	f := dialplan.Fallback{Sound: c.Inbound.Fallback.Sound}
	for _, q := range p.Queues {
		for digit, queue := range c.Inbound.Fallback.Keys {
			if queue == q.Name {
				f.Keys = append(f.Keys, dialplan.Key{Digit: digit, Queue: queue})
			}
		}
	}
	if len(c.Inbound.Fallback.Keys) == 0 && len(p.Queues) > 0 {
		f.Keys = []dialplan.Key{{Digit: "0", Queue: p.Queues[0].Name}}
	}
	slices.SortFunc(f.Keys, func(a, b dialplan.Key) int { return strings.Compare(a.Digit, b.Digit) })
	return f
}

// longestInbound is by when the exchange itself ends a call that came in, in
// seconds: the conversation with us, and one with a person.
func longestInbound(c config.Config) int {
	return int((c.Dialling.MaxDuration + call.DefaultLimits().HandedOver + time.Minute).Seconds())
}

// pjsipTrunk finds the endpoint's name in PJSIP/{number}@carrier and in
// PJSIP/carrier/sip:{number}@10.0.0.1.
var pjsipTrunk = regexp.MustCompile(`^(?i:PJSIP)/(?:[^@/]*@([^@/]+)|([^@/{}]+)/.*)$`)

func onePBX(c config.Config, name string) (config.PBX, error) {
	var have []string
	for _, p := range c.PBX {
		if p.Name == name || name == "" && len(c.PBX) == 1 {
			return p, nil
		}
		have = append(have, p.Name)
	}
	return config.PBX{}, fmt.Errorf("%w: name one of the exchanges: %s", ErrDialplan, strings.Join(have, ", "))
}

// bindOf reads pbx.url: where the HTTP server has to listen, if that is an
// address and plain HTTP, and the path before /ari.
func bindOf(raw string, d *dialplan.Data) error {
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("%w: pbx.url is no URL", ErrDialplan)
	}
	before, ok := strings.CutSuffix(strings.TrimSuffix(u.Path, "/"), "/ari")
	if !ok {
		return fmt.Errorf("%w: pbx.url has to end in /ari", ErrDialplan)
	}
	d.Prefix = strings.TrimPrefix(before, "/")
	host := u.Hostname()
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if addr, _ := netip.ParseAddr(host); !addr.IsValid() || u.Scheme != "http" {
		return nil
	}
	d.Bind, d.Port = host, 80
	if p := u.Port(); p != "" {
		if d.Port, err = strconv.Atoi(p); err != nil {
			return fmt.Errorf("%w: pbx.url has no usable port", ErrDialplan)
		}
	}
	return nil
}
