package twin

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/lab/twin/sound"
	"ringmaster/internal/lab/twin/wire"
)

// Limits of chan_websocket in Asterisk 22.10.1.
const (
	queueMax     = 1000 // frames; a message that comes when there are so many is dropped
	queueOff     = 900
	queueOn      = 800
	commandMax   = 128  // bytes; longer ones are ignored
	fragmentMax  = 1024 // bytes; a first fragment of so many kills the leg
	messageMax   = 65535
	connectLimit = 30 * time.Second
	backlogMax   = 2 << 20 // bytes to a reader that does not read
)

// item is a frame, or a mark between frames.
type item struct {
	frame []byte
	mark  string
	event string // of the mark
}

// media is the websocket leg: chan_websocket.
type media struct {
	ch     *channel
	format audio.Format
	json   bool
	conn   string // connection id

	mu        sync.Mutex
	ws        *wire.Conn
	taken     bool
	closed    bool
	queue     []item
	frames    int
	full      bool
	paused    bool
	buffering bool
	draining  bool
	deaf      bool // SET_MEDIA_DIRECTION out: nothing is sent to the controller
	partial   []byte
	fragments []byte // of a message that is not complete
	pending   []byte // frames to be written
	wake      chan struct{}
	last      int16
	linear    []int16
	coded     []byte
	marked    time.Time // when the last frame with a Marker was queued; zero = its answer has come
}

// externalMedia is POST /channels/externalMedia.
func (ex *Exchange) externalMedia(p params) (*channelJSON, *apiError) {
	format, err := audio.ParseFormat(p.get("format"))
	switch {
	case p.get("app") == "":
		return nil, bad(http.StatusBadRequest, "app is required")
	case p.get("external_host") == "":
		return nil, bad(http.StatusBadRequest, "external_host is required")
	case err != nil:
		return nil, bad(http.StatusInternalServerError, "An internal error prevented this request from being handled")
	case p.get("transport") != "websocket" || p.get("external_host") != "INCOMING":
		return nil, bad(http.StatusNotImplemented, "the twin offers transport=websocket with external_host=INCOMING only")
	}
	if e := ex.free(p.get("channelId")); e != nil {
		return nil, e
	}
	ch := ex.newChannel(mediaKind, p.get("channelId"), fmt.Sprintf("WebSocket/INCOMING/0x7f%010x", ex.next()))
	m := &media{ch: ch, format: format, json: p.get("transport_data") == "f(json)", conn: ex.uuid(), wake: make(chan struct{}, 1)}
	ch.media, ch.line = m, sound.NewLeg(ch, m)
	ch.app, ch.args = p.get("app"), split(p.get("appArgs"))
	ch.dialTo = "INCOMING/" + p.get("transport_data")
	for k, v := range p.vars {
		ch.vars[k] = v
	}
	ch.shown = map[string]string{
		"MEDIA_WEBSOCKET_CONNECTION_ID":      m.conn,
		"MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE": fmt.Sprint(format.FrameBytes()),
	}
	ex.media[m.conn] = ch
	ex.add(ch)
	ch.dialled = true
	answer := ch.json()
	ch.shown = nil // the variables are in the answer only
	ch.dial("")
	ch.after(connectLimit, func() { ch.end(0, 0) })
	return answer, nil
}

// serveMedia is GET /media/{id}: no password, the id is the secret.
func (ex *Exchange) serveMedia(w http.ResponseWriter, r *http.Request) {
	ex.mu.Lock()
	ch := ex.media[r.PathValue("id")]
	if ch == nil || ch.gone {
		ex.mu.Unlock()
		http.Error(w, "Not found", http.StatusNotFound)
		return
	}
	m := ch.media
	if m.taken || ex.closed {
		ex.mu.Unlock()
		http.Error(w, "Conflict", http.StatusConflict)
		return
	}
	m.taken = true
	ex.running.Add(1)
	ex.mu.Unlock()
	defer ex.running.Done()
	proto := ""
	if wire.Offers(r, "media") {
		proto = "media"
	}
	ws, err := wire.Upgrade(w, r, proto, messageMax)
	if err != nil {
		ex.mu.Lock()
		m.taken = false
		ex.mu.Unlock()
		http.Error(w, "Upgrade required", http.StatusUpgradeRequired)
		return
	}
	if !ex.connected(ch, m, ws) {
		ws.Cut()
		return
	}
	cause, tech := m.read(ws)
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if !ch.gone {
		ch.end(cause, tech)
	}
}

// connected is the moment the controller's socket is there: MEDIA_START, then
// the channel is Up and in the application.
func (ex *Exchange) connected(ch *channel, m *media, ws *wire.Conn) bool {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if ch.gone || ex.closed {
		return false
	}
	m.mu.Lock()
	m.ws = ws
	m.mu.Unlock()
	ex.running.Add(1)
	go func() {
		defer ex.running.Done()
		m.write(ws)
	}()
	m.tell("MEDIA_START", "connection_id", m.conn, "channel", ch.name, "channel_id", ch.id, "format", m.format.String(),
		"optimal_frame_size", m.format.FrameBytes(), "ptime", 20, "channel_variables", map[string]string{
			"MEDIA_WEBSOCKET_CONNECTION_ID": m.conn, "MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE": fmt.Sprint(m.format.FrameBytes()),
		})
	ch.calm()
	ch.state = stateUp
	ch.emit(event{Type: "ChannelStateChange"})
	ch.dial("ANSWER")
	if !ch.enter(ch.args) {
		ch.end(0, 0)
		return true
	}
	ex.clock.Add(ch.line)
	return true
}

