package config

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"ringmaster/internal/audio"
)

// Kinds of exchanges.
const (
	Asterisk   = "asterisk"
	FreeSWITCH = "freeswitch"
)

// PBX is an exchange and what can be reached through it.
type PBX struct {
	Name string `yaml:"name"`
	Kind string `yaml:"kind"` // asterisk, freeswitch
	// URL is the base of ARI (Asterisk).
	URL string `yaml:"url"`
	// Address is host:port of the event socket (FreeSWITCH).
	Address  string `yaml:"address"`
	User     string `yaml:"user"` // of ari.conf; for FreeSWITCH user@domain of its directory, or empty
	Password Secret `yaml:"password"`
	App      string `yaml:"app"`
	Media    Media  `yaml:"media"`
	// Inbound is host:port where a FreeSWITCH dialplan hands calls over to us
	// (application socket); empty takes none.
	Inbound string `yaml:"inbound"`
	// Sounds and Recordings are folders on a FreeSWITCH; empty = its own.
	Sounds     string  `yaml:"sounds"`
	Recordings string  `yaml:"recordings"`
	Lines      int     `yaml:"lines"` // calls at once over all its trunks; 0 = what they have
	CPS        float64 `yaml:"cps"`   // set-ups per second over all its trunks; 0 = what they may
	Trunks     []Trunk `yaml:"trunks"`
	Agents     []Agent `yaml:"agents"`
	Queues     []Queue `yaml:"queues"`
}

// Media is how audio reaches us.
type Media struct {
	Transport         string `yaml:"transport"` // Asterisk: websocket, rtp; FreeSWITCH: sip
	Format            string `yaml:"format"`
	ListenIP          string `yaml:"listen_ip"` // rtp: our address as Asterisk reaches it
	UnsafeAudioSocket bool   `yaml:"unsafe_audiosocket"`

	// Of sip: FreeSWITCH calls us.
	Listen    string   `yaml:"listen"`    // our SIP address, IP:port
	Advertise string   `yaml:"advertise"` // IP or IP:port under which the exchange reaches us; empty = listen
	Profile   string   `yaml:"profile"`   // the sofia profile that calls us
	Allow     []string `yaml:"allow"`     // addresses and networks of the exchange; empty = loopback and the address
	RTPPorts  string   `yaml:"rtp_ports"` // "20000-29999"; empty = any
}

// Ports are the bounds of RTPPorts; 0 and 0 when it is empty.
func (m Media) Ports() (low, high uint16, err error) {
	if m.RTPPorts == "" {
		return 0, 0, nil
	}
	if n, err := fmt.Sscanf(m.RTPPorts, "%d-%d", &low, &high); err != nil || n != 2 || low < 1024 || high <= low || fmt.Sprintf("%d-%d", low, high) != m.RTPPorts {
		return 0, 0, fmt.Errorf("%q is no range of ports, such as 20000-29999", m.RTPPorts)
	}
	return low, high, nil
}

// Prefixes are the networks of Allow.
func (m Media) Prefixes() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range m.Allow {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p.Masked())
			continue
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an IP address nor a network, such as 10.0.0.7 or 10.0.0.0/24", s)
		}
		out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
	}
	return out, nil
}

// Trunk is a way out.
type Trunk struct {
	Name      string  `yaml:"name"`
	Endpoint  string  `yaml:"endpoint"`
	StripPlus bool    `yaml:"strip_plus"`
	Prefix    string  `yaml:"prefix"`
	Lab       bool    `yaml:"lab"`
	Lines     int     `yaml:"lines"`     // calls at once
	CPS       float64 `yaml:"cps"`       // set-ups per second
	Weight    float64 `yaml:"weight"`    // its share of the calls beside other trunks; 0 = its lines
	CallerID  string  `yaml:"caller_id"` // E.164, or a registered short number
	// The carrier shows the caller ID on calls: needed for short numbers that
	// belong to messages (106...); a call-centre number needs its licence.
	CallerIDVoice   bool   `yaml:"caller_id_voice"`
	CallerIDLicence string `yaml:"caller_id_licence"`
}

// Agent is a person who takes transfers.
type Agent struct {
	Name     string `yaml:"name"`
	Endpoint string `yaml:"endpoint"`
}

// Queue is a queue of the exchange: an extension of its dialplan, or a queue of
// FreeSWITCH's mod_callcenter.
type Queue struct {
	Name       string `yaml:"name"`
	Context    string `yaml:"context"`
	Extension  string `yaml:"extension"`
	Callcenter string `yaml:"callcenter"` // queue@domain
}

