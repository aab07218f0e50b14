package dashscope

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"ringmaster/internal/audio"
)

// Instrument names this server in its answers.
const Instrument = "laboratory instrument, neither a voice nor an ear for people"

// Config of a Server.
type Config struct {
	Token  string   // the only API key that is let in
	Models []string // offered
	Voices []string
	// Answer, when set, writes everything that follows task-started in place of
	// sound or words: for faults.
	Answer func(ctx context.Context, conn *websocket.Conn, task string)
	// Vocabularies are lists of hotwords by their ID, for recognition.
	Vocabularies map[string][]string
	// Mishear writes words as others of as many characters, unless the
	// vocabulary of the task has them.
	Mishear map[string]string
	Fault   Fault // of recognition
	// Tap sees every message of recognition tasks, audio included.
	Tap func(Frame)
}

// Asked is what one task was asked for.
type Asked struct {
	Model, Voice, Format, Text string
	SampleRate                 int
	Rate                       float64
	// SSML: the text is markup; Readings are its words with their pinyin.
	SSML     bool
	Readings string
}

// Server is an http.Handler.
type Server struct {
	config Config

	live  sync.WaitGroup
	mu    sync.Mutex
	asked []Asked
	heard []Heard
	conns int64
}

// maxSpoken is how many characters of a text are said: tones are slow to make.
const maxSpoken = 200

// New prepares a Server.
func New(c Config) *Server { return &Server{config: c} }

// Wait until no connection is served; http.Server does not wait for them.
func (s *Server) Wait() { s.live.Wait() }

// Asked are the tasks that were completed, in the order of their end.
func (s *Server) Asked() []Asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// ServeHTTP upgrades to the websocket and serves one task.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "ringmaster ("+Instrument+")")
	if r.Header.Get("Authorization") != "Bearer "+s.config.Token {
		http.Error(w, `{"code":"InvalidApiKey","message":"Invalid API-key provided."}`, http.StatusUnauthorized)
		return
	}
	s.live.Add(1)
	defer s.live.Done()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxMessage)
	t := &task{s: s, conn: conn, tap: s.tap(r.Header.Get("User-Agent"))}
	var refused refusal
	if err := t.serve(r.Context()); errors.As(err, &refused) {
		_ = t.event(r.Context(), "task-failed", refused.code, refused.message) // the client may be gone
	}
	_ = conn.Close(websocket.StatusNormalClosure, "") // the client may be gone
}

// refusal becomes a task-failed.
type refusal struct{ code, message string }

func (r refusal) Error() string { return r.code + ": " + r.message }

type message struct {
	Header struct {
		Action    string `json:"action"`
		TaskID    string `json:"task_id"`
		Streaming string `json:"streaming"`
	} `json:"header"`
	Payload struct {
		TaskGroup  string          `json:"task_group"`
		Task       string          `json:"task"`
		Function   string          `json:"function"`
		Model      string          `json:"model"`
		Parameters json.RawMessage `json:"parameters"`
		Input      *struct {
			Text string `json:"text"`
		} `json:"input"`
	} `json:"payload"`
}

// voice are the parameters of a synthesis.
type voice struct {
	TextType   string  `json:"text_type"`
	Voice      string  `json:"voice"`
	Format     string  `json:"format"`
	SampleRate int     `json:"sample_rate"`
	Rate       float64 `json:"rate"`
	SSML       bool    `json:"enable_ssml"`
}

type task struct {
	s    *Server
	conn *websocket.Conn
	id   string
	tap  func(fromClient, binary bool, data []byte)
}

// command reads the next message of the client, which must be one of actions.
func (t *task) command(ctx context.Context, actions ...string) (m message, err error) {
	kind, data, err := t.conn.Read(ctx)
	if err != nil {
		return m, err
	}
	t.tap(true, kind == websocket.MessageBinary, data)
	if kind != websocket.MessageText {
		return m, refusal{"InvalidParameter", fmt.Sprintf("sound where %v is expected", actions)}
	}
	return m, t.understand(data, &m, actions...)
}

// strictly reads JSON that has no field which out has not.
func strictly(data []byte, out any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(out); err != nil {
		return refusal{"InvalidParameter", "request is not the documented JSON: " + err.Error()}
	}
	return nil
}

// understand reads a message of the client, which must be one of actions.
func (t *task) understand(data []byte, m *message, actions ...string) error {
	if err := strictly(data, m); err != nil {
		return err
	}
	if t.id == "" {
		t.id = m.Header.TaskID
	}
	switch {
	case !slices.Contains(actions, m.Header.Action):
		return refusal{"InvalidParameter", fmt.Sprintf("action %q where %v is expected", m.Header.Action, actions)}
	case m.Header.TaskID == "" || m.Header.TaskID != t.id || m.Header.Streaming != "duplex" || m.Payload.Input == nil:
		return refusal{"InvalidParameter", "task_id, streaming or input is not as documented"}
	}
	return nil
}

