package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/scheduler"
)

// A disposition is our word for the raw codes of the exchange; the codes
// themselves are kept as they came and are written once: neither a second end
// nor anything that happens to the contact later changes them.
func TestRow_T34_DispositionsStandOnRawCodesThatNeverChange(t *testing.T) {
	raw := []struct {
		sip, q850, reason int
		text              string
		want              campaign.Disposition
	}{
		{486, 17, 0, "Busy Here", ""}, {480, 18, 0, "Temporarily Unavailable", ""}, {404, 1, 0, "Not Found", ""}, {503, 34, 34, "Service Unavailable", ""}, {200, 16, 16, "Normal Clearing", campaign.Completed},
	}
	type codes struct {
		SIP         int `gorm:"column:sip"`
		Q850        int `gorm:"column:q850"`
		ReasonQ850  int `gorm:"column:reason_q850"`
		Raw         string
		Disposition string
	}
	for _, kind := range []string{onSQLite, onMariaDB} {
		s, _ := openNew(t, kind)
		ctx := context.Background()
		for i, a := range placedCalls(t, s, len(raw)) {
			r := raw[i]
			if r.want == "" {
				r.want = campaign.Unanswered(r.sip, r.q850, r.reason, false)
			}
			if zh, en := r.want.Label("zh"), r.want.Label("en"); zh == "" || en == "" || zh == en {
				t.Errorf("%s is labelled %q and %q", r.want, zh, en)
			}
			o := campaign.Outcome{Disposition: r.want, SIP: r.sip, Q850: r.q850, ReasonQ850: r.reason, Raw: r.text, EndedAt: time.Now()}
			if err := s.Finish(ctx, a.Fence, o, nil); err != nil {
				t.Fatal(err)
			}
			o.Disposition, o.SIP, o.Q850, o.Raw = campaign.Failed, 500, 41, "another end"
			if err := s.Finish(ctx, a.Fence, o, nil); !errors.Is(err, scheduler.ErrLate) {
				t.Errorf("%s: a second end: %v", kind, err)
			}
			if _, err := s.CancelContact(ctx, a.Tenant, a.Contact.ID, time.Now()); err != nil {
				t.Logf("%s: the contact is over: %v", kind, err)
			}
			var got codes
			if err := s.read(ctx).Table("cdr").Select("sip, q850, reason_q850, raw, disposition").
				Where("tenant_id = ? AND attempt_id = ?", a.Tenant, binID(a.ID)).Take(&got).Error; err != nil {
				t.Fatal(err)
			}
			if got != (codes{r.sip, r.q850, r.reason, r.text, string(r.want)}) {
				t.Errorf("%s: %+v was kept of %+v", kind, got, r)
			}
			view, err := s.Attempt(ctx, a.Tenant, a.ID)
			if err != nil || view.Outcome == nil || view.Outcome.SIP != r.sip || view.Outcome.Raw != r.text {
				t.Errorf("%s: the API is told %+v %v", kind, view.Outcome, err)
			}
		}
	}
}
