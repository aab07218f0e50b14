package api_test

import (
	"strings"
	"testing"
	"time"

	"ringmaster/internal/api"
)

func TestExchangesAreDrainedAndBack(t *testing.T) {
	b := newBed(t)
	b.addKey("rm_system", tenant, time.Time{}, "*", "system:*")
	const ops = "Authorization: Bearer rm_system"
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/api/v1/exchanges/none/drain", `{"reason":"x"}`, 404, "GET /api/v1/exchanges"},
		{"POST", "/api/v1/exchanges/main/drain", `{"trunk":"other","reason":"x"}`, 422, `"trunk"`},
		{"POST", "/api/v1/exchanges/main/drain", `{"trunk":"carrier"}`, 422, `"reason"`},
		{"POST", "/api/v1/exchanges/main/drain", `{"trunk":1,"reason":"x"}`, 422, "must be a string"},
		{"POST", "/api/v1/exchanges/main/drain", `{"trunk":"carrier","reason":"x","more":1}`, 422, "is not a field"},
		{"DELETE", "/api/v1/exchanges/main/drain?trunk=carrier", "", 404, "not found"},
		{"POST", "/api/v1/exchanges/main/drain", `{"trunk":"carrier","reason":"number 13812345678 fails"}`, 201, "****"},
		{"POST", "/api/v1/exchanges/main/drain", `{"reason":"upgrade"}`, 201, `"trunk":""`},
		{"POST", "/api/v1/exchanges/main/drain", `{"reason":"longer upgrade"}`, 201, "longer"},
	} {
		if rec := b.do(c.method, c.path, c.body, ops); rec.Code != c.status || !strings.Contains(rec.Body.String(), c.says) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", c.method, c.path, c.body, rec.Code, rec.Body, c.status, c.says)
		}
	}
	list, err := b.store.Drains(b.Context())
	b.must(err)
	if len(list) != 2 || list[0].Trunk != "" || list[0].Reason != "longer upgrade" || list[1].Trunk != "carrier" || strings.Contains(list[1].Reason, "138") || list[0].By == "" {
		t.Errorf("%+v", list)
	}
	if b.fleet.reloads != 3 {
		t.Errorf("the fleet was told %d times", b.fleet.reloads)
	}
	for path, left := range map[string]int{"/api/v1/exchanges/main/drain?trunk=carrier": 1} {
		if rec := b.do("DELETE", path, "", ops); rec.Code != 204 {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
		if list, err = b.store.Drains(b.Context()); err != nil || len(list) != left {
			t.Errorf("%s: %+v %v", path, list, err)
		}
	}
	if rec := b.do("DELETE", "/api/v1/exchanges/main/drain", "", ops); rec.Code != 204 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	// A tenant's admin sees that it is drained, not who did it or why.
	for auth, by := range map[string]string{"": "", ops: "key/ops"} {
		var headers []string
		if auth != "" {
			headers = append(headers, auth)
		}
		var got struct{ Exchanges []api.Exchange }
		b.read(b.do("GET", "/api/v1/exchanges", "", headers...), &got)
		if len(got.Exchanges) != 2 || got.Exchanges[0].Drained == nil || got.Exchanges[0].Drained.By != by || got.Exchanges[1].Reason != "connection refused" {
			t.Errorf("%q: %+v", auth, got)
		}
	}
}
