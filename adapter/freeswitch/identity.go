package freeswitch

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"

	"ringmaster/internal/pbx"
)

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{pbx.ErrRefused}, args...)...)
}

// checkLegID: what a leg may be called (pbx.LegID).
func checkLegID(id pbx.LegID) error {
	s := string(id)
	if s == "" || len(s) > 64 || !identifier(s) || s == "." || s == ".." {
		return refuse("a leg ID is 1 to 64 of [A-Za-z0-9._-]")
	}
	return nil
}

// displayName makes text fit for a SIP display name and a dial string: one line
// without what either acts on, at most 64 runes.
func displayName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || strings.ContainsRune("'\"\\{}[]<>$|`^", r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	// mod_sofia reads a name with : or @ as an address and cuts it.
	s = strings.NewReplacer(":", " ", "@", " ").Replace(s)
	if r := []rune(s); len(r) > 64 {
		s = string(r[:64])
	}
	return strings.TrimSpace(s)
}

// callerNumber is the digits of a caller id, or "".
func callerNumber(c pbx.CallerID) string {
	d := c.Number.Dial()
	if !identifier(strings.TrimPrefix(d, "+")) {
		return ""
	}
	return d
}

// nobody is the identity shown when none was given: never the customer's.
const nobody = "anonymous"

// mark is presence_data of a leg of ours: who placed it, and the tag.
func (s *Switch) mark(tag string) string { return s.cfg.app() + "/" + tag }

// tagOf reads a mark; ok is false for channels of others.
func (s *Switch) tagOf(mark string) (tag string, ok bool) {
	tag, ok = strings.CutPrefix(mark, s.cfg.app()+"/")
	if !ok || len(tag) > 64 || !identifier(tag) {
		return "", false
	}
	return tag, true
}

// variables of a new channel: identity, SIP headers, mark and safety nets. A
// header whose value FreeSWITCH could act on is refused.
func (s *Switch) variables(req pbx.OriginateRequest) ([]variable, error) {
	if len(req.Tag) > 64 || !identifier(req.Tag) {
		return nil, refuse("a tag is at most 64 of [A-Za-z0-9._-]")
	}
	if len(req.Headers) > 16 {
		return nil, refuse("at most 16 extra SIP headers")
	}
	number, name := callerNumber(req.CallerID), displayName(req.CallerID.Name)
	if number == "" && req.To.Agent != "" {
		number = nobody
	}
	vars := []variable{
		{"origination_uuid", string(req.ID)},
		{"ignore_early_media", strconv.FormatBool(!req.EarlyMedia)},
		// Counted by the clock's seconds, so up to one less: ours ends the ringing,
		// this one is for the day that we are gone.
		{"originate_timeout", strconv.Itoa(wholeSeconds(req.RingTimeout) + 1)},
		{"presence_data", s.mark(req.Tag)},
		{"send_silence_when_idle", "-1"},
		// A leg that is parked by this after a bridge of its own park can be bridged
		// once more, and is dead when that ends (measured): it is set for the bridges
		// with other legs alone.
		{"park_after_bridge", "false"},
		// Else FreeSWITCH tells the other side of a bridge our customer's number, by
		// UPDATE with P-Asserted-Identity.
		{"ignore_display_updates", "true"},
		{"hangup_after_bridge", "false"},
		{"continue_on_fail", "true"},
		{"media_timeout", "60000"},
		{"RECORD_STEREO", "true"},
	}
	if number != "" {
		vars = append(vars, variable{"origination_caller_id_number", number})
		if name == "" {
			name = number
		}
		vars = append(vars, variable{"origination_caller_id_name", name})
	}
	if req.MaxDuration > 0 {
		vars = append(vars, variable{"execute_on_answer", fmt.Sprintf("sched_hangup +%d allotted_timeout", wholeSeconds(req.MaxDuration)+1)})
	}
	names := make([]string, 0, len(req.Headers))
	for name := range req.Headers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		value := req.Headers[name]
		if rest, ok := strings.CutPrefix(name, "X-"); !ok || rest == "" || len(name) > 58 || strings.ContainsAny(name, "._") || !identifier(name) {
			return nil, refuse("an extra SIP header is named X-<letters, digits, dashes>")
		}
		if err := checkValue(value); err != nil || len(value) > 256 {
			return nil, refuse("SIP header %s: at most 256 bytes, %v", name, err)
		}
		vars = append(vars, variable{"sip_h_" + name, value})
	}
	return vars, nil
}

func wholeSeconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }

// Marks in the IDs of what belongs to a leg.
const (
	mediaMark = "-m-"   // its media leg's channel, then 8 hex digits
	jobMark   = "rm.o." // the job that originates it, then its ID
	playMark  = "rm.p." // an execution of playback, then a number
	bridgeTag = "rm.b." // an execution of bridge, then the media leg's channel
	queueMark = "rm.q." // an execution of callcenter, then a number
	spyMark   = "rm.s." // an execution of eavesdrop
)
