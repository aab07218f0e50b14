package ledger

import (
	"time"

	"github.com/google/uuid"
)

// body is what is looked at in a record.
type body struct {
	Kind     Kind
	ID       uuid.UUID
	Tenant   string
	At       time.Time
	Channel  string
	Rules    string
	Verdicts int
	Other    string // the first decision that does not allow
}

// read takes out of a record's bytes what is looked at.
func (d *body) read(raw []byte) bool {
	good := true
	str := func(v []byte) string {
		s, ok := text(v)
		good = good && ok
		return s
	}
	whole := fields(raw, func(k, v []byte) bool {
		var err error
		switch string(k) {
		case "kind":
			d.Kind = Kind(str(v))
		case "id":
			d.ID, err = uuid.Parse(str(v))
		case "tenant":
			d.Tenant = str(v)
		case "at":
			d.At, err = time.Parse(time.RFC3339Nano, str(v))
		case "channel":
			d.Channel = str(v)
		case "rules":
			d.Rules = str(v)
		case "verdicts":
			good = good && elements(v, d.verdict)
		}
		return good && err == nil
	})
	return whole && good
}

// verdict counts one.
func (d *body) verdict(raw []byte) bool {
	decision := ""
	ok := fields(raw, func(k, v []byte) bool {
		if string(k) == "decision" {
			decision, _ = text(v)
		}
		return true
	})
	d.Verdicts++
	if decision != "allow" && d.Other == "" {
		d.Other = defaultTo(decision, "missing")
	}
	return ok
}

func defaultTo(s, d string) string {
	if s == "" {
		return d
	}
	return s
}
