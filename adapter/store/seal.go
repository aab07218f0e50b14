package store

import (
	"context"
	"sync"
	"time"

	"gorm.io/gorm"

	"ringmaster/internal/compliance/ledger"
)

// seals gathers those who wait for a tenant's permits to be sealed: while one transaction runs, the next comers wait for one that begins
// after it and serves them all.
type seals struct {
	mu      sync.Mutex
	tenants map[string]*queue
}

// queue is one tenant's: next holds who came while a transaction runs.
type queue struct {
	running bool
	next    *sealing
}

// sealing is one transaction and those who wait for it. Whoever takes the token runs it.
type sealing struct {
	token   chan struct{}
	done    chan struct{}
	err     error
	waiting int // of them, under seals.mu
}

func newSealing() *sealing {
	return &sealing{token: make(chan struct{}, 1), done: make(chan struct{})}
}

// sealLimit bounds the transaction of one block: it serves others than the one in whose goroutine it runs.
const sealLimit = 15 * time.Second

// Seal implements scheduler.Store.
func (s *Store) Seal(ctx context.Context, tenant string) error {
	b := s.seals.join(tenant)
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		s.seals.leave(tenant, b)
		return ctx.Err()
	case <-b.token:
	}
	b.err = s.seal(context.WithoutCancel(ctx), tenant)
	close(b.done)
	s.seals.passOn(tenant)
	return b.err
}

// join takes a place in the next transaction; when none runs, its token is ready.
func (q *seals) join(tenant string) *sealing {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.tenants == nil {
		q.tenants = map[string]*queue{}
	}
	t := q.tenants[tenant]
	if t == nil {
		t = &queue{}
		q.tenants[tenant] = t
	}
	if t.next == nil {
		t.next = newSealing()
	}
	b := t.next
	b.waiting++
	if !t.running {
		t.running, t.next = true, nil
		b.token <- struct{}{}
	}
	return b
}

// leave gives a place up. The last one to leave takes an unused token along.
func (q *seals) leave(tenant string, b *sealing) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b.waiting--; b.waiting > 0 {
		return
	}
	if t := q.tenants[tenant]; t != nil && t.next == b {
		t.next = nil
		return
	}
	select {
	case <-b.token:
		q.passOnLocked(tenant)
	default: // it was served meanwhile
	}
}

// passOn starts the next transaction, if anybody waits for one.
func (q *seals) passOn(tenant string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.passOnLocked(tenant)
}

func (q *seals) passOnLocked(tenant string) {
	t := q.tenants[tenant]
	if t.next == nil {
		delete(q.tenants, tenant)
		return
	}
	b := t.next
	t.next = nil
	b.token <- struct{}{}
}

// seal puts every committed record of a tenant that is in no block yet into blocks.
func (s *Store) seal(ctx context.Context, tenant string) error {
	for {
		once, cancel := context.WithTimeout(ctx, sealLimit)
		n, err := s.sealOne(once, tenant)
		cancel()
		if err != nil || n < ledger.MaxBlock {
			return err
		}
	}
}

// sealOne makes one block, and returns how many records it holds. The head's lock keeps blocks in one line.
func (s *Store) sealOne(ctx context.Context, tenant string) (int, error) {
	var made blockRow
	var n int
	sealed := func(tx *gorm.DB) (bool, error) {
		var head headRow // the lost transaction held its lock
		if err := locked(tx).Where("tenant_id = ?", tenant).Take(&head).Error; err != nil && !notFound(err) {
			return false, err
		}
		var rows []blockRow
		err := tx.Where("tenant_id = ? AND seq = ?", tenant, made.Seq).Find(&rows).Error
		return len(rows) == 1 && rows[0].Hash == made.Hash, err
	}
	err := s.write(ctx, sealed, func(tx *gorm.DB) error {
		n, made = 0, blockRow{}
		var head headRow
		err := locked(tx).Where("tenant_id = ?", tenant).Take(&head).Error
		first := notFound(err)
		if err != nil && !first {
			return err
		}
		var rows []permitRow
		if err := tx.Select("id", "kind", "leaf").Where("tenant_id = ? AND block_seq IS NULL", tenant).Order("id, kind").Limit(ledger.MaxBlock).
			Find(&rows).Error; err != nil || len(rows) == 0 {
			return err
		}
		made = s.block(tenant, head, rows)
		if n = len(rows); first {
			err = tx.Create(&headRow{TenantID: tenant, Seq: made.Seq, Hash: made.Hash, UpdatedAt: made.At}).Error
			if isDuplicate(err) {
				return errAgain
			}
		} else {
			err = exactly(1, tx.Model(&headRow{}).Where("tenant_id = ? AND seq = ?", tenant, head.Seq).
				Updates(map[string]any{"seq": made.Seq, "hash": made.Hash, "updated_at": made.At}), errAgain)
		}
		if err != nil {
			return err
		}
		if err := tx.Create(&made).Error; err != nil {
			return err
		}
		return assign(tx, tenant, made.Seq, rows)
	})
	return n, err
}

// block computes the block that follows head.
func (s *Store) block(tenant string, head headRow, rows []permitRow) blockRow {
	leaves := make([]ledger.Hash, len(rows))
	for i, r := range rows {
		leaves[i] = ledger.Hash(r.Leaf)
	}
	now := at(time.Now())
	b := ledger.Block{Tenant: tenant, Seq: uint64(head.Seq) + 1, Prev: ledger.Hash(head.Hash), Root: ledger.Root(leaves), Records: len(rows), At: now.Time()} //nolint:gosec // counts from 1
	return blockRow{
		TenantID: tenant, Seq: head.Seq + 1, Prev: hash32(b.Prev), Root: hash32(b.Root), Records: b.Records, At: now, Hash: hash32(b.Hash()),
		KeyID: ledger.KeyID(s.LedgerKey()), Signature: ledger.Sign(s.signer, b.Hash()),
	}
}

// assign writes into records which block they are in and where. Under the head's lock nobody else does; so they are found by their key
// alone, and not by walking all that is unsealed.
func assign(tx *gorm.DB, tenant string, seq int64, rows []permitRow) error {
	const chunk = 100 // the CASE is looked through for each row
	byKind := map[string][]int{}
	for i, r := range rows {
		byKind[r.Kind] = append(byKind[r.Kind], i)
	}
	for _, kind := range []ledger.Kind{ledger.KindPermit, ledger.KindVoid} {
		for at := byKind[string(kind)]; len(at) > 0; at = at[min(chunk, len(at)):] {
			part := at[:min(chunk, len(at))]
			q, args := "UPDATE permit SET block_seq = ?, pos = CASE id", []any{seq}
			ids := make([]binID, len(part))
			for j, i := range part {
				q += " WHEN ? THEN ?"
				args = append(args, rows[i].ID, i)
				ids[j] = rows[i].ID
			}
			q += " END WHERE tenant_id = ? AND kind = ? AND id IN ?"
			args = append(args, tenant, string(kind), ids)
			if err := exactly(int64(len(part)), tx.Exec(q, args...), errAgain); err != nil {
				return err
			}
		}
	}
	return nil
}
