package asterisk

import (
	"fmt"
	"maps"
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

// displayName makes text fit for a SIP display name: one line without quotes,
// at most 64 runes. A line break in it would become a header of its own.
func displayName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || strings.ContainsRune(`"\<>`, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > 64 {
		s = string(r[:64])
	}
	return strings.TrimSpace(s)
}

// callerID is the originate parameter; "" leaves the trunk's own identity.
func callerID(c pbx.CallerID) string {
	num := callerNumber(c)
	if num == "" {
		return ""
	}
	if name := displayName(c.Name); name != "" {
		return `"` + name + `" <` + num + `>`
	}
	return num
}

// callerNumber is the digits of a caller id, or "".
func callerNumber(c pbx.CallerID) string {
	d := c.Number.Dial()
	if !identifier(strings.TrimPrefix(d, "+")) {
		return ""
	}
	return d
}

// connectedLine is the identity of a channel made by create: its INVITE shows
// the connected line, and callerId is no parameter there.
func connectedLine(c pbx.CallerID) map[string]string {
	vars := map[string]string{}
	if num := callerNumber(c); num != "" {
		vars["CONNECTEDLINE(num,i)"] = num
		if name := displayName(c.Name); name != "" {
			vars["CONNECTEDLINE(name,i)"] = name
		}
	}
	return vars
}

// tagVariable keeps OriginateRequest.Tag beside the channel.
const tagVariable = "RINGMASTER_TAG"

// variables of a new channel: SIP headers, tag and the duration limit that
// holds should we vanish. Values are never expanded by Asterisk, but a line
// break in a header would inject another: refused.
func variables(req pbx.OriginateRequest) (map[string]string, error) {
	if len(req.Tag) > 64 || !identifier(req.Tag) {
		return nil, refuse("a tag is at most 64 of [A-Za-z0-9._-]")
	}
	if len(req.Headers) > 16 {
		return nil, refuse("at most 16 extra SIP headers")
	}
	vars := map[string]string{}
	for name, value := range req.Headers {
		if rest, ok := strings.CutPrefix(name, "X-"); !ok || rest == "" || len(name) > 64 || strings.ContainsAny(name, "._") || !identifier(name) {
			return nil, refuse("an extra SIP header is named X-<letters, digits, dashes>")
		}
		if len(value) > 256 || strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
			return nil, refuse("SIP header %s: at most 256 bytes without control characters", name)
		}
		vars["PJSIP_HEADER(add,"+name+")"] = value
	}
	if req.Tag != "" {
		vars[tagVariable] = req.Tag
	}
	if req.MaxDuration > 0 {
		// Counted from the channel's beginning, hence with the ring time.
		vars["TIMEOUT(absolute)"] = fmt.Sprint(wholeSeconds(req.RingTimeout + req.MaxDuration))
	}
	return vars, nil
}

func wholeSeconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }

// merge adds the entries of more to vars.
func merge(vars, more map[string]string) map[string]string {
	maps.Copy(vars, more)
	return vars
}

// bridgeOf names the bridge of a leg; ownerOf is its inverse.
func bridgeOf(leg string) string { return bridgePrefix + leg }

const bridgePrefix = "rm-"

func ownerOf(bridge string) (leg string, ok bool) { return strings.CutPrefix(bridge, bridgePrefix) }
