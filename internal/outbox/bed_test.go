package outbox_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ringmaster/adapter/store"
	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/outbox"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tenant = "acme"

// bed is a real SQLite store that messages are put into as production does.
type bed struct {
	*testing.T
	*store.Store
	n int
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{T: t}
	var err error
	b.Store, err = store.Open(t.Context(), store.Config{Dialect: store.SQLite, DSN: filepath.Join(t.TempDir(), "ringmaster.db"), NumberKey: bytes.Repeat([]byte{1}, 32), Crypt: bytes.Repeat([]byte{2}, 32), Log: quiet()})
	b.must(err)
	t.Cleanup(func() { _ = b.Close() })
	_, err = b.Migrate(t.Context(), store.Latest)
	b.must(err)
	n, err := phone.Parse("+8613800000001", "CN")
	b.must(err)
	_, _, err = b.SavePerson(t.Context(), campaign.Person{Tenant: tenant, ExternalID: "1", Number: n})
	b.must(err)
	_, err = b.EnsureTask(t.Context(), campaign.Task{Tenant: tenant, Script: "s", Standing: true})
	b.must(err)
	return b
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func (b *bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// post writes messages with a contact, in one transaction.
func (b *bed) post(ms ...scheduler.Message) {
	b.Helper()
	_, _, err := b.CreateContact(context.Background(), api.NewContact{ID: uuid.Must(uuid.NewV7()), Tenant: tenant, CustomerID: "1", Script: "s",
		DueAt: time.Now().Add(time.Hour), State: campaign.Scheduled, Messages: ms})
	b.must(err)
}

// message is the next message of a call to a receiver; its body is a number.
func (b *bed) message(aggregate, destination string) scheduler.Message {
	b.n++
	return scheduler.Message{ID: uuid.Must(uuid.NewV7()), Tenant: tenant, Aggregate: destination + "/" + aggregate, Kind: "webhook", Event: "call.finished",
		Destination: destination, Body: fmt.Appendf(nil, "%d", b.n)}
}

// receiver is a Sender that the test directs.
type receiver struct {
	idempotent bool
	send       func(ctx context.Context, d outbox.Delivery) error

	mu  sync.Mutex
	got []outbox.Delivery
	at  []time.Time
}

func (r *receiver) Idempotent(string) bool { return r.idempotent }

func (r *receiver) Send(ctx context.Context, d outbox.Delivery) (int, error) {
	r.mu.Lock()
	r.got = append(r.got, d)
	r.at = append(r.at, time.Now())
	r.mu.Unlock()
	if r.send != nil {
		if err := r.send(ctx, d); err != nil {
			return 500, err
		}
	}
	return 200, nil
}

func (r *receiver) seen() []outbox.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]outbox.Delivery(nil), r.got...)
}

// start runs a worker until stop, which waits for it.
func (b *bed) start(c outbox.Config, s outbox.Sender) (w *outbox.Worker, stop func()) {
	b.Helper()
	if c.Owner == "" {
		c.Owner = "rm-1"
	}
	if c.Tick == 0 {
		c.Tick = 20 * time.Millisecond
	}
	w = outbox.New(c, b.Outbox(), s, quiet())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	stop = func() { cancel(); <-done }
	b.Cleanup(stop)
	return w, stop
}

func (b *bed) until(what string, ok func() bool) {
	b.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	stop := time.After(15 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-stop:
			b.Fatalf("not within 15 s: %s", what)
		}
	}
}
