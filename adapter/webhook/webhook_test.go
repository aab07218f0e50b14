package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"ringmaster/internal/outbox"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

// request is what a receiver saw.
type request struct {
	header http.Header
	body   []byte
}

func TestSendSignsAndClassifies(t *testing.T) {
	var status atomic.Int64
	status.Store(200)
	var seen atomic.Pointer[request]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen.Store(&request{r.Header.Clone(), body})
		if status.Load() == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Location", "http://169.254.169.254/")
		w.WriteHeader(int(status.Load()))
	}))
	defer srv.Close()
	s, err := New([]Endpoint{{Name: "crm", URL: srv.URL, Secret: secret, AllowPrivate: true, Idempotent: true}, {Name: "guarded", URL: srv.URL, Secret: secret}})
	if err != nil {
		t.Fatal(err)
	}
	d := outbox.Delivery{ID: uuid.New(), Event: "call.finished", Destination: "crm", Body: []byte(`{"a":1}`)}
	if _, err := s.Send(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	got := seen.Load()
	want := Sign(secret, d.ID.String(), got.header.Get("Webhook-Timestamp"), got.body)
	if got.header.Get("Webhook-Signature") != want || got.header.Get("Webhook-Id") != d.ID.String() {
		t.Fatal("signature or message ID is wrong")
	}
	for code, permanent := range map[int]bool{500: false, 429: false, 404: false, 410: true, 302: true} {
		status.Store(int64(code))
		if _, err := s.Send(t.Context(), d); err == nil || errors.Is(err, outbox.ErrPermanent) != permanent {
			t.Errorf("%d: %v", code, err)
		}
	}
	status.Store(0)
	if _, err := s.Send(t.Context(), d); !errors.Is(err, outbox.ErrNoAnswer) {
		t.Errorf("connection cut after the request: %v", err)
	}
	d.Destination = "guarded"
	status.Store(200)
	seen.Store(nil)
	if _, err := s.Send(t.Context(), d); !errors.Is(err, outbox.ErrPermanent) || seen.Load() != nil {
		t.Errorf("a loopback target was reached: %v", err)
	}
	d.Destination = "nobody"
	if _, err := s.Send(context.Background(), d); !errors.Is(err, outbox.ErrPermanent) {
		t.Errorf("unknown endpoint: %v", err)
	}
}

func TestPublic(t *testing.T) {
	for _, a := range []string{
		"127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
		"255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "2001:db8::1", "192.0.2.1", "168.63.129.16",
	} {
		if Public(netip.MustParseAddr(a)) {
			t.Errorf("%s counts as public", a)
		}
	}
	for _, a := range []string{"8.8.8.8", "1.1.1.1", "2606:4700::1111"} {
		if !Public(netip.MustParseAddr(a)) {
			t.Errorf("%s counts as private", a)
		}
	}
}

func TestNewRefusesBadEndpoints(t *testing.T) {
	for _, e := range []Endpoint{{URL: "ftp://x"}, {URL: "http://u:p@x/"}, {URL: "::"}, {URL: "https://x/", Secret: []byte("short")}} {
		if e.Secret == nil {
			e.Secret = secret
		}
		if _, err := New([]Endpoint{e}); err == nil {
			t.Errorf("%q was accepted", e.URL)
		}
	}
}
