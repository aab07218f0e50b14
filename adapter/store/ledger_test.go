package store

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/compliance/ledger"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

// exported is a tenant's ledger.
func exported(t *testing.T, s *Store, tenant string) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.ExportLedger(t.Context(), tenant, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// placedCalls makes n placed calls, sealed one by one.
func placedCalls(t *testing.T, s *Store, n int) []campaign.Attempt {
	t.Helper()
	seed(t, s, n)
	out := claimAll(t, s, n)
	for _, a := range out {
		if err := errors.Join(s.Place(t.Context(), a.Fence, campaign.Placement{PBX: "p"}, actOf(a), allowed, time.Now()), s.Seal(t.Context(), "acme")); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// claimAll claims n attempts in one life of a controller.
func claimAll(t *testing.T, s *Store, n int) []campaign.Attempt {
	t.Helper()
	epoch, err := s.Register(t.Context(), "c1")
	if err != nil {
		t.Fatal(err)
	}
	as, err := s.Claim(t.Context(), "default", n, campaign.Fence{Owner: "c1", Epoch: epoch})
	if err != nil || len(as) != n {
		t.Fatalf("claimed %d of %d, %v", len(as), n, err)
	}
	return as
}

// TestTamperingWithRowsIsDetected changes the tables by SQL, as somebody with the database's password could; the export is then made by
// the product, with the right key. The broken row is named.
func TestTamperingWithRowsIsDetected(t *testing.T) {
	s, _ := openNew(t, onSQLite)
	calls := placedCalls(t, s, 12)
	id := binID(calls[5].ID)
	var head ledger.Checkpoint
	good := exported(t, s, "acme")
	if r, err := ledger.Verify(bytes.NewReader(good), s.LedgerKey()); err != nil || r.Attempts != 12 {
		t.Fatalf("%+v, %v", r, err)
	} else {
		head = r.Head
	}
	for _, c := range []struct {
		name, want string
		do         []string
		args       []any
	}{
		{"body altered", "permit " + calls[5].ID.String(), []string{"UPDATE permit SET body = CAST(replace(CAST(body AS TEXT), '\"try\":1', '\"try\":2') AS BLOB) WHERE id = ?"}, []any{id}},
		{"permit dropped", "block", []string{"DELETE FROM permit WHERE id = ?"}, []any{id}},
		{"permit moved", "block", []string{"UPDATE permit SET block_seq = block_seq + 1 WHERE id = ?"}, []any{id}},
		{"permit taken out of its block", "block", []string{"UPDATE permit SET block_seq = NULL, pos = NULL WHERE id = ?"}, []any{id}},
		{"block dropped", "block 7", []string{"DELETE FROM ledger_block WHERE seq = 6"}, nil},
		{"block altered", "block 6", []string{"UPDATE ledger_block SET at = '2020-01-01 00:00:00.000000' WHERE seq = 6"}, nil},
		{"tail cut off", "end", []string{"DELETE FROM ledger_block WHERE seq > 10", "DELETE FROM attempt WHERE id IN (SELECT id FROM permit WHERE block_seq > 10)",
			"DELETE FROM permit WHERE block_seq > 10", "UPDATE ledger_head SET seq = 10, hash = (SELECT hash FROM ledger_block WHERE seq = 10)"}, nil},
		{"attempt dropped", "permit " + calls[5].ID.String(), []string{"DELETE FROM attempt WHERE id = ?"}, []any{id}},
		{"placed without a permit", "attempt", []string{"UPDATE attempt SET id = x'01990000000070008000000000000001' WHERE id = ?"}, []any{id}},
		{"attempt's time altered", "attempt " + calls[5].ID.String(), []string{"UPDATE attempt SET placed_at = '2026-01-02 00:00:00.000000' WHERE id = ?"}, []any{id}},
	} {
		tx := s.w.Begin()
		for _, q := range c.do {
			args := c.args
			if !strings.Contains(q, "?") {
				args = nil
			}
			if err := tx.Exec(q, args...).Error; err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		var b bytes.Buffer
		w, err := ledger.NewWriter(&b, "acme", time.Now(), s.signer)
		if err == nil {
			err = errors.Join(exportBlocks(tx, "acme", w), exportAttempts(tx, "acme", w))
		}
		if err == nil {
			_, err = w.Close()
		}
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		tx.Rollback()
		var broken *ledger.BrokenError
		if _, err := ledger.Verify(&b, s.LedgerKey(), head); !errors.As(err, &broken) || !strings.HasPrefix(broken.Row, c.want) {
			t.Errorf("%s: %v; want %s named", c.name, err, c.want)
		}
	}
	if again := exported(t, s, "acme"); len(bytes.Split(again, []byte("\n"))) != len(bytes.Split(good, []byte("\n"))) {
		t.Error("the test left something behind")
	}
}

// TestCompliance runs what concerns all three databases, each on one schema: making it takes longer than they do.
func TestCompliance(t *testing.T) {
	onAll(t, func(t *testing.T, kind string) {
		s, _ := openNew(t, kind)
		for _, c := range []struct {
			name string
			test func(*testing.T, *Store)
		}{{"an erased person leaves the chain whole", erasedPerson}, {"daily cap of a caller ID", dailyCap}, {"consent and stop", consentAndStop}} {
			t.Run(c.name, func(t *testing.T) {
				wipe(t, s)
				c.test(t, s)
			})
		}
	})
}

// erasedPerson: with a person's key it can be shown which permits are hers; without it nobody can, and the chain
// verifies as before. No number, name or ID of a person stands in an export.
func erasedPerson(t *testing.T, s *Store) {
	t.Helper()
	calls := placedCalls(t, s, 3)
	who := calls[1].Person
	key, err := s.PersonKey(t.Context(), "acme", who.ID)
	if err != nil || len(key) != 32 {
		t.Fatalf("%x, %v", key, err)
	}
	mine := ledger.Commit(key, who.ID.String(), who.Number.Reveal(), calls[1].Contact.ID.String())
	file := exported(t, s, "acme")
	if n := bytes.Count(file, []byte(mine.Person.String())); n != 1 {
		t.Errorf("%d permits are this person's, want 1", n)
	}
	for _, secret := range []string{who.ID.String(), who.Number.Reveal(), who.Number.Dial()[2:], who.ExternalID, calls[1].Contact.ID.String()} {
		if bytes.Contains(file, []byte(secret)) {
			t.Errorf("the export shows %q", secret)
		}
	}
	if erased, err := s.ErasePersonKey(t.Context(), "acme", who.ID); err != nil || !erased {
		t.Fatalf("%v, %v", erased, err)
	}
	if erased, err := s.ErasePersonKey(t.Context(), "acme", who.ID); err != nil || erased {
		t.Errorf("a second time: %v, %v", erased, err)
	}
	if key, err := s.PersonKey(t.Context(), "acme", who.ID); err != nil || key != nil {
		t.Errorf("the key is still there: %v", err)
	}
	if n := count(t, s, "SELECT COUNT(*) FROM person_key WHERE sealed IS NULL AND erased_at IS NOT NULL"); n != 1 {
		t.Errorf("%d tombstones", n)
	}
	after := exported(t, s, "acme")
	if r, err := ledger.Verify(bytes.NewReader(after), s.LedgerKey()); err != nil || r.Attempts != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	// She calls and wants to be called again: a new key, which has nothing to do with the old one.
	other := newSMS(calls[1])
	if err := s.Spend(t.Context(), newUUID(t), other, allowed, nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(exported(t, s, "acme"), []byte(mine.Person.String())); n != 1 {
		t.Errorf("%d permits under the old commitment", n)
	}
	if key2, err := s.PersonKey(t.Context(), "acme", who.ID); err != nil || bytes.Equal(key, key2) || len(key2) != 32 {
		t.Errorf("%v", err)
	}
}

func newSMS(a campaign.Attempt) compliance.Act {
	act := actOf(a)
	act.Channel, act.Path = compliance.SMS, compliance.PathSMS
	return act
}

// dailyCap: uses of a caller ID are counted over any 24 hours, under its row's lock, and what is taken back counts no more.
func dailyCap(t *testing.T, s *Store) {
	t.Helper()
	seed(t, s, 12)
	caller, err := phone.Short("95511")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Hour).Add(10 * time.Minute)
	fp := s.keys.fingerprint(caller)
	if err := s.w.Exec("INSERT INTO caller_id (tenant_id, id, hmac, e164, trunk_id, voice, sms, licence, region, daily_cap, state, created_at, updated_at) "+
		"VALUES ('acme', ?, ?, ?, 'trunk-1', 1, 0, 'B-1', 'CN', 5, 'active', ?, ?)", binID{1}, fp, []byte("x"), at(now), at(now)).Error; err != nil {
		t.Fatal(err)
	}
	judge := func(now time.Time, f compliance.Facts) compliance.Judgement {
		if r := f.CallerID; r == nil || !r.Voice || r.SMS || r.DailyCap != 5 || r.UsedToday >= r.DailyCap {
			return judgement(compliance.Verdict{Decision: compliance.Wait, Rule: "caller_id", Reason: "daily_cap"})
		}
		return allowed(now, f)
	}
	as := claimAll(t, s, 12)
	place := func(at time.Time) (campaign.Attempt, error) {
		a := as[0]
		as = as[1:]
		act := actOf(a)
		act.CallerID = caller
		return a, s.Place(t.Context(), a.Fence, campaign.Placement{PBX: "p", Trunk: "trunk-1", CallerID: caller}, act, judge, at)
	}
	var last campaign.Attempt
	for range 5 {
		if last, err = place(now); err != nil {
			t.Fatal(err)
		}
	}
	var no *scheduler.RefusedError
	if _, err := place(now.Add(time.Hour)); !errors.As(err, &no) {
		t.Errorf("the sixth: %v", err)
	}
	if err := s.Unplace(t.Context(), last.Fence, now.Add(time.Hour*1000), "exchange_unavailable"); err != nil {
		t.Fatal(err)
	}
	if _, err := place(now.Add(time.Hour)); err != nil {
		t.Errorf("after one was taken back: %v", err)
	}
	if _, err := place(now.Add(23 * time.Hour)); !errors.As(err, &no) {
		t.Errorf("within 24 hours: %v", err)
	}
	f, err := s.Facts(t.Context(), compliance.Act{Tenant: "acme", CallerID: caller, Trunk: "trunk-1"}, now.Add(23*time.Hour))
	if err != nil || f.CallerID.UsedToday != 5 || !f.CallerID.Resets.Equal(now.Truncate(time.Hour).Add(24*time.Hour)) {
		t.Errorf("%+v, %v", f.CallerID, err)
	}
	if _, err := place(now.Add(25 * time.Hour)); err != nil {
		t.Errorf("a day later: %v", err)
	}
	if f, err := s.Facts(t.Context(), compliance.Act{Tenant: "acme", CallerID: caller, Trunk: "other"}, now); err != nil || f.CallerID != nil {
		t.Errorf("on another trunk: %+v, %v", f.CallerID, err)
	}
}

// consentAndStop: what other parts write into these tables is what the judge sees.
func consentAndStop(t *testing.T, s *Store) {
	t.Helper()
	seed(t, s, 1)
	a := claimOne(t, s)
	now := time.Now().Truncate(time.Microsecond)
	theirs := s.keys.fingerprint(a.Person.Number)
	for i, number := range []any{nil, theirs, hash32{9}} {
		if err := s.w.Exec("INSERT INTO consent (tenant_id, id, person_id, number_hmac, purpose, kind, basis, channel, proof, source, obtained_at, withdrawn_at, created_at) "+
			"VALUES ('acme', ?, ?, ?, 'marketing', 'old', ?, 'voice', '', 'web form', ?, ?, ?)", binID{byte(i + 1)}, binID(a.Person.ID), number,
			[]string{"explicit", "", "written"}[i], at(now.Add(time.Duration(i)*time.Second)), at(now), at(now)).Error; err != nil {
			t.Fatal(err)
		}
	}
	look := func() compliance.Facts {
		t.Helper()
		f, err := s.Facts(t.Context(), actOf(a), now)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := look()
	if len(f.Consents) != 2 || f.Consents[0].Basis != "explicit" || f.Consents[1].Basis != "old" || f.Consents[0].Purpose != campaign.Marketing ||
		f.Consents[0].Channel != compliance.Voice || f.Consents[0].Source != "web form" || !f.Consents[0].WithdrawnAt.Equal(now) || !f.Consents[0].ExpiresAt.IsZero() {
		t.Errorf("%+v", f.Consents)
	}
	press := func(tenant string, id byte) {
		t.Helper()
		if err := s.w.Exec("INSERT INTO stop (tenant_id, id, reason, pressed_by, at) VALUES (?, ?, 'drill', 'x', ?)", tenant, binID{id}, at(now)).Error; err != nil {
			t.Fatal(err)
		}
	}
	press("other", 1)
	if f := look(); f.Stopped != "" {
		t.Errorf("another tenant's stop: %q", f.Stopped)
	}
	press("acme", 2)
	if f := look(); f.Stopped != "tenant: drill" {
		t.Errorf("%q", f.Stopped)
	}
	press("", 3)
	if f := look(); f.Stopped != "all: drill" {
		t.Errorf("%q", f.Stopped)
	}
	if err := s.w.Exec("UPDATE stop SET released_at = ?", at(now)).Error; err != nil {
		t.Fatal(err)
	}
	if f := look(); f.Stopped != "" {
		t.Errorf("released: %q", f.Stopped)
	}
}

// TestALongLedgerStreams: what an export holds in memory does not grow with the ledger.
func TestALongLedgerStreams(t *testing.T) {
	s, _ := openNew(t, onSQLite)
	placedCalls(t, s, 1)
	var b permitRow
	if err := s.w.Take(&b).Error; err != nil {
		t.Fatal(err)
	}
	long := func(n int) (grown uint64) {
		rows := make([]permitRow, 0, n)
		for range n {
			r := b
			r.ID, r.BlockSeq, r.Pos = binID(newUUID(t)), nil, nil
			rows = append(rows, r)
		}
		if err := s.w.CreateInBatches(rows, 200).Error; err != nil {
			t.Fatal(err)
		}
		if err := s.Seal(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
		w := &peak{}
		if _, err := s.ExportLedger(t.Context(), "acme", w); err != nil {
			t.Fatal(err)
		}
		return w.most
	}
	few, many := long(1200), long(3300)
	if many > 2*few+(4<<20) {
		t.Errorf("an export of 1,200 records took %d bytes at most, one of 4,500 took %d", few, many)
	}
	if n := count(t, s, "SELECT COUNT(*) FROM ledger_block"); n < 2 {
		t.Errorf("%d blocks: none holds more than %d records", n, ledger.MaxBlock)
	}
}

// peak is a reader that looks at the heap now and then.
type peak struct {
	most uint64
	seen int
}

func (p *peak) Write(b []byte) (int, error) {
	if p.seen++; p.seen%8 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		p.most = max(p.most, m.HeapAlloc)
	}
	return len(b), nil
}

// TestMigrationCarriesBudgetsOver: what was consumed before permits were written counts on.
func TestMigrationCarriesBudgetsOver(t *testing.T) {
	for _, kind := range []string{onSQLite, onMariaDB} {
		s, _ := openNew(t, kind)
		ctx := context.Background()
		calls := placedCalls(t, s, 2)
		end := time.Now().Truncate(time.Microsecond)
		if err := s.Finish(ctx, calls[0].Fence, campaign.Outcome{Disposition: campaign.Completed, AnsweredAt: end.Add(-time.Minute), EndedAt: end,
			Turns: []campaign.Turn{{Seq: 1, Side: campaign.Them, Text: "喂"}}}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Migrate(ctx, 3); err != nil {
			t.Fatal(err)
		}
		if n := count(t, s, "SELECT COUNT(*) FROM budget_entry WHERE channel = 'call'"); n != 2 {
			t.Errorf("%d entries as they were", n)
		}
		if _, err := s.Migrate(ctx, Latest); err != nil {
			t.Fatal(err)
		}
		for i, a := range calls {
			f, err := s.Facts(ctx, actOf(a), time.Now())
			if err != nil || len(f.Spent) != 1 || f.LifePerson != 1 || f.LifeNumber != 1 || !f.Spent[0].SameNumber || !f.Spent[0].SameTask || !f.Spent[0].SameContact {
				t.Fatalf("%+v, %v", f, err)
			}
			if sp := f.Spent[0]; sp.Channel != compliance.Voice || sp.Open != (i == 1) || sp.Talked != (i == 0) || (i == 0 && !sp.TalkedAt.Equal(end)) {
				t.Errorf("call %d: %+v", i, sp)
			}
		}
		if f, err := s.Facts(ctx, compliance.Act{Tenant: "acme", Task: calls[0].Task.ID.String()}, time.Now()); err != nil || f.Answered != 1 || f.Abandoned != 0 {
			t.Errorf("%+v, %v", f, err)
		}
		// Calls from before the ledger have no permit, and an auditor is not told of them as if they had to have one.
		if r, err := ledger.Verify(bytes.NewReader(exported(t, s, "acme")), s.LedgerKey()); err != nil || r.Records != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if err := s.Finish(ctx, calls[1].Fence, campaign.Outcome{Disposition: campaign.Busy, EndedAt: end}, nil); err != nil {
			t.Error(err)
		}
	}
}
