package compliance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// workday: at half past ten in the morning nothing but what a test is about stands in the way.
const workday = "2026-03-03T10:30:00+08:00"

func rulesOf(t testing.TB, o compliance.Options) compliance.Rules {
	t.Helper()
	if o.Regions == nil {
		o.Regions = []string{"CN", "US", "GB"}
	}
	if o.Late == 0 {
		o.Late = 15 * time.Minute
	}
	if o.Basis == nil {
		o.Basis = map[campaign.Purpose]string{campaign.Service: "contract", campaign.Collections: "contract"}
	}
	return compliance.New(shipped(t), o)
}

// plain is an act and its facts that every rule allows.
func plain(t testing.TB) (compliance.Act, compliance.Facts) {
	t.Helper()
	return compliance.Act{Channel: compliance.Voice, Path: compliance.PathTask, Tenant: "t", Person: "p", Contact: "c", Task: "k", Number: number(t, "13812345678", "CN"),
			Purpose: campaign.Service, CallerID: short(t, "95588"), Trunk: "carrier", Script: "s", ScriptVersion: "v", DueAt: at(t, workday), Try: 1},
		compliance.Facts{CallerID: &compliance.Registration{Voice: true, SMS: true, Trunk: "carrier", State: "active"},
			Contact: compliance.ContactFacts{State: campaign.Ready}, Task: compliance.TaskFacts{State: campaign.TaskRunning, MaxTries: 3}}
}

type gateCase struct {
	what   string
	change func(a *compliance.Act, f *compliance.Facts)
	want   compliance.Decision
	rule   string
	reason string
	until  string
}

// try runs cases through all rules by each way of asking, which must agree.
func try(t *testing.T, rs compliance.Rules, cases []gateCase) {
	t.Helper()
	now := at(t, workday)
	for _, c := range cases {
		a, f := plain(t)
		if c.change != nil {
			c.change(&a, &f)
		}
		v := rs.Check(now, a, f)
		if v.Decision != c.want || v.Reason != c.reason || (c.want != compliance.Allow && v.Rule != c.rule) {
			t.Errorf("%s: %+v", c.what, v)
		}
		if c.until != "" && !v.Until.Equal(at(t, c.until)) || c.until == "" && !v.Until.IsZero() {
			t.Errorf("%s: opens at %s, not %q", c.what, v.Until, c.until)
		}
		agree(t, rs, c.what, now, a, f, v)
	}
}

// agree holds the ways of asking to one answer and looks for what must not be shown.
func agree(t *testing.T, rs compliance.Rules, what string, now time.Time, a compliance.Act, f compliance.Facts, v compliance.Verdict) {
	t.Helper()
	j := rs.Judge(a)(now, f)
	if j.Decision != v.Decision || j.Reason != v.Reason || !j.Until.Equal(v.Until) || j.Version != rs.Version() || j.Version == "" {
		t.Errorf("%s: Judge says %+v, Check %+v", what, j.Verdict, v)
	}
	if q := rs.Quick(now, &a, &f); q.Decision != v.Decision || q.Reason != v.Reason && v.Decision != compliance.Allow {
		t.Errorf("%s: Quick says %+v, Check %+v", what, q, v)
	}
	all := rs.Explain(now, a, f)
	if len(all) != len(rs) {
		t.Errorf("%s: %d of %d gates are explained", what, len(all), len(rs))
	}
	tally := compliance.Tally{}
	tally.Add(all...)
	if v.Decision == compliance.Allow && tally[compliance.Dialable] != 1 || v.Decision != compliance.Allow && tally[v.Reason] != 1 || tally.Sum() != 1 {
		t.Errorf("%s: tally %v", what, tally)
	}
	for _, e := range all {
		if e.Rule == "" || len(e.Inputs) == 0 || e.Reason == compliance.ReasonFailed {
			t.Errorf("%s: a gate without a name or inputs, or that failed: %+v", what, e)
		}
		if (e.Decision == compliance.Allow) != (e.Reason == "") {
			t.Errorf("%s: %s allows with a reason or refuses without: %+v", what, e.Rule, e)
		}
		for k, in := range e.Inputs {
			for _, secret := range []string{"13812345678", "12345678", "person-7", "contact-7", "1069000001", "Ann", "https://"} {
				if strings.Contains(in, secret) {
					t.Errorf("%s: %s shows %s in %s", what, e.Rule, secret, k)
				}
			}
		}
	}
}