func (t *task) serve(ctx context.Context) error {
	m, err := t.command(ctx, "run-task")
	if err != nil {
		return err
	}
	switch {
	case !slices.Contains(t.s.config.Models, m.Payload.Model):
		return refusal{"ModelNotFound", "Model not found (" + m.Payload.Model + ")!"}
	case m.Payload.TaskGroup == "audio" && m.Payload.Task == "asr" && m.Payload.Function == "recognition":
		return t.hear(ctx, m)
	case m.Payload.TaskGroup == "audio" && m.Payload.Task == "tts" && m.Payload.Function == "SpeechSynthesizer":
		return t.speak(ctx, m)
	}
	return refusal{"InvalidParameter", "task is neither a CosyVoice nor a Paraformer one"}
}

// speak serves a synthesis.
func (t *task) speak(ctx context.Context, m message) error {
	var v voice
	if err := strictly(m.Payload.Parameters, &v); err != nil {
		return err
	}
	switch {
	case v.TextType != "PlainText" || v.Format != "pcm":
		return refusal{"InvalidParameter", "task is not a CosyVoice one with pcm"}
	case !slices.Contains(t.s.config.Voices, v.Voice):
		return refusal{"InvalidParameter", "[tts:]Engine return error code: 418"}
	case v.Rate != 0 && (v.Rate < 0.5 || v.Rate > 2):
		return refusal{"InvalidParameter", "rate must be 0.5 to 2"}
	}
	if err := t.event(ctx, "task-started", "", ""); err != nil {
		return err
	}
	if t.s.config.Answer != nil {
		t.s.config.Answer(ctx, t.conn, t.id)
		return nil
	}
	a := Asked{Model: m.Payload.Model, Voice: v.Voice, Format: v.Format, SampleRate: v.SampleRate, Rate: v.Rate, SSML: v.SSML}
	var err error
	for parts := 0; ; parts++ {
		if m, err = t.command(ctx, "continue-task", "finish-task"); err != nil {
			return err
		}
		if m.Header.Action == "finish-task" {
			break
		}
		if a.SSML && parts > 0 {
			return refusal{"InvalidParameter", "only one continue-task is allowed with ssml"}
		}
		a.Text += m.Payload.Input.Text
	}
	said := []segment{{text: a.Text}}
	if a.SSML {
		var readings []string
		if said, readings, err = markup(a.Text); err != nil {
			return err
		}
		a.Readings = strings.Join(readings, ", ")
	}
	if err := t.say(ctx, a, said); err != nil {
		return err
	}
	t.s.mu.Lock()
	t.s.asked = append(t.s.asked, a)
	t.s.mu.Unlock()
	return t.event(ctx, "task-finished", "", "")
}

// say sends the text (its first 200 characters) as tones, each piece announced by an event and cut without
// regard to samples.
func (t *task) say(ctx context.Context, a Asked, said []segment) error {
	samples := encode(said, a.SampleRate)
	if a.Rate != 0 && a.Rate != 1 { // faster and higher
		var err error
		if samples, err = audio.Resample(samples, int(a.Rate*8000), 8000); err != nil {
			return refusal{"InternalError", err.Error()}
		}
	}
	raw := bytes.NewBuffer(little(samples))
	for n := 1; raw.Len() > 0; n = n*7%16001 + 1 {
		if err := t.event(ctx, "result-generated", "", ""); err != nil {
			return err
		}
		if err := t.conn.Write(ctx, websocket.MessageBinary, raw.Next(n)); err != nil {
			return err
		}
	}
	return nil
}

// event sends one event of this task.
func (t *task) event(ctx context.Context, name, code, message string) error {
	data, err := newEvent(t.id, name, code, message)
	if err != nil {
		return err
	}
	t.tap(false, false, data)
	return t.conn.Write(ctx, websocket.MessageText, data)
}

// Event sends an event as the documentation shows it.
func Event(ctx context.Context, conn *websocket.Conn, task, name, code, message string) error {
	data, err := newEvent(task, name, code, message)
	if err != nil {
		return err
	}
	return conn.Write(ctx, websocket.MessageText, data)
}

func newEvent(task, name, code, message string) ([]byte, error) {
	h := map[string]any{"task_id": task, "event": name, "attributes": map[string]any{}}
	if name == "task-failed" {
		h["error_code"], h["error_message"] = code, message
	}
	return json.Marshal(map[string]any{"header": h, "payload": map[string]any{}})
}
