package mediabench

import (
	"bufio"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455 says so
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/internal/audio"
)

// socketExchange behaves as chan_websocket does: frames of 20 ms out, a queue
// that is played on the beat in, and answers to GET_STATUS, FLUSH_MEDIA and
// MARK_MEDIA. For Echo it only counts what comes back.
type socketExchange struct {
	o     order
	l     net.Listener
	work  sync.WaitGroup
	voice []byte
	sent  uint64
	got   atomic.Uint64
	all   chan struct{}

	mu    sync.Mutex
	calls []*socketCall
}

type socketCall struct {
	x    *socketExchange
	conn net.Conn
	out  []byte

	mu    sync.Mutex
	queue int64 // frames
	marks []mark
	taken int64 // frames that ever came
}

// mark stands behind so many frames.
type mark struct {
	at int64
	id string
}

func newSocketExchange(o order) (exchange, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	x := &socketExchange{o: o, l: l, all: make(chan struct{})}
	if x.voice, err = audio.Encode(nil, voice(), audio.ULaw); err != nil {
		return nil, err
	}
	x.work.Go(x.accept)
	return x, nil
}

func (x *socketExchange) addr() string { return "ws://" + x.l.Addr().String() + "/media" }

func (x *socketExchange) ready(ctx context.Context) error {
	select {
	case <-x.all:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *socketExchange) accept() {
	for {
		c, err := x.l.Accept()
		if err != nil {
			return
		}
		k := &socketCall{x: x, conn: c}
		br := bufio.NewReaderSize(c, 8<<10)
		if err := k.greet(br); err != nil {
			_ = c.Close()
			continue
		}
		x.work.Go(func() { k.read(br) })
		x.mu.Lock()
		if x.calls = append(x.calls, k); len(x.calls) == x.o.Calls {
			close(x.all)
		}
		x.mu.Unlock()
	}
}

func (k *socketCall) greet(br *bufio.Reader) error {
	req, err := http.ReadRequest(br)
	if err != nil {
		return err
	}
	h := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455
	_, err = fmt.Fprintf(k.conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: media\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(h[:]))
	if err != nil || k.x.o.Path == Echo {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.write(1, []byte(`{"event":"MEDIA_START","format":"ulaw","optimal_frame_size":160,"ptime":20}`))
}

// write sends one message; needs the lock.
func (k *socketCall) write(opcode byte, data []byte) error {
	k.out = append(k.out[:0], 0x80|opcode)
	if len(data) < 126 {
		k.out = append(k.out, byte(len(data)))
	} else {
		k.out = binary.BigEndian.AppendUint16(append(k.out, 126), uint16(len(data))) //nolint:gosec // short
	}
	k.out = append(k.out, data...)
	_, err := k.conn.Write(k.out)
	return err
}

func (k *socketCall) read(br *bufio.Reader) {
	var head [14]byte
	var data []byte
	for {
		if _, err := io.ReadFull(br, head[:2]); err != nil {
			return
		}
		n, extra := int(head[1]&0x7f), 4
		if n == 126 {
			extra = 6
		}
		if _, err := io.ReadFull(br, head[2:2+extra]); err != nil {
			return
		}
		if n == 126 {
			n = int(binary.BigEndian.Uint16(head[2:]))
		}
		if cap(data) < n {
			data = make([]byte, n)
		}
		data = data[:n]
		if _, err := io.ReadFull(br, data); err != nil {
			return
		}
		switch head[0] & 0x0f {
		case 1:
			for i := range data {
				data[i] ^= head[2+extra-4+i%4]
			}
			k.command(data)
		case 2:
			k.x.got.Add(uint64(n / frame)) //nolint:gosec // positive
			k.mu.Lock()
			k.queue += int64(n / frame)
			k.taken += int64(n / frame)
			k.mu.Unlock()
		}
	}
}

func (k *socketCall) command(data []byte) {
	var c struct {
		Command string `json:"command"`
		ID      string `json:"correlation_id"`
	}
	if json.Unmarshal(data, &c) != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch c.Command {
	case "GET_STATUS":
		_ = k.write(1, fmt.Appendf(nil, `{"event":"STATUS","queue_length":%d}`, k.queue))
	case "FLUSH_MEDIA":
		k.queue = 0
	case "MARK_MEDIA":
		k.marks = append(k.marks, mark{k.taken, c.ID})
	}
}

// send gives a slot's calls one frame each and plays one of each queue.
func (x *socketExchange) send(slot int, round int64) {
	x.mu.Lock()
	calls := x.calls
	x.mu.Unlock()
	at := int(round%400) * frame
	out := append([]byte(nil), x.voice[at:at+frame]...)
	for i := slot; i < len(calls); i += slots {
		k := calls[i]
		writeStamp(out, time.Now())
		k.mu.Lock()
		if k.write(2, out) == nil {
			x.sent++
		}
		for len(k.marks) > 0 && k.marks[0].at <= k.taken-k.queue {
			_ = k.write(1, fmt.Appendf(nil, `{"event":"MEDIA_MARK_PROCESSED","correlation_id":%q}`, k.marks[0].id))
			k.marks = k.marks[1:]
		}
		k.queue = max(0, k.queue-1)
		k.mu.Unlock()
	}
}

func (x *socketExchange) result() report {
	r := report{Sent: x.sent, Received: x.got.Load()}
	if x.o.Path == Echo && x.sent > r.Received {
		r.Lost = x.sent - r.Received
	}
	return r
}

func (x *socketExchange) close() {
	_ = x.l.Close()
	x.mu.Lock()
	for _, k := range x.calls {
		_ = k.conn.Close()
	}
	x.mu.Unlock()
	x.work.Wait()
}
