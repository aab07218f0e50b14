package store

import (
	"context"
	"database/sql"
	"io"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance/ledger"
)

// exportPage is how many rows are in memory at once while a ledger is exported.
const exportPage = 1000

// ExportLedger seals what is not sealed yet and writes a tenant's whole ledger to w as it is at one moment, with the calls that were
// placed. It streams: a page of rows is all that it holds. The checkpoint is the end of the chain.
func (s *Store) ExportLedger(ctx context.Context, tenant string, w io.Writer) (ledger.Checkpoint, error) {
	if err := s.Seal(ctx, tenant); err != nil {
		return ledger.Checkpoint{}, err
	}
	tx := s.snapshot(ctx)
	if tx.Error != nil {
		return ledger.Checkpoint{}, clean(tx.Error)
	}
	defer tx.Rollback()
	out, err := ledger.NewWriter(w, tenant, time.Now(), s.signer)
	if err != nil {
		return ledger.Checkpoint{}, err
	}
	if err := exportBlocks(tx, tenant, out); err != nil {
		return ledger.Checkpoint{}, clean(err)
	}
	if err := exportAttempts(tx, tenant, out); err != nil {
		return ledger.Checkpoint{}, clean(err)
	}
	return out.Close()
}

// snapshot begins a transaction that sees one moment. SQLite's readers always do.
func (s *Store) snapshot(ctx context.Context) *gorm.DB {
	if s.sql.name == SQLite {
		return s.read(ctx).Begin()
	}
	return s.read(ctx).Begin(&sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
}

// exportBlocks walks the chain, each block followed by its records.
func exportBlocks(tx *gorm.DB, tenant string, out *ledger.Writer) error {
	records := recordCursor{tx: tx, tenant: tenant}
	var after int64
	for {
		var blocks []blockRow
		if err := tx.Where("tenant_id = ? AND seq > ?", tenant, after).Order("seq").Limit(exportPage).Find(&blocks).Error; err != nil {
			return err
		}
		for _, b := range blocks {
			if err := out.Block(b.block(), ledger.Hash(b.Hash), b.Signature); err != nil {
				return err
			}
			for { // what claims to be in an earlier block is written too: Verify says that it is too much
				r, err := records.upTo(b.Seq)
				if err != nil {
					return err
				}
				if r == nil {
					break
				}
				if err := out.Record(ledger.Hash(r.Leaf), r.Body); err != nil {
					return err
				}
			}
			after = b.Seq
		}
		if len(blocks) < exportPage {
			return nil
		}
	}
}

func (b blockRow) block() ledger.Block {
	return ledger.Block{Tenant: b.TenantID, Seq: uint64(max(b.Seq, 0)), Prev: ledger.Hash(b.Prev), Root: ledger.Hash(b.Root), Records: b.Records, At: b.At.Time()}
}

// recordCursor walks the sealed records of a tenant in the order of the chain.
type recordCursor struct {
	tx     *gorm.DB
	tenant string
	page   []permitRow
	at     permitRow // the last one read
	begun  bool
	over   bool
}

// upTo is the next record of block seq or an earlier one; nil when there is none.
func (c *recordCursor) upTo(seq int64) (*permitRow, error) {
	if len(c.page) == 0 && !c.over {
		q := c.tx.Where("tenant_id = ? AND block_seq IS NOT NULL", c.tenant)
		if c.begun {
			b, p := orZero(c.at.BlockSeq), orZero(c.at.Pos)
			q = q.Where("block_seq > ? OR (block_seq = ? AND (pos > ? OR (pos = ? AND (id > ? OR (id = ? AND kind > ?)))))",
				b, b, p, p, c.at.ID, c.at.ID, c.at.Kind).Where("block_seq >= ?", b)
		}
		if err := q.Order("block_seq, pos, id, kind").Limit(exportPage).Find(&c.page).Error; err != nil {
			return nil, err
		}
		c.over = len(c.page) < exportPage
		if len(c.page) > 0 {
			c.at, c.begun = c.page[len(c.page)-1], true
		}
	}
	if len(c.page) == 0 || orZero(c.page[0].BlockSeq) > seq {
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	r := &c.page[0]
	c.page = c.page[1:]
	return r, nil
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// exportAttempts walks the calls that were placed since there is a ledger. One that is between Place and Seal has not rung and comes
// with the next export.
func exportAttempts(tx *gorm.DB, tenant string, out *ledger.Writer) error {
	var since instant
	if err := tx.Raw("SELECT MIN(at) FROM permit WHERE tenant_id = ?", tenant).Row().Scan(&since); err != nil || since == 0 {
		return err
	}
	var after binID
	for {
		var rows []struct {
			ID       binID
			State    string
			PlacedAt instant
			Permit   []byte
			Unsealed bool
		}
		if err := tx.Raw("SELECT a.id, a.state, a.placed_at, a.permit, (p.id IS NOT NULL AND p.block_seq IS NULL) AS unsealed FROM attempt a "+
			"LEFT JOIN permit p ON p.tenant_id = a.tenant_id AND p.id = a.id AND p.kind = ? "+
			"WHERE a.tenant_id = ? AND a.direction <> 'in' AND a.id > ? AND a.state IN ? AND (a.placed_at >= ? OR a.permit IS NOT NULL) ORDER BY a.id LIMIT ?",
			string(ledger.KindPermit), tenant, after[:], []string{string(campaign.AttemptPlaced), string(campaign.AttemptFinished)}, since, exportPage).
			Scan(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			after = r.ID
			if r.Unsealed && r.State == string(campaign.AttemptPlaced) {
				continue
			}
			var leaf ledger.Hash
			copy(leaf[:], r.Permit)
			if err := out.Attempt(ledger.Attempt{ID: uuid.UUID(r.ID), State: r.State, PlacedAt: r.PlacedAt.Time(), Permit: leaf}); err != nil {
				return err
			}
		}
		if len(rows) < exportPage {
			return nil
		}
	}
}
