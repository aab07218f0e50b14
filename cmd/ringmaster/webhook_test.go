package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A call's end is told to the CRM, signed. The controller is killed while the
// CRM has the message and has not answered: after the restart it comes again
// with the same Webhook-Id, and nothing of the call is told twice under
// another one.
func TestRow_T24_KilledInMidDeliveryTheSameMessageComesAgain(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef0123"
	var mu sync.Mutex
	got := map[string]int{} // by Webhook-Id
	events := map[string]string{}
	first := make(chan struct{})
	var once sync.Once
	crm := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m := hmac.New(sha256.New, []byte(secret))
		_, _ = fmt.Fprintf(m, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
		if want := "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil)); r.Header.Get("Webhook-Signature") != want {
			t.Errorf("signature %q, want %q", r.Header.Get("Webhook-Signature"), want)
		}
		var e struct {
			Event, Disposition string
			Task               string `json:"task_id"`
			Customer           string `json:"customer_id"`
		}
		if err := json.Unmarshal(body, &e); err != nil || e.Event != "call.finished" || e.Customer != "c000" || e.Disposition == "" {
			t.Errorf("%v: %s", err, body)
		}
		mu.Lock()
		got[r.Header.Get("Webhook-Id")]++
		events[r.Header.Get("Webhook-Id")] = e.Task
		mu.Unlock()
		hold := false
		once.Do(func() { hold = true; close(first) })
		if hold {
			<-r.Context().Done() // no answer until the controller is gone
		}
	}))
	defer crm.Close()
	h := newHouse(t, "", crowd(), fmt.Sprintf("webhooks: [{name: crm, url: \"%s/hook\", secret: %s, idempotent: true, allow_private: true}]\n", crm.URL, secret))
	if !h.start() {
		t.Fatal("did not start")
	}
	orders := map[string]string{}
	h.order(orders, 1)
	select {
	case <-first:
	case <-time.After(30 * time.Second):
		t.Fatal("the CRM was not told")
	}
	h.kill()
	if !h.start() {
		t.Fatal("did not start again")
	}
	h.until(40*time.Second, "the message comes again", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, n := range got {
			if n == 2 {
				return true
			}
		}
		return false
	})
	h.stop()
	mu.Lock()
	defer mu.Unlock()
	if len(got) != 1 || events[firstKey(got)] != orders["order-000"] {
		t.Errorf("messages %v about %v, the order is %v", got, events, orders)
	}
}

func firstKey(m map[string]int) string {
	for k := range m {
		return k
	}
	return ""
}
