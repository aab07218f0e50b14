package app

import (
	"context"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
)

const pastCalls = 20

// history is what a script that reads it learns of a person's earlier calls.
func (l *library) history(ctx context.Context, p campaign.Person, sc *dialogue.Script) ([]dialogue.Past, error) {
	if !sc.ReadsHistory() {
		return nil, nil
	}
	calls, err := l.store.PastCalls(ctx, p.Tenant, p.ID, pastCalls)
	if err != nil {
		return nil, err
	}
	out := make([]dialogue.Past, 0, len(calls))
	for _, c := range calls {
		out = append(out, dialogue.Past{At: c.At, Script: c.Script, Disposition: c.Disposition, Tags: c.Tags, Slots: c.Slots})
	}
	return out, nil
}
