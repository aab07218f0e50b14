package dashscope

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"ringmaster/internal/speech"
)

// Limits on what a server may send.
const (
	maxMessage   = 1 << 20 // bytes of one message
	maxEvent     = 64 << 10
	maxComplaint = 160 // characters of the server's own words
)

// The events of a task.
const (
	taskStarted     = "task-started"
	resultGenerated = "result-generated"
	taskFinished    = "task-finished"
	taskFailed      = "task-failed"
)

// event is one text message of the server.
type event struct {
	Header struct {
		TaskID  string `json:"task_id"`
		Event   string `json:"event"`
		Code    string `json:"error_code"`
		Message string `json:"error_message"`
	} `json:"header"`
	Payload json.RawMessage `json:"payload"`
}

// parseEvent understands a text message for the task id, or says with
// speech.ErrProtocol why not. A task-failed is returned as the error that it
// means.
func parseEvent(data []byte, id string) (string, error) {
	e, err := readEvent(data, id, maxEvent)
	if err == nil && e.Header.Event == taskFailed {
		err = failure(e.Header.Code, e.Header.Message)
	}
	if err != nil {
		return "", err
	}
	return e.Header.Event, nil
}

// readEvent reads an event of at most limit bytes for the task id.
func readEvent(data []byte, id string, limit int) (event, error) {
	if len(data) > limit {
		return event{}, fmt.Errorf("%w: an event of %d bytes", speech.ErrProtocol, len(data))
	}
	var e event
	if err := json.Unmarshal(data, &e); err != nil {
		return event{}, fmt.Errorf("%w: an event that is not JSON: %.80q", speech.ErrProtocol, data)
	}
	if e.Header.TaskID != id && (e.Header.TaskID != "" || e.Header.Event != taskFailed) {
		return event{}, fmt.Errorf("%w: an event of another task: %.60q", speech.ErrProtocol, e.Header.TaskID)
	}
	switch e.Header.Event {
	case taskStarted, resultGenerated, taskFinished, taskFailed:
		return e, nil
	}
	return event{}, fmt.Errorf("%w: event %.40q", speech.ErrProtocol, e.Header.Event)
}

// failure is what a task-failed means: a parameter or model that is not there
// is not offered; everything else may work elsewhere.
func failure(code, message string) error {
	kind := speech.ErrUnavailable
	for _, c := range []string{"InvalidParameter", "ModelNotFound", "Model.AccessDenied", "BadRequest", "InvalidURL", "UNSUPPORTED_FORMAT"} {
		if strings.HasPrefix(code, c) {
			kind = speech.ErrUnsupported
		}
	}
	return fmt.Errorf("%w: the service says: %s", kind, short(code+": "+message))
}

// short is text on one line that can be shown.
func short(text string) string {
	text = strings.Join(strings.Fields(clean(text)), " ")
	if r := []rune(text); len(r) > maxComplaint {
		text = string(r[:maxComplaint]) + "..."
	}
	return text
}

// clean is valid UTF-8 without control and direction characters.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.In(r, unicode.Cf):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}
