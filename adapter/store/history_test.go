package store

import (
	"context"
	"reflect"
	"testing"
	"time"

	"ringmaster/internal/campaign"
)

// TestPastCalls: finished calls of the person alone, newest first, with what was noted of them.
func TestPastCalls(t *testing.T) {
	for _, kind := range []string{onSQLite, onMariaDB} {
		s, _ := openNew(t, kind)
		ctx := context.Background()
		calls := placedCalls(t, s, 3)
		who, end := calls[0].Person.ID, time.Now().Truncate(time.Microsecond)
		want := []PastCall{}
		for i, a := range calls { // the last one stays unfinished
			if i == len(calls)-1 {
				break
			}
			o := campaign.Outcome{Disposition: campaign.Completed, EndedAt: end.Add(time.Duration(i) * time.Minute), Tags: []string{"interested"}, Slots: map[string]string{"day": "周六"}}
			if err := s.Finish(ctx, a.Fence, o, nil); err != nil {
				t.Fatal(err)
			}
			if a.Person.ID == who {
				want = append([]PastCall{{At: o.EndedAt, Script: a.Task.Script, Disposition: o.Disposition, Tags: o.Tags, Slots: o.Slots}}, want...)
			}
		}
		got, err := s.PastCalls(ctx, calls[0].Tenant, who, 20)
		if err != nil || len(got) != len(want) || len(want) == 0 {
			t.Fatalf("%s: %+v %v, wanted %+v", kind, got, err, want)
		}
		for i := range got {
			if !got[i].At.Equal(want[i].At) {
				t.Errorf("%s: %v, wanted %v", kind, got[i].At, want[i].At)
			}
			got[i].At = want[i].At
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, wanted %+v", kind, got, want)
		}
		if got, err = s.PastCalls(ctx, "another", who, 20); err != nil || len(got) != 0 {
			t.Errorf("%s: another tenant sees %+v %v", kind, got, err)
		}
		if got, err = s.PastCalls(ctx, calls[0].Tenant, newUUID(t), 20); err != nil || len(got) != 0 {
			t.Errorf("%s: another person has %+v %v", kind, got, err)
		}
	}
}
