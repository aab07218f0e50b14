package api

import (
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
	"ringmaster/internal/speech"
)

// contactRequest is the body of POST /api/v1/contacts.
type contactRequest struct {
	CustomerID string         `json:"customer_id"`
	Name       string         `json:"name"`
	Phone      string         `json:"phone"`
	TimeZone   string         `json:"time_zone"`
	Language   string         `json:"language"`
	Variables  map[string]any `json:"variables"`
}

// contactView shows the number masked.
type contactView struct {
	CustomerID string         `json:"customer_id"`
	Name       string         `json:"name,omitempty"`
	Phone      phone.Number   `json:"phone"`
	TimeZone   string         `json:"time_zone,omitempty"`
	Language   string         `json:"language,omitempty"`
	Variables  map[string]any `json:"variables,omitempty"`
	CreatedAt  time.Time      `json:"created_at"`
}

func viewContact(p campaign.Person) contactView {
	return contactView{CustomerID: p.ExternalID, Name: p.Name, Phone: p.Number, TimeZone: p.Zone, Language: string(p.Language), Variables: p.Vars, CreatedAt: p.CreatedAt}
}

var (
	customerID = regexp.MustCompile(`^[A-Za-z0-9._:@-]{1,64}$`)
	varName    = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	languages  = map[string]bool{"": true, "cmn": true, "yue": true, "hak": true, "ug": true, "en": true}
)

func (s *Server) saveContact(c *gin.Context) {
	var req contactRequest
	if _, err := decode(c.Request, &req); err != nil {
		s.fail(c, err)
		return
	}
	p, err := s.personOf(tenant(c), req)
	if err != nil {
		s.fail(c, err)
		return
	}
	saved, created, err := s.deps.Store.SavePerson(c.Request.Context(), p)
	if err != nil {
		s.fail(c, err)
		return
	}
	touched(c, "person", saved.ID)
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	c.JSON(status, viewContact(saved))
}

func (s *Server) personOf(tenant string, req contactRequest) (campaign.Person, error) {
	p := campaign.Person{ID: uuid.Must(uuid.NewV7()), Tenant: tenant, ExternalID: req.CustomerID, Name: req.Name,
		Zone: req.TimeZone, Language: speech.Language(req.Language), Vars: req.Variables, CreatedAt: s.deps.Now()}
	switch {
	case !customerID.MatchString(req.CustomerID):
		return p, badField("customer_id", "must be 1 to 64 of letters, digits and . _ : @ -")
	case len(req.Name) > 200:
		return p, badField("name", "must be at most 200 bytes")
	case !languages[req.Language]:
		return p, badField("language", "must be cmn, yue, hak, ug or en")
	case len(req.Variables) > 100:
		return p, badField("variables", "must be at most 100")
	}
	if req.TimeZone != "" {
		if _, err := time.LoadLocation(req.TimeZone); err != nil || req.TimeZone == "Local" {
			return p, badField("time_zone", "must be an IANA zone such as Asia/Shanghai")
		}
	}
	for name, v := range req.Variables {
		if err := checkVar(name, v); err != nil {
			return p, err
		}
	}
	var err error
	if p.Number, err = s.number(req.Phone); err != nil {
		return p, badField("phone", err.Error())
	}
	return p, nil
}

// number reads a telephone number, or "lab:<extension>" where a lab trunk is
// configured.
func (s *Server) number(raw string) (phone.Number, error) {
	if ext, ok := cutLab(raw); ok {
		if !s.deps.Lab {
			return phone.Number{}, fmt.Errorf("%w: lab extensions need a trunk marked lab", phone.ErrInvalid)
		}
		return phone.Lab(ext)
	}
	return phone.Parse(raw, s.deps.TenantRegion)
}

func cutLab(raw string) (string, bool) {
	if len(raw) > 4 && raw[:4] == "lab:" {
		return raw[4:], true
	}
	return "", false
}

func checkVar(name string, v any) error {
	if !varName.MatchString(name) {
		return badField("variables."+clip(name), "names are lower-case letters, digits and _, at most 64")
	}
	switch v := v.(type) {
	case string:
		if len(v) > 1000 {
			return badField("variables."+name, "must be at most 1000 bytes")
		}
	case float64, bool, nil:
	case []any:
		if len(v) > 100 {
			return badField("variables."+name, "must be at most 100 items")
		}
	case map[string]any:
		if len(v) > 100 {
			return badField("variables."+name, "must have at most 100 members")
		}
	}
	return nil
}

func (s *Server) getContact(c *gin.Context) {
	p, err := s.deps.Store.Person(c.Request.Context(), tenant(c), c.Param("customer_id"))
	if err != nil {
		s.fail(c, err)
		return
	}
	touched(c, "person", p.ID)
	c.JSON(http.StatusOK, viewContact(p))
}

func (s *Server) listContacts(c *gin.Context) {
	limit, ok := s.limitParam(c)
	if !ok {
		return
	}
	list, err := s.deps.Store.People(c.Request.Context(), tenant(c), c.Query("after"), limit)
	if err != nil {
		s.fail(c, err)
		return
	}
	views := make([]contactView, 0, len(list))
	for _, p := range list {
		touched(c, "person", p.ID)
		views = append(views, viewContact(p))
	}
	c.JSON(http.StatusOK, gin.H{"contacts": views})
}

// optOutRequest is the body of POST /api/v1/opt-outs.
type optOutRequest struct {
	CustomerID string `json:"customer_id"`
	Phone      string `json:"phone"`
	Reason     string `json:"reason"`
	Until      string `json:"until"`
}

// optOut enters what the person asked for: whom nobody calls any more. It is
// their own refusal, which only an admin takes back.
func (s *Server) optOut(c *gin.Context) {
	var req optOutRequest
	if _, err := decode(c.Request, &req); err != nil {
		s.fail(c, err)
		return
	}
	if len(req.Reason) > 64 {
		s.fail(c, badField("reason", "must be 1 to 64 bytes"))
		return
	}
	entries, err := s.dncEntries(c, dncRequest{CustomerID: req.CustomerID, Phone: req.Phone, Reason: req.Reason, Source: SourcePerson, Until: req.Until})
	if err == nil {
		_, err = s.deps.Store.AddDNC(c.Request.Context(), entries)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}
