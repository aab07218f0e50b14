package sipphone

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Header is one header field of an INVITE, as it stood on the wire.
type Header struct{ Name, Value string }

// Invite is what a telephone is told about a call: everything that it could
// show on its display.
type Invite struct {
	At          time.Time // when the first byte reached the machine
	Source      netip.AddrPort
	User        string // who is called: the user part of the request URI
	FromUser    string // the number that the display shows
	FromDisplay string // the name that the display shows
	Asserted    string // P-Asserted-Identity, whole
	RemoteParty string // Remote-Party-ID, whole
	Headers     []Header
	SDP         []byte
}

// Header is the first value of a header field, empty if there is none.
func (i Invite) Header(name string) string {
	for _, h := range i.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

func newInvite(req *sip.Request, src netip.AddrPort, at time.Time) Invite {
	inv := Invite{At: at, Source: src, User: req.Recipient.User, SDP: req.Body()}
	if from := req.From(); from != nil {
		inv.FromUser, inv.FromDisplay = from.Address.User, strings.Trim(from.DisplayName, `"`)
	}
	for _, h := range req.Headers() {
		inv.Headers = append(inv.Headers, Header{h.Name(), h.Value()})
	}
	inv.Asserted = inv.Header("P-Asserted-Identity")
	inv.RemoteParty = inv.Header("Remote-Party-ID")
	return inv
}

// Party says who ended a call.
type Party string

// The ways in which a call ends.
const (
	Local    Party = "local"    // this telephone: BYE, refusal or CANCEL of ours
	Remote   Party = "remote"   // the other side: BYE, CANCEL or refusal
	Timeout  Party = "timeout"  // nobody answered, or an ACK never came
	Shutdown Party = "shutdown" // the telephone was closed
	NotOver  Party = ""         // still up
)

// Event is one step of a call's signalling.
type Event struct {
	At   time.Time
	What string
}

// Record is everything that is known of a call at one moment. Times that did
// not happen are zero.
type Record struct {
	Inbound bool   // the telephone was called
	User    string // the user that was called
	CallID  string
	Invite  Invite
	// Updates are later requests of the peer inside the call, but for its end:
	// INVITE and UPDATE (holds, and what the display was changed to), INFO.
	Updates []Invite

	InviteAt time.Time // received, or sent
	RingAt   time.Time // first 180 or 183, sent or received
	EarlyAt  time.Time // first response with early media
	AnswerAt time.Time // 200 sent or received
	AckAt    time.Time // ACK received or sent
	EndAt    time.Time
	EndedBy  Party
	Status   int // final status of the INVITE, 487 if it was cancelled
	// Q850 and Reason are the cause that the peer gave in a Reason header of
	// its BYE, CANCEL or refusal; 0 and empty if it gave none.
	Q850   int
	Reason string

	FirstPacketAt time.Time // any RTP
	FirstSoundAt  time.Time // the first audible sample
	LastSoundAt   time.Time // after the last audible sample
	BotSpans      []Span    // stretches of sound that were heard, parted by 300 ms of silence
	SpokenSpans   []Span    // each Speak, EarlyMedia and BargeIn, as it was on the line

	PacketsReceived, PacketsSent int
	Lost, Late, Duplicate        int // of the peer's packets
	Dropped                      int // thrown away by Config.Loss
	Strange                      int // not RTP, or of an unknown payload type
	Stalls                       int // times that this process was too late to send

	Digits []Digit
	Events []Event
	Err    error // why the script stopped early
}

// BotStoppedAfter is how long the other side kept talking after a moment: the
// time from t to the end of the stretch of sound that covers t, zero if it was
// silent at t.
func (r Record) BotStoppedAfter(t time.Time) time.Duration {
	for _, s := range r.BotSpans {
		if !t.Before(s.Start) && t.Before(s.End) {
			return s.End.Sub(t)
		}
	}
	return 0
}

// BotAnsweredAfter is how long after a moment the next stretch of sound began;
// false if none did.
func (r Record) BotAnsweredAfter(t time.Time) (time.Duration, bool) {
	for _, s := range r.BotSpans {
		if !s.Start.Before(t) {
			return s.Start.Sub(t), true
		}
	}
	return 0, false
}

// Keys are the keys pressed at the other end, in order.
func (r Record) Keys() string {
	var b strings.Builder
	for _, d := range r.Digits {
		b.WriteByte(d.Key)
	}
	return b.String()
}

// parseReason reads the Reason headers of a message (RFC 3326): the Q.850 cause
// and the whole of the first header.
func parseReason(values []string) (q850 int, whole string) {
	for _, v := range values {
		if whole == "" {
			whole = v
		}
		protocol, params, _ := strings.Cut(v, ";")
		if !strings.EqualFold(strings.TrimSpace(protocol), "Q.850") {
			continue
		}
		for param := range strings.SplitSeq(params, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && strings.EqualFold(name, "cause") && n > 0 && n < 128 {
				return n, v
			}
		}
	}
	return 0, whole
}

func headerValues(msg interface{ GetHeaders(string) []sip.Header }, name string) []string {
	var values []string
	for _, h := range msg.GetHeaders(name) {
		values = append(values, h.Value())
	}
	return values
}

// Record is a copy of what is known now.
func (c *Call) Record() Record {
	c.mu.Lock()
	r := c.rec
	r.Updates = append([]Invite(nil), r.Updates...)
	r.Events = append([]Event(nil), r.Events...)
	c.mu.Unlock()
	m := c.media
	if m == nil {
		return r
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.heard.started {
		r.FirstPacketAt = m.heard.line.Start
	}
	r.BotSpans = append([]Span(nil), m.heard.spans...)
	if n := len(r.BotSpans); n > 0 {
		r.FirstSoundAt, r.LastSoundAt = r.BotSpans[0].Start, r.BotSpans[n-1].End
	}
	r.SpokenSpans = append([]Span(nil), m.spoken...)
	r.PacketsReceived, r.PacketsSent = m.heard.received, m.sentCount
	r.Lost, r.Late, r.Duplicate = m.heard.lost(), m.heard.late, m.heard.duplicate
	r.Dropped, r.Strange, r.Stalls = m.dropped, m.strange, m.stalls
	r.Digits = append([]Digit(nil), m.digits...)
	return r
}

// Heard is what arrived, on its true timeline.
func (c *Call) Heard() Timeline { return c.timeline(func(m *media) Timeline { return m.heard.line }) }

// Spoken is what was sent, silence included.
func (c *Call) Spoken() Timeline { return c.timeline(func(m *media) Timeline { return m.sent }) }

func (c *Call) timeline(of func(*media) Timeline) Timeline {
	if c.media == nil {
		return Timeline{}
	}
	c.media.mu.Lock()
	defer c.media.mu.Unlock()
	t := of(c.media)
	t.Samples = append([]int16(nil), t.Samples...)
	return t
}

// Packets are the RTP packets received and sent, in order of time; empty when
// the telephone keeps no audio.
func (c *Call) Packets() (received, sent []Packet) {
	if c.media == nil {
		return nil, nil
	}
	c.media.mu.Lock()
	defer c.media.mu.Unlock()
	return append([]Packet(nil), c.media.packets...), append([]Packet(nil), c.media.sentLog...)
}
