package media

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Bounds of chan_websocket (channels/chan_websocket.c of 22.10.1).
const (
	// maxCommand: a longer text message is ignored with no more than a line in
	// Asterisk's log.
	maxCommand = 128
	// maxMessage keeps audio messages below every size at which anything
	// between us fragments: a fragmented message ends the leg.
	maxMessage = 4000
	// maxControl bounds what we read of a control message.
	maxControl = 64 << 10
)

// ErrControl is a control message that cannot be read.
var ErrControl = errors.New("unreadable control message on the media leg")

// control is a message from chan_websocket; which fields are set depends on
// Event.
type control struct {
	Event         string `json:"event"`
	Format        string `json:"format"`
	FrameSize     int    `json:"optimal_frame_size"`
	Ptime         int    `json:"ptime"`
	Queue         int    `json:"queue_length"`
	Full          bool   `json:"queue_full"`
	Paused        bool   `json:"media_paused"`
	CorrelationID string `json:"correlation_id"`
	Digit         string `json:"digit"`
	Text          string `json:"error_text"`
}

// Events of chan_websocket.
const (
	evStart  = "MEDIA_START"
	evXOFF   = "MEDIA_XOFF"
	evXON    = "MEDIA_XON"
	evStatus = "STATUS"
	evMark   = "MEDIA_MARK_PROCESSED"
	evDTMF   = "DTMF_END"
	evError  = "ERROR"
)

// Commands to chan_websocket.
const (
	cmdStatus = "GET_STATUS"
	cmdFlush  = "FLUSH_MEDIA"
	cmdMark   = "MARK_MEDIA"
)

// parseControl reads one text message. A field of a wrong type is left zero.
func parseControl(data []byte) (control, error) {
	var c control
	if len(data) > maxControl {
		return c, fmt.Errorf("%w: %d bytes", ErrControl, len(data))
	}
	if err := checkDepth(data); err != nil {
		return c, err
	}
	err := json.Unmarshal(data, &c)
	var wrong *json.UnmarshalTypeError
	if err != nil && !errors.As(err, &wrong) {
		return c, fmt.Errorf("%w: %w", ErrControl, err)
	}
	if c.Queue < 0 || c.Queue > 1<<20 {
		c.Queue = 0
	}
	return c, nil
}

// checkDepth refuses nesting that no control message has.
func checkDepth(data []byte) error {
	depth, inString, escaped := 0, false, false
	for _, b := range data {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped, inString = b == '\\', b != '"'
		case b == '"':
			inString = true
		case b == '{' || b == '[':
			if depth++; depth > 16 {
				return fmt.Errorf("%w: nested deeper than 16", ErrControl)
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return nil
}

// command writes a command; id is its correlation id, "" for none.
func command(name, id string) ([]byte, error) {
	if strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return nil, fmt.Errorf("%w: a correlation id is [a-z0-9]", ErrControl)
	}
	s := `{"command":"` + name + `"}`
	if id != "" {
		s = `{"command":"` + name + `","correlation_id":"` + id + `"}`
	}
	if len(s) > maxCommand {
		return nil, fmt.Errorf("%w: a command of %d bytes would be ignored by Asterisk, the limit is %d", ErrControl, len(s), maxCommand)
	}
	return []byte(s), nil
}

// digit reads a key; ok is false for anything else.
func (c control) digit() (byte, bool) {
	d := strings.ToUpper(c.Digit)
	if len(d) != 1 || !strings.Contains("0123456789*#ABCD", d) {
		return 0, false
	}
	return d[0], true
}
