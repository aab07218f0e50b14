package asr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coder/websocket"

	"ringmaster/internal/lab/tone"
)

var errDropped = errors.New("labasr: connection cut by the instrument's fault setting")

// session is one connection. Its reading goroutine owns everything but out.
type session struct {
	server *Server
	conn   *websocket.Conn
	id     int64
	fault  Fault
	opened time.Time
	out    chan answer

	mode, wavName, format string
	rate                  int
	chunk                 [3]int
	interval              int
	configured            bool

	ears     *tone.Decoder
	odd      []byte // half a sample left over
	heard    int64  // samples of this stream
	total    time.Duration
	said     strings.Builder // of the open utterance, not yet sent as partial
	next     int64           // sample of the next partial
	waiting  *tone.Utterance // broke off; final at due
	due      int64
	index    int  // of the utterance, C++
	started  bool // a partial of it was sent, C++
	everSaid string
	known    map[string]bool // hotwords
}

type answer struct {
	due  time.Time
	data []byte
}

func newSession(s *Server, conn *websocket.Conn, id int64, f Fault) *session {
	return &session{
		server: s, conn: conn, id: id, fault: f, opened: time.Now(), out: make(chan answer, maxBacklog),
		mode: "2pass", wavName: "microphone", format: "pcm", rate: 16000, chunk: [3]int{5, 10, 5}, interval: 10,
	}
}

func (c *session) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		defer cancel()
		c.send(ctx)
	}()
	defer func() {
		cancel()
		<-sent
	}()
	for {
		kind, data, err := c.conn.Read(ctx)
		if err != nil {
			return err
		}
		c.tap(true, kind == websocket.MessageBinary, data)
		if kind == websocket.MessageText {
			err = c.text(data)
		} else {
			err = c.audio(data)
		}
		if err != nil {
			return err
		}
		if c.fault.Stall {
			<-ctx.Done()
			return ctx.Err()
		}
	}
}

func (c *session) tap(fromClient, binary bool, data []byte) {
	if t := c.server.config.Tap; t != nil {
		t(Frame{Conn: c.id, At: time.Since(c.opened), FromClient: fromClient, Binary: binary, Data: bytes.Clone(data)})
	}
}

// send writes the answers in order, each not before it is due.
func (c *session) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-c.out:
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(a.due)):
			}
			c.tap(false, false, a.data)
			if c.conn.Write(ctx, websocket.MessageText, a.data) != nil {
				return
			}
		}
	}
}

func (c *session) answer(v any) error {
	if c.fault.Silent {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("labasr: %w", err)
	}
	data := bytes.TrimSpace(b.Bytes())
	if c.fault.Garbage {
		data = garbage(data)
	}
	select {
	case c.out <- answer{time.Now().Add(c.fault.Slow), data}:
		return nil
	default:
		return fmt.Errorf("labasr: the client does not read: %d answers wait", maxBacklog)
	}
}

// garbage makes of a good answer one of several bad ones.
func garbage(good []byte) []byte {
	switch len(good) % 4 {
	case 0:
		return good[:len(good)/2]
	case 1:
		return []byte(strings.Repeat("[", 5000))
	case 2:
		return []byte(`{"mode":7,"text":{"a":[]},"timestamp":{"x":1},"is_final":"maybe"}`)
	}
	return []byte("\xff\xfe\x00 not json")
}

func (c *session) text(data []byte) error {
	var r request
	if err := json.Unmarshal(data, &r); err != nil {
		c.server.log.Warn("labasr: bad json from the client", "conn", c.id, "err", err)
		if c.server.config.Dialect == CPP { // it marks the stream as ended and says nothing
			return fmt.Errorf("labasr: bad json: %w", err)
		}
		return nil
	}
	if err := c.configure(r); err != nil {
		c.server.log.Warn("labasr: bad configuration", "conn", c.id, "err", err)
		return nil
	}
	over := r.IsSpeaking != nil && !*r.IsSpeaking || r.IsFinished != nil && *r.IsFinished
	if over {
		return c.finish(r.IsEnd != nil && *r.IsEnd)
	}
	return nil
}

func (c *session) configure(r request) error {
	if r.Mode != nil {
		switch *r.Mode {
		case "2pass", "online", "offline":
			c.mode = *r.Mode
		default:
			return fmt.Errorf("mode %.40q: use 2pass, online or offline", *r.Mode)
		}
	}
	if r.WavName != nil {
		c.wavName = *r.WavName
	}
	if r.WavFormat != nil {
		c.format = *r.WavFormat
	}
	if r.ChunkInterval != nil && *r.ChunkInterval > 0 {
		c.interval = *r.ChunkInterval
	}
	if r.ChunkSize != nil {
		size, err := parseChunkSize(r.ChunkSize)
		if err != nil {
			return err
		}
		c.chunk, c.configured = size, true
	}
	if r.AudioFS != nil && int(*r.AudioFS) != c.rate {
		c.rate, c.ears = int(*r.AudioFS), nil
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if r.Hotwords != nil {
		c.learn(*r.Hotwords)
		c.server.hot = *r.Hotwords
	}
	if r.Language != nil {
		c.server.lang = *r.Language
	}
	return nil
}

func (c *session) audio(data []byte) error {
	c.server.audioBytes.Add(int64(len(data)))
	if !c.configured || !strings.EqualFold(c.format, "pcm") {
		return nil // both servers drop it; C++ says so at the end
	}
	if c.ears == nil {
		ears, err := tone.NewDecoder(c.rate)
		if err != nil {
			return fmt.Errorf("labasr: audio_fs: %w", err)
		}
		c.ears, c.heard, c.next = ears, 0, c.chunkSamples()
	}
	data = append(c.odd, data...)
	samples := make([]int16, len(data)/2)
	for i := range samples {
		samples[i] = int16(uint16(data[2*i]) | uint16(data[2*i+1])<<8)
	}
	c.odd = bytes.Clone(data[2*len(samples):])
	for len(samples) > 0 { // in steps of 50 ms as the C++ server, however large the message
		n := min(len(samples), c.rate/20)
		if err := c.hear(samples[:n]); err != nil {
			return err
		}
		samples = samples[n:]
	}
	return nil
}

func (c *session) chunkSamples() int64 { return int64(c.chunk[1]) * 60 * int64(c.rate) / 1000 }

func (c *session) hear(samples []int16) error {
	c.heard += int64(len(samples))
	c.total += time.Duration(len(samples)) * time.Second / time.Duration(c.rate)
	if c.fault.DropAfter > 0 && c.total >= c.fault.DropAfter {
		_ = c.conn.CloseNow()
		return errDropped
	}
	for _, e := range c.ears.Write(samples) {
		if err := c.event(e); err != nil {
			return err
		}
	}
	if c.waiting != nil && c.heard >= c.due {
		if err := c.final(*c.waiting); err != nil {
			return err
		}
	}
	if c.heard >= c.next {
		c.next += c.chunkSamples()
		return c.partial()
	}
	return nil
}

func (c *session) event(e tone.Event) error {
	switch e.Kind {
	case tone.Begin:
		if c.waiting != nil {
			return c.final(*c.waiting)
		}
	case tone.Text:
		c.said.WriteString(e.NewText())
		c.everSaid += e.NewText()
	case tone.End:
		if e.Utterance.Text == "" {
			return nil
		}
		if e.Utterance.Cut && !e.Utterance.Intact {
			u := e.Utterance
			c.waiting = &u
			c.due = u.End + int64(c.server.config.EndSilence)*int64(c.rate)/int64(time.Second)
			return nil
		}
		return c.final(e.Utterance)
	}
	return nil
}
