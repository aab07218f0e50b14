package api

import (
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

// ConsentRecord is the evidence of a consent: what, for what, whence, since
// when, and the hash of the proof, which itself stays where it is.
type ConsentRecord struct {
	compliance.Consent
	ID        uuid.UUID
	Tenant    string
	Person    uuid.UUID
	Customer  string
	Number    phone.Number // of the time when it was given
	Proof     string       // where the proof lies: a document's name, a recording's ID
	Evidence  [32]byte     // SHA-256 of the proof; zero = none was given
	By        string
	CreatedAt time.Time
}

type consentRequest struct {
	CustomerID string `json:"customer_id"`
	Basis      string `json:"basis"`
	Purpose    string `json:"purpose"`
	Channel    string `json:"channel"`
	Source     string `json:"source"`
	Proof      string `json:"proof"`
	Evidence   string `json:"evidence_sha256"`
	ObtainedAt string `json:"obtained_at"`
	ExpiresAt  string `json:"expires_at"`
}

type consentView struct {
	ConsentID   uuid.UUID          `json:"consent_id"`
	CustomerID  string             `json:"customer_id"`
	Basis       string             `json:"basis"`
	Purpose     campaign.Purpose   `json:"purpose,omitempty"`
	Channel     compliance.Channel `json:"channel,omitempty"`
	Source      string             `json:"source"`
	Proof       string             `json:"proof,omitempty"`
	Evidence    string             `json:"evidence_sha256,omitempty"`
	By          string             `json:"by"`
	ObtainedAt  time.Time          `json:"obtained_at"`
	ExpiresAt   *time.Time         `json:"expires_at,omitempty"`
	WithdrawnAt *time.Time         `json:"withdrawn_at,omitempty"`
	InForce     bool               `json:"in_force"`
	CreatedAt   time.Time          `json:"created_at"`
}

func (s *Server) viewConsent(r ConsentRecord) consentView {
	v := consentView{ConsentID: r.ID, CustomerID: r.Customer, Basis: r.Basis, Purpose: r.Purpose, Channel: r.Channel, Source: r.Source, Proof: r.Proof,
		By: r.By, ObtainedAt: r.ObtainedAt, ExpiresAt: stamp(r.ExpiresAt), WithdrawnAt: stamp(r.WithdrawnAt), CreatedAt: r.CreatedAt}
	if r.Evidence != ([32]byte{}) {
		v.Evidence = hex.EncodeToString(r.Evidence[:])
	}
	now := s.deps.Now()
	v.InForce = r.WithdrawnAt.IsZero() && !r.ObtainedAt.After(now) && (r.ExpiresAt.IsZero() || r.ExpiresAt.After(now))
	return v
}

var code = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

func (s *Server) recordConsent(c *gin.Context) {
	var req consentRequest
	_, err := decode(c.Request, &req)
	var r ConsentRecord
	if err == nil {
		r, err = s.consentOf(c, req)
	}
	if err == nil {
		err = s.deps.Store.SaveConsent(c.Request.Context(), r)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusCreated, s.viewConsent(r))
}

func (s *Server) consentOf(c *gin.Context, req consentRequest) (ConsentRecord, error) {
	now := s.deps.Now()
	r := ConsentRecord{ID: uuid.Must(uuid.NewV7()), Tenant: tenant(c), Customer: req.CustomerID, Proof: req.Proof, By: entry(c).Actor, CreatedAt: now,
		Consent: compliance.Consent{Basis: req.Basis, Purpose: campaign.Purpose(req.Purpose), Channel: compliance.Channel(req.Channel), Source: req.Source, ObtainedAt: now}}
	if err := checkConsent(req); err != nil {
		return r, err
	}
	for _, f := range []struct {
		name, text string
		to         *time.Time
	}{{"obtained_at", req.ObtainedAt, &r.ObtainedAt}, {"expires_at", req.ExpiresAt, &r.ExpiresAt}} {
		if f.text == "" {
			continue
		}
		var err error
		if *f.to, err = time.Parse(time.RFC3339, f.text); err != nil {
			return r, badField(f.name, "write it as 2026-01-02T15:04:05+08:00")
		}
	}
	switch {
	case r.ObtainedAt.After(now.Add(time.Minute)):
		return r, badField("obtained_at", "lies ahead")
	case !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(r.ObtainedAt):
		return r, badField("expires_at", "lies before obtained_at")
	}
	if req.Evidence != "" {
		sum, err := hex.DecodeString(req.Evidence)
		if err != nil || len(sum) != 32 {
			return r, badField("evidence_sha256", "must be 64 hexadecimal digits")
		}
		r.Evidence = [32]byte(sum)
	}
	p, err := s.deps.Store.Person(c.Request.Context(), tenant(c), req.CustomerID)
	if isNotFound(err) {
		return r, badField("customer_id", "no such contact")
	}
	r.Person, r.Number, r.Customer = p.ID, p.Number, p.ExternalID
	r.Consent.ID = r.ID.String()
	touched(c, "person", p.ID)
	return r, err
}

func checkConsent(req consentRequest) error {
	switch campaign.Purpose(req.Purpose) {
	case "", campaign.Marketing, campaign.Collections, campaign.Service, campaign.Fraud, campaign.Health:
	default:
		return badField("purpose", "must be marketing, collections, service, fraud or health, or be left out for all")
	}
	switch compliance.Channel(req.Channel) {
	case "", compliance.Voice, compliance.SMS:
	default:
		return badField("channel", "must be voice or sms, or be left out for both")
	}
	switch {
	case req.CustomerID == "" || len(req.CustomerID) > 64:
		return badField("customer_id", "must be 1 to 64 bytes")
	case !slices.Contains(compliance.Bases(), req.Basis):
		return badField("basis", "must be one of "+strings.Join(compliance.Bases(), ", "))
	case req.Source == "" || len(req.Source) > 200 || hasControl(req.Source) || digits.MatchString(req.Source):
		return badField("source", "must be 1 to 200 bytes without a telephone number: where the consent was given")
	case len(req.Proof) > 1000 || hasControl(req.Proof):
		return badField("proof", "must be at most 1000 bytes: where the proof lies")
	}
	return nil
}

func (s *Server) listConsents(c *gin.Context) {
	customer := c.Query("customer_id")
	if customer == "" {
		s.fail(c, badField("customer_id", "whose consents?"))
		return
	}
	p, err := s.deps.Store.Person(c.Request.Context(), tenant(c), customer)
	if err != nil {
		s.fail(c, err)
		return
	}
	touched(c, "person", p.ID)
	list, err := s.deps.Store.Consents(c.Request.Context(), tenant(c), p.ID)
	if err != nil {
		s.fail(c, err)
		return
	}
	views := make([]consentView, 0, len(list))
	for _, r := range list {
		r.Customer = p.ExternalID
		views = append(views, s.viewConsent(r))
	}
	c.JSON(http.StatusOK, gin.H{"consents": views})
}

// withdrawConsent ends a consent now. Its evidence stays.
func (s *Server) withdrawConsent(c *gin.Context) {
	id, ok := s.idParam(c)
	if !ok {
		return
	}
	if err := s.deps.Store.WithdrawConsent(c.Request.Context(), tenant(c), id, s.deps.Now()); err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}
