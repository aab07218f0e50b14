package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/sipphone"
)

type page struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

// The reader's softphone: the printed account registers, the printed order
// rings it, and it hears us speak.
func TestSoftphoneOfTheReaderRingsAndHears(t *testing.T) {
	env.Need(t, env.Asterisk, env.Espeak)
	out := &page{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, Options{PBX: "asterisk", Listen: "127.0.0.1:0", Out: out}) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	var account []string
	var hello struct{ API, Key string }
	for end := time.Now().Add(40 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		text := out.String()
		account = regexp.MustCompile(`server (\S+) \(UDP\), user (\S+), password (\S+)\.`).FindStringSubmatch(text)
		if i := strings.Index(text, `{"api"`); i >= 0 && account != nil && strings.Contains(text, "Ringmaster demo") {
			if err := json.NewDecoder(strings.NewReader(text[i:])).Decode(&hello); err == nil {
				break
			}
		}
		if time.Now().After(end) {
			t.Fatalf("no account was printed:\n%s", text)
		}
	}
	phone, err := sipphone.Listen(sipphone.Config{Script: func(string, sipphone.Invite) sipphone.Script {
		return sipphone.Script{sipphone.Ring(0), sipphone.Answer(200 * time.Millisecond), sipphone.WaitForBotSpeech(time.Second), sipphone.Hangup("")}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = phone.Close() }()
	reg, err := phone.Register(t.Context(), sipphone.Account{Server: account[1], User: account[2], Password: account[3]})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reg.Close(context.Background()) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, hello.API+"/api/v1/call/task",
		strings.NewReader(`{"customer_id":"`+account[2]+`","script_id":"promotion_001"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+hello.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	wait, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	c, err := phone.WaitCall(wait, "")
	if err != nil {
		t.Fatalf("the softphone never rang: %v\n%s", err, out.String())
	}
	rec, err := c.Wait(wait)
	if err != nil || rec.Err != nil || rec.FirstSoundAt.IsZero() {
		t.Fatalf("%v %v: nothing was heard", err, rec.Err)
	}
}