func TestGatesInOrder(t *testing.T) {
	want := []string{"stop", "contact", "task", "do_not_call", "consent", "toll_fraud", "caller_id", "late", "calling_hours", "caps", "cool_down", "abandon"}
	a, f := plain(t)
	rs := rulesOf(t, compliance.Options{})
	for i, v := range rs.Explain(at(t, workday), a, f) {
		if v.Rule != want[i] || v.Decision != compliance.Allow {
			t.Errorf("gate %d: %+v, not %s", i, v, want[i])
		}
	}
	// The first that does not allow decides.
	f.Stopped, f.Blocks = "all: audit", []compliance.Block{{Layer: compliance.LayerTenant}}
	if v := rs.Check(at(t, workday), a, f); v.Rule != "stop" {
		t.Errorf("%+v", v)
	}
	if n := len(rs.Named("calling_hours", "stop")); n != 2 {
		t.Errorf("%d rules by name", n)
	}
}

func TestStatesAndStop(t *testing.T) {
	try(t, rulesOf(t, compliance.Options{}), []gateCase{
		{what: "nothing", want: compliance.Allow},
		{"stop for all", func(_ *compliance.Act, f *compliance.Facts) { f.Stopped = "all: call Ann" }, compliance.Wait, "stop", "stopped", ""},
		{"done", func(_ *compliance.Act, f *compliance.Facts) { f.Contact.State = campaign.Done }, compliance.Refuse, "contact", "contact_done", ""},
		{"cancelled", func(_ *compliance.Act, f *compliance.Facts) { f.Contact.State = campaign.Cancelled }, compliance.Refuse, "contact", "contact_cancelled", ""},
		{"live", func(_ *compliance.Act, f *compliance.Facts) { f.Contact.State, f.Contact.Live = campaign.Claimed, true }, compliance.Wait, "contact", "in_progress", ""},
		{"its own attempt", func(_ *compliance.Act, f *compliance.Facts) { f.Contact.State = campaign.Claimed }, compliance.Allow, "", "", ""},
		{"not due", func(_ *compliance.Act, f *compliance.Facts) {
			f.Contact.State, f.Contact.DueAt = campaign.Scheduled, at(t, "2026-03-04T10:00:00Z")
		}, compliance.Wait, "contact", "not_due", "2026-03-04T10:00:00Z"},
		{"not due, by hand", func(a *compliance.Act, f *compliance.Facts) {
			a.Path, f.Contact.State, f.Contact.DueAt = compliance.PathManual, campaign.Scheduled, at(t, "2026-03-04T10:00:00Z")
		}, compliance.Allow, "", "", ""},
		{"paused", func(_ *compliance.Act, f *compliance.Facts) { f.Task.State = campaign.TaskPaused }, compliance.Wait, "task", "task_paused", ""},
		{"task done", func(_ *compliance.Act, f *compliance.Facts) { f.Task.State = campaign.TaskDone }, compliance.Refuse, "task", "task_done", ""},
		{"task not open", func(_ *compliance.Act, f *compliance.Facts) { f.Task.OpensAt = at(t, "2026-04-01T00:00:00Z") }, compliance.Wait, "task", "task_not_open", "2026-04-01T00:00:00Z"},
		{"task closed", func(_ *compliance.Act, f *compliance.Facts) { f.Task.ClosesAt = at(t, workday) }, compliance.Refuse, "task", "task_closed", ""},
		{"tries used", func(a *compliance.Act, _ *compliance.Facts) { a.Try = 4 }, compliance.Refuse, "task", "tries_used", ""},
		{"tries used, but asked to call back", func(a *compliance.Act, _ *compliance.Facts) { a.Try, a.Path = 4, compliance.PathCallback }, compliance.Allow, "", "", ""},
		{"a message after the call", func(a *compliance.Act, f *compliance.Facts) {
			a.Channel, a.Path, f.Contact.State, f.Task.State = compliance.SMS, compliance.PathSMS, campaign.Done, campaign.TaskDone
		}, compliance.Allow, "", "", ""},
		{"a message of a contact that was cancelled", func(a *compliance.Act, f *compliance.Facts) {
			a.Channel, a.Path, f.Contact.State = compliance.SMS, compliance.PathSMS, campaign.Cancelled
		}, compliance.Refuse, "contact", "contact_cancelled", ""},
		{"a message of a paused task", func(a *compliance.Act, f *compliance.Facts) {
			a.Channel, a.Path, f.Contact.State, f.Task.State = compliance.SMS, compliance.PathSMS, campaign.Done, campaign.TaskPaused
		}, compliance.Wait, "task", "task_paused", ""},
		{"late", func(a *compliance.Act, _ *compliance.Facts) { a.DueAt = at(t, "2026-03-03T10:14:59+08:00") }, compliance.Refuse, "late", "call_time_missed", ""},
	})
}

