package badline

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that gives back lines.
func echo(t *testing.T) *Line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	b, err := New(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); _ = l.Close() })
	return b
}

func dial(t *testing.T, b *Line) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestALineIsCutInTheMidst(t *testing.T) {
	b := echo(t)
	c := dial(t, b)
	in := bufio.NewReader(c)
	for range 3 {
		if _, err := io.WriteString(c, "hello\n"); err != nil {
			t.Fatal(err)
		}
		if s, err := in.ReadString('\n'); err != nil || s != "hello\n" {
			t.Fatalf("%q %v", s, err)
		}
	}
	b.CutAfter(8)
	if _, err := io.WriteString(c, "hello\nhello\n"); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(in); string(rest) != "hello\nhe" || b.Cuts() != 1 {
		t.Errorf("%q, %d cuts", rest, b.Cuts())
	}
	c = dial(t, b)
	if _, err := io.WriteString(c, strings.Repeat("x", 20)); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(c); len(rest) != 8 {
		t.Errorf("%q", rest)
	}
}

func TestALineStandsStillAndGoesOn(t *testing.T) {
	b := echo(t)
	c := dial(t, b)
	b.Freeze()
	if _, err := io.WriteString(c, "a\n"); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 9)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d %v", n, err)
	}
	_ = c.SetReadDeadline(time.Time{})
	b.Mend()
	if s, err := bufio.NewReader(c).ReadString('\n'); err != nil || s != "a\n" {
		t.Errorf("%q %v", s, err)
	}
}
