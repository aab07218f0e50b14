package compliance

import (
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/campaign"
)

// Stop is the stop button: while it is pressed for the tenant or for all,
// nothing leaves. It waits and does not refuse: what was stopped by hand is
// let go by hand, and nobody's contact is ended by it.
type Stop struct{}

func (Stop) name() string { return "stop" }

// Check looks at the facts alone.
func (r Stop) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (Stop) judge(_ time.Time, _ *Act, f *Facts) ruling {
	if f.Stopped != "" {
		return waiting("stopped", time.Time{})
	}
	return allowed()
}

func (Stop) inputs(_ time.Time, _ *Act, f *Facts, r ruling) map[string]string {
	if r.decision == Allow {
		return map[string]string{"stopped": "no"}
	}
	scope, _, _ := strings.Cut(f.Stopped, ":")
	return map[string]string{"stopped": scope}
}

// ContactState refuses what is over and waits for what is not due. A contact
// whose state was not asked for passes: manual calls and messages have none.
type ContactState struct{}

func (ContactState) name() string { return "contact" }

// Check looks at the facts alone.
func (r ContactState) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (ContactState) judge(now time.Time, a *Act, f *Facts) ruling {
	c := &f.Contact
	switch {
	case c.State == "":
		return allowed()
	case a.Path == PathSMS && c.State != campaign.Cancelled && c.State != campaign.Blocked:
		return allowed() // what was agreed in a call is sent when the call is over
	case c.State.Final():
		return refused("contact_" + string(c.State))
	case c.Live:
		return waiting("in_progress", time.Time{})
	case c.State == campaign.Scheduled && c.DueAt.After(now) && a.Path != PathManual:
		return waiting("not_due", c.DueAt)
	}
	return allowed()
}

func (ContactState) inputs(_ time.Time, _ *Act, f *Facts, _ ruling) map[string]string {
	m := map[string]string{"state": string(f.Contact.State), "tries": strconv.Itoa(f.Contact.Tries)}
	if f.Contact.Reason != "" {
		m["reason"] = f.Contact.Reason
	}
	if !f.Contact.DueAt.IsZero() {
		m["due"] = stamp(f.Contact.DueAt)
	}
	return m
}

// TaskState waits while a task is paused or has not begun and refuses when it
// is over. A task whose state was not asked for passes.
type TaskState struct{}

func (TaskState) name() string { return "task" }

// Check looks at the facts alone.
func (r TaskState) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (TaskState) judge(now time.Time, a *Act, f *Facts) ruling {
	t := &f.Task
	switch {
	case t.State == campaign.TaskPaused:
		return waiting("task_paused", time.Time{})
	case a.Path == PathSMS: // its last call may have ended the task
		return allowed()
	case t.State == campaign.TaskDone:
		return refused("task_done")
	case !t.ClosesAt.IsZero() && !now.Before(t.ClosesAt):
		return refused("task_closed")
	case t.MaxTries > 0 && a.Try > t.MaxTries && a.Path != PathCallback && a.Path != PathManual: // those were asked for
		return refused("tries_used")
	case now.Before(t.OpensAt):
		return waiting("task_not_open", t.OpensAt)
	}
	return allowed()
}

func (TaskState) inputs(_ time.Time, a *Act, f *Facts, _ ruling) map[string]string {
	m := map[string]string{"state": string(f.Task.State)}
	if f.Task.Reason != "" {
		m["reason"] = f.Task.Reason
	}
	if f.Task.MaxTries > 0 {
		m["try"], m["max_tries"] = strconv.Itoa(a.Try), strconv.Itoa(f.Task.MaxTries)
	}
	if !f.Task.OpensAt.IsZero() {
		m["opens"] = stamp(f.Task.OpensAt)
	}
	if !f.Task.ClosesAt.IsZero() {
		m["closes"] = stamp(f.Task.ClosesAt)
	}
	return m
}

// DoNotCall refuses what a do-not-call list forbids, in the order system,
// tenant, task. An entry that expires is waited for.
type DoNotCall struct{}

