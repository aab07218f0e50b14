package api

import (
	"testing"
	"time"

	"ringmaster/internal/campaign"
)

// The echo of a call_time stays what was asked for when a retry moves the
// contact's due time.
func TestCallTimeResolvedOutlivesARetry(t *testing.T) {
	for text, zone := range map[string]string{"2026-12-01T14:00:00": "Asia/Shanghai", "2026-12-01T14:00:00+08:00": "+08:00"} {
		asked := time.Date(2026, 12, 1, 6, 0, 0, 0, time.UTC)
		v := viewTask(campaign.Contact{CallTime: text, CallZone: zone, DueAt: asked.Add(3 * time.Hour)})
		if v.CallTimeResolved != "2026-12-01T14:00:00+08:00" {
			t.Errorf("%s in %s: %s", text, zone, v.CallTimeResolved)
		}
	}
}
