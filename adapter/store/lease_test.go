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

// TestThoseBehindWaitWithTheHead: after a retry the messages behind it are out of the lease's way until then, so that a dead receiver
// with a long line costs the others nothing.
func TestThoseBehindWaitWithTheHead(t *testing.T) {
	s, _ := openNew(t, onSQLite)
	seed(t, s, 1)
	ctx := t.Context()
	var msgs []scheduler.Message
	for _, to := range []string{"slow", "slow", "quick"} {
		msgs = append(msgs, scheduler.Message{ID: newUUID(t), Aggregate: "a", Destination: to, Kind: "webhook", Event: "e"})
	}
	if _, _, err := s.CreateContact(ctx, api.NewContact{ID: newUUID(t), Tenant: "acme", CustomerID: "c00000", Script: "s", Messages: msgs}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Outbox().Lease(ctx, "w", 10, time.Minute); err != nil || len(got) != 2 {
		t.Fatalf("leased %d, %v", len(got), err)
	}
	due := time.Now().Add(time.Hour)
	if err := s.Outbox().Retry(ctx, "w", msgs[0].ID, due, "503"); err != nil {
		t.Fatal(err)
	}
	var rows []outboxRow
	if err := s.w.Order("seq").Find(&rows).Error; err != nil {
		t.Fatal(err)
	}
	if rows[0].DueAt != at(due) || rows[1].DueAt != at(due) || rows[2].DueAt == at(due) {
		t.Errorf("due %s, %s, %s", rows[0].DueAt.Time(), rows[1].DueAt.Time(), rows[2].DueAt.Time())
	}
}

// TestParkedIsNotForgotten: while another transaction holds a parked contact, the task's mark stays, because that transaction may fail.
func TestParkedIsNotForgotten(t *testing.T) {
	onServers(t, func(t *testing.T, kind string) {
		s, _ := openNew(t, kind)
		seed(t, s, 1)
		ctx := t.Context()
		var k taskRow
		if err := s.w.Take(&k).Error; err != nil {
			t.Fatal(err)
		}
		id := uuid.UUID(k.ID)
		if err := s.SetTaskState(ctx, "acme", id, campaign.TaskPaused); err != nil {
			t.Fatal(err)
		}
		epoch, err := s.Register(ctx, "c1")
		if err != nil {
			t.Fatal(err)
		}
		claim := func() int {
			t.Helper()
			as, err := s.Claim(ctx, "default", 5, campaign.Fence{Owner: "c1", Epoch: epoch})
			if err != nil {
				t.Fatal(err)
			}
			return len(as)
		}
		if n := claim(); n != 0 || count(t, s, "SELECT COUNT(*) FROM task_contact WHERE state = 'parked'") != 1 {
			t.Fatalf("claimed %d of a paused task", n)
		}
		if err := s.SetTaskState(ctx, "acme", id, campaign.TaskRunning); err != nil {
			t.Fatal(err)
		}
		tx := rawTx(t, s)
		execute(t, tx, "SELECT id FROM task_contact FOR UPDATE")
		if _, err := s.Promote(ctx, time.Now(), 10); err != nil {
			t.Fatal(err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Promote(ctx, time.Now(), 10); err != nil {
			t.Fatal(err)
		}
		if n := claim(); n != 1 {
			t.Errorf("claimed %d after the task ran again: the contact is stranded", n)
		}
	})
}
