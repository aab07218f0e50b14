package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
	"ringmaster/internal/speech"
)

func taskToRow(t campaign.Task) (taskRow, error) {
	retry, err := json.Marshal(t.Retry)
	if err != nil {
		return taskRow{}, err
	}
	row := taskRow{
		TenantID: t.Tenant, ID: binID(t.ID), Name: clip(t.Name, 255), ScriptID: t.Script, Purpose: string(t.Purpose),
		LegalBasis: clip(t.LegalBasis, 255), Jurisdiction: t.Jurisdiction, State: string(t.State), Trunk: t.Trunk, CallerID: t.CallerID,
		Pool: t.Pool, Concurrency: t.Concurrency, CPS: t.CPS, Retry: string(retry), CreatedAt: at(t.CreatedAt), UpdatedAt: at(time.Now()),
	}
	if t.Standing {
		row.StandingScript = &row.ScriptID
	}
	return row, nil
}

func (r taskRow) task() (campaign.Task, error) {
	t := campaign.Task{
		ID: uuid.UUID(r.ID), Tenant: r.TenantID, Name: r.Name, Script: r.ScriptID, Purpose: campaign.Purpose(r.Purpose),
		LegalBasis: r.LegalBasis, Jurisdiction: r.Jurisdiction, Standing: r.StandingScript != nil, State: campaign.TaskState(r.State),
		Trunk: r.Trunk, CallerID: r.CallerID, Pool: r.Pool, Concurrency: r.Concurrency, CPS: r.CPS, CreatedAt: r.CreatedAt.Time(),
	}
	if err := json.Unmarshal([]byte(r.Retry), &t.Retry); err != nil {
		return t, fmt.Errorf("retry policy of task %s: %w", t.ID, err)
	}
	return t, nil
}

func (r contactRow) contact(script, customer string) campaign.Contact {
	state := campaign.ContactState(r.State)
	if r.State == parked {
		state = campaign.Scheduled
	}
	return campaign.Contact{
		ID: uuid.UUID(r.ID), Tenant: r.TenantID, Task: uuid.UUID(r.TaskID), Person: uuid.UUID(r.PersonID), Script: script, Customer: customer, State: state,
		Reason: r.Reason, DueAt: r.DueAt.Time(), CallTime: r.CallTime, CallZone: r.CallZone, Priority: -r.ClaimRank, Tries: r.Tries,
		Path: pathOf(r.Path), AskedAt: r.AskedAt.Time(), Ref: r.Ref, CreatedAt: r.CreatedAt.Time(), UpdatedAt: r.UpdatedAt.Time(),
	}
}

// pathOf leaves the usual path out.
func pathOf(p string) string {
	if p == string(compliance.PathTask) {
		return ""
	}
	return p
}

func (r personRow) person(n phone.Number) (campaign.Person, error) {
	p := campaign.Person{
		ID: uuid.UUID(r.ID), Tenant: r.TenantID, ExternalID: string(r.ExternalID), Name: r.Name, Number: n, Zone: r.Zone,
		Language: speech.Language(r.Language), CreatedAt: r.CreatedAt.Time(),
	}
	if r.Vars != "" {
		if err := json.Unmarshal([]byte(r.Vars), &p.Vars); err != nil {
			return p, fmt.Errorf("variables of person %s: %w", p.ID, err)
		}
	}
	return p, nil
}

func (s *Store) placement(r attemptRow) (campaign.Placement, error) {
	caller, err := s.keys.open(r.TenantID, r.CallerID)
	return campaign.Placement{PBX: r.PBX, Trunk: r.Trunk, CallerID: caller, ScriptVersion: r.ScriptVersion, Permit: r.Permit}, err
}

// zoneOf is the person's zone, else that of the number when it has only one.
func zoneOf(p personRow, n numberRow) string {
	if p.Zone != "" {
		return p.Zone
	}
	if strings.Contains(n.Zone, ",") {
		return ""
	}
	return n.Zone
}

