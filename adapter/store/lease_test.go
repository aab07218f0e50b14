package store

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/scheduler"
)

// TestLeaseDoesNotSkipALockedHead: SKIP LOCKED must not make a message that another worker is just leasing look absent, or the one
// behind it would overtake.
func TestLeaseDoesNotSkipALockedHead(t *testing.T) {
	onServers(t, func(t *testing.T, kind string) {
		s, _ := openNew(t, kind)
		seed(t, s, 1)
		msgs := make([]scheduler.Message, 2)
		for i := range msgs {
			msgs[i] = scheduler.Message{ID: uuid.Must(uuid.NewV7()), Aggregate: "call-1", Destination: "crm", Kind: "webhook", Event: "e"}
		}
		if _, _, err := s.CreateContact(t.Context(), api.NewContact{
			ID: newUUID(t), Tenant: "acme", CustomerID: "c00000", Script: "s", State: campaign.Scheduled, Messages: msgs,
		}); err != nil {
			t.Fatal(err)
		}
		tx := rawTx(t, s)
		execute(t, tx, "SELECT id FROM outbox WHERE id = ? FOR UPDATE", binID(msgs[0].ID))
		if got, err := s.Outbox().Lease(t.Context(), "w", 10, time.Minute); err != nil || len(got) != 0 {
			t.Errorf("leased %d past a locked head, %v", len(got), err)
		}
	})
}

// TestRedrive brings a dead letter back.
func TestRedrive(t *testing.T) {
	s, _ := openNew(t, onSQLite)
	seed(t, s, 1)
	ctx := t.Context()
	id := newUUID(t)
	if _, _, err := s.CreateContact(ctx, api.NewContact{
		ID: newUUID(t), Tenant: "acme", CustomerID: "c00000", Script: "s",
		Messages: []scheduler.Message{{ID: id, Aggregate: "a", Destination: "crm", Kind: "webhook", Event: "e", Body: []byte("{}")}},
	}); err != nil {
		t.Fatal(err)
	}
	box := s.Outbox()
	if got, err := box.Lease(ctx, "w", 1, time.Minute); err != nil || len(got) != 1 {
		t.Fatalf("leased %d, %v", len(got), err)
	}
	if err := box.Bury(ctx, "w", id, "gone"); err != nil {
		t.Fatal(err)
	}
	dead, err := box.Dead(ctx, "acme", uuid.Nil, 10)
	if err != nil || len(dead) != 1 || dead[0].ID != id {
		t.Errorf("dead letters %+v, %v", dead, err)
	}
	if err := box.Redrive(ctx, "other", id); err == nil {
		t.Error("another tenant redrove it")
	}
	if err := box.Redrive(ctx, "acme", id); err != nil {
		t.Fatal(err)
	}
	if got, err := box.Lease(ctx, "w", 1, time.Minute); err != nil || len(got) != 1 || got[0].ID != id {
		t.Errorf("leased %+v, %v", got, err)
	}
}
