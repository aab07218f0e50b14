package ari

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"ringmaster/internal/pbx"
)

// Info is what Asterisk tells of itself.
type Info struct {
	Version   string
	StartedAt time.Time
	// SystemName is asterisk.conf's systemname.
	SystemName string
}

// Info reads version and start-up time.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var v struct {
		System struct {
			Version string `json:"version"`
		} `json:"system"`
		Config struct {
			Name string `json:"name"`
		} `json:"config"`
		Status struct {
			Startup Time `json:"startup_time"`
		} `json:"status"`
	}
	err := c.do(ctx, request{op: "tell its version", method: http.MethodGet, segments: []string{"asterisk", "info"}, out: &v})
	return Info{Version: clean(v.System.Version, 64), StartedAt: v.Status.Startup.Time, SystemName: clean(v.Config.Name, 64)}, err
}

// Channels lists every channel of the exchange.
func (c *Client) Channels(ctx context.Context) (list []Channel, err error) {
	err = c.do(ctx, request{op: "list channels", method: http.MethodGet, segments: []string{"channels"}, out: &list, limit: maxList})
	return list, err
}

// Bridges lists every bridge of the exchange.
func (c *Client) Bridges(ctx context.Context) (list []Bridge, err error) {
	err = c.do(ctx, request{op: "list bridges", method: http.MethodGet, segments: []string{"bridges"}, out: &list, limit: maxList})
	return list, err
}

// Subscribed lists the channels that the application gets events of.
func (c *Client) Subscribed(ctx context.Context) ([]string, error) {
	var v struct {
		Channels []string `json:"channel_ids"`
	}
	err := c.do(ctx, request{
		op: "show the application", method: http.MethodGet, segments: []string{"applications", c.cfg.App}, out: &v, limit: maxList,
	})
	return v.Channels, err
}

// Subscribe asks for the events of a source such as "channel:<id>".
func (c *Client) Subscribe(ctx context.Context, source string) error {
	return c.do(ctx, request{
		op: "subscribe", method: http.MethodPost, segments: []string{"applications", c.cfg.App, "subscription"},
		query: url.Values{"eventSource": {source}},
	})
}

func (c *Client) setFilter(ctx context.Context) error {
	type rule struct {
		Type string `json:"type"`
	}
	var body struct {
		Disallowed []rule `json:"disallowed"`
	}
	for _, t := range noise() {
		body.Disallowed = append(body.Disallowed, rule{t})
	}
	return c.do(ctx, request{
		op: "filter events", method: http.MethodPut, segments: []string{"applications", c.cfg.App, "eventFilter"}, body: body,
	})
}

// Channel looks one channel up; an *Error with status 404 when there is none.
func (c *Client) Channel(ctx context.Context, id string) (ch Channel, err error) {
	err = c.do(ctx, request{op: "show the channel", method: http.MethodGet, segments: []string{"channels", id}, out: &ch})
	return ch, err
}

// Originate is a channel to be placed into our application.
type Originate struct {
	ChannelID string
	Endpoint  string
	Args      string
	CallerID  string        // `"name" <number>`; Originate only
	Timeout   time.Duration // whole seconds; Originate only
	Formats   string        // comma list; "" leaves the endpoint's own
	// Vars are set before the call goes out; their values are never expanded.
	Vars map[string]string
}

func (o Originate) values(app string) url.Values {
	q := url.Values{"endpoint": {o.Endpoint}, "app": {app}, "channelId": {o.ChannelID}}
	for k, v := range map[string]string{"appArgs": o.Args, "formats": o.Formats} {
		if v != "" {
			q.Set(k, v)
		}
	}
	return q
}

func (o Originate) vars() any {
	if len(o.Vars) == 0 {
		return nil
	}
	return map[string]any{"variables": o.Vars}
}

// Originate dials at once and returns when Asterisk has the channel. Status
// 409 means that a channel of that id exists: it was placed before.
func (c *Client) Originate(ctx context.Context, o Originate) error {
	q := o.values(c.cfg.App)
	q.Set("timeout", seconds(o.Timeout))
	if o.CallerID != "" {
		q.Set("callerId", o.CallerID)
	}
	return c.do(ctx, request{op: "originate", method: http.MethodPost, segments: []string{"channels"}, query: q, body: o.vars()})
}

