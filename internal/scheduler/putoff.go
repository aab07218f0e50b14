package scheduler

import (
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// putOff remembers a contact that could not be dialled for want of a line, a
// voice, the database: how often, and the time that was asked for, which the
// due date in the database no longer is.
type putOff struct {
	times int
	asked time.Time
}

// maxPutOff bounds what is remembered; forgetting costs a rule some precision
// and nothing else.
const maxPutOff = 100_000

// later is when the contact is tried again: after 2 s, 4 s, ... 30 s. Each
// look is an attempt on record, so that a long wait must not be many looks.
func (s *Scheduler) later(a campaign.Attempt) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.put) >= maxPutOff {
		s.put = map[uuid.UUID]putOff{}
	}
	p, ok := s.put[a.Contact.ID]
	if !ok || a.DueAt.Before(p.asked) {
		p.asked = a.DueAt
	}
	p.times++
	s.put[a.Contact.ID] = p
	return time.Now().Add(min(time.Second<<min(p.times, 10), 30*time.Second))
}

// asked is the time that somebody asked for: a first call, or one back, that
// was put off is late by that one. Retries have no such time.
func (s *Scheduler) asked(a campaign.Attempt) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.put[a.Contact.ID]; ok && pathOf(a) != compliance.PathRetry && p.asked.Before(a.DueAt) {
		return p.asked
	}
	return a.DueAt
}

func (s *Scheduler) forget(a campaign.Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.put, a.Contact.ID)
}
