package store

import (
	"bytes"
	"slices"
	"time"

	"gorm.io/gorm"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// crowd is a set of subjects of one tenant and task, with what was read about them: what facts.go reads for one.
type crowd struct {
	tenant   string
	subs     []subject
	zones    map[binID]string
	lists    map[string][]dncRow // by subject
	consents map[binID][]consentRow
	byPerson map[binID][]budgetEntryRow
	byNumber map[string][]budgetEntryRow
	lives    map[string]int // by kind and subject
	contacts map[binID]contactRow
}

func newCrowd(tenant string) *crowd {
	return &crowd{
		tenant: tenant, zones: map[binID]string{}, lists: map[string][]dncRow{}, consents: map[binID][]consentRow{}, byPerson: map[binID][]budgetEntryRow{},
		byNumber: map[string][]budgetEntryRow{}, lives: map[string]int{}, contacts: map[binID]contactRow{},
	}
}

// keysOf are the distinct IDs and fingerprints of the subjects.
func (m *crowd) keysOf() (people, contacts, numbers [][]byte) {
	for _, sub := range m.subs {
		if sub.person != (binID{}) {
			people = append(people, bytes.Clone(sub.person[:]))
		}
		if sub.contact != (binID{}) {
			contacts = append(contacts, bytes.Clone(sub.contact[:]))
		}
		if len(sub.number) > 0 {
			numbers = append(numbers, sub.number)
		}
	}
	for _, k := range []*[][]byte{&people, &contacts, &numbers} {
		slices.SortFunc(*k, bytes.Compare)
		*k = slices.CompactFunc(*k, bytes.Equal)
	}
	return people, contacts, numbers
}

// read asks each table once.
func (m *crowd) read(tx *gorm.DB, now time.Time) error {
	people, contacts, numbers := m.keysOf()
	var persons []personRow
	var listed []dncRow
	var consents []consentRow
	var mine, others []budgetEntryRow
	var lives []budgetRow
	var members []contactRow
	everybody := slices.Concat(people, numbers)
	since := at(now.Add(-compliance.Horizon))
	for _, q := range []struct {
		asks int
		ask  func() *gorm.DB
	}{
		{len(people), func() *gorm.DB { return tx.Where("tenant_id = ? AND id IN ?", m.tenant, people).Find(&persons) }},
		{len(everybody), func() *gorm.DB {
			return tx.Where("subject IN ? AND kind IN ? AND tenant_id IN ?", everybody, []string{kindNumber, kindPerson}, []string{m.tenant, ""}).Find(&listed)
		}},
		{len(people), func() *gorm.DB {
			return tx.Where("tenant_id = ? AND person_id IN ?", m.tenant, people).Order("person_id, obtained_at").Find(&consents)
		}},
		{len(people), func() *gorm.DB {
			return tx.Where("tenant_id = ? AND person_id IN ? AND at > ? AND returned_at IS NULL", m.tenant, people, since).Find(&mine)
		}},
		{len(numbers), func() *gorm.DB {
			return tx.Where("tenant_id = ? AND number_hmac IN ? AND at > ? AND returned_at IS NULL", m.tenant, numbers, since).Find(&others)
		}},
		{len(everybody), func() *gorm.DB {
			return tx.Where("tenant_id = ? AND kind IN ? AND subject IN ?", m.tenant, []string{kindContact, kindNumber, kindPerson}, slices.Concat(everybody, contacts)).Find(&lives)
		}},
		{len(contacts), func() *gorm.DB { return tx.Where("tenant_id = ? AND id IN ?", m.tenant, contacts).Find(&members) }},
	} {
		if q.asks == 0 {
			continue
		}
		if err := q.ask().Error; err != nil {
			return err
		}
	}
	m.sort(persons, listed, consents, mine, others, lives, members)
	return nil
}

func (m *crowd) sort(persons []personRow, listed []dncRow, consents []consentRow, mine, others []budgetEntryRow, lives []budgetRow, members []contactRow) {
	for _, r := range persons {
		m.zones[r.ID] = r.Zone
	}
	for _, r := range listed {
		m.lists[string(r.Subject)] = append(m.lists[string(r.Subject)], r)
	}
	for _, r := range consents {
		m.consents[r.PersonID] = append(m.consents[r.PersonID], r)
	}
	for _, r := range mine {
		m.byPerson[r.PersonID] = append(m.byPerson[r.PersonID], r)
	}
	for _, r := range others {
		m.byNumber[string(r.NumberHMAC)] = append(m.byNumber[string(r.NumberHMAC)], r)
	}
	for _, r := range lives {
		m.lives[r.Kind+string(r.Subject)] = r.Life
	}
	for _, r := range members {
		m.contacts[r.ID] = r
	}
}

// fill gives one subject its facts.
func (m *crowd) fill(f *compliance.Facts, sub subject, now time.Time) error {
	if sub.person != (binID{}) {
		zone, ok := m.zones[sub.person]
		if !ok {
			return missing(gorm.ErrRecordNotFound, "person")
		}
		f.Zone = zone
	}
	if sub.contact != (binID{}) {
		c, ok := m.contacts[sub.contact]
		if !ok {
			return missing(gorm.ErrRecordNotFound, "contact")
		}
		f.Contact = c.facts()
		f.Contact.Live = f.Contact.State == campaign.Claimed // nobody who asks here is that call itself
	}
	f.Blocks = blocksOf(slices.Concat(m.lists[string(sub.number)], m.lists[string(sub.person[:])]), sub, now)
	f.Consents = consentsOf(m.consents[sub.person], sub)
	entries := slices.Clone(m.byPerson[sub.person])
	for _, r := range m.byNumber[string(sub.number)] {
		if r.PersonID != sub.person {
			entries = append(entries, r)
		}
	}
	f.Spent = spentOf(entries, sub)
	f.LifePerson, f.LifeNumber, f.LifeContact = m.lives[kindPerson+string(sub.person[:])], m.lives[kindNumber+string(sub.number)], m.lives[kindContact+string(sub.contact[:])]
	return nil
}

// blocksOf are the entries in force for a subject, in the order of blocks.
func blocksOf(rows []dncRow, sub subject, now time.Time) []compliance.Block {
	var out []compliance.Block
	for _, layer := range []compliance.Layer{compliance.LayerSystem, compliance.LayerTenant, compliance.LayerTask} {
		for _, kind := range []string{kindNumber, kindPerson} {
			for _, r := range rows {
				if r.Layer == string(layer) && r.Kind == kind && r.holds(sub) && (r.ExpiresAt == 0 || r.ExpiresAt > at(now)) {
					out = append(out, compliance.Block{Layer: layer, Kind: kind, Reason: r.Reason, Expires: r.ExpiresAt.Time()})
				}
			}
		}
	}
	return out
}

// consentsOf are those for any number of the person and those for this one.
func consentsOf(rows []consentRow, sub subject) []compliance.Consent {
	var out []compliance.Consent
	for _, r := range rows {
		if len(r.NumberHMAC) == 0 || bytes.Equal(r.NumberHMAC, sub.number) {
			out = append(out, r.record().Consent)
		}
	}
	return out
}

// spentOf is what the entries of a budget are to a subject.
func spentOf(rows []budgetEntryRow, sub subject) []compliance.Spent {
	out := make([]compliance.Spent, len(rows))
	for i, r := range rows {
		out[i] = compliance.Spent{
			At: r.At.Time(), Channel: compliance.Channel(r.Channel), Path: compliance.Path(r.Path), Purpose: campaign.Purpose(r.Purpose),
			SamePerson: sub.person != (binID{}) && r.PersonID == sub.person, SameNumber: len(sub.number) > 0 && bytes.Equal(r.NumberHMAC, sub.number),
			SameTask: sub.task != (binID{}) && r.TaskID == sub.task, SameContact: sub.contact != (binID{}) && r.ContactID == sub.contact,
			Open: r.EndedAt == 0, Answered: r.Answered, Talked: r.TalkedAt != 0, TalkedAt: r.TalkedAt.Time(),
		}
	}
	return out
}
