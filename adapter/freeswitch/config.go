package freeswitch

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"strings"
	"time"

	"ringmaster/adapter/media"
	"ringmaster/internal/phone"
)

// ErrConfig is a Config that cannot work.
var ErrConfig = errors.New("bad freeswitch configuration")

// Config of a Switch. Addr and Password are required.
type Config struct {
	// Addr is host:port of mod_event_socket, such as 127.0.0.1:8021.
	Addr string
	// User logs in as "user@domain" of the directory; empty uses the password of
	// event_socket.conf.xml.
	User, Password string
	// AppPrefix and ControllerID mark our channels (presence_data), as
	// "<prefix>-<controller id>", or the prefix alone.
	AppPrefix    string // "ringmaster" if empty
	ControllerID string
	// Trunks and Agents are all that can be dialled, by name.
	Trunks map[string]Trunk
	Agents map[string]Agent
	// Queues are the exchange's queues that a leg can be handed over to.
	Queues map[string]Queue
	// Region (ISO 3166-1) reads the caller's number of inbound calls; "CN" if empty.
	Region string
	// Sounds is the folder of prompts on the exchange; empty is its own sounds
	// folder. A prompt is <Sounds>/<path>.wav.
	Sounds string
	// Recordings is the folder of recordings on the exchange; empty is its own
	// recordings_dir.
	Recordings string
	// Tones are tone_stream arguments by the name of a tone:<name>, beside the
	// Chinese ring, busy, congestion and dial tones (GB/T 3380: 450 Hz).
	Tones map[string]string
	// Media chooses and tunes the media leg.
	Media MediaConfig
	// Inbound is host:port where the dialplan's socket application hands calls
	// over to us; empty takes none.
	Inbound string

	RequestTimeout time.Duration // of one command; 5 s if zero
	PingPeriod     time.Duration // of either connection; 5 s if zero
	BackoffMin     time.Duration // between connection attempts; 100 ms if zero
	BackoffMax     time.Duration // 10 s if zero
	// Deadline is how long after the time by which something must have come a
	// leg is looked up on the exchange; 5 s if zero. LookUp is how often an
	// answered leg is looked up; 60 s if zero.
	Deadline, LookUp time.Duration
	Log              *slog.Logger // nil discards
}

// Trunk says how a number is dialled.
type Trunk struct {
	// Endpoint is the dial string with one {number}: sofia/gateway/carrier/{number},
	// or sofia/external/{number}@10.0.0.1.
	Endpoint string
	// StripPlus dials +86138... as 86138...; Prefix is put in front of it.
	StripPlus bool
	Prefix    string
	// Lab permits numbers made by phone.Lab (extensions).
	Lab bool
}

// Agent is a person's telephone.
type Agent struct {
	Endpoint string // dial string such as user/1001 or sofia/internal/1001@10.0.0.7
}

// Queue is a queue of mod_callcenter, or an extension of the dialplan that runs
// something of the kind and ends with park.
type Queue struct {
	Callcenter string // queue@domain, such as support@default; or
	Context    string // a dialplan context and
	Extension  string // its extension, the queue's name if empty
}

// MediaConfig tunes the media leg.
type MediaConfig struct {
	// Transport is "sip" (default: FreeSWITCH calls our SIP/RTP endpoint), or
	// "unicast" (bare datagrams out of the park loop: 8 kHz only, and the sound
	// ends with every prompt that the exchange plays).
	Transport string
	// ExchangeIP is the exchange's own address for unicast; that of Addr if
	// empty.
	ExchangeIP string
	// Profile is the sofia profile that calls us; "internal" if empty.
	Profile string
	// Listen is our SIP address, such as 10.0.0.5:5070; "127.0.0.1:0" if empty.
	Listen string
	// Advertise is the IP or IP:port under which the exchange reaches us.
	Advertise string
	// Allow are the exchange's own addresses; loopback and the host of Addr if
	// that is an IP, when empty.
	Allow []netip.Prefix
	// PortMin and PortMax bound our RTP ports; 0 leaves them to the system.
	PortMin, PortMax uint16
	// Endpoint is an endpoint that several Switches share; the settings above
	// are not looked at then, and whoever opened it closes it.
	Endpoint *media.Endpoint
	// ConnectTimeout bounds the set-up of a media leg; 5 s if zero.
	ConnectTimeout time.Duration
}

// Media transports.
const (
	TransportSIP     = "sip"
	TransportUnicast = "unicast"
)

func (c Config) withDefaults() (Config, error) {
	setString(&c.AppPrefix, "ringmaster")
	setString(&c.Region, "CN")
	setString(&c.Media.Transport, TransportSIP)
	setString(&c.Media.Profile, "internal")
	setString(&c.Media.Listen, "127.0.0.1:0")
	setDuration(&c.Media.ConnectTimeout, 5*time.Second)
	setDuration(&c.Deadline, 5*time.Second)
	setDuration(&c.LookUp, time.Minute)
	setDuration(&c.RequestTimeout, 5*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(c.Media.Allow) == 0 {
		c.Media.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
		if host, _, err := net.SplitHostPort(c.Addr); err == nil {
			if ip, err := netip.ParseAddr(host); err == nil {
				c.Media.Allow = append(c.Media.Allow, netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()))
			}
		}
	}
	if host, _, err := net.SplitHostPort(c.Addr); err == nil {
		setString(&c.Media.ExchangeIP, host)
	}
	c.Tones = withTones(c.Tones)
	return c, c.check()
}

