package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// Task implements api.Store.
func (s *Store) Task(ctx context.Context, tenant string, id uuid.UUID, script string) (campaign.Task, error) {
	q := s.read(ctx).Where("tenant_id = ? AND id = ?", tenant, binID(id))
	if id == uuid.Nil {
		q = s.read(ctx).Where("tenant_id = ? AND standing_script = ?", tenant, script)
	}
	var row taskRow
	if err := q.Take(&row).Error; err != nil {
		return campaign.Task{}, clean(missing(err, "task"))
	}
	return row.task()
}

// Tasks implements api.Store: in the order of their IDs.
func (s *Store) Tasks(ctx context.Context, tenant string, after uuid.UUID, limit int) ([]campaign.Task, error) {
	var rows []taskRow
	if err := s.read(ctx).Where("tenant_id = ? AND id > ?", tenant, after[:]).Order("id").Limit(page(limit)).Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]campaign.Task, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = r.task(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Members implements api.Store.
func (s *Store) Members(ctx context.Context, tenant string, task, after uuid.UUID, limit int) ([]api.Member, error) {
	var rows []withScript
	if err := s.read(ctx).Raw(contactSQL+"c.tenant_id = ? AND c.task_id = ? AND c.id > ? ORDER BY c.id LIMIT ?", tenant, binID(task), after[:], page(limit)).
		Scan(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out, err := s.members(s.read(ctx), tenant, rows)
	return out, clean(err)
}

// MemberOf implements api.Store.
func (s *Store) MemberOf(ctx context.Context, tenant string, task, person uuid.UUID) (api.Member, error) {
	var rows []withScript
	if err := s.read(ctx).Raw(contactSQL+"c.tenant_id = ? AND c.person_id = ? AND c.task_id = ? ORDER BY c.id DESC LIMIT 1", tenant, binID(person), binID(task)).
		Scan(&rows).Error; err != nil {
		return api.Member{}, clean(err)
	}
	if len(rows) == 0 {
		return api.Member{}, fmt.Errorf("%w: the person has no contact in this task", api.ErrNotFound)
	}
	out, err := s.members(s.read(ctx), tenant, rows)
	if err != nil {
		return api.Member{}, clean(err)
	}
	return out[0], nil
}

// members adds the people. A number that no key opens leaves its person without one, which no gate lets pass.
func (s *Store) members(db *gorm.DB, tenant string, rows []withScript) ([]api.Member, error) {
	people, numbers := map[key]personRow{}, map[key]numberRow{}
	var ids, nids []key
	for _, r := range rows {
		ids = append(ids, key{tenant, r.Row.PersonID})
	}
	if err := collect(db, ids, people, func(r personRow) key { return key{r.TenantID, r.ID} }); err != nil {
		return nil, err
	}
	for _, p := range people {
		if p.NumberID != (binID{}) {
			nids = append(nids, key{tenant, p.NumberID})
		}
	}
	if err := collect(db, nids, numbers, func(r numberRow) key { return key{r.TenantID, r.ID} }); err != nil {
		return nil, err
	}
	out := make([]api.Member, len(rows))
	for i, r := range rows {
		out[i].Contact = r.contact()
		p, ok := people[key{tenant, r.Row.PersonID}]
		if !ok {
			continue
		}
		n, err := s.keys.open(tenant, numbers[key{tenant, p.NumberID}].E164)
		if err != nil {
			s.log.Error("number of a person cannot be read", "person", uuid.UUID(p.ID), "err", err)
		}
		if out[i].Person, err = p.person(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// errMixed is a mistake of a caller of FactsOf.
var errMixed = errors.New("facts are read for acts of one tenant and one task at a time")

// FactsOf implements api.Store. Its queries are for at most chunk subjects each.
func (s *Store) FactsOf(ctx context.Context, acts []compliance.Act, now time.Time) ([]compliance.Facts, error) {
	out := make([]compliance.Facts, 0, len(acts))
	for len(acts) > 0 {
		n := min(len(acts), 500)
		var some []compliance.Facts
		err := s.read(ctx).Transaction(func(tx *gorm.DB) (err error) {
			some, err = s.factsOf(tx, acts[:n], now)
			return err
		})
		if err != nil {
			return nil, clean(err)
		}
		out, acts = append(out, some...), acts[n:]
	}
	return out, nil
}

func (s *Store) factsOf(tx *gorm.DB, acts []compliance.Act, now time.Time) ([]compliance.Facts, error) {
	m := newCrowd(acts[0].Tenant)
	for _, a := range acts {
		sub, err := s.subjectOf(a)
		if err != nil {
			return nil, err
		}
		m.subs = append(m.subs, sub)
		if sub.tenant != m.tenant || sub.task != m.subs[0].task {
			return nil, errMixed
		}
	}
	if err := m.read(tx, now); err != nil {
		return nil, err
	}
	var common compliance.Facts
	if err := circumstances(tx, subject{tenant: m.tenant}, &common); err != nil {
		return nil, err
	}
	if err := taskSituation(tx, m.subs[0], &common); err != nil {
		return nil, err
	}
	var err error
	if common.Answered, common.Abandoned, err = abandons(tx, m.subs[0], acts[0], now); err != nil {
		return nil, err
	}
	registered := map[string]*compliance.Registration{}
	out := make([]compliance.Facts, len(acts))
	for i, act := range acts {
		out[i] = common
		f, sub := &out[i], m.subs[i]
		line := act.Trunk + "\x00" + act.CallerID.Reveal()
		if _, ok := registered[line]; !ok {
			if registered[line], _, err = s.registration(tx, m.tenant, act, now, false); err != nil {
				return nil, err
			}
		}
		f.CallerID = registered[line]
		if err := m.fill(f, sub, now); err != nil {
			return nil, err
		}
	}
	return out, nil
}
