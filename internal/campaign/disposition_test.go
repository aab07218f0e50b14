package campaign

import (
	"testing"
	"time"
)

// The golden table: what both brands report for one final SIP status (their
// Q.850 differ, as measured on Asterisk 22.10.1 and FreeSWITCH 1.11.2), and the
// one disposition that it must become.
func TestRow_S2_EverySIPOutcomeIsOneDispositionOnBothBrands(t *testing.T) {
	for _, c := range []struct {
		sip, asterisk, freeswitch int
		want                      Disposition
	}{
		{400, 127, 41, Congestion}, {401, 127, 21, Rejected}, {403, 21, 21, Rejected}, {404, 1, 1, InvalidNumber},
		{408, 18, 102, NoAnswer}, {410, 22, 22, InvalidNumber}, {480, 19, 18, NoAnswer}, {484, 28, 28, InvalidNumber},
		{486, 17, 17, Busy}, {488, 58, 88, Congestion}, {500, 38, 41, Congestion}, {502, 27, 38, Congestion},
		{503, 34, 41, Congestion}, {504, 102, 102, Congestion}, {600, 17, 17, Busy}, {603, 21, 21, Rejected},
		{604, 1, 3, InvalidNumber}, {606, 58, 88, Congestion}, {302, 127, 41, Unreachable},
	} {
		for brand, q850 := range map[string]int{"asterisk": c.asterisk, "freeswitch": c.freeswitch} {
			if got := Unanswered(c.sip, q850, 0, false); got != c.want {
				t.Errorf("%d with Q.850 %d of %s: %s, want %s", c.sip, q850, brand, got, c.want)
			}
		}
	}
	for status := 300; status < 700; status++ {
		if status == 487 {
			continue
		}
		if d, ok := FromSIP(status); !ok || d == "" {
			t.Errorf("SIP %d has no disposition", status)
		}
	}
	for cause := 0; cause <= 127; cause++ {
		if FromQ850(cause) == "" {
			t.Errorf("Q.850 %d has no disposition", cause)
		}
	}
}

func TestReasonHeaderIsMoreExact(t *testing.T) {
	for _, c := range []struct {
		sip, q850, reason int
		timer             bool
		want              Disposition
	}{
		{480, 18, 20, false, Unreachable}, // absent subscriber
		{480, 18, 19, false, NoAnswer},
		{404, 1, 28, false, InvalidNumber},
		{503, 41, 34, false, Congestion},
		{503, 41, 17, false, Busy}, // a gateway that says 503 for a busy line
		{486, 17, 16, false, Busy}, // normal clearing says nothing
		{480, 19, 0, true, NoAnswer},
		{487, 16, 0, false, NoAnswer},
		{0, 0, 0, false, Congestion},
		{0, 17, 0, false, Busy},
	} {
		if got := Unanswered(c.sip, c.q850, c.reason, c.timer); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestEveryDispositionHasLabels(t *testing.T) {
	for _, d := range Dispositions() {
		if d.Label("zh") == string(d) || d.Label("en") == "" {
			t.Errorf("%s has no label", d)
		}
	}
	if Disposition("odd").Label("zh") != "odd" {
		t.Error("an unknown code must be shown as it is")
	}
}

func TestRetryUnderOneCap(t *testing.T) {
	p := DefaultRetry()
	end := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	if got := p.Next(Busy, 1, end); got != end.Add(10*time.Minute) {
		t.Errorf("busy: %v", got)
	}
	for _, d := range []Disposition{Completed, OptedOut, Complaint, Transferred, HungUp, InvalidNumber, Rejected, Withdrawn} {
		if !p.Next(d, 1, end).IsZero() {
			t.Errorf("%s is tried again", d)
		}
	}
	for _, d := range Dispositions() {
		if !p.Next(d, p.MaxTries, end).IsZero() {
			t.Errorf("%s is tried beyond the cap", d)
		}
	}
}
