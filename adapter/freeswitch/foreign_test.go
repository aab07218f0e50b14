package freeswitch

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ringmaster/adapter/freeswitch/esl/esltest"
	"ringmaster/internal/pbx"
)

// What carriers send in another character set than ours, or in none: a Reason
// text and a name in GBK, bytes that are nothing, raw in the JSON of uuid_dump
// as FreeSWITCH passes them on. The call is read as far as it can be, and what
// is kept of it is text.
func TestCarriersInGBK(t *testing.T) {
	const gbk = "\xd3\xc3\xbb\xa7\xc3\xa6" // 用户忙
	s := newScripted(t, nil)
	s.jobs = func(id, job string) {
		s.tell(id, "CHANNEL_CREATE", "Caller-Callee-ID-Name", gbk, "variable_sip_h_X-Info", "\xff\xfe\x00")
		s.tell(id, "CHANNEL_PROGRESS")
		s.tell(id, "CHANNEL_HANGUP_COMPLETE", "Hangup-Cause", "USER_BUSY", "variable_hangup_cause_q850", "17", "variable_sip_hangup_disposition", "recv_refuse",
			"variable_sip_invite_failure_status", "486", "variable_sip_reason", `Q.850;cause=17;text="`+gbk+`"`, "variable_sip_invite_failure_phrase", gbk)
		s.job(job, "-ERR USER_BUSY")
	}
	leg, err := s.sw.Originate(t.Context(), requestTo(t, "1001"))
	if err != nil {
		t.Fatal(err)
	}
	if _, h := all(t, leg); h.By != pbx.ByRemote || h.SIP != 486 || h.Q850 != pbx.CauseBusy || h.ReasonQ850 != pbx.CauseBusy || !utf8.ValidString(h.Raw) {
		t.Errorf("%+v", h)
	}
	// A leg of the past, found by its ID.
	s.mu.Lock()
	s.dumps = map[string]string{"old": `{"Event-Name":"CHANNEL_DATA","Unique-ID":"old","variable_name":"` + gbk + "\xff" + `","Answer-State":"answered","Channel-Presence-Data":"ringmaster-c1/t"}`}
	s.mu.Unlock()
	leg, err = s.sw.Attach(t.Context(), "old")
	if err != nil {
		t.Fatal(err)
	}
	if e := until[pbx.LinkRestored](t, leg); !e.Up {
		t.Errorf("%+v", e)
	}
}

// An event socket that does not let us in is told by its own words, and nobody
// is dialled meanwhile.
func TestAnEventSocketThatRefusesUsIsNamed(t *testing.T) {
	s := esltest.New(t)
	sw, err := New(Config{
		Addr: s.Addr(), Password: "wrong", Log: testLog(t), BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond,
		Trunks: map[string]Trunk{"lab": {Endpoint: "sofia/gateway/lab/{number}", Lab: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = sw.Run(ctx) }()
	defer func() { cancel(); <-done }()
	limit := time.After(20 * time.Second)
	for !strings.Contains(sw.Health().Reason, "password") {
		select {
		case <-limit:
			t.Fatalf("%+v", sw.Health())
		case <-time.After(2 * time.Millisecond):
		}
	}
	if h := sw.Health(); h.Up {
		t.Errorf("%+v", h)
	}
	if _, err := sw.Originate(t.Context(), requestTo(t, "1001")); !errors.Is(err, pbx.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
