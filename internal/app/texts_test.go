package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/adapter/store"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/outbox"
	"ringmaster/internal/phone"
)

type noSender struct{ sent []outbox.Delivery }

func (s *noSender) Send(_ context.Context, d outbox.Delivery) (int, error) {
	s.sent = append(s.sent, d)
	return 204, nil
}

func (*noSender) Idempotent(string) bool { return false }

// textBed is a desk for text messages over a database, with a finished call whose script asked for one.
type textBed struct {
	*testing.T
	store *store.Store
	desk  *texts
	below *noSender
	a     campaign.Attempt
	log   bytes.Buffer
}

func newTextBed(t *testing.T) *textBed {
	t.Helper()
	b := &textBed{T: t, below: &noSender{}}
	log := slog.New(slog.NewTextHandler(&b.log, nil))
	var err error
	b.store, err = store.Open(t.Context(), store.Config{Dialect: store.SQLite, DSN: filepath.Join(t.TempDir(), "r.db"), NumberKey: bytes.Repeat([]byte{1}, 32), Crypt: bytes.Repeat([]byte{2}, 32), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.store.Close() })
	if _, err = b.store.Migrate(t.Context(), store.Latest); err != nil {
		t.Fatal(err)
	}
	task, err := b.store.EnsureTask(t.Context(), campaign.Task{Tenant: "acme", Script: "survey", Standing: true, State: campaign.TaskRunning, Purpose: campaign.Service, Pool: "default"})
	if err != nil {
		t.Fatal(err)
	}
	n, err := phone.Parse("+8613800000001", "CN")
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := b.store.SavePerson(t.Context(), campaign.Person{Tenant: "acme", ExternalID: "c1", Number: n, Zone: "Asia/Shanghai"})
	if err != nil {
		t.Fatal(err)
	}
	b.a = campaign.Attempt{ID: uuid.Must(uuid.NewV7()), Tenant: "acme", Task: task, Person: p, Contact: campaign.Contact{ID: uuid.Must(uuid.NewV7()), Ref: "order 7"}, Try: 1}
	rules := compliance.Rules{compliance.DoNotCall{}, compliance.Caps{Set: &compliance.Set{}, Own: []compliance.Cap{{ID: "two", Subject: compliance.SubjectPerson, Within: 24 * time.Hour, AtMost: 2}}}}
	b.desk = &texts{Sender: b.below, store: b.store, rules: func() compliance.Rules { return rules }, dests: []string{"crm", "gateway"}, log: log}
	return b
}

// wish is what the outbox would bring after a call that asked for these templates.
func (b *textBed) wish(templates ...string) []outbox.Delivery {
	b.Helper()
	a := b.a
	a.ID = uuid.Must(uuid.NewV7())
	msgs := messages("acme", []string{"crm", "gateway"})(a, campaign.Outcome{Disposition: campaign.Completed, SMS: templates, EndedAt: time.Now()})
	var out []outbox.Delivery
	for _, m := range msgs {
		if m.Kind == kindText {
			out = append(out, outbox.Delivery{ID: m.ID, Tenant: m.Tenant, Aggregate: m.Aggregate, Kind: m.Kind, Event: m.Event, Destination: m.Destination, Body: m.Body})
		}
	}
	return out
}

// waiting are the messages that the receivers will be told.
func (b *textBed) waiting() map[string]int {
	b.Helper()
	out := map[string]int{}
	for {
		ds, err := b.store.Outbox().Lease(b.Context(), "test", 50, time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		if len(ds) == 0 {
			return out
		}
		for _, d := range ds {
			var e map[string]any
			if err := json.Unmarshal(d.Body, &e); err != nil {
				b.Fatal(err)
			}
			out[d.Event+" "+d.Destination]++
			if strings.Contains(string(d.Body), "13800000001") {
				b.Errorf("a number is told: %s", d.Body)
			}
			if e["template"] != "link" || e["ref"] != "order 7" || e["customer_id"] != "c1" || e["key"] == nil {
				b.Errorf("told %s", d.Body)
			}
			if d.Event == eventRefuse && (e["rule"] == nil || e["reason"] == nil) {
				b.Errorf("told %s", d.Body)
			}
			if err := b.store.Outbox().Delivered(b.Context(), "test", d.ID, 200); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// TestRow_S18_TextMessagesObeyTheSameRules: what a script asks for is judged, counted in the person's budget and told once; what is not
// allowed is buried with the verdict, and told.
func TestRow_S18_TextMessagesObeyTheSameRules(t *testing.T) {
	b := newTextBed(t)
	ws := b.wish("link")
	if len(ws) != 1 || len(b.wish("link", "address")) != 2 {
		t.Fatalf("%d wishes", len(ws))
	}
	for range 3 { // the outbox brings it again: its answer was lost
		if status, err := b.desk.Send(t.Context(), ws[0]); err != nil || status != 200 {
			t.Fatalf("%d, %v", status, err)
		}
	}
	if got := b.waiting(); len(got) != 2 || got["sms.send crm"] != 1 || got["sms.send gateway"] != 1 {
		t.Errorf("told %v", got)
	}
	if _, err := b.desk.Send(t.Context(), b.wish("link")[0]); err != nil {
		t.Fatal(err)
	}
	b.waiting()
	third := b.wish("link")[0] // a third within 24 hours
	for range 2 {
		if _, err := b.desk.Send(t.Context(), third); !errors.Is(err, outbox.ErrPermanent) || !strings.Contains(err.Error(), "caps") {
			t.Errorf("the third: %v", err)
		}
	}
	if got := b.waiting(); len(got) != 2 || got["sms.refused crm"] != 1 {
		t.Errorf("told %v", got)
	}
	// A call to the same person today is one too many as well: there is one budget.
	act := compliance.Act{Channel: compliance.Voice, Tenant: "acme", Person: b.a.Person.ID.String(), Number: b.a.Person.Number}
	f, err := b.store.Facts(t.Context(), act, time.Now())
	if err != nil || b.desk.rules().Check(time.Now(), act, f).Decision == compliance.Allow || f.LifePerson != 2 {
		t.Errorf("%+v, %v", f, err)
	}
	if err := b.store.OptOut(t.Context(), "acme", b.a.Person.Number, uuid.Nil, "stop_word", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.desk.Send(t.Context(), b.wish("link")[0]); !errors.Is(err, outbox.ErrPermanent) || !strings.Contains(err.Error(), "do_not_call") {
		t.Errorf("who asked for peace: %v", err)
	}
	if len(b.below.sent) != 0 {
		t.Errorf("%d wishes left as they were", len(b.below.sent))
	}
	if status, err := b.desk.Send(t.Context(), outbox.Delivery{Kind: "webhook"}); err != nil || status != 204 || len(b.below.sent) != 1 {
		t.Errorf("a webhook: %d, %v", status, err)
	}
	if _, err := b.desk.Send(t.Context(), outbox.Delivery{Kind: kindText, Body: []byte("{")}); !errors.Is(err, outbox.ErrPermanent) {
		t.Errorf("garbage: %v", err)
	}
	if strings.Contains(b.log.String(), "13800000001") {
		t.Error("a number is in the log")
	}
}