func (DoNotCall) name() string { return "do_not_call" }

// Check looks at the facts alone.
func (r DoNotCall) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (DoNotCall) judge(now time.Time, _ *Act, f *Facts) ruling {
	r := allowed()
	best := 0
	for i := range f.Blocks {
		b := &f.Blocks[i]
		if !b.Expires.IsZero() && !now.Before(b.Expires) {
			continue
		}
		// What decides is what lasts longest; the layer is for telling.
		rank := 4 - layerOrder(b.Layer)
		if b.Expires.IsZero() {
			rank += 10
		}
		if b.Expires.IsZero() {
			r.decision, r.until = Refuse, time.Time{}
		} else if r.decision == Allow || r.decision == Wait && b.Expires.After(r.until) {
			r.decision, r.until = Wait, b.Expires
		}
		if rank > best {
			best, r.which = rank, i
		}
		r.reason = "do_not_call"
		r.count++
	}
	return r
}

func layerOrder(l Layer) int {
	switch l {
	case LayerSystem:
		return 0
	case LayerTenant:
		return 1
	case LayerTask:
		return 2
	}
	return 3
}

func (DoNotCall) inputs(_ time.Time, _ *Act, f *Facts, r ruling) map[string]string {
	m := map[string]string{"entries": strconv.Itoa(r.count)}
	if r.which >= 0 {
		b := f.Blocks[r.which]
		m["layer"], m["kind"], m["reason"] = string(b.Layer), b.Kind, b.Reason
		if !b.Expires.IsZero() {
			m["expires"] = stamp(b.Expires)
		}
	}
	return m
}

// TollFraud refuses what no campaign may dial: emergency, short and premium
// numbers, numbers of no known sort, and every region that is not allowed.
type TollFraud struct {
	Regions []string // ISO 3166-1 regions that may be dialled
}

// emergency numbers: 110, 119, 120, 122 (MIIT numbering plan), 112 (GSM, EU),
// 911, 999, 000 of others. A PBX with an open dial plan would
// carry them.
func emergency(digits string) bool {
	switch digits {
	case "110", "119", "120", "122", "112", "911", "999", "000":
		return true
	}
	return false
}

func (TollFraud) name() string { return "toll_fraud" }

// Check looks at the number alone.
func (r TollFraud) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (r TollFraud) judge(_ time.Time, a *Act, _ *Facts) ruling {
	switch kind := a.kind(); {
	case a.Number.IsZero():
		return refused("no_number")
	case a.Lab && kind == "lab":
		return allowed()
	case kind == "short" && emergency(a.Number.Reveal()):
		return refused("emergency_number")
	case kind == "premium", kind == "short", kind == "unknown", kind == "lab":
		return refused("number_type_forbidden")
	}
	for _, region := range r.Regions {
		if region == a.region() {
			return allowed()
		}
	}
	return refused("region_forbidden")
}

func (r TollFraud) inputs(_ time.Time, a *Act, _ *Facts, _ ruling) map[string]string {
	return map[string]string{"number": a.Number.Masked(), "region": a.region(), "type": a.kind(), "allowed_regions": strings.Join(r.Regions, " ")}
}

// Late refuses a call whose time passed longer than Grace ago: a controller
// that was down must not surprise anybody. What has no time is never late.
type Late struct{ Grace time.Duration }

func (Late) name() string { return "late" }

// Check compares the due time with now.
func (r Late) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (r Late) judge(now time.Time, a *Act, _ *Facts) ruling {
	if !a.DueAt.IsZero() && now.Sub(a.DueAt) > r.Grace {
		return refused("call_time_missed")
	}
	return allowed()
}

func (r Late) inputs(now time.Time, a *Act, _ *Facts, _ ruling) map[string]string {
	m := map[string]string{"grace": r.Grace.String()}
	if !a.DueAt.IsZero() {
		m["due"], m["late"] = stamp(a.DueAt), max(0, now.Sub(a.DueAt)).Round(time.Second).String()
	}
	return m
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