func (p PBX) check(k *checker, at string, names map[string]bool) {
	k.must(name.MatchString(p.Name), at+".name", "1 to 32 letters, digits, dot, dash, underscore")
	k.must(!names[p.Name], at+".name", "stands twice")
	names[p.Name] = true
	example, agent := "PJSIP/{number}@carrier", "PJSIP/agent1"
	switch p.Kind {
	case Asterisk:
		p.checkAsterisk(k, at)
	case FreeSWITCH:
		p.checkFreeSWITCH(k, at)
		example, agent = "sofia/gateway/carrier/{number}", "user/1001"
	default:
		k.bad(at+".kind", "asterisk or freeswitch")
	}
	if _, err := audio.ParseFormat(p.Media.Format); err != nil && p.Media.Format != "" {
		k.bad(at+".media.format", "%v", err)
	}
	k.must(p.Lines >= 0 && p.Lines <= 100000, at+".lines", "0 (what its trunks have) to 100000")
	k.must(p.CPS >= 0 && p.CPS <= 10000, at+".cps", "0 (what its trunks may) to 10000")
	k.must(len(p.Trunks) > 0, at+".trunks", "at least one trunk")
	seen := map[string]bool{}
	for i, t := range p.Trunks {
		t.check(k, fmt.Sprintf("%s.trunks[%d]", at, i), example, seen)
	}
	for i, a := range p.Agents {
		k.must(name.MatchString(a.Name) && a.Endpoint != "", fmt.Sprintf("%s.agents[%d]", at, i), "name and endpoint, such as "+agent)
	}
	for i, q := range p.Queues {
		at := fmt.Sprintf("%s.queues[%d]", at, i)
		if p.Kind == FreeSWITCH {
			k.must(name.MatchString(q.Name) && (q.Context == "") != (q.Callcenter == ""), at, "name, and either context (with extension) or callcenter, such as support@default")
			continue
		}
		k.must(name.MatchString(q.Name) && q.Context != "" && q.Callcenter == "", at, "name and context")
	}
}

func (t Trunk) check(k *checker, at, example string, seen map[string]bool) {
	k.must(name.MatchString(t.Name), at+".name", "1 to 32 letters, digits, dot, dash, underscore")
	k.must(!seen[t.Name], at+".name", "stands twice")
	seen[t.Name] = true
	k.must(strings.Contains(t.Endpoint, "{number}"), at+".endpoint", "a dial string with {number}, such as "+example)
	k.must(t.Lines > 0 && t.Lines <= 10000, at+".lines", "1 to 10000: how many calls the carrier sold you")
	k.must(t.CPS >= 0 && t.CPS <= 1000, at+".cps", "0 (no limit of its own) to 1000")
	k.must(t.Weight >= 0 && t.Weight <= 1000, at+".weight", "0 (its lines) to 1000")
	if _, err := ParseCallerID(t.CallerID); err != nil && t.CallerID != "" {
		k.bad(at+".caller_id", "%v", err)
	}
}

func (p PBX) checkAsterisk(k *checker, at string) {
	k.must(strings.HasPrefix(p.URL, "http://") || strings.HasPrefix(p.URL, "https://"), at+".url", "the base of ARI, such as http://127.0.0.1:8088/ari")
	k.must(p.User != "", at+".user", "the user of ari.conf")
	k.must(!p.Password.IsZero(), at+".password", "the password of ari.conf, best as env:NAME or file:/path")
	const other = "belongs to kind freeswitch"
	k.must(p.Address == "", at+".address", other)
	k.must(p.Inbound == "", at+".inbound", other)
	k.must(p.Sounds == "", at+".sounds", other)
	k.must(p.Recordings == "", at+".recordings", other)
	m := p.Media
	k.must(m.Listen == "" && m.Advertise == "" && m.Profile == "" && len(m.Allow) == 0 && m.RTPPorts == "", at+".media", "listen, advertise, profile, allow and rtp_ports belong to kind freeswitch")
}

func (p PBX) checkFreeSWITCH(k *checker, at string) {
	k.must(hostPort(p.Address), at+".address", "host:port of the event socket, such as 127.0.0.1:8021")
	k.must(!p.Password.IsZero(), at+".password", "the password of event_socket.conf.xml, best as env:NAME or file:/path")
	k.must(p.User == "" || strings.Count(p.User, "@") == 1, at+".user", "user@domain of the directory, or empty for the password of event_socket.conf.xml")
	k.must(p.Inbound == "" || hostPort(p.Inbound), at+".inbound", "host:port, such as 127.0.0.1:8084")
	folder := func(dir string) bool { return dir == "" || strings.HasPrefix(dir, "/") && !strings.Contains(dir, "..") }
	k.must(folder(p.Sounds), at+".sounds", "an absolute path on the exchange")
	k.must(folder(p.Recordings), at+".recordings", "an absolute path on the exchange")
	k.must(p.Media.Transport == "" || p.Media.Transport == "sip", at+".media.transport", "sip")
	k.must(p.Media.Listen == "" || hostPort(p.Media.Listen), at+".media.listen", "our SIP address, such as 10.0.0.5:5070")
	if _, err := p.Media.Prefixes(); err != nil {
		k.bad(at+".media.allow", "%v", err)
	}
	if _, _, err := p.Media.Ports(); err != nil {
		k.bad(at+".media.rtp_ports", "%v", err)
	}
	const other = "belongs to kind asterisk"
	k.must(p.URL == "", at+".url", other)
	k.must(p.Media.ListenIP == "", at+".media.listen_ip", other)
	k.must(!p.Media.UnsafeAudioSocket, at+".media.unsafe_audiosocket", other)
}

func hostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && host != "" && port != ""
}
