package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"ringmaster/internal/campaign"
)

// TestPlans: the hot queries walk their index in order; none sorts, none reads a whole table.
func TestPlans(t *testing.T) {
	onAll(t, func(t *testing.T, kind string) {
		s, _ := openNew(t, kind)
		seed(t, s, 5)
		fillContacts(t, s, 100)
		if s.sql.name == MySQL { // these choose by statistics
			fillContacts(t, s, 5000)
			if err := s.w.Exec("ANALYZE TABLE task_contact, outbox, attempt").Error; err != nil {
				t.Fatal(err)
			}
		}
		promote := "SELECT * FROM task_contact" + s.sql.dueIndex + " WHERE state = ? AND due_at <= ? ORDER BY due_at LIMIT ?" + s.sql.skipLocked
		lease := "SELECT o.* FROM outbox o" + s.sql.outboxDue + " WHERE o.state = 'waiting' AND o.due_at <= ?" + headOnly + " ORDER BY o.due_at LIMIT ?" + s.sql.skipLocked
		for _, q := range []struct {
			name, index, sql string
			args             []any
		}{
			{"claim", "contact_claim", s.claimSQL(), []any{"default", "ready", 10}},
			{"promote", "contact_due", promote, []any{"scheduled", at(time.Now()), 100}},
			{"lease", "outbox_due", lease, []any{at(time.Now()), 10}},
			{"fence", "attempt_id", "SELECT * FROM attempt WHERE id = ?", []any{binID{1}}},
			{"fences", "attempt_id", s.runningSQL(), []any{[]binID{{1}, {2}, {3}}}},
			{"spent by person", "budget_window", spentColumns + "WHERE tenant_id = ? AND person_id = ? AND at > ? AND returned_at IS NULL", []any{"acme", binID{1}, at(time.Now())}},
			{"spent by number", "budget_number", spentColumns + "WHERE tenant_id = ? AND number_hmac = ? AND at > ? AND returned_at IS NULL", []any{"acme", hash32{1}, at(time.Now())}},
			{"unsealed", "permit_block", "SELECT id, kind, leaf FROM permit WHERE tenant_id = ? AND block_seq IS NULL", []any{"acme"}},
			{"next due", "contact_due", "SELECT MIN(due_at) FROM task_contact WHERE state = ?", []any{"scheduled"}},
		} {
			plan := explain(t, s, kind, q.sql, q.args)
			lower := strings.ToLower(plan)
			if strings.Contains(lower, "filesort") || strings.Contains(lower, "temp b-tree") || strings.Contains(lower, "using temporary") {
				t.Errorf("%s sorts:\n%s", q.name, plan)
			}
			if !strings.Contains(plan, q.index) && !strings.Contains(lower, "optimized away") && !strings.Contains(lower, "no matching") &&
				!strings.Contains(lower, "impossible where") {
				t.Errorf("%s does not use %s:\n%s", q.name, q.index, plan)
			}
		}
	})
}

func explain(t *testing.T, s *Store, kind, q string, args []any) string {
	t.Helper()
	verb := "EXPLAIN "
	switch {
	case s.sql.name == SQLite:
		verb = "EXPLAIN QUERY PLAN "
	case kind == onMySQL: // its newer series draw a tree unless told otherwise
		verb = "EXPLAIN FORMAT=TRADITIONAL "
	}
	rows, err := s.w.Raw(verb+q, args...).Rows()
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for rows.Next() {
		cells := make([]any, len(names))
		for i := range cells {
			cells[i] = new([]byte)
		}
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		for i, c := range cells {
			fmt.Fprintf(&b, "%s=%s ", names[i], *c.(*[]byte))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// fillReady writes n ready contacts of 100 people straight into the tables: ten priorities, due over an hour, and as many again of
// high priority that are due tomorrow.
func fillReady(t testing.TB, s *Store, n int) {
	t.Helper()
	seed(t, s, 100)
	fillContacts(t, s, n)
}

func fillContacts(t testing.TB, s *Store, n int) {
	t.Helper()
	var template []contactRow
	if err := s.w.Order("id").Limit(100).Find(&template).Error; err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	err := s.write(context.Background(), nil, func(tx *gorm.DB) error {
		rows := make([]contactRow, 0, 2*n)
		for i := range n {
			for _, future := range []bool{false, true} {
				r := template[i%len(template)]
				id, err := newID()
				if err != nil {
					return err
				}
				r.ID, r.State, r.ClaimRank, r.DueAt = id, string(campaign.Ready), -(i % 10), at(now.Add(-time.Duration(i%3600)*time.Second))
				if future {
					r.State, r.ClaimRank, r.DueAt = string(campaign.Scheduled), -99, at(now.Add(24*time.Hour+time.Duration(i)*time.Millisecond))
				}
				rows = append(rows, r)
			}
		}
		return tx.CreateInBatches(rows, 500).Error
	})
	if err != nil {
		t.Fatal(err)
	}
}