// Layered do-not-call with expiry and reason.
func TestRow_T3_LayeredDoNotCall(t *testing.T) {
	in := func(s string) time.Time { return at(t, s) }
	block := func(bs ...compliance.Block) func(*compliance.Act, *compliance.Facts) {
		return func(_ *compliance.Act, f *compliance.Facts) { f.Blocks = bs }
	}
	later, sooner, past := "2026-04-01T00:00:00Z", "2026-03-10T00:00:00Z", "2026-03-01T00:00:00Z"
	rs := rulesOf(t, compliance.Options{})
	try(t, rs, []gateCase{
		{"system", block(compliance.Block{Layer: compliance.LayerSystem, Kind: "number", Reason: "regulator"}), compliance.Refuse, "do_not_call", "do_not_call", ""},
		{"tenant", block(compliance.Block{Layer: compliance.LayerTenant, Kind: "person", Reason: "stop_word"}), compliance.Refuse, "do_not_call", "do_not_call", ""},
		{"task", block(compliance.Block{Layer: compliance.LayerTask, Kind: "number", Reason: "complaint"}), compliance.Refuse, "do_not_call", "do_not_call", ""},
		{"a layer that nobody knows", block(compliance.Block{Layer: "other"}), compliance.Refuse, "do_not_call", "do_not_call", ""},
		{"expires", block(compliance.Block{Layer: compliance.LayerTask, Expires: in(sooner)}), compliance.Wait, "do_not_call", "do_not_call", sooner},
		{"the longest of several", block(compliance.Block{Layer: compliance.LayerSystem, Expires: in(sooner)}, compliance.Block{Layer: compliance.LayerTask, Expires: in(later)},
			compliance.Block{Layer: compliance.LayerTenant, Expires: in(past)}), compliance.Wait, "do_not_call", "do_not_call", later},
		{"one that never ends among them", block(compliance.Block{Layer: compliance.LayerSystem, Expires: in(sooner)}, compliance.Block{Layer: compliance.LayerTask},
			compliance.Block{Layer: compliance.LayerTenant, Expires: in(later)}), compliance.Refuse, "do_not_call", "do_not_call", ""},
		{"expired", block(compliance.Block{Layer: compliance.LayerTenant, Expires: in(past)}, compliance.Block{Layer: compliance.LayerSystem, Expires: at(t, workday)}), compliance.Allow, "", "", ""},
	})
	// Every path and channel obeys it, and says which entry it was.
	for _, p := range paths {
		a, f := plain(t)
		a.Path, f.Blocks = p, []compliance.Block{{Layer: compliance.LayerTask, Kind: "number", Reason: "complaint", Expires: in(later)}, {Layer: compliance.LayerTenant, Kind: "person", Reason: "stop_word"}}
		if p == compliance.PathSMS {
			a.Channel = compliance.SMS
		}
		v := rs.Check(at(t, workday), a, f)
		if v.Decision != compliance.Refuse || v.Inputs["layer"] != "tenant" || v.Inputs["reason"] != "stop_word" || v.Inputs["kind"] != "person" || v.Inputs["entries"] != "2" {
			t.Errorf("%s: %+v", p, v)
		}
	}
}

