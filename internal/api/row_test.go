package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// The mission's own words.
const mission = `{"customer_id":"12345","script_id":"promotion_001","call_time":"2023-10-01T14:00:00"}`

func TestRow_S33_TheMissionsJSONIsAcceptedVerbatimAndNeverDialled(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	rec := b.do("POST", tasks, mission)
	if rec.Code != http.StatusCreated {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	var v task
	b.must(json.Unmarshal(rec.Body.Bytes(), &v))
	if v.State != "expired" || v.Reason != "call_time_passed" || v.CallTimeResolved != "2023-10-01T14:00:00+08:00" || v.CallTime != "2023-10-01T14:00:00" || v.CallTimeZone != "Asia/Shanghai" {
		t.Fatalf("%+v", v)
	}
	if at := rec.Header().Get("Location"); at != tasks+"/"+v.TaskID {
		t.Errorf("Location %q", at)
	}
	if n := b.claimable(time.Now().AddDate(10, 0, 0)); n != 0 {
		t.Errorf("%d calls would be made", n)
	}
	var again task
	b.must(json.Unmarshal(b.do("GET", tasks+"/"+v.TaskID, "").Body.Bytes(), &again))
	if again.State != v.State || again.Reason != v.Reason || again.CallTimeResolved != v.CallTimeResolved || again.CallTime != v.CallTime || again.CustomerID != "12345" {
		t.Errorf("GET shows %+v, POST answered %+v", again, v)
	}
}

func TestRow_S33_ATimeAheadIsDialledAtItsTimeAndNotBefore(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	at := b.now.Add(10 * time.Second)
	v := b.post(strings.Replace(mission, "2023-10-01T14:00:00", at.Format("2006-01-02T15:04:05"), 1))
	if v.State != "scheduled" || v.Reason != "" || v.CallTimeResolved != at.Format(time.RFC3339) {
		t.Fatalf("%+v", v)
	}
	if b.woken != 1 {
		t.Errorf("the scheduler was woken %d times", b.woken)
	}
	if n := b.claimable(at.Add(-time.Millisecond)); n != 0 {
		t.Error("dialled before its time")
	}
	if n := b.claimable(at); n != 1 {
		t.Error("not dialled at its time")
	}
}

func TestRow_S33_ATimeWithoutAZoneIsResolvedAndEchoed(t *testing.T) {
	b := newBed(t)
	b.now = time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC) // Shanghai: midnight; New York: 11:00, before its clocks change on 8 March
	b.person("own", `"time_zone":"Asia/Urumqi"`)
	b.person("number", `"phone":"+12125550123"`)
	b.person("tenant", `"phone":"+442079460123"`, `"time_zone":"Europe/London"`)
	b.person("many", `"phone":"+18002345678"`)
	b.person("newyork", `"phone":"+12125550123"`, `"time_zone":"America/New_York"`)
	for _, c := range []struct{ customer, call, resolved, zone, state, reason, opens string }{
		{"own", "2026-03-03T14:00:00", "2026-03-03T14:00:00+06:00", "Asia/Urumqi", "scheduled", "", ""},
		{"number", "2026-03-03T14:00", "2026-03-03T14:00:00-05:00", "America/New_York", "scheduled", "", ""},
		{"tenant", "2026-03-03 14:00:00", "2026-03-03T14:00:00Z", "Europe/London", "scheduled", "", ""},
		{"own", "2026-03-03T13:00:00Z", "2026-03-03T13:00:00Z", "+00:00", "scheduled", "", ""},
		// 20:00 where the person is, but 22:00 where the number belongs: both must be open.
		{"own", "2026-03-03T14:00:00Z", "2026-03-03T14:00:00Z", "+00:00", "expired", "outside_calling_hours", "2026-03-04T02:00:00Z"},
		{"own", "2026-03-03T14:00:00+08:00", "2026-03-03T14:00:00+08:00", "+08:00", "scheduled", "", ""},
		{"own", "2026-03-03T14:00:00.25+08:00", "2026-03-03T14:00:00+08:00", "+08:00", "scheduled", "", ""},
		{"own", "2026-03-03T14:00+05:30", "2026-03-03T14:00:00+05:30", "+05:30", "scheduled", "", ""},
		// A toll-free number belongs to several zones: the tenant's is used.
		{"many", "2026-03-03T12:00:00", "2026-03-03T12:00:00+08:00", "Asia/Shanghai", "expired", "outside_calling_hours", "2026-03-04T06:00:00+08:00"},
		{"many", "2026-03-04T06:00:00", "2026-03-04T06:00:00+08:00", "Asia/Shanghai", "scheduled", "", ""},
		// Outside calling hours is a named outcome and not another time.
		{"own", "2026-03-03T23:30:00", "2026-03-03T23:30:00+06:00", "Asia/Urumqi", "expired", "outside_calling_hours", "2026-03-04T08:00:00+06:00"},
		{"newyork", "2026-03-03T21:00:00", "2026-03-03T21:00:00-05:00", "America/New_York", "expired", "outside_calling_hours", "2026-03-04T08:00:00-05:00"},
		{"newyork", "2026-03-03T20:59:59", "2026-03-03T20:59:59-05:00", "America/New_York", "scheduled", "", ""},
		// Clocks go forward on 8 March 2026 at 02:00 and back on 1 November at 02:00.
		{"newyork", "2026-03-09T14:00:00", "2026-03-09T14:00:00-04:00", "America/New_York", "scheduled", "", ""},
		{"newyork", "2026-11-01T01:30:00", "2026-11-01T01:30:00-04:00", "America/New_York", "expired", "outside_calling_hours", "2026-11-01T08:00:00-05:00"},
		{"newyork", "2026-11-01T02:00:00", "2026-11-01T02:00:00-05:00", "America/New_York", "expired", "outside_calling_hours", "2026-11-01T08:00:00-05:00"},
		// At once: when the line is open there, and not when it is not.
		{"newyork", "", "2026-03-02T11:00:00-05:00", "America/New_York", "scheduled", "", ""},
	} {
		v := b.post(fmt.Sprintf(`{"customer_id":%q,"script_id":"promotion_001","call_time":%q}`, c.customer, c.call))
		if v.CallTimeResolved != c.resolved || v.CallTimeZone != c.zone || v.State != c.state || v.Reason != c.reason || !sameInstant(v.OpensAt, c.opens) {
			t.Errorf("%s %q: %+v, want %+v", c.customer, c.call, v, c)
		}
	}
	b.person("home", `"time_zone":"Asia/Shanghai"`)
	if v := b.post(`{"customer_id":"home","script_id":"promotion_001"}`); v.State != "expired" || v.Reason != "outside_calling_hours" || !sameInstant(v.OpensAt, "2026-03-03T08:00:00+08:00") {
		t.Errorf("at midnight: %+v", v)
	}
	b.refused("a time that the clocks skip", 422, "call_time", "POST", tasks, `{"customer_id":"newyork","script_id":"promotion_001","call_time":"2026-03-08T02:30:00"}`)
}

