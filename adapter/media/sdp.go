package media

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"ringmaster/internal/audio"
)

const (
	maxDescription = 16 << 10 // real ones stay below 2 kB
	maxSections    = 8        // m= lines
	maxPayloads    = 64       // payload types of one
)

// ErrDescription is a session description that offers nothing we can take.
var ErrDescription = errors.New("the session description offers no sound that this media leg carries: plain RTP with PCMU, PCMA or L16 at 8 or 16 kHz")

// description is what a media leg needs to know of the peer's SDP (RFC 4566).
type description struct {
	peer      netip.AddrPort
	sounds    []sound
	keys      []clocked // telephone-event
	direction string    // sendrecv, sendonly, recvonly, inactive
	sections  []*sdp.MediaDescription
	audio     int // which of them is ours
}

type sound struct {
	pt     uint8
	format audio.Format
}

type clocked struct {
	pt   uint8
	rate int
}

// hears says whether the peer wants to hear us.
func (d description) hears() bool {
	return (d.direction == "sendrecv" || d.direction == "recvonly") && d.peer.Port() != 0 && !d.peer.Addr().IsUnspecified()
}

// parseDescription reads an offer or an answer. Addresses must be numeric: no
// name is looked up for a stranger.
func parseDescription(body []byte) (description, error) {
	var d description
	if len(body) > maxDescription {
		return d, fmt.Errorf("%w: %d bytes", ErrDescription, len(body))
	}
	var s sdp.SessionDescription
	if err := s.Unmarshal(body); err != nil {
		return d, fmt.Errorf("%w: not a session description", ErrDescription) // pion's words quote it
	}
	if len(s.MediaDescriptions) > maxSections {
		return d, fmt.Errorf("%w: %d sections", ErrDescription, len(s.MediaDescriptions))
	}
	d.sections = s.MediaDescriptions
	d.audio = slices.IndexFunc(d.sections, func(m *sdp.MediaDescription) bool {
		plain := slices.Equal(m.MediaName.Protos, []string{"RTP", "AVP"}) || slices.Equal(m.MediaName.Protos, []string{"RTP", "AVPF"})
		return m.MediaName.Media == "audio" && plain && m.MediaName.Port.Value > 0 && m.MediaName.Port.Value <= 65535 && len(m.MediaName.Formats) <= maxPayloads
	})
	if d.audio < 0 {
		return d, ErrDescription
	}
	m := d.sections[d.audio]
	at := m.ConnectionInformation
	if at == nil {
		at = s.ConnectionInformation
	}
	if at == nil || at.Address == nil {
		return d, fmt.Errorf("%w: it has no address", ErrDescription)
	}
	addr, err := netip.ParseAddr(at.Address.Address)
	if err != nil {
		return d, fmt.Errorf("%w: its address is not numeric", ErrDescription)
	}
	d.peer = netip.AddrPortFrom(addr.Unmap(), uint16(m.MediaName.Port.Value)) //nolint:gosec // bounded above
	d.direction = direction(m.Attributes, direction(s.Attributes, "sendrecv"))
	d.readPayloads(m)
	if len(d.sounds) == 0 {
		return d, ErrDescription
	}
	return d, nil
}

func direction(attributes []sdp.Attribute, otherwise string) string {
	for _, a := range attributes {
		switch a.Key {
		case "sendrecv", "sendonly", "recvonly", "inactive":
			return a.Key
		}
	}
	return otherwise
}

// readPayloads understands payload types by their names, 0 and 8 also without
// (RFC 3551, table 4).
func (d *description) readPayloads(m *sdp.MediaDescription) {
	names := map[string]string{"0": "PCMU/8000", "8": "PCMA/8000"}
	for _, a := range m.Attributes {
		if pt, name, ok := strings.Cut(a.Value, " "); a.Key == "rtpmap" && ok && len(names) <= maxPayloads {
			names[pt] = strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(name)), "/1")
		}
	}
	for _, text := range m.MediaName.Formats {
		n, err := strconv.ParseUint(text, 10, 7)
		if err != nil {
			continue
		}
		pt := uint8(n)
		switch names[text] {
		case "PCMU/8000":
			d.sounds = append(d.sounds, sound{pt, audio.FormatULaw})
		case "PCMA/8000":
			d.sounds = append(d.sounds, sound{pt, audio.FormatALaw})
		case "L16/8000":
			d.sounds = append(d.sounds, sound{pt, audio.FormatSlin})
		case "L16/16000":
			d.sounds = append(d.sounds, sound{pt, audio.FormatSlin16})
		case "TELEPHONE-EVENT/8000":
			d.keys = append(d.keys, clocked{pt, 8000})
		case "TELEPHONE-EVENT/16000":
			d.keys = append(d.keys, clocked{pt, 16000})
		}
	}
}

