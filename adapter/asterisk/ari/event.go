package ari

import (
	"bytes"
	"encoding/json"
	"time"
)

// Event types that we act on (ARI "Asterisk REST Data Models", Event).
const (
	TypeStasisStart      = "StasisStart"
	TypeStasisEnd        = "StasisEnd"
	TypeChannelDestroyed = "ChannelDestroyed"
	TypeHangupRequest    = "ChannelHangupRequest"
	TypeStateChange      = "ChannelStateChange"
	TypeDial             = "Dial"
	TypeDTMF             = "ChannelDtmfReceived"
	TypePlaybackStarted  = "PlaybackStarted"
	TypePlaybackFinished = "PlaybackFinished"
	TypeRecordingDone    = "RecordingFinished"
	TypeRecordingFailed  = "RecordingFailed"
	TypeEnteredBridge    = "ChannelEnteredBridge"
	TypeLeftBridge       = "ChannelLeftBridge"
	TypeReplaced         = "ApplicationReplaced"
)

// noise lists event types that we ask Asterisk not to send: on an ordinary
// call they are two thirds of the events and four fifths of the bytes.
func noise() []string {
	return []string{
		"ChannelVarset", "ChannelDialplan", "ChannelCallerId", "ChannelConnectedLine", "ChannelCreated",
		"PlaybackContinuing", "BridgeCreated", "BridgeDestroyed", "BridgeMerged", "BridgeVideoSourceChanged",
		"ChannelHold", "ChannelUnhold", "ChannelUserevent", "DeviceStateChanged", "EndpointStateChange",
		"PeerStatusChange", "ContactStatusChange", "TextMessageReceived", "RecordingStarted",
		"ChannelTalkingStarted", "ChannelTalkingFinished",
	}
}

// Channel states (main/channel_state).
const (
	StateDown    = "Down"
	StateRing    = "Ring"
	StateRinging = "Ringing"
	StateUp      = "Up"
)

// Channel as Asterisk describes it.
type Channel struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	State    string            `json:"state"`
	Caller   Party             `json:"caller"`
	Created  Time              `json:"creationtime"`
	Vars     map[string]string `json:"channelvars"`
	Dialplan struct {
		App  string `json:"app_name"`
		Data string `json:"app_data"`
	} `json:"dialplan"`
}

// Party is a caller id.
type Party struct {
	Name   string `json:"name"`
	Number string `json:"number"`
}

// Bridge as Asterisk describes it.
type Bridge struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Channels []string `json:"channels"`
}

// Playback as Asterisk describes it.
type Playback struct {
	ID     string `json:"id"`
	State  string `json:"state"` // queued, playing, continuing, done, failed
	Target string `json:"target_uri"`
}

// Recording is a live recording; Duration is in whole seconds.
type Recording struct {
	Name     string `json:"name"`
	State    string `json:"state"` // queued, recording, paused, done, failed, canceled
	Target   string `json:"target_uri"`
	Cause    string `json:"cause"`
	Duration int    `json:"duration"`
}

// Event is any event; which fields are set depends on Type. Unknown types are
// passed on, unknown fields are dropped.
type Event struct {
	Type        string    `json:"type"`
	Timestamp   Time      `json:"timestamp"`
	Application string    `json:"application"`
	Args        []string  `json:"args"`
	Channel     Channel   `json:"channel"`
	Peer        Channel   `json:"peer"`   // Dial: the channel being dialled
	Caller      Channel   `json:"caller"` // Dial: by whom, if by a channel
	Bridge      Bridge    `json:"bridge"`
	Playback    Playback  `json:"playback"`
	Recording   Recording `json:"recording"`
	DialStatus  string    `json:"dialstatus"`
	Digit       string    `json:"digit"`
	DurationMS  int       `json:"duration_ms"`
	// Cause is Q.850 in ChannelDestroyed and ChannelHangupRequest, except that a
	// soft hang-up request carries 32, Asterisk's own AST_SOFTHANGUP_EXPLICIT.
	Cause     int    `json:"cause"`
	TechCause int    `json:"tech_cause"`
	CauseText string `json:"cause_txt"`
	Soft      bool   `json:"soft"`
}

// ChannelID is the channel that the event is about, "" for none.
func (e *Event) ChannelID() string {
	if e.Type == TypeDial {
		return e.Peer.ID
	}
	return e.Channel.ID
}

// ParseEvent reads one event. tolerated says that a field had a wrong type and
// was left zero.
func ParseEvent(data []byte) (e Event, tolerated bool, err error) {
	tolerated, err = decode(data, &e)
	return e, tolerated, err
}

// Time is Asterisk's timestamp, such as 2026-01-02T03:04:05.678+0000. What
// cannot be read is the zero time, never an error.
type Time struct{ time.Time }

// UnmarshalJSON reads Asterisk's format and RFC 3339.
func (t *Time) UnmarshalJSON(data []byte) error {
	var s string
	if bytes.HasPrefix(data, []byte{'"'}) && json.Unmarshal(data, &s) == nil {
		for _, layout := range []string{"2006-01-02T15:04:05.999999999-0700", time.RFC3339Nano} {
			if v, err := time.Parse(layout, s); err == nil {
				t.Time = v
				return nil
			}
		}
	}
	t.Time = time.Time{}
	return nil
}
