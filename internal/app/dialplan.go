package app

import (
	"errors"
	"fmt"
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

// RenderDialplan writes the parts of an exchange's own configuration into dir.
// name is the exchange's name in the configuration; empty means the only one.
func RenderDialplan(c config.Config, name, dir string) error {
	d, err := DialplanData(c, name)
	if err != nil {
		return err
	}
	return dialplan.Render(dir, d)
}

// DialplanData are the names that a configuration shares with its exchange.
func DialplanData(c config.Config, name string) (dialplan.Data, error) {
	p, err := onePBX(c, name)
	if err != nil {
		return dialplan.Data{}, err
	}
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
		if p.Kind == "asterisk" && (p.Name == name || name == "" && len(c.PBX) == 1) {
			return p, nil
		}
		have = append(have, p.Name)
	}
	return config.PBX{}, fmt.Errorf("%w: name one of the exchanges of kind asterisk: %s", ErrDialplan, strings.Join(have, ", "))
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
