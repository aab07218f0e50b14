package media

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"ringmaster/internal/audio"
)

// Kinds of AudioSocket messages: one byte kind, two bytes length, payload.
const (
	asHangup = 0x00
	asUUID   = 0x01
	asDTMF   = 0x03
	asSlin   = 0x10 // 8 kHz
	asSlin16 = 0x12
	asError  = 0xff
)

// ErrAudioSocket is a peer that does not speak AudioSocket, or the wrong leg's.
var ErrAudioSocket = errors.New("unexpected bytes on the AudioSocket")

// AudioSocket is a media leg over chan_audiosocket, which a stalled process of
// ours can turn into a hang of the whole exchange: Asterisk 22.10.1 reads the
// socket with the channel locked and waits for bytes without end
// (chan_audiosocket.c:90, res_audiosocket.c:305). So silence is sent from the
// moment of connection to the last, and it stays an explicit choice.
type AudioSocket struct {
	*paced
	l    net.Listener
	conn net.Conn
	kind byte
	uuid [16]byte
	buf  []byte
}

var _ Session = (*AudioSocket)(nil)

func audioSocketKind(f audio.Format) (byte, error) {
	switch f {
	case audio.FormatSlin:
		return asSlin, nil
	case audio.FormatSlin16:
		return asSlin16, nil
	}
	return 0, fmt.Errorf("%w: AudioSocket carries slin and slin16, not %s", ErrFormat, f)
}

// ListenAudioSocket opens a port on ip for the one connection of the leg whose
// UUID it is; LocalAddr names it for Asterisk.
func ListenAudioSocket(ip string, uuid [16]byte, o Options) (*AudioSocket, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	kind, err := audioSocketKind(o.Format)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return nil, fmt.Errorf("media audiosocket: %w", err)
	}
	return &AudioSocket{l: l, kind: kind, uuid: uuid, paced: newPaced(o, time.Now(), nil, func() { _ = l.Close() })}, nil
}

// LocalAddr is where Asterisk connects to.
func (a *AudioSocket) LocalAddr() string { return a.l.Addr().String() }

// Accept waits for Asterisk and begins to send at once: silence, before even
// the peer's identity is read.
func (a *AudioSocket) Accept(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = a.l.Close() })
	defer stop()
	conn, err := a.l.Accept()
	_ = a.l.Close()
	if err != nil {
		a.end(err)
		return fmt.Errorf("media audiosocket: %w", err)
	}
	a.conn = conn
	a.send, a.shut = a.write, func() { _ = conn.Close() }
	go a.pace()
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	kind, payload, err := readAudioSocket(conn, nil)
	if err == nil && (kind != asUUID || len(payload) != 16 || [16]byte(payload) != a.uuid) {
		err = fmt.Errorf("%w: not the leg that was made", ErrAudioSocket)
	}
	if err != nil {
		_ = a.Close()
		return err
	}
	_ = conn.SetReadDeadline(time.Time{})
	go a.read()
	return nil
}

// write sends one frame in one piece.
func (a *AudioSocket) write(frame []byte, _ bool) error {
	a.buf = append(a.buf[:0], a.kind, byte(len(frame)>>8), byte(len(frame)))
	a.buf = append(a.buf, frame...)
	_ = a.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := a.conn.Write(a.buf)
	return err
}

func (a *AudioSocket) read() {
	var buf, rest []byte
	size := a.o.Format.FrameBytes()
	for {
		kind, payload, err := readAudioSocket(a.conn, buf)
		if err == nil && (kind == asHangup || kind == asError) {
			err = fmt.Errorf("%w: the exchange ended the leg", io.EOF)
		}
		if err != nil {
			a.end(fmt.Errorf("media audiosocket: %w", err))
			return
		}
		buf = payload
		switch kind {
		case asDTMF:
			if d := strings.ToUpper(string(payload)); len(d) == 1 && strings.Contains("0123456789*#ABCD", d) {
				a.o.OnDTMF(d[0])
			}
		case a.kind:
			rest = append(rest, payload...)
			at, now := 0, time.Now()
			for ; len(rest)-at >= size; at += size {
				a.in.put(now, rest[at:at+size])
			}
			rest = append(rest[:0], rest[at:]...)
		}
	}
}

// readAudioSocket reads one message into buf's memory.
func readAudioSocket(r io.Reader, buf []byte) (kind byte, payload []byte, err error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint16(head[1:]))
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	_, err = io.ReadFull(r, buf[:n])
	return head[0], buf[:n], err
}