// Consent records: purpose, channel, basis, expiry, withdrawal; what each
// jurisdiction demands; no explicit consent counts as refusal where it does.
func TestRow_T31_ConsentRecords(t *testing.T) {
	day := func(n int) time.Time { return at(t, workday).AddDate(0, 0, n) }
	with := func(p campaign.Purpose, raw, stated string, cs ...compliance.Consent) func(*compliance.Act, *compliance.Facts) {
		return func(a *compliance.Act, f *compliance.Facts) {
			a.Purpose, a.LegalBasis, a.Number, f.Consents = p, stated, number(t, raw, "ZZ"), cs
		}
	}
	const cn, m, s = "+8613812345678", campaign.Marketing, campaign.Service
	rec := func(basis string) compliance.Consent {
		return compliance.Consent{Basis: basis, Purpose: m, Channel: compliance.Voice, Source: "https://example.com/form", ObtainedAt: day(-10)}
	}
	change := func(c compliance.Consent, f func(*compliance.Consent)) compliance.Consent { f(&c); return c }
	ended := change(rec("explicit"), func(c *compliance.Consent) { c.ExpiresAt = day(-1) })
	taken := change(rec("explicit"), func(c *compliance.Consent) { c.WithdrawnAt = day(-2) })
	again := change(rec("explicit"), func(c *compliance.Consent) { c.ObtainedAt = day(-1) })
	cases := []gateCase{
		{"service by contract", with(s, cn, "", []compliance.Consent{}...), compliance.Allow, "", "", ""},
		{"marketing without anything", with(m, cn, ""), compliance.Refuse, "consent", "legal_basis_missing", ""},
		{"marketing by contract", with(m, cn, "contract"), compliance.Refuse, "consent", "consent_missing", ""},
		{"marketing by stated consent", with(m, cn, "consent"), compliance.Allow, "", "", ""},
		{"a basis that does not exist", with(m, cn, "because"), compliance.Refuse, "consent", "consent_missing", ""},
		{"a record", with(m, cn, "", rec("explicit")), compliance.Allow, "", "", ""},
		{"a record for another purpose", with(m, cn, "", change(rec("explicit"), func(c *compliance.Consent) { c.Purpose = s })), compliance.Refuse, "consent", "legal_basis_missing", ""},
		{"a record for another channel", with(m, cn, "", change(rec("explicit"), func(c *compliance.Consent) { c.Channel = compliance.SMS })), compliance.Refuse, "consent", "legal_basis_missing", ""},
		{"a record for everything", with(m, cn, "", change(rec("explicit"), func(c *compliance.Consent) { c.Purpose, c.Channel = "", "" })), compliance.Allow, "", "", ""},
		{"a record of tomorrow", with(m, cn, "", change(rec("explicit"), func(c *compliance.Consent) { c.ObtainedAt = day(1) })), compliance.Refuse, "consent", "legal_basis_missing", ""},
		{"withdrawn", with(m, cn, "", taken), compliance.Refuse, "consent", "consent_withdrawn", ""},
		{"withdrawn, whatever the task states", with(m, cn, "consent", taken), compliance.Refuse, "consent", "consent_withdrawn", ""},
		{"withdrawn takes older ones back too", with(m, cn, "", taken, change(rec("written"), func(c *compliance.Consent) { c.ObtainedAt = day(-20) })), compliance.Refuse, "consent", "consent_withdrawn", ""},
		{"given again", with(m, cn, "", taken, again), compliance.Allow, "", "", ""},
		{"a contract is not withdrawn", with(s, cn, "contract", change(taken, func(c *compliance.Consent) { c.Purpose = "" })), compliance.Allow, "", "", ""},
		{"a purpose that nobody knows", with("fun", cn, "consent"), compliance.Refuse, "consent", "purpose_unknown", ""},
		{"US marketing wants it written", with(m, "+12125552368", "consent", rec("express")), compliance.Refuse, "consent", "consent_missing", ""},
		{"US marketing, expired", with(m, "+12125552368", "", ended), compliance.Refuse, "consent", "consent_expired", ""},
		{"UK marketing by statement", with(m, "+447400123456", "consent"), compliance.Refuse, "consent", "consent_missing", ""},
		{"an artificial voice is not covered by a contract in the US", with(s, "+12125552368", "contract"), compliance.Refuse, "consent", "consent_missing", ""},
	}
	try(t, rulesOf(t, compliance.Options{}), cases)
	// The same under the draft: the task's word is worth nothing.
	draft := compliance.New(set(t, []string{"CN-commercial"}), compliance.Options{Regions: []string{"CN"}, Late: time.Hour})
	try(t, draft, []gateCase{
		{"draft: stated consent", with(m, cn, "consent"), compliance.Refuse, "consent", "consent_missing", ""},
		{"draft: silence", with(m, cn, "", rec("relationship")), compliance.Refuse, "consent", "legal_basis_missing", ""},
		{"draft: explicit", with(m, cn, "", rec("explicit")), compliance.Allow, "", "", ""},
		{"draft: request", with(m, cn, "", rec("request")), compliance.Allow, "", "", ""},
		{"draft: expired", with(m, cn, "consent", ended), compliance.Refuse, "consent", "consent_expired", ""},
	})
	// A task may name the draft without its being in force for all.
	a, f := plain(t)
	a.Purpose, a.LegalBasis, a.Jurisdiction = m, "consent", "CN-commercial"
	if v := rulesOf(t, compliance.Options{}).Check(at(t, workday), a, f); v.Reason != "consent_missing" || v.Inputs["proof"] != "record" {
		t.Errorf("%+v", v)
	}
	for what, c := range map[string]compliance.Consent{
		"basis": change(rec("contract"), func(*compliance.Consent) {}), "purpose": change(rec("written"), func(c *compliance.Consent) { c.Purpose = "fun" }),
		"channel": change(rec("written"), func(c *compliance.Consent) { c.Channel = "pigeon" }), "source": change(rec("written"), func(c *compliance.Consent) { c.Source = "" }),
		"obtained_at": change(rec("written"), func(c *compliance.Consent) { c.ObtainedAt = day(1) }), "expires_at": change(rec("written"), func(c *compliance.Consent) { c.ExpiresAt = day(-11) }),
		"withdrawn_at": change(rec("written"), func(c *compliance.Consent) { c.WithdrawnAt = day(-11) }),
	} {
		if err := c.Validate(at(t, workday)); !errors.Is(err, compliance.ErrConsent) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := again.Validate(at(t, workday)); err != nil {
		t.Error(err)
	}
}

func TestTollFraud(t *testing.T) {
	to := func(f func(*compliance.Act)) func(*compliance.Act, *compliance.Facts) {
		return func(a *compliance.Act, _ *compliance.Facts) { f(a) }
	}
	var cases []gateCase
	for _, d := range []string{"110", "119", "120", "122", "112", "911", "999"} {
		cases = append(cases, gateCase{d, to(func(a *compliance.Act) { a.Number = short(t, d) }), compliance.Refuse, "toll_fraud", "emergency_number", ""},
			gateCase{d + " over a lab trunk", to(func(a *compliance.Act) { a.Number, a.Lab = short(t, d), true }), compliance.Refuse, "toll_fraud", "emergency_number", ""})
	}
	for what, raw := range map[string]string{"premium": "+19002345678", "British premium": "+449098790123", "Jamaica looks like the US": "+18765230123", "Latvia": "+37121234567", "satellite": "+881612345678"} {
		reason := "region_forbidden"
		if strings.Contains(what, "premium") {
			reason = "number_type_forbidden"
		}
		cases = append(cases, gateCase{what, to(func(a *compliance.Act) { a.Number, a.LegalBasis = number(t, raw, "ZZ"), "express" }), compliance.Refuse, "toll_fraud", reason, ""})
	}
	cases = append(cases, gateCase{"short", to(func(a *compliance.Act) { a.Number, a.LegalBasis = short(t, "95588"), "express" }), compliance.Refuse, "toll_fraud", "number_type_forbidden", ""},
		gateCase{"no number", to(func(a *compliance.Act) { a.Number = compliance.Act{}.Number; a.LegalBasis = "express" }), compliance.Refuse, "toll_fraud", "no_number", ""})
	for i := range cases {
		f := cases[i].change
		cases[i].change = func(a *compliance.Act, fa *compliance.Facts) { f(a, fa); a.LegalBasis = "express" }
	}
	try(t, rulesOf(t, compliance.Options{}), cases)
	// International is off unless it is switched on.
	a, f := plain(t)
	a.Number, a.LegalBasis = number(t, "+12125552368", "ZZ"), "express"
	if v := rulesOf(t, compliance.Options{Regions: []string{"CN"}}).Check(at(t, "2026-03-02T12:00:00-05:00"), a, f); v.Reason != "region_forbidden" {
		t.Errorf("%+v", v)
	}
}

func TestCallerIDs(t *testing.T) {
	reg := func(change func(*compliance.Act, *compliance.Registration)) func(*compliance.Act, *compliance.Facts) {
		return func(a *compliance.Act, f *compliance.Facts) { change(a, f.CallerID) }
	}
	none := func(digits string) func(*compliance.Act, *compliance.Facts) {
		return func(a *compliance.Act, f *compliance.Facts) { a.CallerID, f.CallerID = short(t, digits), nil }
	}
	opens := "2026-03-04T00:00:00+08:00"
	try(t, rulesOf(t, compliance.Options{}), []gateCase{
		{"registered", nil, compliance.Allow, "", "", ""},
		{"not registered", none("95588"), compliance.Refuse, "caller_id", "caller_id_unregistered", ""},
		{"a fixed line that is not registered", func(a *compliance.Act, f *compliance.Facts) {
			a.CallerID, f.CallerID = number(t, "+861065521234", "CN"), nil
		}, compliance.Refuse, "caller_id", "caller_id_unregistered", ""},
		{"1069 not registered", none("1069000001"), compliance.Refuse, "caller_id", "caller_id_sms_only", ""},
		{"1069 registered for messages", reg(func(a *compliance.Act, r *compliance.Registration) {
			a.CallerID, r.Voice = short(t, "1069000001"), false
		}), compliance.Refuse, "caller_id", "caller_id_sms_only", ""},
		{"1069 registered for voice on this trunk", reg(func(a *compliance.Act, r *compliance.Registration) {
			a.CallerID, r.Type = short(t, "1069000001"), "sms_port"
		}), compliance.Allow, "", "", ""},
		{"1069 registered for another trunk", reg(func(a *compliance.Act, r *compliance.Registration) {
			a.CallerID, r.Trunk = short(t, "1069000001"), "other"
		}), compliance.Refuse, "caller_id", "caller_id_other_trunk", ""},
		{"1069 for a message", reg(func(a *compliance.Act, r *compliance.Registration) {
			a.Channel, a.Path, a.CallerID, r.Voice = compliance.SMS, compliance.PathSMS, short(t, "1069000001"), false
		}), compliance.Allow, "", "", ""},
		{"a voice number for a message", reg(func(a *compliance.Act, r *compliance.Registration) { a.Channel, r.SMS = compliance.SMS, false }), compliance.Refuse, "caller_id", "caller_id_voice_only", ""},
		{"hidden", reg(func(a *compliance.Act, _ *compliance.Registration) { a.CallerID = compliance.Act{}.CallerID }), compliance.Refuse, "caller_id", "caller_id_missing", ""},
		{"suspended", reg(func(_ *compliance.Act, r *compliance.Registration) { r.State = "suspended" }), compliance.Refuse, "caller_id", "caller_id_suspended", ""},
		{"a call-centre number called an enterprise's", reg(func(a *compliance.Act, r *compliance.Registration) {
			a.CallerID, r.Type, r.Licence = short(t, "95012345"), "enterprise", "B2-1"
		}), compliance.Refuse, "caller_id", "caller_id_mistyped", ""},
		{"a call-centre number without its licence", reg(func(a *compliance.Act, r *compliance.Registration) {
			a.CallerID, r.Type = short(t, "95112345"), "call_centre"
		}), compliance.Refuse, "caller_id", "caller_id_licence_missing", ""},
		{"a call-centre number with its licence", reg(func(a *compliance.Act, r *compliance.Registration) {
			a.CallerID, r.Licence = short(t, "95712345"), "B2-1"
		}), compliance.Allow, "", "", ""},
		{"for another region", reg(func(_ *compliance.Act, r *compliance.Registration) { r.Region = "US" }), compliance.Refuse, "caller_id", "caller_id_other_region", ""},
		{"its day is used", reg(func(_ *compliance.Act, r *compliance.Registration) {
			r.DailyCap, r.UsedToday, r.Resets = 100, 100, at(t, opens)
		}), compliance.Wait, "caller_id", "caller_id_daily_cap", opens},
		{"one is left of its day", reg(func(_ *compliance.Act, r *compliance.Registration) {
			r.DailyCap, r.UsedToday, r.Resets = 100, 99, at(t, opens)
		}), compliance.Allow, "", "", ""},
		{"its day is over", reg(func(_ *compliance.Act, r *compliance.Registration) {
			r.DailyCap, r.UsedToday, r.Resets = 100, 100, at(t, workday)
		}), compliance.Allow, "", "", ""},
	})
	// The configuration registers too, for its trunk alone; the registry goes before it.
	own := func(digits string, voice bool, licence string) compliance.OwnCallerID {
		return compliance.OwnCallerID{Number: short(t, digits), Trunk: "carrier", Voice: voice, Licence: licence}
	}
	configured := rulesOf(t, compliance.Options{CallerIDs: []compliance.OwnCallerID{own("95588", false, ""), own("1069000001", false, ""), own("1069000002", true, ""), own("95012345", false, ""), own("95012346", false, "B2-1")}})
	try(t, configured, []gateCase{
		{"configured", none("95588"), compliance.Allow, "", "", ""},
		{"1069 configured", none("1069000001"), compliance.Refuse, "caller_id", "caller_id_sms_only", ""},
		{"1069 configured as voice-capable", none("1069000002"), compliance.Allow, "", "", ""},
		{"1069 configured, for a message", func(a *compliance.Act, f *compliance.Facts) { none("1069000001")(a, f); a.Channel = compliance.SMS }, compliance.Allow, "", "", ""},
		{"a call centre's without licence", none("95012345"), compliance.Refuse, "caller_id", "caller_id_licence_missing", ""},
		{"a call centre's with licence", none("95012346"), compliance.Allow, "", "", ""},
		{"another trunk", func(a *compliance.Act, f *compliance.Facts) { none("95588")(a, f); a.Trunk = "other" }, compliance.Refuse, "caller_id", "caller_id_unregistered", ""},
		{"the registry goes before", reg(func(_ *compliance.Act, r *compliance.Registration) { r.State = "suspended" }), compliance.Refuse, "caller_id", "caller_id_suspended", ""},
	})
	rule := compliance.CallerIDs{Set: shipped(t)}
	lab := compliance.Act{Channel: compliance.Voice, Lab: true, CallerID: short(t, "1069000001"), Trunk: "lab"}
	if v := rule.Check(at(t, workday), lab, compliance.Facts{}); v.Reason != "caller_id_sms_only" {
		t.Errorf("1069 in the lab without registration: %+v", v)
	}
	if v := rule.Check(at(t, workday), lab, compliance.Facts{CallerID: &compliance.Registration{Voice: true, Trunk: "lab"}}); v.Decision != compliance.Allow {
		t.Errorf("1069 registered for the lab: %+v", v)
	}
	lab.CallerID = compliance.Act{}.CallerID
	if v := rule.Check(at(t, workday), lab, compliance.Facts{}); v.Decision != compliance.Allow {
		t.Errorf("lab without a caller ID: %+v", v)
	}
	for digits, want := range map[string]string{"1069000001": "sms_port", "95012345": "call_centre", "95112345": "call_centre", "95212345": "call_centre", "95412345": "call_centre",
		"95712345": "call_centre", "95312345": "enterprise", "95588": "enterprise", "95612345": "enterprise", "4001234567": "called_party_pays"} {
		if got, ok := shipped(t).TypeOf(short(t, digits)); !ok || got.Type != want || got.Voice == (want == "sms_port" || want == "called_party_pays") {
			t.Errorf("%s...: %+v", digits[:3], got)
		}
	}
}

func TestAbandonCap(t *testing.T) {
	us := func(answered, abandoned int) func(*compliance.Act, *compliance.Facts) {
		return func(a *compliance.Act, f *compliance.Facts) {
			a.Number, a.LegalBasis, f.Answered, f.Abandoned = number(t, "+12125552368", "US"), "express", answered, abandoned
			f.Task.State = ""
		}
	}
	rule := compliance.Abandons{Set: shipped(t)}
	for _, c := range []struct {
		answered, abandoned int
		want                compliance.Decision
	}{{0, 0, compliance.Allow}, {10, 3, compliance.Allow}, {10, 4, compliance.Wait}, {1000, 30, compliance.Allow}, {1000, 31, compliance.Wait}} {
		a, f := plain(t)
		us(c.answered, c.abandoned)(&a, &f)
		if v := rule.Check(at(t, workday), a, f); v.Decision != c.want {
			t.Errorf("%+v: %+v", c, v)
		}
		a.Channel = compliance.SMS
		if v := rule.Check(at(t, workday), a, f); v.Decision != compliance.Allow {
			t.Errorf("a message is not abandoned: %+v", v)
		}
	}
	a, f := plain(t)
	a.Number, f.Answered, f.Abandoned = number(t, "+447400123456", "GB"), 10000, 1
	if v := rule.Check(at(t, workday), a, f); v.Decision != compliance.Wait {
		t.Errorf("no safe harbour: %+v", v)
	}
	rs := rulesOf(t, compliance.Options{})
	if n := rs.Needs(a); n.Abandon != 24*time.Hour {
		t.Errorf("UK counts over %s", n.Abandon)
	}
	a.Number = number(t, "+12125552368", "US")
	if n := rs.Needs(a); n.Abandon != 30*24*time.Hour {
		t.Errorf("US counts over %s", n.Abandon)
	}
}
