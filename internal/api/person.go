package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"ringmaster/internal/campaign"
)

// PersonFile is everything that is kept of a person.
type PersonFile struct {
	Person   campaign.Person
	Contacts []campaign.Contact
	Attempts []AttemptView
	Consents []ConsentRecord
	DNC      []DNCEntry
}

// Erased says what became of a person's data.
type Erased struct {
	Recordings []ErasedRecording
	Contacts   int // open contacts that were cancelled
}

// ErasedRecording is a recording whose file is to be deleted, or why it stays.
type ErasedRecording struct {
	ID   uuid.UUID
	Path string
	Kept string // legal_hold, retention; empty = delete
}

// Remover deletes files of recordings.
type Remover interface {
	Remove(path string) error
}

type personFileView struct {
	Contact  contactView   `json:"contact"`
	Number   string        `json:"number,omitempty"` // in full: it is the person's own
	Tasks    []taskView    `json:"tasks"`
	Attempts []attemptView `json:"attempts"`
	Consents []consentView `json:"consents"`
	DNC      []dncView     `json:"do_not_call"`
	At       time.Time     `json:"exported_at"`
}

// exportPerson gives a person what is kept of them (PIPL Art. 45).
func (s *Server) exportPerson(c *gin.Context) {
	if _, err := because(c, c.Query("reason")); err != nil {
		s.fail(c, err)
		return
	}
	ctx := c.Request.Context()
	p, err := s.deps.Store.Person(ctx, tenant(c), c.Param("customer_id"))
	if err != nil {
		s.fail(c, err)
		return
	}
	touched(c, "person", p.ID)
	f, err := s.deps.Store.PersonFile(ctx, tenant(c), p.ID)
	if err != nil {
		s.fail(c, err)
		return
	}
	v := personFileView{Contact: viewContact(p), Number: p.Number.Reveal(), Tasks: []taskView{}, Attempts: []attemptView{}, Consents: []consentView{}, DNC: []dncView{}, At: s.deps.Now()}
	for _, ct := range f.Contacts {
		v.Tasks = append(v.Tasks, viewTask(ct))
	}
	for _, a := range f.Attempts {
		v.Attempts = append(v.Attempts, viewAttempt(a, true))
	}
	for _, r := range f.Consents {
		r.Customer = p.ExternalID
		v.Consents = append(v.Consents, s.viewConsent(r))
	}
	for _, e := range f.DNC {
		v.DNC = append(v.DNC, viewDNC(e, false))
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, v)
}

// erasePerson forgets a person (PIPL Art. 47): name, number, variables, words
// and recordings go; that calls were made, and the refusal to be called, stay
// under pseudonyms.
func (s *Server) erasePerson(c *gin.Context) {
	if _, err := because(c, c.Query("reason")); err != nil {
		s.fail(c, err)
		return
	}
	ctx := c.Request.Context()
	p, err := s.deps.Store.Person(ctx, tenant(c), c.Param("customer_id"))
	if err != nil {
		s.fail(c, err)
		return
	}
	touched(c, "person", p.ID)
	done, err := s.deps.Store.ErasePerson(ctx, tenant(c), p.ID, s.deps.Now())
	if errors.Is(err, ErrConflict) {
		err = problem(http.StatusConflict, "a call is under way", "cancel the person's calls first, or wait for their end")
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	deleted, kept := 0, map[string]int{}
	for _, r := range done.Recordings {
		if r.Kept != "" {
			kept[r.Kept]++
			continue
		}
		if err := s.remove(r.Path); err != nil {
			s.deps.Log.Error("a recording of an erased person could not be deleted", "recording", r.ID, "err", err)
			kept["not_deleted"]++
			continue
		}
		deleted++
	}
	c.JSON(http.StatusOK, gin.H{"erased": true, "cancelled": done.Contacts, "recordings_deleted": deleted, "recordings_kept": kept})
}

func (s *Server) remove(path string) error {
	r, ok := s.deps.Archive.(Remover)
	if !ok {
		return errors.New("the archive cannot delete")
	}
	return r.Remove(path)
}
