package twin

import (
	"bytes"
	"encoding/json"
	"sort"
	"strings"
	"time"
)

// asteriskID is the MAC address that an Asterisk calls itself by.
const asteriskID = "02:00:00:00:00:01"

// party is a caller id in JSON.
type party struct {
	Name   string `json:"name"`
	Number string `json:"number"`
}

// channelJSON is a channel as ARI shows it.
type channelJSON struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	State     string            `json:"state"`
	Protocol  string            `json:"protocol_id"`
	Caller    party             `json:"caller"`
	Connected party             `json:"connected"`
	Account   string            `json:"accountcode"`
	Dialplan  dialplanJSON      `json:"dialplan"`
	Created   string            `json:"creationtime"`
	Language  string            `json:"language"`
	Vars      map[string]string `json:"channelvars,omitempty"`
}

type dialplanJSON struct {
	Context  string `json:"context"`
	Exten    string `json:"exten"`
	Priority int    `json:"priority"`
	App      string `json:"app_name"`
	Data     string `json:"app_data"`
}

type bridgeJSON struct {
	ID         string   `json:"id"`
	Technology string   `json:"technology"`
	Type       string   `json:"bridge_type"`
	Class      string   `json:"bridge_class"`
	Creator    string   `json:"creator"`
	Name       string   `json:"name"`
	Channels   []string `json:"channels"`
	Created    string   `json:"creationtime"`
	VideoMode  string   `json:"video_mode"`
}

type playbackJSON struct {
	ID       string `json:"id"`
	Media    string `json:"media_uri"`
	Target   string `json:"target_uri"`
	Language string `json:"language"`
	State    string `json:"state"`
}

type recordingJSON struct {
	Name     string `json:"name"`
	Format   string `json:"format"`
	State    string `json:"state"`
	Target   string `json:"target_uri"`
	Duration *int   `json:"duration,omitempty"`
}

// event is every event that the twin sends; what is not set is left out.
type event struct {
	Variable   *string        `json:"variable,omitempty"`
	Value      *string        `json:"value,omitempty"`
	Type       string         `json:"type"`
	Timestamp  string         `json:"timestamp,omitempty"`
	Args       *[]string      `json:"args,omitempty"`
	Cause      *int           `json:"cause,omitempty"`
	CauseText  string         `json:"cause_txt,omitempty"`
	TechCause  int            `json:"tech_cause,omitempty"`
	Soft       bool           `json:"soft,omitempty"`
	DialStatus *string        `json:"dialstatus,omitempty"`
	Forward    *string        `json:"forward,omitempty"`
	DialString *string        `json:"dialstring,omitempty"`
	Digit      string         `json:"digit,omitempty"`
	DurationMS int            `json:"duration_ms,omitempty"`
	App        string         `json:"dialplan_app,omitempty"`
	AppData    *string        `json:"dialplan_app_data,omitempty"`
	Bridge     *bridgeJSON    `json:"bridge,omitempty"`
	Channel    *channelJSON   `json:"channel,omitempty"`
	Caller     *channelJSON   `json:"caller,omitempty"`
	Peer       *channelJSON   `json:"peer,omitempty"`
	Playback   *playbackJSON  `json:"playback,omitempty"`
	Recording  *recordingJSON `json:"recording,omitempty"`
	Dest       string         `json:"destination,omitempty"`
	AsteriskID string         `json:"asterisk_id,omitempty"`
	// Application is last, as Asterisk writes it.
	Application string `json:"application,omitempty"`
}

// encode writes JSON as Asterisk does: compact, with < and > as they are.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte(`{}`)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000-0700") }

func ptr[T any](v T) *T { return &v }

func keys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func split(list string) []string {
	var out []string
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// causeText is Asterisk's name of a Q.850 cause (main/channel.c).
func causeText(cause int) string {
	switch cause {
	case 1:
		return "Unallocated (unassigned) number"
	case 3:
		return "No route to destination"
	case 16:
		return "Normal Clearing"
	case 17:
		return "User busy"
	case 18:
		return "No user responding"
	case 19:
		return "User alerting, no answer"
	case 20:
		return "Subscriber absent"
	case 21:
		return "Call Rejected"
	case 22:
		return "Number changed"
	case 26:
		return "Answered elsewhere"
	case 27:
		return "Destination out of order"
	case 28:
		return "Invalid number format"
	case 31:
		return "Normal, unspecified"
	case 34:
		return "Circuit/channel congestion"
	case 38:
		return "Network out of order"
	case 41:
		return "Temporary failure"
	case 58:
		return "Bearer capability not available"
	case 88:
		return "Incompatible destination"
	case 102:
		return "Recover on timer expiry"
	case 127:
		return "Interworking, unspecified"
	}
	return "Unknown"
}
