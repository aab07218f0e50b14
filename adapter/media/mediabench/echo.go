package mediabench

import (
	"context"
	"io"
	"time"

	"github.com/coder/websocket"
)

// echo is one bare websocket that sends back what it gets.
func (b *bench) echo(ctx context.Context, addr string) error {
	//nolint:bodyclose // the library owns the body of a handshake that succeeded and has read the other's
	c, _, err := websocket.Dial(ctx, addr, &websocket.DialOptions{Subprotocols: []string{"media"}})
	if err != nil {
		return err
	}
	b.closers = append(b.closers, hangup{c})
	b.work.Go(func() {
		for {
			typ, data, err := c.Read(context.Background())
			if err != nil || c.Write(context.Background(), typ, data) != nil {
				return
			}
			b.frames.Add(1)
			if sent, ok := readStamp(data); ok {
				b.in.add(time.Since(sent))
			}
		}
	})
	return nil
}

type hangup struct{ c *websocket.Conn }

// Close implements io.Closer.
func (h hangup) Close() error { return h.c.CloseNow() }

var _ io.Closer = hangup{}