// read takes messages until the leg ends, and says with which causes.
func (m *media) read(ws *wire.Conn) (cause, tech int) {
	for {
		f, err := ws.ReadFrame()
		if err != nil {
			return 38, 1001
		}
		switch f.Opcode {
		case wire.Close:
			return 16, 1000
		case wire.Ping:
			if ws.Write(wire.Pong, f.Payload, time.Second) != nil {
				return 38, 1001
			}
		case wire.Text:
			if bye := m.command(f.Payload); bye {
				return 16, 1000
			}
		case wire.Pong:
		case wire.Binary, wire.Continuation:
			whole, ok := m.assemble(f)
			if !ok {
				return 38, 1003
			}
			m.take(whole)
		}
	}
}

// assemble joins fragments as Asterisk does: not at all when the first is
// large, which ends the leg (chan_websocket.c:1125 and 1154).
func (m *media) assemble(f wire.Frame) (whole []byte, ok bool) {
	if f.Fin && f.Opcode == wire.Binary {
		return f.Payload, true
	}
	if len(m.fragments)+len(f.Payload) >= fragmentMax {
		return nil, false
	}
	m.fragments = append(m.fragments, f.Payload...)
	if !f.Fin {
		return nil, true
	}
	whole, m.fragments = m.fragments, nil
	return whole, true
}

// take queues the frames of a message.
func (m *media) take(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(b) == 0 || m.frames >= queueMax {
		return
	}
	m.reacted(b)
	n := m.format.FrameBytes()
	if m.buffering {
		b = append(m.partial, b...)
		m.partial = append([]byte(nil), b[len(b)/n*n:]...)
	}
	for ; len(b) >= n; b = b[n:] {
		m.push(b[:n])
	}
	if m.frames > queueOff && !m.full {
		m.full = true
		m.send("MEDIA_XOFF")
	}
}

func (m *media) push(frame []byte) {
	m.queue = append(m.queue, item{frame: append([]byte(nil), frame...)})
	m.frames++
}

// Play is the next frame for the bridge; false when there is none.
func (m *media) Play(dst *sound.Frame) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.paused {
		return false
	}
	for len(m.queue) > 0 && m.queue[0].frame == nil {
		m.send(m.queue[0].event, "correlation_id", m.queue[0].mark)
		m.queue = m.queue[1:]
	}
	if len(m.queue) == 0 {
		if m.draining {
			m.draining = false
			m.send("QUEUE_DRAINED")
		}
		return false
	}
	f := m.queue[0].frame
	m.queue[0] = item{}
	m.queue = m.queue[1:]
	m.frames--
	if m.full && m.frames < queueOn {
		m.full = false
		m.send("MEDIA_XON")
	}
	m.linear, _ = audio.Decode(m.linear[:0], f, m.format.Encoding)
	if m.format.Rate == callee.Rate {
		copy(dst[:], m.linear)
		return true
	}
	half := callee.Downsample(dst[:0], m.linear)
	return len(half) > 0
}

// Say sends a frame of the other side to the controller.
func (m *media) Say(f []int16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.ws == nil || m.deaf {
		return
	}
	if m.format.Rate != callee.Rate {
		m.linear, m.last = callee.Upsample(m.linear[:0], f, m.last)
		f = m.linear
	}
	m.coded, _ = audio.Encode(m.coded[:0], f, m.format.Encoding)
	m.mark(f)
	m.enqueue(wire.Binary, m.coded)
}

// enqueue needs the lock.
func (m *media) enqueue(op wire.Opcode, payload []byte) {
	if len(m.pending) > backlogMax { // a reader that stopped reading: the leg ends, as it does in Asterisk
		m.closed = true
		m.ws.Cut()
	}
	if m.closed {
		return
	}
	m.pending = wire.AppendFrame(m.pending, op, payload)
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// write is the only writer of the socket.
func (m *media) write(ws *wire.Conn) {
	var batch []byte
	for range m.wake {
		m.mu.Lock()
		batch, m.pending = m.pending, batch[:0]
		closed := m.closed
		m.mu.Unlock()
		if len(batch) > 0 && ws.WriteRaw(batch, 10*time.Second) != nil {
			ws.Cut()
			m.mu.Lock()
			m.closed = true
			m.mu.Unlock()
			return
		}
		if closed {
			ws.Goodbye(1000)
			return
		}
	}
}

// goodbye ends the leg from our side; a crash says nothing.
func (m *media) goodbye(crash bool) {
	delete(m.ch.ex.media, m.conn)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if crash && m.ws != nil {
		m.ws.Cut()
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}