// withTones adds the tones of China (GB/T 3380, 450 Hz).
func withTones(own map[string]string) map[string]string {
	all := map[string]string{
		"ring": "%(1000,4000,450);loops=-1", "busy": "%(350,350,450);loops=-1", "congestion": "%(700,700,450);loops=-1", "dial": "%(1000,0,450);loops=-1",
	}
	maps.Copy(all, own)
	return all
}

func setString(s *string, to string) {
	if *s == "" {
		*s = to
	}
}

func setDuration(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

// app is what our channels are marked with.
func (c Config) app() string {
	if c.ControllerID == "" {
		return c.AppPrefix
	}
	return c.AppPrefix + "-" + c.ControllerID
}

func (c Config) check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
	}
	if !identifier(c.AppPrefix) || !identifier(c.ControllerID) {
		bad("the application's prefix and the controller's ID are [A-Za-z0-9._-]")
	}
	for name, t := range c.Trunks {
		if strings.Count(t.Endpoint, "{number}") != 1 {
			bad("trunk %q: endpoint needs {number} exactly once, such as sofia/gateway/carrier/{number}", name)
		}
		if err := checkDialString(strings.Replace(t.Endpoint, "{number}", "0", 1)); err != nil {
			bad("trunk %q: %v", name, err)
		}
		if strings.Trim(t.Prefix, "+0123456789*#") != "" {
			bad("trunk %q: prefix is digits, +, * and #", name)
		}
	}
	for name, a := range c.Agents {
		if err := checkDialString(a.Endpoint); err != nil {
			bad("agent %q: %v", name, err)
		}
	}
	for name, q := range c.Queues {
		if err := q.check(name); err != nil {
			bad("queue %q: %v", name, err)
		}
	}
	for name, tone := range c.Tones {
		if !identifier(name) || tone == "" || strings.Trim(strings.Replace(tone, ";loops=", "", 1), "v=-%();,.+0123456789") != "" {
			bad("tone %q: a tone_stream such as %%(1000,4000,450);loops=-1", name)
		}
	}
	for _, dir := range []string{c.Sounds, c.Recordings} {
		if dir != "" && (!strings.HasPrefix(dir, "/") || !pathLike(dir)) {
			bad("folders on the exchange are absolute paths of [A-Za-z0-9._/-]")
		}
	}
	if c.Media.Transport != TransportSIP && c.Media.Transport != TransportUnicast {
		bad("media transport %q: use sip or unicast", c.Media.Transport)
	}
	if _, err := netip.ParseAddr(c.Media.ExchangeIP); err != nil && c.Media.Transport == TransportUnicast {
		bad("media exchange ip %q: unicast needs the exchange's own IP address", c.Media.ExchangeIP)
	}
	if !identifier(c.Media.Profile) {
		bad("media profile %q is no name of a sofia profile", c.Media.Profile)
	}
	return errors.Join(errs...)
}

func (q Queue) check(name string) error {
	switch {
	case q.Callcenter != "" && q.Context != "":
		return errors.New("either a callcenter queue or a context")
	case q.Callcenter != "":
		n, domain, _ := strings.Cut(q.Callcenter, "@")
		if n == "" || !identifier(n) || !identifier(domain) {
			return errors.New("a callcenter queue is name@domain of [A-Za-z0-9._-]")
		}
	case q.Context == "" || !identifier(q.Context) || (q.Extension == "" && !identifier(name)) || !identifier(q.Extension):
		return errors.New("context and extension are [A-Za-z0-9._-]")
	}
	return nil
}

// identifier reports whether s is only [A-Za-z0-9._-]; empty is.
func identifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// pathLike reports whether s is a path of [A-Za-z0-9._/-] that does not climb.
func pathLike(s string) bool {
	return s != "" && len(s) <= 300 && !strings.Contains(s, "..") && !strings.Contains(s, "//") && identifier(strings.ReplaceAll(s, "/", ""))
}

// dialString is the endpoint for a number over the trunk.
func (t Trunk) dialString(n phone.Number) (string, error) {
	if n.IsZero() || (n.IsLab() && !t.Lab) {
		return "", errors.New("the trunk cannot dial that kind of number")
	}
	d := n.Dial()
	if !n.IsLab() {
		if t.StripPlus {
			d = strings.TrimPrefix(d, "+")
		}
		d = t.Prefix + d
	}
	if strings.Trim(d, "+0123456789*#") != "" && (!n.IsLab() || !identifier(d)) {
		return "", errors.New("the number has characters that cannot be dialled")
	}
	return strings.Replace(t.Endpoint, "{number}", d, 1), nil
}