// Create makes a channel that Dial then dials: for early media and agents.
func (c *Client) Create(ctx context.Context, o Originate) error {
	return c.do(ctx, request{
		op: "create the channel", method: http.MethodPost, segments: []string{"channels", "create"},
		query: o.values(c.cfg.App), body: o.vars(),
	})
}

// Dial dials a channel that Create made.
func (c *Client) Dial(ctx context.Context, id string, timeout time.Duration) error {
	return c.onChannel(ctx, "dial", id, "dial", url.Values{"timeout": {seconds(timeout)}})
}

// seconds is d in whole seconds, rounded up, at least 1: Asterisk takes any
// text here and would wait for ever on a wrong one.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int((d+time.Second-1)/time.Second)))
}

func (c *Client) onChannel(ctx context.Context, op, id, what string, q url.Values) error {
	return c.do(ctx, request{op: op, method: http.MethodPost, segments: []string{"channels", id, what}, query: q})
}

// Answer answers an inbound channel.
func (c *Client) Answer(ctx context.Context, id string) error {
	return c.onChannel(ctx, "answer", id, "answer", nil)
}

// Hangup ends a channel; code is Q.850.
func (c *Client) Hangup(ctx context.Context, id string, code pbx.Cause) error {
	return c.do(ctx, request{
		op: "hang up", method: http.MethodDelete, segments: []string{"channels", id},
		query: url.Values{"reason_code": {strconv.Itoa(int(code))}},
	})
}

// SendDTMF plays digits to the channel.
func (c *Client) SendDTMF(ctx context.Context, id, digits string) error {
	return c.onChannel(ctx, "send DTMF", id, "dtmf", url.Values{"dtmf": {digits}})
}

// Continue gives the channel back to the dialplan.
func (c *Client) Continue(ctx context.Context, id, dpContext, extension string) error {
	return c.onChannel(ctx, "continue in the dialplan", id, "continue",
		url.Values{"context": {dpContext}, "extension": {extension}, "priority": {"1"}})
}

// SetVariable sets a channel variable or writable function.
func (c *Client) SetVariable(ctx context.Context, id, name, value string) error {
	return c.onChannel(ctx, "set a variable", id, "variable", url.Values{"variable": {name}, "value": {value}})
}

// Variable reads a channel variable.
func (c *Client) Variable(ctx context.Context, id, name string) (string, error) {
	var v struct {
		Value string `json:"value"`
	}
	err := c.do(ctx, request{
		op: "read a variable", method: http.MethodGet, segments: []string{"channels", id, "variable"},
		query: url.Values{"variable": {name}}, out: &v,
	})
	return v.Value, err
}

// Play starts a playback under our own id.
func (c *Client) Play(ctx context.Context, channel, playback, media string) error {
	return c.do(ctx, request{
		op: "play", method: http.MethodPost, segments: []string{"channels", channel, "play", playback},
		query: url.Values{"media": {media}},
	})
}

// StopPlayback ends a playback.
func (c *Client) StopPlayback(ctx context.Context, id string) error {
	return c.do(ctx, request{op: "stop the playback", method: http.MethodDelete, segments: []string{"playbacks", id}})
}

// Playback looks a playback up.
func (c *Client) Playback(ctx context.Context, id string) (p Playback, err error) {
	err = c.do(ctx, request{op: "show the playback", method: http.MethodGet, segments: []string{"playbacks", id}, out: &p})
	return p, err
}

// Snoop directions.
const (
	SnoopNone = "none"
	SnoopIn   = "in"  // what the channel says
	SnoopOut  = "out" // what the channel hears
	SnoopBoth = "both"
)

// Snoop makes a channel that hears (spy) or speaks into (whisper) another.
func (c *Client) Snoop(ctx context.Context, channel, snoop, spy, whisper, args string) error {
	return c.do(ctx, request{
		op: "snoop", method: http.MethodPost, segments: []string{"channels", channel, "snoop", snoop},
		query: url.Values{"spy": {spy}, "whisper": {whisper}, "app": {c.cfg.App}, "appArgs": {args}},
	})
}

