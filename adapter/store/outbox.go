package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/outbox"
	"ringmaster/internal/scheduler"
)

// States of a message. A leased one is waiting with due_at in the future.
const (
	msgWaiting   = "waiting"
	msgDelivered = "delivered"
	msgDead      = "dead"
)

// Sizes of columns: characters and bytes.
const (
	maxDestination = 512
	maxAggregate   = 128
)

// Outbox is the outbox's side of the store. It is a type of its own because outbox.Store and scheduler.Store both have NextDue, of
// different things.
type Outbox struct{ s *Store }

var _ outbox.Store = Outbox{}

// Outbox gives the messages written by Finish, Refuse and CreateContact to the delivery loop.
func (s *Store) Outbox() Outbox { return Outbox{s} }

// enqueue writes messages at the end of their aggregates. Two transactions that append to one aggregate at once collide on its
// sequence and the later one starts again, so order of sequence is order of commit.
func (s *Store) enqueue(tx *gorm.DB, tenant string, msgs []scheduler.Message) error {
	if len(msgs) == 0 {
		return nil
	}
	now, err := s.now(tx)
	if err != nil {
		return err
	}
	last := map[string]int64{}
	for _, m := range msgs {
		m.Aggregate = m.Aggregate[:min(len(m.Aggregate), maxAggregate)]
		if m.Tenant == "" {
			m.Tenant = tenant
		}
		if m.ID == uuid.Nil {
			id, err := newID()
			if err != nil {
				return err
			}
			m.ID = uuid.UUID(id)
		}
		k := m.Tenant + "\x00" + m.Aggregate
		if _, ok := last[k]; !ok {
			var seq int64
			if err := tx.Raw("SELECT COALESCE(MAX(seq), 0) FROM outbox WHERE tenant_id = ? AND aggregate = ?", m.Tenant, []byte(m.Aggregate)).
				Row().Scan(&seq); err != nil {
				return err
			}
			last[k] = seq
		}
		var same int64
		if err := tx.Model(&outboxRow{}).Where("id = ?", binID(m.ID)).Count(&same).Error; err != nil {
			return err
		}
		if same > 0 {
			continue // the same message again
		}
		last[k]++
		row := outboxRow{
			TenantID: m.Tenant, ID: binID(m.ID), Aggregate: []byte(m.Aggregate), Seq: last[k], Kind: clip(m.Kind, 32), Event: clip(m.Event, 64),
			Destination: clip(m.Destination, maxDestination), Body: orEmpty(m.Body), State: msgWaiting, DueAt: at(now), CreatedAt: at(now),
		}
		if row.Destination != m.Destination { // nobody can be reached there, and the call must end all the same
			row.State, row.Reason, row.EndedAt = msgDead, "destination is too long or no text", at(now)
		}
		err := tx.Create(&row).Error
		if isDuplicate(err) {
			return errAgain
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// headOnly keeps messages behind an undelivered one of the same aggregate and destination out: order is kept per call, and one slow
// receiver does not hold up another.
const headOnly = " AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.tenant_id = o.tenant_id AND e.aggregate = o.aggregate" +
	" AND e.seq < o.seq AND e.destination = o.destination AND e.state = 'waiting')"

// Lease implements outbox.Store.
func (b Outbox) Lease(ctx context.Context, owner string, n int, d time.Duration, except ...string) ([]outbox.Delivery, error) {
	var out []outbox.Delivery
	n = min(max(n, 0), maxClaim)
	var until instant
	leased := func(tx *gorm.DB) (bool, error) {
		if len(out) == 0 {
			return true, nil
		}
		var m outboxRow
		err := locked(tx).Where("id = ?", binID(out[0].ID)).Take(&m).Error
		return m.Owner == owner && m.DueAt == until, err
	}
	err := b.s.write(ctx, leased, func(tx *gorm.DB) error {
		out = nil
		now, err := b.s.now(tx)
		if err != nil {
			return err
		}
		var rows []outboxRow
		q, args := "SELECT o.* FROM outbox o"+b.s.sql.outboxDue+" WHERE o.state = 'waiting' AND o.due_at <= ?", []any{at(now)}
		if len(except) > 0 {
			q, args = q+" AND o.destination NOT IN ?", append(args, except)
		}
		q += headOnly + " ORDER BY o.due_at LIMIT ?" + b.s.sql.skipLocked
		if err := tx.Raw(q, append(args, n)...).Scan(&rows).Error; err != nil {
			return err
		}
		until = at(now.Add(d))
		for _, r := range rows {
			res := tx.Model(&outboxRow{}).Where("tenant_id = ? AND id = ? AND state = ? AND due_at = ?", r.TenantID, r.ID, msgWaiting, r.DueAt).
				Updates(map[string]any{"owner": owner, "due_at": until, "tries": r.Tries + 1, "reason": ""})
			if err := exactly(1, res, errAgain); err != nil {
				return err
			}
			out = append(out, r.delivery())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (r outboxRow) delivery() outbox.Delivery {
	return outbox.Delivery{
		ID: uuid.UUID(r.ID), Tenant: r.TenantID, Aggregate: string(r.Aggregate), Seq: r.Seq, Kind: r.Kind, Event: r.Event,
		Destination: r.Destination, Body: r.Body, Tries: r.Tries, CreatedAt: r.CreatedAt.Time(),
		Lapsed: r.State == msgWaiting && r.Tries > 0 && r.Reason == "", // Retry and Bury leave a reason, a lease none
	}
}

// end is a guarded update of a message that owner leased. Repeated after its answer was lost it finds its own work done.
func (b Outbox) end(ctx context.Context, owner string, id uuid.UUID, state string, set map[string]any) error {
	return b.s.write(ctx, nil, func(tx *gorm.DB) error {
		var m outboxRow
		switch err := locked(tx).Where("id = ?", binID(id)).Take(&m).Error; {
		case notFound(err):
			return fmt.Errorf("%w (there is no message %s)", scheduler.ErrFenced, id)
		case err != nil:
			return err
		case m.Owner != owner:
			return fmt.Errorf("%w (message %s)", scheduler.ErrFenced, id)
		case m.State == state && state != msgWaiting:
			return nil
		case m.State != msgWaiting:
			return fmt.Errorf("%w (message %s is %s)", scheduler.ErrLate, id, m.State)
		}
		set["state"] = state
		if due, ok := set["due_at"]; ok { // those behind it wait with it, out of the lease's way
			if err := tx.Model(&outboxRow{}).Where("tenant_id = ? AND aggregate = ? AND seq > ? AND destination = ? AND state = ? AND due_at < ?",
				m.TenantID, m.Aggregate, m.Seq, m.Destination, msgWaiting, due).Updates(map[string]any{"due_at": due}).Error; err != nil {
				return err
			}
		}
		return exactly(1, tx.Model(&outboxRow{}).Where("tenant_id = ? AND id = ? AND owner = ? AND state = ?", m.TenantID, m.ID, owner, msgWaiting).
			Updates(set), errAgain)
	})
}

// Delivered implements outbox.Store. status is the receiver's answer, such as an HTTP status.
func (b Outbox) Delivered(ctx context.Context, owner string, id uuid.UUID, status int) error {
	return b.end(ctx, owner, id, msgDelivered, map[string]any{"status": status, "ended_at": at(time.Now()), "reason": ""})
}

// Retry implements outbox.Store.
func (b Outbox) Retry(ctx context.Context, owner string, id uuid.UUID, due time.Time, why string) error {
	return b.end(ctx, owner, id, msgWaiting, map[string]any{"due_at": at(due), "reason": clip(why, 255)})
}

// Bury implements outbox.Store.
func (b Outbox) Bury(ctx context.Context, owner string, id uuid.UUID, why string) error {
	return b.end(ctx, owner, id, msgDead, map[string]any{"ended_at": at(time.Now()), "reason": clip(why, 255)})
}

// Depth implements outbox.Store.
func (b Outbox) Depth(ctx context.Context) (waiting, dead int, err error) {
	err = b.s.read(ctx).Raw("SELECT (SELECT COUNT(*) FROM outbox WHERE state = ?), (SELECT COUNT(*) FROM outbox WHERE state = ?)", msgWaiting, msgDead).
		Row().Scan(&waiting, &dead)
	return waiting, dead, clean(err)
}

// NextDue implements outbox.Store: of messages that stand first in their line.
func (b Outbox) NextDue(ctx context.Context) (time.Time, error) {
	var rows []outboxRow
	q := "SELECT o.* FROM outbox o" + b.s.sql.outboxDue + " WHERE o.state = 'waiting'" + headOnly + " ORDER BY o.due_at LIMIT 1"
	if err := b.s.read(ctx).Raw(q).Scan(&rows).Error; err != nil || len(rows) == 0 {
		return time.Time{}, clean(err)
	}
	return rows[0].DueAt.Time(), nil
}

// Dead lists dead letters of a tenant, oldest first.
func (b Outbox) Dead(ctx context.Context, tenant string, after uuid.UUID, limit int) ([]outbox.Delivery, error) {
	var rows []outboxRow
	if err := b.s.read(ctx).Where("tenant_id = ? AND state = ? AND id > ?", tenant, msgDead, after[:]).Order("id").Limit(page(limit)).
		Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]outbox.Delivery, len(rows))
	for i, r := range rows {
		out[i] = r.delivery()
	}
	return out, nil
}

// Redrive makes a dead letter due again; ErrLate when it is not dead.
func (b Outbox) Redrive(ctx context.Context, tenant string, id uuid.UUID) error {
	alive := func(tx *gorm.DB) (bool, error) {
		var m outboxRow
		err := locked(tx).Where("tenant_id = ? AND id = ?", tenant, binID(id)).Take(&m).Error
		return m.State == msgWaiting, err
	}
	return b.s.write(ctx, alive, func(tx *gorm.DB) error {
		now, err := b.s.now(tx)
		if err != nil {
			return err
		}
		return exactly(1, tx.Model(&outboxRow{}).Where("tenant_id = ? AND id = ? AND state = ?", tenant, binID(id), msgDead).
			Updates(map[string]any{"state": msgWaiting, "due_at": at(now), "owner": "", "ended_at": nil}), scheduler.ErrLate)
	})
}
