package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A well-kept client understands us, in sizes around every length form.
func TestEcho(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Offers(r, "media") {
			t.Error("the offered subprotocol was not seen")
		}
		c, err := Upgrade(w, r, "media", 1<<20)
		if err != nil {
			t.Error(err)
			return
		}
		for {
			f, err := c.ReadFrame()
			if err != nil || f.Opcode == Close {
				c.Goodbye(1000)
				return
			}
			if err := c.Write(f.Opcode, f.Payload, time.Second); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	c, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{Subprotocols: []string{"other", "media"}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 70000} {
		want := bytes.Repeat([]byte{7}, n)
		if err := c.Write(t.Context(), websocket.MessageBinary, want); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(t.Context()); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came back as %d, %v", n, len(got), err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
}

func TestHandshakeRefused(t *testing.T) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	if _, err := Upgrade(httptest.NewRecorder(), r, "", 10); !errors.Is(err, ErrHandshake) {
		t.Fatal(err)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0x82, 0x83, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte{0x02, 0xfe, 0, 3, 1, 2, 3, 4, 5, 6, 7, 0x80, 0x80, 0, 0, 0, 0})
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Add([]byte{0x88, 0x82, 0, 0, 0, 0, 3, 232})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &Conn{r: bufio.NewReader(bytes.NewReader(data)), limit: 1000}
		for {
			fr, err := c.ReadFrame()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrTooBig) {
					t.Fatal(err)
				}
				return
			}
			if len(fr.Payload) > 1000 {
				t.Fatalf("%d bytes got through", len(fr.Payload))
			}
		}
	})
}