func sameInstant(a, b string) bool {
	x, _ := time.Parse(time.RFC3339, a)
	y, _ := time.Parse(time.RFC3339, b)
	return x.Equal(y)
}

func TestRow_S33_ARepeatReturnsTheFirstTask(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	body := `{"customer_id":"12345","script_id":"promotion_001","ref":"order 7"}`
	key := "Idempotency-Key: order-7"
	first := b.post(body, key)
	before := fmt.Sprint(b.count())
	b.mu.Lock()
	b.now = b.now.Add(12 * time.Hour) // calling hours are over: the first answer still stands
	b.mu.Unlock()
	rec := b.do("POST", tasks, body, key)
	var again task
	b.must(json.Unmarshal(rec.Body.Bytes(), &again))
	if rec.Code != http.StatusOK || rec.Header().Get("Idempotency-Replayed") != "true" || again != first {
		t.Errorf("replay: %d %v %+v, first %+v", rec.Code, rec.Header(), again, first)
	}
	b.refused("another body", 422, "Idempotency-Key", "POST", tasks, strings.Replace(body, "7", "8", 1), key)
	if after := fmt.Sprint(b.count()); after != before {
		t.Errorf("rows %s, before %s", after, before)
	}
	b.addKey("rm_foreign", "other", time.Time{}, "*")
	foreign := "Authorization: Bearer rm_foreign"
	if rec := b.do("POST", "/api/v1/contacts", `{"customer_id":"12345","phone":"+8613912345678","time_zone":"America/New_York","variables":{"discount":1}}`, foreign); rec.Code != 201 {
		t.Fatal(rec.Body)
	}
	if rec := b.do("POST", tasks, body, key, foreign); rec.Code != http.StatusCreated {
		t.Errorf("another tenant's key is its own: %d %s", rec.Code, rec.Body)
	}
}

func TestRow_S33_TwentyRepeatsAtOnceMakeOneTask(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	body := `{"customer_id":"12345","script_id":"promotion_001"}`
	ids := make([]string, 20)
	codes := make([]int, 20)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			rec := b.do("POST", tasks, body, "Idempotency-Key: same")
			var v task
			_ = json.Unmarshal(rec.Body.Bytes(), &v)
			ids[i], codes[i] = v.TaskID, rec.Code
		})
	}
	all.Wait()
	created := 0
	for i := range ids {
		if ids[i] != ids[0] || ids[i] == "" {
			t.Errorf("task %q beside %q", ids[i], ids[0])
		}
		if codes[i] == http.StatusCreated {
			created++
		} else if codes[i] != http.StatusOK {
			t.Errorf("status %d", codes[i])
		}
	}
	if created != 1 || b.count()["task_contact"] != 1 {
		t.Errorf("%d created, %d stored", created, b.count()["task_contact"])
	}
}