// outcomeDoc is the outcome column: what has no table of its own or is read back as a whole. Turns and recordings are rows.
type outcomeDoc struct {
	Disposition string               `json:"disposition"`
	Reason      string               `json:"reason,omitempty"`
	SIP         int                  `json:"sip,omitempty"`
	Q850        int                  `json:"q850,omitempty"`
	ReasonQ850  int                  `json:"reason_q850,omitempty"`
	By          string               `json:"by,omitempty"`
	Raw         string               `json:"raw,omitempty"`
	StartedAt   int64                `json:"started_us,omitempty"`
	RingingAt   int64                `json:"ringing_us,omitempty"`
	AnsweredAt  int64                `json:"answered_us,omitempty"`
	EndedAt     int64                `json:"ended_us,omitempty"`
	AMD         string               `json:"amd,omitempty"`
	Slots       map[string]string    `json:"slots,omitempty"`
	Tags        []string             `json:"tags,omitempty"`
	Grade       string               `json:"grade,omitempty"`
	Disclosure  *campaign.Disclosure `json:"disclosure,omitempty"`
	OptOut      *campaign.OptOut     `json:"opt_out,omitempty"`
	Tickets     []campaign.Ticket    `json:"tickets,omitempty"`
	CallbackAt  int64                `json:"callback_us,omitempty"`
	NextTry     int64                `json:"next_try_us,omitempty"`
	Degraded    []string             `json:"degraded,omitempty"`
}

func outcomeToDoc(o campaign.Outcome) (string, error) {
	b, err := json.Marshal(outcomeDoc{
		Disposition: string(o.Disposition), Reason: o.Reason, SIP: o.SIP, Q850: o.Q850, ReasonQ850: o.ReasonQ850, By: o.By, Raw: o.Raw,
		StartedAt: int64(at(o.StartedAt)), RingingAt: int64(at(o.RingingAt)), AnsweredAt: int64(at(o.AnsweredAt)), EndedAt: int64(at(o.EndedAt)),
		AMD: o.AMD, Slots: o.Slots, Tags: o.Tags, Grade: o.Grade, Disclosure: o.Disclosure, OptOut: o.OptOut, Tickets: o.Tickets,
		CallbackAt: int64(at(o.CallbackAt)), NextTry: int64(at(o.NextTry)), Degraded: o.Degraded,
	})
	return string(b), err
}

func outcomeFromDoc(doc string) (campaign.Outcome, error) {
	var d outcomeDoc
	if err := json.Unmarshal([]byte(doc), &d); err != nil {
		return campaign.Outcome{}, err
	}
	return campaign.Outcome{
		Disposition: campaign.Disposition(d.Disposition), Reason: d.Reason, SIP: d.SIP, Q850: d.Q850, ReasonQ850: d.ReasonQ850, By: d.By,
		Raw: d.Raw, StartedAt: instant(d.StartedAt).Time(), RingingAt: instant(d.RingingAt).Time(), AnsweredAt: instant(d.AnsweredAt).Time(),
		EndedAt: instant(d.EndedAt).Time(), AMD: d.AMD, Slots: d.Slots, Tags: d.Tags, Grade: d.Grade, Disclosure: d.Disclosure, OptOut: d.OptOut,
		Tickets: d.Tickets, CallbackAt: instant(d.CallbackAt).Time(), NextTry: instant(d.NextTry).Time(), Degraded: d.Degraded,
	}, nil
}

func (r turnRow) turn() campaign.Turn {
	return campaign.Turn{
		Seq: r.Seq, Side: campaign.Side(r.Side), Text: r.Said, StartMS: r.StartMS, EndMS: r.EndMS, Node: r.Node, Intent: r.Intent,
		Confidence: r.Confidence, Interrupted: r.Interrupted, Planned: r.Planned,
	}
}

func (r recordingRow) recording() campaign.Recording {
	k := campaign.Recording{
		ID: uuid.UUID(r.ID), Path: r.Path, SHA256: r.SHA256, Bytes: r.Bytes, Duration: time.Duration(r.DurationNS), Rate: r.Rate,
		Channels: r.Channels, Incomplete: r.Incomplete, Label: campaign.Label(r.Label), LabelDetail: r.LabelDetail,
	}
	if why, ok := strings.CutPrefix(r.Incomplete, withheld); ok && r.Path == "" {
		k.Incomplete, k.Withheld = "", why
	}
	if r.Label == noLabel {
		k.Label = campaign.LabelNone
	}
	if r.Silenced != nil {
		_ = json.Unmarshal([]byte(*r.Silenced), &k.Silenced) // written by labelled
	}
	return k
}
