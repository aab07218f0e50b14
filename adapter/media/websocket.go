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
	"ringmaster/internal/pbx"
)

// Times of a websocket session.
const (
	statusEvery  = time.Second            // the queue's length is asked for
	deadAfter    = 6 * time.Second        // nothing came, not even a status
	writeTimeout = 2 * time.Second        // of one message
	flushTimeout = 500 * time.Millisecond // of the answer to GET_STATUS
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
		done: make(chan struct{}), frameBytes: o.Format.FrameBytes(), space: make(chan struct{}), heard: now,
	}
	go w.read()
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

// Format implements pbx.Media.
func (w *WebSocket) Format() audio.Format { return w.o.Format }

// ReadFrame implements pbx.Media.
func (w *WebSocket) ReadFrame(dst *audio.Frame) error { return w.in.read(dst) }

// WriteFrame implements pbx.Media.
func (w *WebSocket) WriteFrame(src audio.Frame) error {
	frames, err := wholeFrames(w.o.Format, len(src.Samples))
	if err != nil {
		return err
	}
	w.mu.Lock()
	flushes := w.flushes
	w.mu.Unlock()
	per := w.o.Format.FrameSamples()
	for at := int64(0); at < frames; {
		n, err := w.accept(src.Samples[int(at)*per:], frames-at, flushes)
		if err != nil {
			return err
		}
		at += n
	}
	return nil
}

// accept takes as many frames as there is room for, waiting for one at least.
func (w *WebSocket) accept(samples []int16, frames, flushes int64) (int64, error) {
	for {
		w.mu.Lock()
		if w.over {
			w.mu.Unlock()
			return 0, pbx.ErrGone
		}
		if w.flushes != flushes {
			w.mu.Unlock()
			return 0, pbx.ErrFlushed
		}
		room := min(maxQueued-w.waiting(time.Now()), frames)
		if room > 0 {
			var err error
			w.queue, err = audio.Encode(w.queue, samples[:int(room)*w.o.Format.FrameSamples()], w.o.Format.Encoding)
			if err == nil {
				w.written += room
			}
			w.mu.Unlock()
			w.poke()
			return room, err
		}
		space := w.space
		w.writers++
		w.mu.Unlock()
		select {
		case <-space:
		case <-w.done:
		}
	}
}

// waiting is how much speech is not yet played, in frames; needs the lock.
func (w *WebSocket) waiting(now time.Time) int64 {
	return int64(len(w.queue)/w.frameBytes) + w.book.speechWaiting(now)
}

// Drain implements pbx.Media.
func (w *WebSocket) Drain(ctx context.Context) error {
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return pbx.ErrGone
	}
	if len(w.queue) == 0 && !w.book.speechUnsettled() {
		w.mu.Unlock()
		return nil
	}
	d := &drain{until: w.written, done: make(chan error, 1)}
	w.drains = append(w.drains, d)
	w.mu.Unlock()
	w.poke()
	select {
	case err := <-d.done:
		return err
	case <-ctx.Done():
		return ctx.Err() // its place stays; the mark is thrown away when it comes
	}
}

// Flush implements pbx.Media. heard is exact when err is nil.
func (w *WebSocket) Flush() (time.Duration, error) {
	b := bargeIn{written: make(chan error, 1), answered: make(chan struct{})}
	select {
	case w.flush <- b:
	case <-w.done:
		return w.Played(), pbx.ErrGone
	}
	if err := <-b.written; err != nil {
		return w.Played(), fmt.Errorf("%w: %w", pbx.ErrUnknown, err)
	}
	t := time.NewTimer(flushTimeout)
	defer t.Stop()
	select {
	case <-b.answered:
		return w.Played(), nil
	case <-w.done:
		return w.Played(), pbx.ErrGone
	case <-t.C:
	}
	w.giveUp(b)
	return w.Played(), fmt.Errorf("%w: the queue was flushed, but how much was heard is an estimate", pbx.ErrUnknown)
}

// giveUp books a flush by the clock; its place among the questions stays.
func (w *WebSocket) giveUp(b bargeIn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.asked {
		if q := &w.asked[i]; q.flush && q.answered == b.answered {
			w.book.settle(q.sent - q.guess)
			w.book.drop(time.Now(), q.sent)
			q.flush, q.drops = false, -1
		}
	}
}

// Played implements pbx.Media.
func (w *WebSocket) Played() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.asked {
		if q.flush {
			return w.paused
		}
	}
	return toTime(w.book.heardBy(time.Now()))
}

// Close implements pbx.Media.
func (w *WebSocket) Close() error {
	w.end(nil)
	return nil
}

// Abort implements Session.
func (w *WebSocket) Abort(err error) { w.end(err) }

// Done implements Session.
func (w *WebSocket) Done() <-chan struct{} { return w.done }

// Err implements Session.
func (w *WebSocket) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// end announces the end to everybody, once.
func (w *WebSocket) end(err error) {
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return
	}
	w.over, w.err = true, err
	for _, d := range w.drains {
		d.done <- pbx.ErrGone
	}
	w.drains = nil
	w.mu.Unlock()
	close(w.done)
	w.in.end()
	_ = w.conn.CloseNow()
	if err != nil {
		w.o.OnEnd(err)
	}
}
