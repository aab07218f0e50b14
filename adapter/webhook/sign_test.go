package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/outbox"
)

// verify is a receiver's side, written from RFC 2104 without crypto/hmac.
func verify(secret []byte, h http.Header, body []byte) bool {
	key := secret
	if len(key) > 64 {
		sum := sha256.Sum256(key)
		key = sum[:]
	}
	inner, outer := bytes.Repeat([]byte{0x36}, 64), bytes.Repeat([]byte{0x5c}, 64)
	for i, k := range key {
		inner[i] ^= k
		outer[i] ^= k
	}
	signed := h.Get("Webhook-Id") + "." + h.Get("Webhook-Timestamp") + "." + string(body)
	in := sha256.Sum256(append(inner, signed...))
	mac := sha256.Sum256(append(outer, in[:]...))
	return h.Get("Webhook-Signature") == "v1,"+base64.StdEncoding.EncodeToString(mac[:])
}

func TestRow_T24_SignatureIsVerifiedByAnother(t *testing.T) {
	var seen atomic.Pointer[request]
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen.Store(&request{r.Header.Clone(), body})
	}))
	defer srv.Close()
	for _, secret := range []string{"0123456789abcdef", strings.Repeat("long", 40)} {
		s, err := New([]Endpoint{{Name: "crm", URL: srv.URL, Secret: []byte(secret), AllowPrivate: true}})
		if err != nil {
			t.Fatal(err)
		}
		d := outbox.Delivery{ID: uuid.New(), Destination: "crm", Body: []byte(`{"event":"call.finished","words":"您好"}`)}
		if _, err := s.Send(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		got, body := seen.Load().header, seen.Load().body
		if !verify([]byte(secret), got, body) || got.Get("Webhook-Id") != d.ID.String() || !bytes.Equal(body, d.Body) || got.Get("Content-Type") != "application/json" {
			t.Errorf("%v %s", got, body)
		}
		ts, err := strconv.ParseInt(got.Get("Webhook-Timestamp"), 10, 64)
		if err != nil || time.Since(time.Unix(ts, 0)).Abs() > time.Minute {
			t.Errorf("timestamp %q", got.Get("Webhook-Timestamp"))
		}
		for name := range got {
			if strings.Contains(got.Get(name), secret) {
				t.Errorf("%s shows the secret", name)
			}
		}
		if verify([]byte(secret+"x"), got, body) || verify([]byte(secret), got, append(body, ' ')) {
			t.Error("another secret or another body verifies too")
		}
	}
}

// The vector that the Standard Webhooks libraries are tested with.
func TestSignatureOfTheSpecification(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("%s", got)
	}
}

// What was never sent may be sent again to anybody; what may have arrived may
// not. The error never shows the URL, which may hold a token.
func TestNeverSentIsNotNoAnswer(t *testing.T) {
	refuse, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := refuse.Addr().String()
	_ = refuse.Close()
	tlsServer := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = nil
	tlsServer.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	tlsServer.StartTLS()
	defer tlsServer.Close()
	mute := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that we left
		<-r.Context().Done()
	}))
	defer mute.Close()
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cut.Close()
	for url, noAnswer := range map[string]bool{
		"http://" + gone + "/secret-token":     false,
		tlsServer.URL + "/secret-token":        false, // its certificate is nobody's
		"http://nobody.invalid:1/secret-token": false,
		mute.URL + "/secret-token":             true,
		cut.URL + "/secret-token":              true,
	} {
		s, err := New([]Endpoint{{Name: "x", URL: url, Secret: secret, AllowPrivate: true}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		_, err = s.Send(ctx, outbox.Delivery{ID: uuid.New(), Destination: "x", Body: []byte(`{}`)})
		cancel()
		if err == nil || errors.Is(err, outbox.ErrNoAnswer) != noAnswer || errors.Is(err, outbox.ErrPermanent) || strings.Contains(err.Error(), "secret-token") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A receiver that sends without end holds nothing up for longer than its time.
func TestEndlessAnswer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	s, err := New([]Endpoint{{Name: "x", URL: srv.URL, Secret: secret, AllowPrivate: true}})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := s.Send(t.Context(), outbox.Delivery{ID: uuid.New(), Destination: "x"}); err != nil || time.Since(begun) > 2*time.Second {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
}
