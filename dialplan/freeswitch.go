package dialplan

import (
	"bytes"
	"embed"
	"encoding/xml"
	"errors"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed freeswitch/*.xml
var freeswitch embed.FS

// FreeSWITCH is what the files of a FreeSWITCH are rendered with.
type FreeSWITCH struct {
	// Bind and Port are where the event socket listens; Bind is an IP address, or
	// empty when the user has to say it himself.
	Bind string
	Port int
	// Password of the event socket: printable ASCII without space " $ & ' < > \ `
	// { and }.
	Password string
	// Allow are the addresses that Ringmaster connects from; loopback may always.
	Allow []netip.Prefix
	// Socket is host:port at which Ringmaster takes the calls that come in; empty =
	// it takes none.
	Socket string
	// Gateways are the names of sofia gateways that calls go out over.
	Gateways []string
	// Agents are people, each in every queue.
	Agents []Agent
	Queues []Queue
	// Fallback is what callers hear while Ringmaster is away.
	Fallback Fallback
	// MaxSeconds ends every call that came in, whoever has died; 60 to 86400.
	MaxSeconds int
}

// Agent is a person's telephone: a dial string such as user/1001 or
// sofia/internal/1001@10.0.0.7.
type Agent struct{ Name, Endpoint string }

// FallbackKeys are the keys of the fallback with the queues that they lead to.
func (c FreeSWITCH) FallbackKeys() []FallbackKey { return c.Fallback.keys(c.Queues) }

// Contexts are the contexts of the queues, in the order of their first queue.
func (c FreeSWITCH) Contexts() []Context { return contexts(c.Queues) }

var (
	xmlPassword = regexp.MustCompile(`^[!#%(-;=?-\[\]^_a-z|~]{1,128}$`)
	xmlDial     = regexp.MustCompile(`^(sofia|user)/[A-Za-z0-9+._@:/-]{1,180}$`)
	ccName      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}@[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	hostName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
)

// socket reports host:port of a host that is an IP address or a name.
func socket(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Is4() // the socket application takes host:port apart at the last colon, and knows no brackets
	}
	return hostName.MatchString(host)
}

// check reports everything that cannot be written, without repeating the
// password.
func (c FreeSWITCH) check() error {
	var k checker
	need := k.need
	need(xmlPassword.MatchString(c.Password), "the event socket's password: 1 to 128 printable ASCII without space \" $ & ' < > \\ ` { and } (openssl rand -hex 24 makes one)")
	if c.Bind != "" {
		a, err := netip.ParseAddr(c.Bind)
		need(err == nil && a.Zone() == "", "the address %q of the event socket", c.Bind)
	}
	need(c.Port > 0 && c.Port <= 65535, "port %d of the event socket", c.Port)
	for _, p := range c.Allow {
		need(p.IsValid(), "an address that may connect")
	}
	need(c.Socket == "" || socket(c.Socket), "where calls are handed over, %q: host:port, of IPv4 or a name", c.Socket)
	for _, g := range c.Gateways {
		need(word.MatchString(g) && !strings.Contains(g, "--"), "the gateway %q: 1 to 64 of [A-Za-z0-9._-], without two dashes in a row", g)
	}
	for _, a := range c.Agents {
		need(word.MatchString(a.Name), "the agent's name %q: 1 to 64 of [A-Za-z0-9._-]", a.Name)
		need(xmlDial.MatchString(a.Endpoint) && !strings.Contains(a.Endpoint, ":_:"), "the agent's endpoint %q: such as user/1001 or sofia/internal/1001@10.0.0.7", a.Endpoint)
	}
	k.limits(c.MaxSeconds, c.Fallback, c.Queues)
	seen := map[string]bool{}
	for _, q := range c.Queues {
		need(word.MatchString(q.Name) && !seen[q.Name], "queue %q: 1 to 64 of [A-Za-z0-9._-], once", q.Name)
		need(ccName.MatchString(q.Callcenter), "callcenter queue %q of queue %q: name@domain of [A-Za-z0-9._-]", q.Callcenter, q.Name)
		need(word.MatchString(q.Context) && !reserved(q.Context), "context %q of queue %q: 1 to 64 of [A-Za-z0-9._-], and none of ours (ringmaster-...)", q.Context, q.Name)
		need(word.MatchString(q.Extension), "extension %q of queue %q: 1 to 64 of [A-Za-z0-9._-]", q.Extension, q.Name)
		at := q.Context + " " + q.Extension
		need(!seen[at], "two queues at extension %q of context %q", q.Extension, q.Context)
		seen[q.Name], seen[at] = true, true
	}
	return errors.Join(k.errs...)
}

// Handover is the context of queues that name none.
const Handover = "ringmaster-handover"

// FreeSWITCHFiles are the rendered files by name (dialplan.xml, ...). Errors
// wrap ErrData.
func FreeSWITCHFiles(c FreeSWITCH) (map[string][]byte, error) {
	c.Queues = slices.Clone(c.Queues)
	for i, q := range c.Queues {
		q.Context = orElse(q.Context, Handover)
		q.Extension = orElse(q.Extension, q.Name)
		q.Callcenter = orElse(q.Callcenter, q.Name+"@default")
		c.Queues[i] = q
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return fill(freeswitch, "freeswitch/*.xml", c)
}

// RenderFreeSWITCH writes the files into dir as Render does.
func RenderFreeSWITCH(dir string, c FreeSWITCH) error {
	files, err := FreeSWITCHFiles(c)
	if err != nil {
		return err
	}
	return write(dir, files)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// escaped is s as an XML attribute's text. What is checked needs it not: it is
// the second lock.
func escaped(s any) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(text(s)))
	return b.String(), err
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case netip.Prefix:
		return v.String()
	}
	return ""
}
