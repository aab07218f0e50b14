package media

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/pbx"
)

func endpoint(t *testing.T, change ...func(*EndpointConfig)) *Endpoint {
	t.Helper()
	cfg := EndpointConfig{Listen: "127.0.0.1:0", Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for _, c := range change {
		c(&cfg)
	}
	e, err := ListenEndpoint(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.farewell = 10 * time.Millisecond // most peers of the tests answer no BYE
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func phone(t *testing.T, cfg sipphone.Config) *sipphone.Phone {
	t.Helper()
	p, err := sipphone.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func expect(t *testing.T, e *Endpoint, o Options) *Expected {
	t.Helper()
	x, err := e.ExpectWith(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Cancel)
	return x
}

func call(t *testing.T, e *Endpoint, p *sipphone.Phone, user string, script ...sipphone.Step) *sipphone.Call {
	t.Helper()
	c, err := p.Dial(sipphone.Dial{Account: sipphone.Account{Server: e.Addr().String(), User: "pbx"}, To: user, Script: script})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// patient bounds a wait on a busy machine.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func await(t *testing.T, x *Expected) *Call {
	t.Helper()
	m, err := x.Await(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*Call)
}

func tone(d time.Duration) []int16 {
	s := make([]int16, 8*d.Milliseconds())
	for i := range s {
		s[i] = int16(8000 * (1 - 2*(i/8%2))) // 500 Hz
	}
	return s
}

func TestEndpointCarriesACall(t *testing.T) {
	e := endpoint(t)
	p := phone(t, sipphone.Config{})
	keys := make(chan byte, 8)
	x := expect(t, e, Options{Format: audio.FormatULaw, OnDTMF: func(d byte) { keys <- d }})
	c := call(t, e, p, x.token, sipphone.Speak(tone(200*time.Millisecond)), sipphone.DTMF("4#"), sipphone.Silence(time.Hour))
	m := await(t, x)
	var f audio.Frame
	loud := 0
	for end := int64(0); loud < 8; {
		if err := m.ReadFrame(&f); err != nil {
			t.Fatal(err)
		}
		if f.Pos < end {
			t.Fatalf("frame at %d after %d", f.Pos, end)
		}
		end = f.Pos + int64(len(f.Samples))
		if f.Samples[80] > 4000 || f.Samples[80] < -4000 {
			loud++
		}
	}
	if k := string([]byte{<-keys, <-keys}); k != "4#" {
		t.Errorf("keys %q", k)
	}
	if err := m.WriteFrame(audio.Frame{Samples: tone(300 * time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	if err := m.Drain(patient(t)); err != nil || m.Played() != 300*time.Millisecond {
		t.Fatalf("played %v, %v", m.Played(), err)
	}
	if err := m.SendDTMF(patient(t), "09*d"); err != nil {
		t.Fatal(err)
	}
	_ = m.Close()
	r, err := c.Wait(patient(t))
	if err != nil || r.EndedBy != sipphone.Remote || r.Keys() != "09*D" || r.Strange != 0 {
		t.Errorf("%v, ended by %q, keys %q, strange packets %d", err, r.EndedBy, r.Keys(), r.Strange)
	}
	if n := len(c.Heard().Samples); len(r.BotSpans) != 1 || n == 0 {
		t.Errorf("heard %d samples, speech %v", n, r.BotSpans)
	}
	if err := m.ReadFrame(&f); err == nil {
		for err == nil {
			err = m.ReadFrame(&f)
		}
		if !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
}

func TestEndpointTokenWorksOnceAndExpires(t *testing.T) {
	e := endpoint(t)
	p := phone(t, sipphone.Config{})
	refused := func(user string) {
		t.Helper()
		c := call(t, e, p, user)
		if r, err := c.Wait(patient(t)); err != nil || r.Status != 404 {
			t.Errorf("%v: status %d, want 404", err, r.Status)
		}
	}
	refused("somebody")
	x := expect(t, e, Options{Format: audio.FormatULaw})
	c := call(t, e, p, x.token, sipphone.Silence(time.Hour))
	m := await(t, x)
	refused(x.token)
	c.Hangup("")
	<-m.Done()
	if !errors.Is(m.Err(), io.EOF) {
		t.Error(m.Err())
	}
	gone := expect(t, e, Options{Format: audio.FormatULaw})
	gone.Cancel()
	gone.Cancel()
	if _, err := gone.Await(patient(t)); !errors.Is(err, pbx.ErrGone) {
		t.Error(err)
	}
	refused(gone.token)
	short := endpoint(t, func(c *EndpointConfig) { c.Patience = time.Millisecond })
	if _, err := expect(t, short, Options{Format: audio.FormatULaw}).Await(patient(t)); !errors.Is(err, pbx.ErrGone) {
		t.Error(err)
	}
}
