package sipphone

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ringmaster/internal/audio"
)

// maxSDP bounds a session description; real ones stay below 2 kB.
const maxSDP = 16 << 10

var errNoAudio = errors.New("sipphone: the session description offers no audio that a telephone can take: PCMU or PCMA over RTP/AVP")

// session is what a telephone needs to know of a session description.
type session struct {
	remote    netip.AddrPort // where the peer wants its RTP; port 0 = refused
	codecs    []codec        // in the peer's order of preference
	events    uint8          // payload type of telephone-event/8000, 0 = none
	direction string         // sendrecv, sendonly, recvonly, inactive
}

type codec struct {
	payload  uint8
	encoding audio.Encoding
}

func staticCodec(payload uint8) (audio.Encoding, bool) {
	switch payload { // RFC 3551 table 4
	case 0:
		return audio.ULaw, true
	case 8:
		return audio.ALaw, true
	}
	return "", false
}

// parseSDP reads the first audio medium of a session description (RFC 4566).
// Addresses must be numeric: a telephone of the lab resolves no names.
func parseSDP(body []byte) (session, error) {
	if len(body) > maxSDP {
		return session{}, fmt.Errorf("sipphone: session description of %d bytes: more than %d", len(body), maxSDP)
	}
	p := sdpParser{direction: "sendrecv", mapped: map[uint8]string{}}
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		if err := p.line(strings.TrimRight(string(line), "\r")); err != nil {
			return session{}, err
		}
	}
	return p.session()
}

type sdpParser struct {
	address   netip.Addr
	port      uint16
	payloads  []uint8
	mapped    map[uint8]string
	direction string
	media     int // media sections seen
	audio     bool
}

func (p *sdpParser) line(line string) error {
	kind, value, ok := strings.Cut(line, "=")
	if !ok || len(kind) != 1 {
		return nil
	}
	if kind == "m" {
		p.media++
		p.audio = false
		if strings.HasPrefix(value, "audio ") && p.payloads == nil {
			p.audio = true
			return p.medium(value)
		}
		return nil
	}
	if p.media > 0 && !p.audio {
		return nil
	}
	switch kind {
	case "c":
		fields := strings.Fields(value)
		if len(fields) != 3 || fields[0] != "IN" {
			return fmt.Errorf("sipphone: bad connection line in a session description")
		}
		host, _, _ := strings.Cut(fields[2], "/")
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return fmt.Errorf("sipphone: connection address of a session description is not numeric")
		}
		p.address = addr.Unmap()
	case "a":
		p.attribute(value)
	}
	return nil
}

func (p *sdpParser) medium(value string) error {
	fields := strings.Fields(value)
	if len(fields) < 4 || len(fields) > 64 {
		return fmt.Errorf("sipphone: bad media line in a session description")
	}
	port, _, _ := strings.Cut(fields[1], "/")
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("sipphone: bad media port in a session description")
	}
	p.port, p.payloads = uint16(n), []uint8{}
	for _, f := range fields[3:] {
		if pt, err := strconv.ParseUint(f, 10, 7); err == nil {
			p.payloads = append(p.payloads, uint8(pt))
		}
	}
	return nil
}

func (p *sdpParser) attribute(value string) {
	switch value {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		p.direction = value
		return
	}
	rest, ok := strings.CutPrefix(value, "rtpmap:")
	if !ok {
		return
	}
	number, name, ok := strings.Cut(rest, " ")
	if !ok {
		return
	}
	if pt, err := strconv.ParseUint(number, 10, 7); err == nil {
		p.mapped[uint8(pt)] = strings.ToUpper(strings.TrimSpace(name))
	}
}

func (p *sdpParser) session() (session, error) {
	s := session{direction: p.direction}
	if p.payloads == nil {
		return s, errNoAudio
	}
	if !p.address.IsValid() {
		return s, errors.New("sipphone: session description without an address (c=)")
	}
	s.remote = netip.AddrPortFrom(p.address, p.port)
	for _, pt := range p.payloads {
		encoding, ok := staticCodec(pt)
		name, named := p.mapped[pt]
		if named {
			name, _, _ = strings.Cut(strings.TrimSuffix(name, "/1"), "\x00")
			switch name {
			case "PCMU/8000":
				encoding, ok = audio.ULaw, true
			case "PCMA/8000":
				encoding, ok = audio.ALaw, true
			case "TELEPHONE-EVENT/8000":
				if s.events == 0 {
					s.events = pt
				}
				ok = false
			default:
				ok = false
			}
		}
		if ok {
			s.codecs = append(s.codecs, codec{pt, encoding})
		}
	}
	if len(s.codecs) == 0 {
		return s, errNoAudio
	}
	return s, nil
}

// choose picks the first of our codecs that the peer offers too.
func (s session) choose(ours []audio.Encoding) (codec, error) {
	for _, want := range ours {
		if i := slices.IndexFunc(s.codecs, func(c codec) bool { return c.encoding == want }); i >= 0 {
			return s.codecs[i], nil
		}
	}
	return codec{}, errNoAudio
}

// defaultEvents is the payload type that we propose for telephone-event.
const defaultEvents = 101

// writeSDP describes our side. An answer names the one codec that was chosen.
func writeSDP(local netip.AddrPort, version uint64, codecs []codec, events uint8, direction string) []byte {
	family := "IP4"
	if local.Addr().Is6() {
		family = "IP6"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "v=0\r\no=phone %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n",
		version, version, family, local.Addr(), family, local.Addr())
	fmt.Fprintf(&b, "m=audio %d RTP/AVP", local.Port())
	for _, c := range codecs {
		fmt.Fprintf(&b, " %d", c.payload)
	}
	if events != 0 {
		fmt.Fprintf(&b, " %d", events)
	}
	b.WriteString("\r\n")
	for _, c := range codecs {
		name := "PCMU"
		if c.encoding == audio.ALaw {
			name = "PCMA"
		}
		fmt.Fprintf(&b, "a=rtpmap:%d %s/8000\r\n", c.payload, name)
	}
	if events != 0 {
		fmt.Fprintf(&b, "a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-16\r\n", events, events)
	}
	fmt.Fprintf(&b, "a=ptime:20\r\na=%s\r\n", direction)
	return b.Bytes()
}

// answerDirection is our direction for the peer's (RFC 3264, 6.1).
func answerDirection(offered string) string {
	switch offered {
	case "sendonly":
		return "recvonly"
	case "recvonly":
		return "sendonly"
	}
	return offered
}
