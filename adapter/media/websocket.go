package media

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"ringmaster/internal/audio"
)

// Times of a websocket session.
const (
	statusEvery  = time.Second     // the queue's length is asked for
	deadAfter    = 6 * time.Second // nothing came, not even a status
	writeTimeout = 2 * time.Second // of one message
	flushTimeout = time.Second     // of the answer to GET_STATUS
)

var errSilent = errors.New("the exchange has been silent on the media leg: not even a status came")

// WebSocket is a chan_websocket media leg.
type WebSocket struct {
	o     Options
	conn  *websocket.Conn
	in    *inbox
	wake  chan struct{} // something to send
	flush chan bargeIn
	done  chan struct{}

	frameBytes int
	quiet      []byte // idleHigh frames of silence
	sending    []byte // of the pump

	mu      sync.Mutex // never held during I/O
	book    playout
	queue   []byte // speech that is not yet sent, wire bytes
	written int64  // frames of speech accepted
	given   int64  // frames of speech sent or thrown away
	flushes int64  // barge-ins so far
	space   chan struct{}
	writers int           // that wait for space
	paused  time.Duration // what Played says while a flush is not answered
	drains  []*drain
	marks   int64
	asked   []question
	off     bool // XOFF
	heard   time.Time
	over    bool
	err     error
}

// drain is a waiting Drain: until frames have been given and the mark behind
// them was reached.
type drain struct {
	until int64
	mark  string
	sent  int64 // index in the book at the mark
	done  chan error
}

// question is a GET_STATUS without an answer yet; answers come in order.
type question struct {
	sent     int64
	drops    int
	flush    bool
	guess    int64 // the queue's length then, by the clock
	answered chan struct{}
}

// bargeIn is a Flush on its way to the pump.
type bargeIn struct {
	written  chan error    // FLUSH_MEDIA is on its way
	answered chan struct{} // closed when the queue's length then is booked
}

var _ Session = (*WebSocket)(nil)

// DialWebSocket connects to a waiting chan_websocket channel. ctx bounds the
// set-up only.
func DialWebSocket(ctx context.Context, url string, tlsConfig *tls.Config, o Options) (*WebSocket, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true}}
	//nolint:bodyclose // the library owns the body of a handshake that succeeded and has read the other's
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"media"}})
	if err != nil {
		return nil, fmt.Errorf("media websocket: %w", err)
	}
	conn.SetReadLimit(maxControl)
	if err := awaitStart(ctx, conn, o.Format); err != nil {
		_ = conn.CloseNow()
		return nil, err
	}
	now := time.Now()
	w := &WebSocket{
		o: o, conn: conn, in: newInbox(o.Format, now, o.Dropped), wake: make(chan struct{}, 1), flush: make(chan bargeIn),
		done: make(chan struct{}), frameBytes: o.Format.FrameBytes(), quiet: silence(o.Format, idleHigh), space: make(chan struct{}), heard: now,
	}
	go w.read() //nolint:gosec // ctx bounds the set-up, the session outlives it
	go w.pump()
	return w, nil
}

// awaitStart reads MEDIA_START, which is the first message.
func awaitStart(ctx context.Context, conn *websocket.Conn, f audio.Format) error {
	for range 10 {
		typ, data, err := conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("media websocket: %w", err)
		}
		if typ != websocket.MessageText {
			continue
		}
		c, err := parseControl(data)
		if err != nil {
			return err
		}
		if c.Event != evStart {
			continue
		}
		if c.Format != f.String() || c.FrameSize != f.FrameBytes() {
			return fmt.Errorf("media leg speaks %q in frames of %d bytes, we asked for %s of %d", c.Format, c.FrameSize, f, f.FrameBytes())
		}
		return nil
	}
	return fmt.Errorf("%w: no MEDIA_START", ErrControl)
}

// read is the one reader of the socket; it never blocks on anything else.
func (w *WebSocket) read() {
	buf := make([]byte, 0, 4096)
	var rest []byte // of a message that was no whole number of frames
	for {
		typ, r, err := w.conn.Reader(context.Background())
		if err == nil {
			buf, err = readAll(r, buf[:0])
		}
		if err != nil {
			w.end(fmt.Errorf("media websocket: %w", err))
			return
		}
		now := time.Now()
		w.mu.Lock()
		w.heard = now
		w.mu.Unlock()
		if typ == websocket.MessageText {
			w.control(now, buf)
			continue
		}
		rest = append(rest, buf...)
		at := 0
		for ; len(rest)-at >= w.frameBytes; at += w.frameBytes {
			w.in.put(now, rest[at:at+w.frameBytes])
		}
		rest = append(rest[:0], rest[at:]...)
	}
}

// readAll reads r to its end into buf's memory.
func readAll(r io.Reader, buf []byte) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

func (w *WebSocket) control(now time.Time, data []byte) {
	c, err := parseControl(data)
	if err != nil {
		w.o.Log.Warn("media: control message dropped", "bytes", len(data), "err", err)
		return
	}
	switch c.Event {
	case evDTMF:
		if d, ok := c.digit(); ok {
			w.o.OnDTMF(d)
		}
	case evStatus:
		w.status(now, c)
	case evMark:
		w.marked(c.CorrelationID)
	case evXOFF, evXON:
		w.mu.Lock()
		w.off = c.Event == evXOFF
		w.mu.Unlock()
		w.poke()
	case evError:
		w.o.Log.Warn("media: the exchange reports an error on the media leg", "err", fmt.Sprintf("%.100q", c.Text))
	}
}

// status books the answer to the oldest question.
func (w *WebSocket) status(now time.Time, c control) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.asked) == 0 {
		return // nobody asked
	}
	q := w.asked[0]
	w.asked = w.asked[1:]
	if q.flush {
		w.book.settle(q.sent - int64(c.Queue))
		w.book.drop(now, q.sent)
		close(q.answered)
	} else {
		w.book.status(now, q.sent, q.drops, c.Queue)
	}
	w.makeSpace()
}

// marked: play-out reached a mark.
func (w *WebSocket) marked(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := w.drains[:0]
	for _, d := range w.drains {
		if d.mark != id || id == "" {
			kept = append(kept, d)
			continue
		}
		w.book.settle(d.sent)
		d.done <- nil
	}
	w.drains = kept
}

// makeSpace wakes writers; needs the lock.
func (w *WebSocket) makeSpace() {
	if w.writers == 0 {
		return
	}
	w.writers = 0
	close(w.space)
	w.space = make(chan struct{})
}

func (w *WebSocket) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
