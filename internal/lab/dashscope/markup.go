package dashscope

import (
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/tone"
)

// segment is text to be said after a silence.
type segment struct {
	pause time.Duration
	text  string
}

var (
	pausePattern   = regexp.MustCompile(`^([0-9]{1,5}ms|[0-9]{1,2}s)$`)
	readingPattern = regexp.MustCompile(`^[a-z]{1,6}[1-6]( [a-z]{1,6}[1-6])*$`)
)

// markup reads the part of the vendor's SSML that this server offers: one
// <speak> with <break time> and <phoneme alphabet="py" ph>. Anything else is
// refused, as a service refuses what is not documented.
func markup(text string) (out []segment, readings []string, err error) {
	bad := func(format string, args ...any) error {
		return refusal{"InvalidParameter", "ssml: " + fmt.Sprintf(format, args...)}
	}
	dec := xml.NewDecoder(strings.NewReader(text))
	out = []segment{{}}
	depth, word, ph := 0, "", ""
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if depth != 0 || len(text) == 0 {
				return nil, nil, bad("it has no end")
			}
			return out, readings, nil
		}
		if err != nil {
			return nil, nil, bad("%v", err)
		}
		last := &out[len(out)-1]
		switch x := token.(type) {
		case xml.StartElement:
			at := map[string]string{}
			for _, a := range x.Attr {
				at[a.Name.Local] = a.Value
			}
			switch {
			case x.Name.Local == "speak" && depth == 0 && len(at) == 0:
			case x.Name.Local == "break" && depth == 1 && len(at) == 1 && pausePattern.MatchString(at["time"]):
				d, _ := time.ParseDuration(at["time"]) // the pattern is stricter
				if d < 50*time.Millisecond || d > 10*time.Second {
					return nil, nil, bad("a break of %s", at["time"])
				}
				out = append(out, segment{pause: d})
			case x.Name.Local == "phoneme" && depth == 1 && len(at) == 2 && at["alphabet"] == "py" && readingPattern.MatchString(at["ph"]):
				ph, word = at["ph"], ""
			default:
				return nil, nil, bad("<%s %v> is not offered here", x.Name.Local, at)
			}
			depth++
		case xml.EndElement:
			depth--
			if x.Name.Local == "phoneme" {
				if utf8.RuneCountInString(word) != len(strings.Fields(ph)) || strings.ContainsFunc(word, func(r rune) bool { return !unicode.Is(unicode.Han, r) }) {
					return nil, nil, bad("%q is no reading of %q", ph, word)
				}
				readings = append(readings, word+" "+ph)
			}
		case xml.CharData:
			if depth == 0 {
				return nil, nil, bad("text outside <speak>")
			}
			word += string(x)
			last.text += string(x)
		default:
			return nil, nil, bad("%T", token)
		}
	}
}

// encode says segments, 200 characters in all.
func encode(list []segment, rate int) []int16 {
	var out []int16
	left := maxSpoken
	for _, s := range list {
		text := []rune(s.text)
		text = text[:min(len(text), left)]
		left -= len(text)
		out = append(out, make([]int16, audio.Format{Rate: rate}.Samples(s.pause))...)
		if len(text) > 0 {
			out = append(out, tone.Encode(string(text), rate)...)
		}
	}
	return out
}

// little gives the bytes of samples.
func little(samples []int16) []byte {
	raw := make([]byte, 0, 2*len(samples))
	for _, v := range samples {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(v)) //nolint:gosec // the bits are the sample's
	}
	return raw
}