// preferred are the ways in which samples of a rate may travel: as asked, or
// else as the peer can.
func preferred(f audio.Format) []audio.Format {
	all := []audio.Format{f}
	for _, other := range []audio.Format{audio.FormatULaw, audio.FormatALaw, audio.FormatSlin, audio.FormatSlin16} {
		if other != f && other.Rate == f.Rate {
			all = append(all, other)
		}
	}
	return all
}

// choose picks how the sound travels, and the keys' payload type that goes
// with it.
func (d description) choose(ways []audio.Format) (sound, clocked, error) {
	for _, want := range ways {
		i := slices.IndexFunc(d.sounds, func(s sound) bool { return s.format == want })
		if i < 0 {
			continue
		}
		k := slices.IndexFunc(d.keys, func(k clocked) bool { return k.rate == want.Rate })
		switch {
		case k >= 0:
			return d.sounds[i], d.keys[k], nil
		case len(d.keys) > 0:
			return d.sounds[i], d.keys[0], nil
		}
		return d.sounds[i], clocked{}, nil
	}
	return sound{}, clocked{}, ErrDescription
}

// own is our side of the session.
type own struct {
	addr    netip.AddrPort
	id      uint64
	version uint64
}

// answer accepts one sound of what was offered and refuses every other
// section (RFC 3264, 6).
func (o own) answer(d description, s sound, k clocked) ([]byte, error) {
	out := o.session()
	for i, m := range d.sections {
		if i != d.audio {
			out.MediaDescriptions = append(out.MediaDescriptions, &sdp.MediaDescription{MediaName: sdp.MediaName{
				Media: m.MediaName.Media, Protos: m.MediaName.Protos, Formats: m.MediaName.Formats[:min(1, len(m.MediaName.Formats))],
			}})
			continue
		}
		answered := map[string]string{"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}[d.direction]
		if answered == "" {
			answered = "sendrecv"
		}
		mine := o.section([]sound{s}, k, answered)
		mine.MediaName.Protos = m.MediaName.Protos
		out.MediaDescriptions = append(out.MediaDescriptions, mine)
	}
	return out.Marshal()
}

// offer is what we propose when the peer leaves it to us.
func (o own) offer(ways []audio.Format) ([]byte, error) {
	var sounds []sound
	for _, f := range ways {
		pt := map[audio.Format]uint8{audio.FormatULaw: 0, audio.FormatALaw: 8, audio.FormatSlin: 96, audio.FormatSlin16: 97}[f]
		sounds = append(sounds, sound{pt, f})
	}
	out := o.session()
	out.MediaDescriptions = append(out.MediaDescriptions, o.section(sounds, clocked{101, ways[0].Rate}, "sendrecv"))
	return out.Marshal()
}

func (o own) session() *sdp.SessionDescription {
	kind := "IP4"
	if o.addr.Addr().Is6() {
		kind = "IP6"
	}
	return &sdp.SessionDescription{
		Origin:                sdp.Origin{Username: "-", SessionID: o.id, SessionVersion: o.version, NetworkType: "IN", AddressType: kind, UnicastAddress: o.addr.Addr().String()},
		SessionName:           "-",
		ConnectionInformation: &sdp.ConnectionInformation{NetworkType: "IN", AddressType: kind, Address: &sdp.Address{Address: o.addr.Addr().String()}},
		TimeDescriptions:      []sdp.TimeDescription{{}},
	}
}

func (o own) section(sounds []sound, k clocked, direction string) *sdp.MediaDescription {
	m := &sdp.MediaDescription{MediaName: sdp.MediaName{Media: "audio", Port: sdp.RangedPort{Value: int(o.addr.Port())}, Protos: []string{"RTP", "AVP"}}}
	add := func(pt uint8, name string) {
		m.MediaName.Formats = append(m.MediaName.Formats, strconv.Itoa(int(pt)))
		m.Attributes = append(m.Attributes, sdp.NewAttribute("rtpmap", fmt.Sprintf("%d %s", pt, name)))
	}
	for _, s := range sounds {
		name := map[audio.Encoding]string{audio.ULaw: "PCMU", audio.ALaw: "PCMA", audio.Linear: "L16"}[s.format.Encoding]
		add(s.pt, fmt.Sprintf("%s/%d", name, s.format.Rate))
	}
	if k.rate != 0 {
		add(k.pt, fmt.Sprintf("telephone-event/%d", k.rate))
		m.Attributes = append(m.Attributes, sdp.NewAttribute("fmtp", fmt.Sprintf("%d 0-15", k.pt)))
	}
	m.Attributes = append(m.Attributes, sdp.NewAttribute("ptime", "20"), sdp.NewPropertyAttribute(direction))
	return m
}
