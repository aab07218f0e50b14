package media

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/internal/audio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeAsterisk behaves as chan_websocket of 22.10.1 does, its hazards
// included: a fragmented message ends the leg, a command over 128 bytes is
// ignored, what does not fill a frame is thrown away, 1000 frames are the
// queue's end.
type fakeAsterisk struct {
	t      *testing.T
	f      audio.Format
	url    string
	l      net.Listener
	tick   time.Duration
	wg     sync.WaitGroup
	mu     sync.Mutex
	wmu    sync.Mutex
	conn   net.Conn
	queue  []item
	paused bool // late ticks: the exchange starves
	mute   bool // answers nothing

	played     [][]byte
	gaps       int // ticks with an empty queue after the first frame
	longest    int // longest queue, frames
	fragments  int
	ignored    int
	discarded  int
	commands   []string
	largest    int
	before     int // frames in the queue when the first speech came; -1 before that
	startEvent string
}

// item is a frame, or a mark.
type item struct {
	frame []byte
	mark  string
}

func newFake(t *testing.T, f audio.Format) *fakeAsterisk {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &fakeAsterisk{t: t, f: f, l: l, tick: frameTime, before: -1, url: "http://" + l.Addr().String() + "/media/x"}
	a.startEvent = fmt.Sprintf(`{"event":"MEDIA_START","connection_id":"x","channel":"WebSocket/INCOMING/0x1","channel_id":"m","format":"%s","optimal_frame_size":%d,"ptime":20,"channel_variables":{}}`, f, f.FrameBytes())
	a.wg.Go(a.serve)
	t.Cleanup(func() {
		_ = l.Close()
		a.drop()
		a.wg.Wait()
	})
	return a
}

func (a *fakeAsterisk) drop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		_ = a.conn.Close()
	}
}

func (a *fakeAsterisk) serve() {
	for {
		c, err := a.l.Accept()
		if err != nil {
			return
		}
		br := bufio.NewReader(c)
		req, err := http.ReadRequest(br)
		if err != nil {
			_ = c.Close()
			continue
		}
		if req.Header.Get("Sec-WebSocket-Protocol") != "media" {
			a.t.Errorf("subprotocol %q", req.Header.Get("Sec-WebSocket-Protocol"))
		}
		h := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		_, _ = fmt.Fprintf(c, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: media\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(h[:]))
		a.mu.Lock()
		a.conn = c
		a.mu.Unlock()
		a.send(1, []byte(a.startEvent))
		stop := make(chan struct{})
		a.wg.Go(func() { a.play(stop) })
		a.read(br)
		close(stop)
		_ = c.Close()
	}
}

// send writes one unmasked frame.
func (a *fakeAsterisk) send(opcode byte, data []byte) {
	head := []byte{0x80 | opcode}
	switch {
	case len(data) < 126:
		head = append(head, byte(len(data)))
	case len(data) < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(len(data)))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(len(data)))
	}
	a.wmu.Lock()
	defer a.wmu.Unlock()
	a.mu.Lock()
	c := a.conn
	a.mu.Unlock()
	_, _ = c.Write(append(head, data...))
}

func (a *fakeAsterisk) event(format string, args ...any) {
	a.send(1, fmt.Appendf(nil, format, args...))
}

// play is the 20 ms tick of the channel.
func (a *fakeAsterisk) play(stop chan struct{}) {
	t := time.NewTicker(a.tick)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		a.mu.Lock()
		if a.paused {
			a.mu.Unlock()
			continue
		}
		var marks []string
		for len(a.queue) > 0 && a.queue[0].mark != "" {
			marks = append(marks, a.queue[0].mark)
			a.queue = a.queue[1:]
		}
		if len(a.queue) > 0 {
			a.played = append(a.played, a.queue[0].frame)
			a.queue = a.queue[1:]
		} else if len(a.played) > 0 {
			a.gaps++
		}
		a.mu.Unlock()
		for _, m := range marks {
			a.event(`{"event":"MEDIA_MARK_PROCESSED","channel_id":"m","correlation_id":"%s"}`, m)
		}
	}
}

func (a *fakeAsterisk) length() int {
	n := 0
	for _, i := range a.queue {
		if i.mark == "" {
			n++
		}
	}
	return n
}

func (a *fakeAsterisk) read(br *bufio.Reader) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(br, head[:]); err != nil {
			return
		}
		n := uint64(head[1] & 0x7f)
		switch n {
		case 126:
			var b [2]byte
			_, _ = io.ReadFull(br, b[:])
			n = uint64(binary.BigEndian.Uint16(b[:]))
		case 127:
			var b [8]byte
			_, _ = io.ReadFull(br, b[:])
			n = binary.BigEndian.Uint64(b[:])
		}
		var mask [4]byte
		if head[1]&0x80 == 0 {
			a.t.Error("an unmasked frame")
		} else {
			_, _ = io.ReadFull(br, mask[:])
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(br, data); err != nil {
			return
		}
		for i := range data {
			data[i] ^= mask[i%4]
		}
		opcode := head[0] & 0x0f
		if head[0]&0x80 == 0 || opcode == 0 {
			a.mu.Lock()
			a.fragments++
			a.mu.Unlock()
			return // Asterisk hangs the leg up
		}
		switch opcode {
		case 1:
			a.command(data)
		case 2:
			a.audio(data)
		case 8:
			return
		case 9:
			a.send(10, data)
		}
	}
}

func (a *fakeAsterisk) audio(data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.largest = max(a.largest, len(data))
	size := a.f.FrameBytes()
	a.discarded += len(data) % size
	if a.length() >= 1000 {
		a.discarded += len(data)
		return
	}
	if a.before < 0 && string(data[:min(size, len(data))]) != string(silence(a.f, 1)) {
		a.before = a.length()
	}
	for ; len(data) >= size; data = data[size:] {
		a.queue = append(a.queue, item{frame: data[:size]})
	}
	a.longest = max(a.longest, a.length())
}

func (a *fakeAsterisk) command(data []byte) {
	a.mu.Lock()
	if len(data) > 128 {
		a.ignored++
		a.mu.Unlock()
		return
	}
	var c struct {
		Command string `json:"command"`
		ID      string `json:"correlation_id"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		a.t.Errorf("command %q: %v", data, err)
	}
	a.commands = append(a.commands, c.Command)
	n, mute := a.length(), a.mute
	switch c.Command {
	case "FLUSH_MEDIA":
		a.queue = nil
	case "MARK_MEDIA":
		a.queue = append(a.queue, item{mark: c.ID})
	}
	a.mu.Unlock()
	if c.Command == "GET_STATUS" && !mute {
		a.event(`{"event":"STATUS","channel_id":"m","queue_length":%d,"xon_level":800,"xoff_level":900,"queue_full":false,"bulk_media":false,"media_paused":false}`, n)
	}
}

// loudPlayed is how many frames that are not silence were played.
func (a *fakeAsterisk) loudPlayed() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	quiet := string(silence(a.f, 1))
	n := 0
	for _, f := range a.played {
		if string(f) != quiet {
			n++
		}
	}
	return n
}

func dial(t *testing.T, a *fakeAsterisk, change ...func(*Options)) *WebSocket {
	t.Helper()
	o := Options{Format: a.f, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	w, err := DialWebSocket(ctx, a.url, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func speech(f audio.Format, d time.Duration) audio.Frame {
	s := make([]int16, f.Samples(d))
	for i := range s {
		s[i] = 4000
	}
	return audio.Frame{Samples: s}
}

var errTest = errors.New("test")
