package asterisk

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"ringmaster/internal/phone"
)

// ErrConfig is a Config that cannot work.
var ErrConfig = errors.New("bad asterisk configuration")

// Config of a Switch. URL, User and Password are required.
type Config struct {
	// URL is the base of ARI, such as http://127.0.0.1:8088/ari.
	URL string
	// User and Password of ari.conf; the user must not be read-only.
	User, Password string
	// AppPrefix and ControllerID make the Stasis application's name,
	// "<prefix>-<controller id>", or the prefix alone when ControllerID is
	// empty. Two processes with one name are a split brain: the older one stops.
	AppPrefix    string // "ringmaster" if empty
	ControllerID string
	// Trunks and Agents are all that can be dialled, by name.
	Trunks map[string]Trunk
	Agents map[string]Agent
	// Queues are the exchange's queues that a leg can be handed over to.
	Queues map[string]Queue
	// Region (ISO 3166-1) reads the caller's number of inbound calls; "CN" if empty.
	Region string
	// Media chooses and tunes the media leg.
	Media MediaConfig

	RequestTimeout time.Duration // of one ARI request; 5 s if zero
	PingPeriod     time.Duration // of the event socket; 5 s if zero
	MaxConnections int           // HTTP pool, below sessionlimit of http.conf; 32 if zero
	BackoffMin     time.Duration // between connection attempts; 100 ms if zero
	BackoffMax     time.Duration // 10 s if zero
	// Deadline is how long after the time by which something must have come a
	// leg is looked up on the exchange; 5 s if zero. LookUp is how often an
	// answered leg is looked up; 60 s if zero.
	Deadline, LookUp time.Duration
	TLS              *tls.Config  // for https; nil takes the system's roots
	Log              *slog.Logger // nil discards
}

// Trunk says how a number is dialled.
type Trunk struct {
	// Endpoint is the dial string with one {number}: PJSIP/{number}@carrier, or
	// PJSIP/carrier/sip:{number}@10.0.0.1. Local/ is refused, because it
	// reaches any dialplan context.
	Endpoint string
	// StripPlus dials +86138... as 86138...; Prefix is put in front of it.
	StripPlus bool
	Prefix    string
	// Lab permits numbers made by phone.Lab (extensions).
	Lab bool
}

// Agent is a person's telephone.
type Agent struct {
	Endpoint string // dial string such as PJSIP/agent1
}

// Queue is a queue behind the dialplan: Context,Extension runs Queue() and
// comes back by Stasis(<application>,queue-left,<queue>,${QUEUESTATUS}).
type Queue struct {
	Context   string
	Extension string // the queue's name if empty
}

// MediaConfig tunes the media leg.
type MediaConfig struct {
	// Transport is "websocket" (default: chan_websocket, Asterisk 22.8 and
	// later), "rtp" (externalMedia over RTP: no slin16, own pacing) or
	// "audiosocket".
	Transport string
	// UnsafeAudioSocket permits the transport audiosocket, on which a stalled
	// controller can hang the whole exchange (measured on 22.10.1: every later
	// channel waits for a lock that the silent leg's reader holds).
	UnsafeAudioSocket bool
	// ListenIP is our address as Asterisk reaches it, for rtp and audiosocket;
	// 127.0.0.1 if empty.
	ListenIP string
	// ConnectTimeout bounds the set-up of a media leg; 5 s if zero.
	ConnectTimeout time.Duration
}

// Media transports.
const (
	TransportWebSocket   = "websocket"
	TransportRTP         = "rtp"
	TransportAudioSocket = "audiosocket"
)

func (c Config) withDefaults() (Config, error) {
	setString(&c.AppPrefix, "ringmaster")
	setString(&c.Region, "CN")
	setString(&c.Media.Transport, TransportWebSocket)
	setString(&c.Media.ListenIP, "127.0.0.1")
	setDuration(&c.Media.ConnectTimeout, 5*time.Second)
	setDuration(&c.Deadline, 5*time.Second)
	setDuration(&c.LookUp, time.Minute)
	setDuration(&c.RequestTimeout, 5*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, c.check()
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

// app is the Stasis application's name.
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
	for name, t := range c.Trunks {
		if strings.Count(t.Endpoint, "{number}") != 1 {
			bad("trunk %q: endpoint needs {number} exactly once, such as PJSIP/{number}@carrier", name)
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
		if q.Context == "" || !identifier(q.Context) || (q.Extension == "" && !identifier(name)) || !identifier(q.Extension) {
			bad("queue %q: context and extension are [A-Za-z0-9._-]", name)
		}
	}
	switch c.Media.Transport {
	case TransportWebSocket, TransportRTP:
	case TransportAudioSocket:
		if !c.Media.UnsafeAudioSocket {
			bad("media transport audiosocket can hang the whole exchange when this process stalls: " +
				"use websocket, or set UnsafeAudioSocket to accept it")
		}
	default:
		bad("media transport %q: use websocket, rtp or audiosocket", c.Media.Transport)
	}
	if net.ParseIP(c.Media.ListenIP) == nil {
		bad("media listen ip %q is no address", c.Media.ListenIP)
	}
	return errors.Join(errs...)
}

// checkDialString refuses what is more than one endpoint of a technology.
func checkDialString(s string) error {
	tech, rest, ok := strings.Cut(s, "/")
	if !ok || rest == "" || len(s) > 200 {
		return errors.New("an endpoint is <technology>/<resource>, at most 200 bytes")
	}
	switch strings.ToUpper(tech) {
	case "PJSIP", "IAX2", "DAHDI", "CHAN_MOBILE", "MOTIF":
	default:
		return fmt.Errorf("technology %q is not one to dial with: use PJSIP (Local would reach any dialplan context)", tech)
	}
	for _, c := range s {
		if c <= ' ' || c > '~' || strings.ContainsRune("&,|\"'`$(){}<>\\;", c) {
			return fmt.Errorf("an endpoint cannot contain %q", c)
		}
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
