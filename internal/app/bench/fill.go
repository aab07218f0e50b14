package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
)

// template rows are made by the store itself, so that everything in them is as
// the product writes it; the rest are copies under keys of their own.
const templates = 100

func (s *stock) fill(ctx context.Context, n int, out io.Writer) error {
	began := time.Now()
	if err := s.template(ctx); err != nil {
		return fmt.Errorf("fill %s: %w", s.name, err)
	}
	if _, err := s.db.ExecContext(ctx, "CREATE TABLE homegrown (id BIGINT AUTO_INCREMENT PRIMARY KEY, phone VARCHAR(20), priority INT, due_at DATETIME(6), state VARCHAR(16), KEY (state, due_at))"); err != nil {
		return err
	}
	if _, err := s.db.ExecContext(ctx, "CREATE TABLE hopper (id BIGINT AUTO_INCREMENT PRIMARY KEY, phone VARCHAR(20), priority INT, status VARCHAR(16), taken_by INT, mark BIGINT, KEY (status, priority), KEY (taken_by, mark))"); err != nil {
		return err
	}
	f := filler{stock: s}
	for _, t := range []*[][]any{&f.numbers, &f.people, &f.contacts} {
		name := map[*[][]any]string{&f.numbers: "number", &f.people: "person", &f.contacts: "task_contact"}[t]
		rows, err := s.db.QueryContext(ctx, "SELECT * FROM "+name+" LIMIT 100") //nolint:gosec // one of three names
		if err != nil {
			return err
		}
		names, all, err := columnsOf(rows)
		if err != nil {
			return err
		}
		f.names = append(f.names, names)
		*t = all
	}
	const chunk = 500
	shown := time.Now()
	for from := 0; from < n; from += chunk {
		if err := f.chunk(ctx, from, min(chunk, n-from)); err != nil {
			return fmt.Errorf("fill %s: %w", s.name, err)
		}
		if time.Since(shown) > 10*time.Second {
			shown = time.Now()
			_, _ = fmt.Fprintf(out, "filling  %d of %d ready calls\n", from+chunk, n)
		}
	}
	for _, q := range []string{"DELETE FROM task_contact WHERE ref = ''", "ANALYZE TABLE task_contact, person, number, attempt, homegrown, hopper"} {
		if _, err := s.db.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(out, "filled   %d ready calls of as many people, in %.0f s\n", n, time.Since(began).Seconds())
	return nil
}

// template makes people and a task by the store's own methods.
func (s *stock) template(ctx context.Context) error {
	task, err := s.store.EnsureTask(ctx, campaign.Task{Tenant: "bench", Script: "s", Standing: true, Retry: campaign.DefaultRetry()})
	if err != nil {
		return err
	}
	for i := range templates {
		number, err := phone.Parse(fmt.Sprintf("+86139%08d", i), "CN")
		if err != nil {
			return err
		}
		p, _, err := s.store.SavePerson(ctx, campaign.Person{Tenant: "bench", ExternalID: fmt.Sprintf("template%d", i), Number: number, Name: "张三", Language: "cmn", Vars: map[string]any{"discount": 8}})
		if err != nil {
			return err
		}
		id := uuid.Must(uuid.NewV7())
		now := time.Now().UTC()
		_, err = s.db.ExecContext(ctx, "INSERT INTO task_contact (tenant_id, id, task_id, person_id, pool, state, claim_rank, due_at, reason, call_time, call_zone, tries, ref, created_at, updated_at) "+
			"VALUES ('bench', ?, ?, ?, ?, 'done', 0, ?, '', '', '', 0, '', ?, ?)", id[:], task.ID[:], p.ID[:], task.Pool, now, now, now)
		if err != nil {
			return err
		}
	}
	return nil
}

type filler struct {
	stock                     *stock
	names                     [][]string // of numbers, people and contacts
	numbers, people, contacts [][]any
}

// chunk adds some ready calls, each to a person and a number of its own: ten
// priorities, due over the last hour.
func (f *filler) chunk(ctx context.Context, from, n int) error {
	var numbers, people, contacts, home, hopper [][]any
	now := time.Now().UTC()
	for i := from; i < from+n; i++ {
		number, person, contact := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
		mac := make([]byte, 32)
		_, _ = rand.Read(mac)
		due := now.Add(-time.Duration(i*7919%3600) * time.Second)
		k := i % templates
		numbers = append(numbers, with(f.names[0], f.numbers[k], map[string]any{"id": number[:], "hmac": mac}))
		people = append(people, with(f.names[1], f.people[k], map[string]any{"id": person[:], "external_id": []byte(fmt.Sprintf("c%d", i)), "number_id": number[:]}))
		contacts = append(contacts, with(f.names[2], f.contacts[k], map[string]any{"id": contact[:], "person_id": person[:], "state": string(campaign.Ready), "claim_rank": -(i % 10), "due_at": due, "ref": "bench"}))
		digits := fmt.Sprintf("139%08d", i)
		home = append(home, []any{digits, i % 10, due, "ready"})
		hopper = append(hopper, []any{digits, i % 10, "READY", -1, 0})
	}
	for _, t := range []struct {
		name  string
		names []string
		rows  [][]any
	}{
		{"number", f.names[0], numbers}, {"person", f.names[1], people}, {"task_contact", f.names[2], contacts},
		{"homegrown", []string{"phone", "priority", "due_at", "state"}, home}, {"hopper", []string{"phone", "priority", "status", "taken_by", "mark"}, hopper},
	} {
		if err := f.insert(ctx, t.name, t.names, t.rows); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

// with is a copy of a row with some columns of its own.
func with(names []string, row []any, own map[string]any) []any {
	out := make([]any, len(row))
	for i, name := range names {
		out[i] = row[i]
		if v, ok := own[name]; ok {
			out[i] = v
		}
	}
	return out
}

func (f *filler) insert(ctx context.Context, name string, names []string, rows [][]any) error {
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", len(names)), ",") + ")"
	//nolint:gosec // names of tables and columns are the schema's
	q := "INSERT INTO " + name + " (" + strings.Join(names, ",") + ") VALUES " + strings.TrimSuffix(strings.Repeat(one+",", len(rows)), ",")
	args := make([]any, 0, len(rows)*len(names))
	for _, r := range rows {
		args = append(args, r...)
	}
	_, err := f.stock.db.ExecContext(ctx, q, args...)
	return err
}
