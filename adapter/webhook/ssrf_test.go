package webhook

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/dns/dnsmessage"

	"ringmaster/internal/outbox"
)

// canary listens on every address of this machine and counts connections.
func canary(t *testing.T) (port int, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int64{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port, connections
}

// hosts by which somebody could try to reach inside: this machine, the
// network behind it, a cloud's metadata.
var hosts = []string{
	"127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "127.1", "127.0.1", "0.0.0.0", "0", "0.0.0.1", "0.1.2.3",
	"2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "0x7f.1", "127.0.0.1.", "127.000.000.001", "3232235777", "0xa9fea9fe",
	"localhost", "LOCALHOST", "localhost.", "ip6-localhost", "ip6-loopback",
	"[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]",
	"[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[2001:0:7f00:1::1]", "[2001:db8::1]", "[100::1]", "[3fff::1]", "[5f00::1]", "[fec0::1]",
	"[fe80::1]", "[fe80::1%25lo]", "[::1%25lo]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[ff05::2]",
	"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.255.254", "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "100.127.255.254",
	"192.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.254", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1",
	"metadata.google.internal", "①②⑦.⓪.⓪.①", "127。0。0。1", "evil.example", "rebind.example",
}

// Not one of them is connected to, whatever it is spelled as and whatever its
// name resolves to at that moment.
func TestRow_T24_NothingInsideIsReached(t *testing.T) {
	if len(hosts) < 60 {
		t.Fatalf("only %d", len(hosts))
	}
	port, connections := canary(t)
	resolver := liar(t)
	var all sync.WaitGroup
	limit := make(chan struct{}, 16)
	for _, h := range hosts {
		all.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			s, err := New([]Endpoint{{Name: "x", URL: fmt.Sprintf("http://%s:%d/hook", h, port), Secret: secret}})
			if err != nil {
				return // refused at the start
			}
			s.public = client(true, resolver)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			status, err := s.Send(ctx, outbox.Delivery{ID: uuid.New(), Destination: "x", Body: []byte(`{}`)})
			if err == nil || status != 0 {
				t.Errorf("%s: %d, %v", h, status, err)
			}
		})
	}
	all.Wait()
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections reached this machine", n)
	}
	// The same listener is reached when that is meant: the count means something.
	s, err := New([]Endpoint{{Name: "x", URL: fmt.Sprintf("http://127.0.0.1:%d/hook", port), Secret: secret, AllowPrivate: true}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = s.Send(t.Context(), outbox.Delivery{ID: uuid.New(), Destination: "x"})
	if connections.Load() == 0 {
		t.Error("allow_private does not allow")
	}
}

// liar is a resolver that answers every name with an address inside; the name
// rebind.example changes its mind between the questions.
func liar(t *testing.T) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for asked := 0; ; {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			if q.Type == dnsmessage.TypeA {
				a := [4]byte{127, 0, 0, 1}
				if strings.HasPrefix(q.Name.String(), "rebind") {
					if asked++; asked%2 == 1 {
						a = [4]byte{10, 0, 0, 1}
					}
				}
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}, Body: &dnsmessage.AResource{A: a}}}
			}
			if q.Type == dnsmessage.TypeAAAA && strings.Contains(q.Name.String(), "six") {
				aaaa := [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1} // this machine, as the mapped address
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}, Body: &dnsmessage.AAAAResource{AAAA: aaaa}}}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = pc.WriteTo(out, from)
			}
		}
	}()
	t.Cleanup(func() { _ = pc.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// A redirect to the inside is not followed, nor is a proxy of the environment
// asked.
func TestRedirectsAndProxiesLeadNowhere(t *testing.T) {
	port, connections := canary(t)
	t.Setenv("HTTP_PROXY", fmt.Sprintf("http://127.0.0.1:%d", port))
	for _, code := range []int{301, 302, 303, 307, 308} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", fmt.Sprintf("http://127.0.0.1:%d/", port))
			w.WriteHeader(code)
		}))
		s, err := New([]Endpoint{{Name: "x", URL: srv.URL, Secret: secret, AllowPrivate: true}})
		if err != nil {
			t.Fatal(err)
		}
		if status, err := s.Send(t.Context(), outbox.Delivery{ID: uuid.New(), Destination: "x"}); err == nil || status != code {
			t.Errorf("%d: %v", status, err)
		}
		srv.Close()
	}
	if connections.Load() != 0 {
		t.Error("a redirect or a proxy was followed")
	}
}
