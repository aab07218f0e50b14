package compliance_test

import (
	"strings"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// The oracle says in its own words, by other means and from its own figures
// what may be done: text of clocks and calendars, the whole history every time,
// no look ahead. It shares nothing with the rules but the types. The race
// detector need not watch it (go:norace): each world is one goroutine's.

// deed is one act of the simulated world.
type deed struct {
	at       time.Time
	end      time.Time // of a call; its outcome is not known before
	sms      bool
	purpose  campaign.Purpose
	path     compliance.Path
	person   int
	number   int
	task     int
	contact  int
	answered bool
	talked   bool
}

//go:norace
func (d *deed) openAt(now time.Time) bool { return !d.sms && now.Before(d.end) }

// ownCap is a cap of the operator as the test writes it.
type ownCap struct {
	subject string
	per     string
	most    int
	counts  string
	voice   bool // calls alone
}

// question is what the oracle is asked.
type question struct {
	now      time.Time
	region   string
	purpose  campaign.Purpose
	sms      bool
	stated   string // jurisdiction of the task
	zones    []string
	places   map[string]*time.Location
	person   int
	number   int
	contact  int
	history  []deed
	own      []ownCap
	blocks   []compliance.Block
	consents []compliance.Consent
	stopped  bool
	applies  []string
}

// answer is empty when nothing forbids it.
func (q *question) answer() string {
	switch {
	case q.stopped:
		return "stop"
	case q.blocked():
		return "do_not_call"
	case !q.consented():
		return "consent"
	case !q.daytime():
		return "calling_hours"
	case q.capped():
		return "caps"
	case q.coolingDown():
		return "cool_down"
	}
	return ""
}

//go:norace
func (q *question) blocked() bool {
	for _, b := range q.blocks {
		if b.Expires.IsZero() || q.now.Before(b.Expires) {
			return true
		}
	}
	return false
}

// consented: the worlds of this test give every act but marketing a stated
// basis that all accept; marketing needs a written record in force wherever
// the law wants a record, and any statement in China.
//
//go:norace
func (q *question) consented() bool {
	channel := compliance.Voice
	if q.sms {
		channel = compliance.SMS
	}
	var taken time.Time
	for _, c := range q.consents {
		if (c.Purpose == "" || c.Purpose == q.purpose) && (c.Channel == "" || c.Channel == channel) && !c.WithdrawnAt.IsZero() && !q.now.Before(c.WithdrawnAt) && taken.Before(c.WithdrawnAt) {
			taken = c.WithdrawnAt
		}
	}
	for _, c := range q.consents {
		if (c.Purpose == "" || c.Purpose == q.purpose) && (c.Channel == "" || c.Channel == channel) && c.WithdrawnAt.IsZero() &&
			!q.now.Before(c.ObtainedAt) && taken.Before(c.ObtainedAt) && (c.ExpiresAt.IsZero() || q.now.Before(c.ExpiresAt)) {
			return true
		}
	}
	if q.purpose == campaign.Marketing {
		return false // the worlds of China obey the draft
	}
	return taken.IsZero()
}

// laws that apply: that of the number and that of the task.
func (q *question) laws() []string {
	if q.applies != nil {
		return q.applies
	}
	law := "strictest"
	switch q.region {
	case "CN", "US", "FR":
		law = q.region
	case "GB":
		law = "UK"
	case "DE", "PT":
		law = "EU"
	}
	q.applies = []string{law}
	if q.stated != "" && q.stated != law {
		q.applies = append(q.applies, q.stated)
	}
	return q.applies
}

func (q *question) daytime() bool {
	for _, zone := range q.zones {
		loc := q.places[zone]
		if loc == nil {
			return false
		}
		if !q.daytimeIn(q.now.In(loc)) {
			return false
		}
	}
	return len(q.zones) > 0
}

//go:norace
func (q *question) daytimeIn(local time.Time) bool {
	clock := local.Format("15:04:05")
	weekend := strings.HasPrefix(local.Weekday().String(), "S")
	working := (clock >= "10:00:00" && clock < "13:00:00") || (clock >= "14:00:00" && clock < "20:00:00")
	for _, law := range q.laws() {
		var open bool
		switch law {
		case "CN":
			open = clock >= "08:00:00" && clock < "22:00:00"
		case "US", "UK":
			open = clock >= "08:00:00" && clock < "21:00:00"
		case "EU":
			open = clock >= "09:00:00" && clock < "20:00:00"
		case "FR":
			open = clock >= "09:00:00" && clock < "20:00:00"
			if q.purpose == campaign.Marketing {
				open = working && !weekend && frenchWorkday(local)
			}
		default:
			open = working && !weekend
		}
		if !open {
			return false
		}
	}
	return true
}

// frenchWorkday computes the holidays of two years from Easter (Gauss); other
// years have no calendar and no workdays.
func frenchWorkday(local time.Time) bool {
	y := local.Year()
	if y != 2026 && y != 2027 {
		return false
	}
	switch local.Format("0102") {
	case "0101", "0501", "0508", "0714", "0815", "1101", "1111", "1225":
		return false
	}
	d := (19*(y%19) + 24) % 30
	e := (2*(y%4) + 4*(y%7) + 6*d + 5) % 7
	easter := time.Date(y, time.March, 22+d+e, 0, 0, 0, 0, time.UTC)
	for _, after := range []int{1, 39, 50} { // Monday, Ascension, Whit Monday
		if easter.AddDate(0, 0, after).Format("0102") == local.Format("0102") {
			return false
		}
	}
	return true
}

// capsOf are the caps of the laws, by hand.
//
//go:norace
func (q *question) caps() []struct {
	ownCap
	only campaign.Purpose
} {
	type c = struct {
		ownCap
		only campaign.Purpose
	}
	var out []c
	for _, o := range q.own {
		out = append(out, c{o, ""})
	}
	for _, law := range q.laws() {
		switch law {
		case "CN":
			out = append(out, c{ownCap{"person", "day", 3, "effective", true}, campaign.Collections})
		case "US":
			out = append(out, c{ownCap{"person", "7d", 7, "all", true}, campaign.Collections})
		case "FR":
			out = append(out, c{ownCap{"person", "31d", 4, "all", true}, campaign.Marketing})
		case "strictest":
			out = append(out, c{ownCap{"person", "day", 3, "effective", true}, ""}, c{ownCap{"person", "7d", 7, "all", true}, ""},
				c{ownCap{"person", "31d", 4, "all", true}, campaign.Marketing})
		}
	}
	return out
}

//go:norace
func (q *question) capped() bool {
	for _, c := range q.caps() {
		if (c.voice && q.sms) || (c.only != "" && c.only != q.purpose) {
			continue
		}
		if q.used(c.ownCap, c.only) >= c.most {
			return true
		}
	}
	return false
}

// used counts what the cap has seen, over the whole history.
//
//go:norace
func (q *question) used(c ownCap, only campaign.Purpose) int {
	n := 0
	for i := range q.history {
		d := &q.history[i]
		if (c.subject == "person" && d.person != q.person) || (c.subject == "number" && d.number != q.number) || (c.subject == "contact" && d.contact != q.contact) {
			continue
		}
		if (c.voice && d.sms) || (only != "" && d.purpose != only) || (c.counts == "effective" && !d.openAt(q.now) && !d.talked) ||
			(c.counts == "answered" && !d.openAt(q.now) && !d.answered && !d.talked) {
			continue
		}
		switch c.per {
		case "life":
			n++
		case "day":
			if q.sameDay(d.at) {
				n++
			}
		default:
			if q.now.Sub(d.at) < lengths[c.per] {
				n++
			}
		}
	}
	return n
}

var lengths = map[string]time.Duration{"24h": 24 * time.Hour, "7d": 168 * time.Hour, "31d": 744 * time.Hour}

// sameDay in any zone in which the person may be. What lies ahead (a clock was
// set back) counts as today.
func (q *question) sameDay(t time.Time) bool {
	if t.Before(q.now.Add(-72 * time.Hour)) {
		return false
	}
	for _, zone := range q.zones {
		loc := q.places[zone]
		if loc == nil { // hours have refused already
			continue
		}
		if t.In(loc).Format(time.DateOnly) >= q.now.In(loc).Format(time.DateOnly) {
			return true
		}
	}
	return false
}

//go:norace
func (q *question) coolingDown() bool {
	if q.sms || q.purpose != campaign.Collections {
		return false
	}
	applies := false
	for _, law := range q.laws() {
		applies = applies || law == "US" || law == "strictest"
	}
	if !applies {
		return false
	}
	for i := range q.history {
		d := &q.history[i]
		if d.sms || d.person != q.person || d.purpose != campaign.Collections {
			continue
		}
		if d.openAt(q.now) && q.now.Sub(d.at) < 168*time.Hour || !d.openAt(q.now) && d.talked && q.now.Sub(d.end) < 168*time.Hour {
			return true
		}
	}
	return false
}