// Record starts a recording of a channel as wav (8 kHz, 16-bit, mono).
func (c *Client) Record(ctx context.Context, channel, name string) error {
	return c.onChannel(ctx, "record", channel, "record", url.Values{
		"name": {name}, "format": {"wav"}, "ifExists": {"fail"}, "maxDurationSeconds": {"0"}, "maxSilenceSeconds": {"0"}, "beep": {"false"},
	})
}

// StopRecording ends a live recording and keeps the file.
func (c *Client) StopRecording(ctx context.Context, name string) error {
	return c.do(ctx, request{op: "stop the recording", method: http.MethodPost, segments: []string{"recordings", "live", name, "stop"}})
}

// MuteRecording puts silence into a live recording while on.
func (c *Client) MuteRecording(ctx context.Context, name string, on bool) error {
	method := http.MethodPost
	if !on {
		method = http.MethodDelete
	}
	return c.do(ctx, request{op: "mute the recording", method: method, segments: []string{"recordings", "live", name, "mute"}})
}

// CreateBridge makes a mixing bridge; 409 means that it exists.
func (c *Client) CreateBridge(ctx context.Context, id string) error {
	return c.do(ctx, request{
		op: "make a bridge", method: http.MethodPost, segments: []string{"bridges", id}, query: url.Values{"type": {"mixing"}, "name": {id}},
	})
}

// DeleteBridge removes a bridge; its channels stay.
func (c *Client) DeleteBridge(ctx context.Context, id string) error {
	return c.do(ctx, request{op: "remove the bridge", method: http.MethodDelete, segments: []string{"bridges", id}})
}

// AddToBridge moves channels into a bridge.
func (c *Client) AddToBridge(ctx context.Context, bridge, channel string) error {
	return c.do(ctx, request{
		op: "bridge", method: http.MethodPost, segments: []string{"bridges", bridge, "addChannel"}, query: url.Values{"channel": {channel}},
	})
}

// RemoveFromBridge takes a channel out of a bridge.
func (c *Client) RemoveFromBridge(ctx context.Context, bridge, channel string) error {
	return c.do(ctx, request{
		op: "unbridge", method: http.MethodPost, segments: []string{"bridges", bridge, "removeChannel"}, query: url.Values{"channel": {channel}},
	})
}

// ExternalMedia is a media leg to be made.
type ExternalMedia struct {
	ChannelID, Format, Host, Encapsulation, Transport, ConnectionType, TransportData, Data string
}

// ExternalMedia makes the media channel and returns it with its variables.
func (c *Client) ExternalMedia(ctx context.Context, m ExternalMedia) (ch Channel, err error) {
	q := url.Values{"app": {c.cfg.App}, "channelId": {m.ChannelID}, "format": {m.Format}, "external_host": {m.Host}}
	for k, v := range map[string]string{
		"encapsulation": m.Encapsulation, "transport": m.Transport, "connection_type": m.ConnectionType,
		"transport_data": m.TransportData, "data": m.Data,
	} {
		if v != "" {
			q.Set(k, v)
		}
	}
	// An invalid f() kills Asterisk 22.10.1 (chan_websocket.c:1678).
	if td := m.TransportData; td != "" && td != "f(json)" {
		return ch, fmt.Errorf("%w: transport_data may only be f(json)", pbx.ErrRefused)
	}
	err = c.do(ctx, request{
		op: "make the media leg", method: http.MethodPost, segments: []string{"channels", "externalMedia"}, query: q, out: &ch,
	})
	return ch, err
}

// StoredRecording copies a finished recording (a WAV file) to w.
func (c *Client) StoredRecording(ctx context.Context, name string, w io.Writer, limit int64) error {
	segments := []string{"recordings", "stored", name, "file"}
	if err := checkSegments("fetch the recording", segments); err != nil {
		return err
	}
	resp, err := c.send(ctx, request{method: http.MethodGet, segments: segments})
	if err != nil {
		return c.transportError("fetch the recording", false, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		data, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return &Error{Op: "fetch the recording", Status: resp.StatusCode, Text: refusalText(data)}
	}
	n, err := io.Copy(w, io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return c.transportError("fetch the recording", true, err)
	}
	if n > limit {
		return fmt.Errorf("%w: the recording is longer than %d bytes", ErrHostile, limit)
	}
	return nil
}
