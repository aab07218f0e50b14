package store

import (
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/campaign"
)

// around is what stands around a set of attempts.
type around struct {
	tasks    map[key]taskRow
	contacts map[key]contactRow
	people   map[key]personRow
	numbers  map[key]numberRow
}

// fill makes whole attempts of rows. One whose surroundings cannot be read comes without its number, which no gate lets pass.
func (s *Store) fill(tx *gorm.DB, rows []attemptRow) ([]campaign.Attempt, error) {
	ctx, err := gather(tx, rows)
	if err != nil {
		return nil, err
	}
	out := make([]campaign.Attempt, 0, len(rows))
	for _, r := range rows {
		a, err := s.assemble(r, ctx)
		if err != nil {
			s.log.ErrorContext(tx.Statement.Context, "attempt is not whole", "attempt", a.ID, "err", err)
		}
		out = append(out, a)
	}
	return out, nil
}

func newAround() around {
	return around{tasks: map[key]taskRow{}, contacts: map[key]contactRow{}, people: map[key]personRow{}, numbers: map[key]numberRow{}}
}

func gather(tx *gorm.DB, rows []attemptRow) (around, error) {
	c := newAround()
	tasks, contacts := make([]key, len(rows)), make([]key, len(rows))
	for i, r := range rows {
		tasks[i], contacts[i] = key{r.TenantID, r.TaskID}, key{r.TenantID, r.ContactID}
	}
	if err := collect(tx, tasks, c.tasks, func(r taskRow) key { return key{r.TenantID, r.ID} }); err != nil {
		return c, err
	}
	if err := collect(tx, contacts, c.contacts, func(r contactRow) key { return key{r.TenantID, r.ID} }); err != nil {
		return c, err
	}
	return c, c.addPeople(tx, rows)
}

// addPeople reads the people of attempts, their numbers, and the numbers that the attempts rang.
func (c around) addPeople(tx *gorm.DB, rows []attemptRow) error {
	people := make([]key, len(rows))
	var numbers []key
	for i, r := range rows {
		people[i] = key{r.TenantID, r.PersonID}
		if r.NumberID != (binID{}) {
			numbers = append(numbers, key{r.TenantID, r.NumberID})
		}
	}
	if err := collect(tx, people, c.people, func(r personRow) key { return key{r.TenantID, r.ID} }); err != nil {
		return err
	}
	for _, p := range c.people {
		if p.NumberID != (binID{}) {
			numbers = append(numbers, key{p.TenantID, p.NumberID})
		}
	}
	return collect(tx, numbers, c.numbers, func(r numberRow) key { return key{r.TenantID, r.ID} })
}

// addReachable reads the people of attempts that are not yet placed and the numbers that these people have now, in one round trip.
func (c around) addReachable(tx *gorm.DB, rows []attemptRow) error {
	people := make([]key, len(rows))
	for i, r := range rows {
		people[i] = key{r.TenantID, r.PersonID}
	}
	for tenant, ids := range byTenant(people) {
		var got []struct {
			Person     personRow `gorm:"embedded"`
			Sealed     []byte
			NumberZone *string
		}
		q := "SELECT p.*, n.e164 AS sealed, n.zone AS number_zone FROM person p LEFT JOIN number n ON n.tenant_id = p.tenant_id AND n.id = p.number_id " +
			"WHERE p.tenant_id = ? AND p.id IN ?"
		if err := tx.Raw(q, tenant, ids).Scan(&got).Error; err != nil {
			return err
		}
		for _, r := range got {
			c.people[key{tenant, r.Person.ID}] = r.Person
			if r.NumberZone != nil {
				c.numbers[key{tenant, r.Person.NumberID}] = numberRow{TenantID: tenant, ID: r.Person.NumberID, E164: r.Sealed, Zone: *r.NumberZone}
			}
		}
	}
	return nil
}

// collect reads rows by key, tenant by tenant.
func collect[R any](tx *gorm.DB, keys []key, into map[key]R, of func(R) key) error {
	for tenant, ids := range byTenant(keys) {
		var got []R
		if err := tx.Where("tenant_id = ? AND id IN ?", tenant, ids).Find(&got).Error; err != nil {
			return err
		}
		for _, r := range got {
			into[of(r)] = r
		}
	}
	return nil
}

func (s *Store) assemble(r attemptRow, c around) (campaign.Attempt, error) {
	a := campaign.Attempt{
		ID: uuid.UUID(r.ID), Tenant: r.TenantID, Try: r.Try, State: campaign.AttemptState(r.State),
		Fence:    campaign.Fence{Attempt: uuid.UUID(r.ID), Owner: r.Owner, Epoch: r.Epoch},
		PlacedAt: r.PlacedAt.Time(), DueAt: r.DueAt.Time(), BornAt: r.BornAt.Time(), Inbound: r.Direction == inward,
	}
	task, ok := c.tasks[key{r.TenantID, r.TaskID}]
	contact, ok2 := c.contacts[key{r.TenantID, r.ContactID}]
	person, ok3 := c.people[key{r.TenantID, r.PersonID}]
	if !ok || !ok2 || !ok3 {
		return a, fmt.Errorf("task, contact or person of attempt %s is gone", a.ID)
	}
	var err error
	if a.Task, err = task.task(); err != nil {
		return a, err
	}
	a.Contact = contact.contact(task.ScriptID, string(person.ExternalID))
	number := c.numbers[key{r.TenantID, r.NumberID}]
	n, sealed := s.keys.open(r.TenantID, number.E164)
	if a.Person, err = person.person(n); err != nil {
		return a, err
	}
	a.Zone = zoneOf(person, number)
	if sealed != nil {
		return a, sealed
	}
	if r.State == string(campaign.AttemptClaimed) {
		return a, nil
	}
	a.Placed, err = s.placement(r)
	return a, err
}
