package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

// TestAPIStore runs what stands behind the API on every kind of database. The parts keep out of each other's way by their tenants: making
// a schema takes longer than all of them.
func TestAPIStore(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, _ := openNew(t, kind)
			for _, part := range []struct {
				name string
				run  func(*apiBed)
			}{
				{"keys", keysOfAPI}, {"audit", auditPages}, {"consents", consentsKept}, {"caller IDs", callerIDsKept}, {"stop", stopPressed}, {"drains", drained},
				{"do-not-call list", listKept}, {"list over pages", listPaged}, {"facts of many", factsOfMany}, {"erased", personErased},
				{"erased while claimed", erasedWhileClaimed}, {"calls that came in", inboundKept},
			} {
				t.Run(part.name, func(t *testing.T) { part.run(&apiBed{T: t, s: s, now: time.Now().UTC().Truncate(time.Microsecond)}) })
			}
		})
	}
}

type apiBed struct {
	*testing.T
	s   *Store
	now time.Time
}

func (b *apiBed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *apiBed) want(err, want error, what string) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Errorf("%s: %v, want %v", what, err, want)
	}
}

func (b *apiBed) same(got, want any, what string) {
	b.Helper()
	if !reflect.DeepEqual(got, want) {
		b.Errorf("%s:\n%+v, want\n%+v", what, got, want)
	}
}

func (b *apiBed) number(i int) phone.Number {
	b.Helper()
	n, err := phone.Parse(fmt.Sprintf("+86137%08d", i), "CN")
	b.must(err)
	return n
}

// count is one figure of one query with values.
func (b *apiBed) count(q string, args ...any) (n int) {
	b.Helper()
	b.must(b.s.w.Raw(q, args...).Row().Scan(&n))
	return n
}

func keysOfAPI(b *apiBed) {
	ctx, now := b.Context(), b.now
	var keys []api.APIKey
	for i := range 5 {
		k := api.APIKey{ID: newUUID(b), Tenant: "keys", Name: fmt.Sprintf("键 😀 %d", i), Hash: sha256.Sum256([]byte{byte(i)}), Role: api.RoleAgent, Scopes: []string{"call:read"},
			CreatedAt: now, CreatedBy: "key/1", AllowReveal: i%2 == 0}
		if i == 1 {
			k.ExpiresAt = now.Add(time.Hour)
		}
		b.must(b.s.SaveAPIKey(ctx, k))
		b.must(b.s.SaveAPIKey(ctx, k)) // the answer was lost
		keys = append(keys, k)
	}
	other := keys[0]
	other.ID, other.Tenant = newUUID(b), "keys2"
	b.want(b.s.SaveAPIKey(ctx, other), api.ErrConflict, "one hash, two tenants")
	for i, k := range keys {
		got, err := b.s.APIKeyByHash(ctx, k.Hash, now)
		b.must(err)
		b.same(got, keys[i], "key by hash")
	}
	_, err := b.s.APIKeyByHash(ctx, keys[1].Hash, now.Add(time.Hour))
	b.want(err, api.ErrNotFound, "expired key")
	b.want(b.s.RevokeAPIKey(ctx, "keys2", keys[2].ID, now), api.ErrNotFound, "key of another tenant revoked")
	for i := range 2 { // the first time stays
		b.must(b.s.RevokeAPIKey(ctx, "keys", keys[2].ID, now.Add(time.Duration(i)*time.Minute)))
		b.must(b.s.TouchAPIKey(ctx, "keys", keys[3].ID, now)) // nothing changes the second time
	}
	_, err = b.s.APIKeyByHash(ctx, keys[2].Hash, now)
	b.want(err, api.ErrNotFound, "revoked key")
	keys[2].RevokedAt, keys[3].LastUsedAt = now, now
	var got []api.APIKey
	after := uuid.Nil
	for {
		part, err := b.s.APIKeys(ctx, "keys", after, 2)
		b.must(err)
		if len(part) == 0 {
			break
		}
		got, after = append(got, part...), part[len(part)-1].ID
	}
	b.same(got, keys, "list of keys")
}

func auditPages(b *apiBed) {
	ctx := b.Context()
	var all []api.AuditEntry
	for i := range 7 {
		e := api.AuditEntry{ID: newUUID(b), Tenant: "audit", At: b.now.Add(time.Duration(i) * time.Millisecond), Actor: "key/a", Action: "contact.read", Object: "person/p",
			Reason: "为什么", Request: "r", Detail: api.AuditDetail{Route: "GET /x", Role: api.RoleAdmin}}
		if i%2 == 1 {
			e.Actor, e.Action = "key/b", "dnc.remove"
		}
		all = append(all, e)
	}
	for _, i := range []int{3, 0, 6, 1, 5, 2, 4} {
		b.must(b.s.SaveAudit(ctx, all[i]))
	}
	e := &all[5]
	e.Object, e.Reason, e.Detail.Status, e.Detail.Objects = "person/q", "", 200, []string{"person/q"}
	b.must(b.s.SaveAudit(ctx, *e))
	b.must(b.s.SaveAudit(ctx, *e))
	read := func(q api.AuditQuery) (got []api.AuditEntry) {
		for after := uuid.Nil; ; after = got[len(got)-1].ID {
			part, err := b.s.AuditPage(ctx, "audit", q, after, 2)
			b.must(err)
			if len(part) == 0 {
				return got
			}
			got = append(got, part...)
		}
	}
	b.same(read(api.AuditQuery{}), all, "whole log")
	b.same(read(api.AuditQuery{Action: "dnc.remove"}), []api.AuditEntry{all[1], all[3], all[5]}, "one action")
	b.same(read(api.AuditQuery{Actor: "key/b", Object: "person/p"}), []api.AuditEntry{all[1], all[3]}, "actor and object")
	b.same(read(api.AuditQuery{From: all[2].At, To: all[4].At}), all[2:4], "a stretch of time")
	b.same(len(read(api.AuditQuery{Actor: "KEY/B"})), 0, "actor in capitals")
	none, err := b.s.AuditPage(ctx, "audit2", api.AuditQuery{}, uuid.Nil, 10)
	b.must(err)
	b.same(len(none), 0, "log of another tenant")
}

func consentsKept(b *apiBed) {
	ctx, person := b.Context(), newUUID(b)
	var all []api.ConsentRecord
	for i := range 3 {
		id := newUUID(b)
		r := api.ConsentRecord{ID: id, Tenant: "consent", Person: person, Proof: "合同 7 😀", By: "key/1", CreatedAt: b.now,
			Consent: compliance.Consent{ID: id.String(), Basis: "explicit", Purpose: campaign.Health, Channel: compliance.Voice, Source: "web", ObtainedAt: b.now}}
		if i == 1 {
			r.Evidence, r.ExpiresAt = sha256.Sum256([]byte("proof")), b.now.Add(time.Hour)
		}
		b.must(b.s.SaveConsent(ctx, r))
		b.must(b.s.SaveConsent(ctx, r))
		all = append(all, r)
	}
	b.want(b.s.WithdrawConsent(ctx, "consent2", all[0].ID, b.now), api.ErrNotFound, "consent of another tenant withdrawn")
	for i := range 2 {
		b.must(b.s.WithdrawConsent(ctx, "consent", all[0].ID, b.now.Add(time.Duration(i)*time.Minute)))
	}
	all[0].WithdrawnAt = b.now
	got, err := b.s.Consents(ctx, "consent", person)
	b.must(err)
	b.same(got, all, "consents")
	for _, q := range []struct {
		tenant string
		person uuid.UUID
	}{{"consent2", person}, {"consent", newUUID(b)}} {
		got, err = b.s.Consents(ctx, q.tenant, q.person)
		b.must(err)
		b.same(len(got), 0, "consents of another")
	}
}

func callerIDsKept(b *apiBed) {
	ctx := b.Context()
	var all []api.CallerID
	for i := range 3 {
		d := api.CallerID{ID: newUUID(b), Tenant: "show", Number: b.number(i), Trunk: "t", Voice: true, Type: "fixed", Licence: "许可", Region: "CN", DailyCap: 5, State: api.CallerIDActive,
			CreatedAt: b.now, UpdatedAt: b.now}
		b.must(b.s.SaveCallerID(ctx, d, true))
		b.must(b.s.SaveCallerID(ctx, d, true))
		all = append(all, d)
	}
	double := all[0]
	double.ID = newUUID(b)
	b.want(b.s.SaveCallerID(ctx, double, true), api.ErrConflict, "a number twice on a trunk")
	double.Trunk = "T" // names of trunks differ by case
	b.must(b.s.SaveCallerID(ctx, double, true))
	double.Trunk = "t"
	b.want(b.s.SaveCallerID(ctx, double, false), api.ErrConflict, "moved to where it is already")
	b.must(b.s.DeleteCallerID(ctx, "show", double.ID))
	b.want(b.s.DeleteCallerID(ctx, "show", double.ID), api.ErrNotFound, "deleted twice")
	b.want(b.s.DeleteCallerID(ctx, "show2", all[0].ID), api.ErrNotFound, "deleted by another tenant")
	b.want(b.s.SaveCallerID(ctx, api.CallerID{ID: newUUID(b), Tenant: "show", Number: b.number(9)}, false), api.ErrNotFound, "update of none")
	all[1].State, all[1].Note, all[1].SMS, all[1].Voice, all[1].UpdatedAt = api.CallerIDSuspended, "投诉", true, false, b.now.Add(time.Second)
	b.must(b.s.SaveCallerID(ctx, all[1], false))
	b.must(b.s.SaveCallerID(ctx, all[1], false)) // nothing changes
	one, err := b.s.CallerID(ctx, "show", all[1].ID)
	b.must(err)
	b.same(one, all[1], "caller ID")
	_, err = b.s.CallerID(ctx, "show2", all[1].ID)
	b.want(err, api.ErrNotFound, "caller ID of another tenant")
	first, err := b.s.CallerIDs(ctx, "show", uuid.Nil, 2)
	b.must(err)
	rest, err := b.s.CallerIDs(ctx, "show", first[1].ID, 2)
	b.must(err)
	b.same(append(first, rest...), all, "caller IDs")
}

func drained(b *apiBed) {
	ctx := b.Context()
	b.want(b.s.EndDrain(ctx, "main", ""), api.ErrNotFound, "nothing is drained")
	whole := api.Drain{PBX: "main", Reason: "升级", By: "key/1", At: b.now}
	one := api.Drain{PBX: "main", Trunk: "carrier", Reason: "bad routes", By: "key/2", At: b.now}
	for _, d := range []api.Drain{one, whole, one} {
		b.must(b.s.SaveDrain(ctx, d))
	}
	again := whole
	again.Reason, again.By, again.At = "longer", "key/3", b.now.Add(time.Hour)
	b.must(b.s.SaveDrain(ctx, again))
	again.At = b.now // its beginning stays
	list, err := b.s.Drains(ctx)
	b.must(err)
	b.same(list, []api.Drain{again, one}, "drains")
	b.must(b.s.EndDrain(ctx, "main", ""))
	list, err = b.s.Drains(ctx)
	b.must(err)
	b.same(list, []api.Drain{one}, "drains")
	b.must(b.s.EndDrain(ctx, "main", "carrier"))
}

func stopPressed(b *apiBed) {
	ctx := b.Context()
	b.want(b.s.ReleaseStop(ctx, "stop", "k", b.now), api.ErrNotFound, "nothing is pressed")
	mine := api.Stop{ID: newUUID(b), Tenant: "stop", Reason: "投诉", By: "key/1", At: b.now}
	all := api.Stop{ID: newUUID(b), Reason: "fire", By: "cli", At: b.now}
	for _, st := range []api.Stop{mine, mine, all, all} {
		got, err := b.s.PressStop(ctx, st)
		b.must(err)
		b.same(got, st, "pressed")
	}
	second := mine
	second.ID, second.Reason = newUUID(b), "another"
	got, err := b.s.PressStop(ctx, second)
	b.must(err)
	b.same(got, mine, "pressed already")
	stops, err := b.s.Stops(ctx, "stop")
	b.must(err)
	b.same(stops, []api.Stop{all, mine}, "stops")
	f, err := b.s.Facts(ctx, compliance.Act{Tenant: "stop2"}, b.now)
	b.must(err)
	b.same(f.Stopped, "all: fire", "another tenant")
	b.must(b.s.ReleaseStop(ctx, "", "cli", b.now))
	if stops, err = b.s.Stops(ctx, "stop"); err != nil || !reflect.DeepEqual(stops, []api.Stop{mine}) {
		b.Errorf("%+v %v", stops, err)
	}
	if stops, err = b.s.Stops(ctx, "stop2"); err != nil || len(stops) != 0 {
		b.Errorf("%+v %v", stops, err)
	}
	b.must(b.s.ReleaseStop(ctx, "stop", "key/2", b.now))
	b.want(b.s.ReleaseStop(ctx, "stop", "key/2", b.now), api.ErrNotFound, "released already")
	if got, err = b.s.PressStop(ctx, second); err != nil || !reflect.DeepEqual(got, second) {
		b.Errorf("pressed again: %+v %v", got, err)
	}
	b.must(b.s.ReleaseStop(ctx, "stop", "key/2", b.now))
}

func listKept(b *apiBed) {
	ctx := b.Context()
	p, _, err := b.s.SavePerson(ctx, campaign.Person{Tenant: "dnc", ExternalID: "客户 1", Number: b.number(50)})
	b.must(err)
	task := newUUID(b)
	entry := func(layer compliance.Layer, n phone.Number, source string) api.DNCEntry {
		e := api.DNCEntry{DNCKey: api.DNCKey{Tenant: "dnc", Layer: layer, Number: n}, Reason: "投诉 😀", Source: source, By: "key/1", CreatedAt: b.now}
		if layer == compliance.LayerSystem {
			e.Tenant = ""
		}
		return e
	}
	person := entry(compliance.LayerTenant, phone.Number{}, api.SourcePerson)
	person.Person = p.ID
	forTask := entry(compliance.LayerTask, b.number(51), "operator")
	forTask.Task = task
	short := entry(compliance.LayerTenant, b.number(51), "operator")
	short.Expires = b.now.Add(time.Hour)
	over := entry(compliance.LayerTenant, b.number(52), "operator")
	over.Expires = b.now.Add(-time.Hour)
	all := []api.DNCEntry{person, forTask, short, over, entry(compliance.LayerSystem, b.number(51), "regulator"), short}
	added, err := b.s.AddDNC(ctx, all)
	b.must(err)
	b.same(added, []bool{true, true, true, true, true, false}, "added")
	long, fresh := short, over
	long.Expires, fresh.Expires, fresh.Source = time.Time{}, b.now.Add(time.Hour), "import"
	added, err = b.s.AddDNC(ctx, []api.DNCEntry{long, short, fresh, person})
	b.must(err)
	b.same(added, []bool{false, false, true, false}, "added again")
	got, err := b.s.DNC(ctx, "dnc", api.DNCQuery{})
	b.must(err)
	strip := func(es []api.DNCEntry) []api.DNCEntry {
		for i := range es {
			es[i].Cursor, es[i].Fingerprint = "", ""
		}
		slices.SortFunc(es, func(x, y api.DNCEntry) int {
			return strings.Compare(string(x.Layer)+x.Number.Reveal(), string(y.Layer)+y.Number.Reveal())
		})
		return es
	}
	person.Customer = "客户 1"
	b.same(strip(got), strip([]api.DNCEntry{forTask, person, long, fresh}), "list")
	if got, err = b.s.DNC(ctx, "dnc", api.DNCQuery{Layer: compliance.LayerTask, Task: task}); err != nil || len(got) != 1 {
		b.Errorf("of the task: %+v %v", got, err)
	}
	if got, err = b.s.DNC(ctx, "dnc", api.DNCQuery{Layer: compliance.LayerSystem}); err != nil || len(got) != 1 || got[0].Number != b.number(51) {
		b.Errorf("of the system: %+v %v", got, err)
	}
	b.want(b.s.RemoveDNC(ctx, []api.DNCKey{long.DNCKey, person.DNCKey}, false), api.ErrOwnRefusal, "own refusal taken back")
	b.same(b.count("SELECT COUNT(*) FROM dnc WHERE tenant_id = 'dnc'"), 4, "entries after all or none")
	b.must(b.s.RemoveDNC(ctx, []api.DNCKey{long.DNCKey, person.DNCKey}, true))
	b.want(b.s.RemoveDNC(ctx, []api.DNCKey{long.DNCKey}, true), api.ErrNotFound, "removed twice")
	b.must(b.s.RemoveDNC(ctx, []api.DNCKey{all[4].DNCKey}, true))
	b.same(b.count("SELECT COUNT(*) FROM dnc WHERE tenant_id IN ('dnc', '')"), 2, "entries left")
}

// listPaged imports entries of one instant, whose order is that of their fingerprints, and exports them page by page.
func listPaged(b *apiBed) {
	ctx, want := b.Context(), map[string]bool{}
	var batch []api.DNCEntry
	for i := range 40 {
		k := api.DNCKey{Tenant: "pages", Layer: compliance.LayerTenant, Number: b.number(100 + i)}
		switch i % 4 {
		case 1:
			k.Layer, k.Task = compliance.LayerTask, newUUID(b)
		case 2:
			k.Number, k.Person = phone.Number{}, newUUID(b)
		}
		batch = append(batch, api.DNCEntry{DNCKey: k, Source: "import", CreatedAt: b.now.Add(time.Duration(i/20) * time.Microsecond)})
		want[fmt.Sprint(k.Layer, k.Task, k.Number.Reveal(), k.Person)] = true
	}
	added, err := b.s.AddDNC(ctx, batch)
	b.must(err)
	b.same(slices.Contains(added, false), false, "an entry was not new")
	after, pages := "", 0
	for {
		got, err := b.s.DNC(ctx, "pages", api.DNCQuery{After: after, Limit: 7})
		b.must(err)
		if len(got) == 0 {
			break
		}
		for _, e := range got {
			id := fmt.Sprint(e.Layer, e.Task, e.Number.Reveal(), e.Person)
			if !want[id] {
				b.Errorf("page %d repeats or invents an entry", pages)
			}
			delete(want, id)
		}
		after, pages = got[len(got)-1].Cursor, pages+1
	}
	if len(want) != 0 || pages != 6 {
		b.Errorf("%d entries are missing from %d pages", len(want), pages)
	}
	_, err = b.s.DNC(ctx, "pages", api.DNCQuery{After: "x"})
	b.want(err, api.ErrNotFound, "a cursor of nobody's")
}

// factsOfMany: what is read for many at once is what is read for each.
func factsOfMany(b *apiBed) {
	ctx := b.Context()
	calls := placedCalls(b.T, b.s, 5)
	twin, _, err := b.s.SavePerson(ctx, campaign.Person{Tenant: "acme", ExternalID: "twin", Number: calls[1].Person.Number, Zone: "Asia/Shanghai"})
	b.must(err)
	b.must(b.s.Finish(ctx, calls[1].Fence, campaign.Outcome{Disposition: campaign.Completed, AnsweredAt: b.now, EndedAt: b.now.Add(time.Second)}, nil))
	shown := api.CallerID{ID: newUUID(b), Tenant: "acme", Number: b.number(1), Trunk: "trunk-1", Voice: true, DailyCap: 3, State: api.CallerIDActive}
	b.must(b.s.SaveCallerID(ctx, shown, true))
	b.must(b.s.OptOut(ctx, "acme", calls[2].Person.Number, calls[2].Person.ID, "stop_word", time.Time{}))
	id := newUUID(b)
	b.must(b.s.SaveConsent(ctx, api.ConsentRecord{ID: id, Tenant: "acme", Person: calls[3].Person.ID, Consent: compliance.Consent{Basis: "explicit", ObtainedAt: b.now}}))
	_, err = b.s.PressStop(ctx, api.Stop{ID: newUUID(b), Tenant: "acme", Reason: "test", At: b.now})
	b.must(err)
	var acts []compliance.Act
	for _, a := range calls {
		act := actOf(a)
		act.CallerID = shown.Number
		acts = append(acts, act)
	}
	second := acts[1]
	second.Person, second.Contact, second.CallerID = twin.ID.String(), "", phone.Number{}
	acts = append(acts, second, acts[0])
	now := time.Now()
	got, err := b.s.FactsOf(ctx, acts, now)
	b.must(err)
	for i, act := range acts {
		want, err := b.s.Facts(ctx, act, now)
		b.must(err)
		b.same(plain(got[i]), plain(want), fmt.Sprintf("facts of act %d", i))
	}
	if f := got[5]; len(f.Spent) != 1 || f.Spent[0].SamePerson || !f.Spent[0].SameNumber || f.Zone != "Asia/Shanghai" || f.LifeNumber != 1 || f.LifePerson != 0 {
		b.Errorf("who shares a number: %+v", f)
	}
	if f := got[2]; len(f.Blocks) != 2 || f.CallerID == nil || f.Stopped != "tenant: test" || !f.Contact.Live {
		b.Errorf("who refused: %+v", f)
	}
	b.must(b.s.ReleaseStop(ctx, "acme", "k", b.now))
	ms, err := b.s.Members(ctx, "acme", calls[0].Task.ID, uuid.Nil, 10)
	b.must(err)
	m, err := b.s.MemberOf(ctx, "acme", calls[0].Task.ID, calls[0].Person.ID)
	b.must(err)
	if len(ms) != 5 || !reflect.DeepEqual(m, ms[0]) || m.Person.Number != calls[0].Person.Number {
		b.Errorf("members %+v; %+v", ms, m)
	}
}

// plain is facts without what has no order.
func plain(f compliance.Facts) compliance.Facts {
	f.Spent = append([]compliance.Spent(nil), f.Spent...)
	slices.SortFunc(f.Spent, func(x, y compliance.Spent) int { return x.At.Compare(y.At) })
	return f
}

func personErased(b *apiBed) {
	ctx, at1 := b.Context(), b.now
	seedPerson := func(ext string, n phone.Number) uuid.UUID {
		p, _, err := b.s.SavePerson(ctx, campaign.Person{Tenant: "acme", ExternalID: ext, Name: "韩梅梅", Number: n, Vars: map[string]any{"secret": "糖尿病"}})
		b.must(err)
		_, _, err = b.s.CreateContact(ctx, api.NewContact{ID: newUUID(b), Tenant: "acme", CustomerID: ext, Script: "s", DueAt: at1.Add(-time.Minute), State: campaign.Scheduled, Ref: "秘密"})
		b.must(err)
		_, err = b.s.Promote(ctx, time.Now(), maxClaim)
		b.must(err)
		return p.ID
	}
	who := seedPerson("forget me", b.number(70))
	a := claimAll(b.T, b.s, 1)[0]
	b.must(b.s.Place(ctx, a.Fence, campaign.Placement{PBX: "p"}, actOf(a), allowed, time.Now()))
	_, err := b.s.ErasePerson(ctx, "acme", who, at1)
	b.want(err, api.ErrConflict, "erased while a call is under way")
	held, free := newUUID(b), newUUID(b)
	message := func(to, contact, event string) scheduler.Message {
		return scheduler.Message{ID: newUUID(b), Tenant: "acme", Aggregate: to + "/" + contact, Kind: "webhook", Event: event, Destination: to, Body: []byte(`{"name":"秘密"}`)}
	}
	told := []scheduler.Message{message("crm", a.Contact.ID.String(), "told"), message("erp", a.Contact.ID.String(), "waits"), message("crm", newUUID(b).String(), "another's")}
	b.must(checkpoint(ctx, b.s, a.Fence, 1, []scheduler.InputRecord{{Kind: "heard", Data: []byte("秘密")}}))
	b.must(b.s.Finish(ctx, a.Fence, campaign.Outcome{Disposition: campaign.Completed, AnsweredAt: at1, EndedAt: at1.Add(time.Second), Slots: map[string]string{"x": "秘密"},
		Turns: []campaign.Turn{{Seq: 1, Text: "秘密", Planned: "秘密"}}, OptOut: &campaign.OptOut{Reason: "stop_word", Words: "秘密"},
		Tickets:    []campaign.Ticket{{Kind: "complaint", Words: "秘密"}},
		Recordings: []campaign.Recording{{ID: held, Path: "held.wav"}, {ID: free, Path: "free.wav", SHA256: "abc"}}}, told))
	b.must(b.s.w.Exec("UPDATE recording SET legal_hold = 1 WHERE id = ?", binID(held)).Error)
	leased, err := b.s.Outbox().Lease(ctx, "o", 10, time.Minute)
	b.must(err)
	b.same(len(leased), 3, "messages")
	b.must(b.s.Outbox().Delivered(ctx, "o", told[0].ID, 200))
	b.must(b.s.SaveConsent(ctx, api.ConsentRecord{ID: newUUID(b), Tenant: "acme", Person: who, Proof: "秘密", Consent: compliance.Consent{Basis: "explicit"}}))
	_, _, err = b.s.CreateContact(ctx, api.NewContact{ID: newUUID(b), Tenant: "acme", CustomerID: "forget me", Script: "s", DueAt: at1, State: campaign.Scheduled})
	b.must(err)
	file, err := b.s.PersonFile(ctx, "acme", who)
	b.must(err)
	if len(file.Contacts) != 2 || len(file.Attempts) != 1 || len(file.Attempts[0].Outcome.Turns) != 1 || len(file.Consents) != 1 || len(file.DNC) != 2 {
		b.Errorf("file: %+v", file)
	}
	got, err := b.s.ErasePerson(ctx, "acme", who, at1)
	b.must(err)
	slices.SortFunc(got.Recordings, func(x, y api.ErasedRecording) int { return strings.Compare(x.Path, y.Path) })
	b.same(got, api.Erased{Contacts: 1, Recordings: []api.ErasedRecording{{ID: free, Path: "free.wav"}, {ID: held, Path: "held.wav", Kept: "legal_hold"}}}, "erased")
	forgotten(b, a, who, told)
	again, err := b.s.ErasePerson(ctx, "acme", who, at1)
	b.must(err)
	b.same(again.Contacts, 0, "contacts cancelled twice")
	_, err = b.s.ErasePerson(ctx, "acme", newUUID(b), at1)
	b.want(err, api.ErrNotFound, "nobody erased")
	_, err = b.s.ErasePerson(ctx, "other", who, at1)
	b.want(err, api.ErrNotFound, "erased by another tenant")
	one, other := seedPerson("one", b.number(71)), seedPerson("other", b.number(71))
	_, err = b.s.ErasePerson(ctx, "acme", one, at1)
	b.must(err)
	p, err := b.s.Person(ctx, "acme", "other")
	b.must(err)
	if p.ID != other || p.Number != b.number(71) || p.Vars["secret"] == nil {
		b.Errorf("who shared the number: %+v", p)
	}
}

// erasedWhileClaimed: a call that is claimed at the same time is seen, whichever of the two is first.
func erasedWhileClaimed(b *apiBed) {
	ctx := b.Context()
	p, _, err := b.s.SavePerson(ctx, campaign.Person{Tenant: "race", ExternalID: "x", Number: b.number(90)})
	b.must(err)
	_, err = b.s.EnsureTask(ctx, campaign.Task{Tenant: "race", Script: "s", Standing: true, Pool: "race", Retry: campaign.DefaultRetry()})
	b.must(err)
	_, _, err = b.s.CreateContact(ctx, api.NewContact{ID: newUUID(b), Tenant: "race", CustomerID: "x", Script: "s", DueAt: b.now.Add(-time.Minute), State: campaign.Scheduled})
	b.must(err)
	_, err = b.s.Promote(ctx, time.Now(), maxClaim)
	b.must(err)
	epoch, err := b.s.Register(ctx, "race")
	b.must(err)
	claiming, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.s.beforeCommit = func(*gorm.DB) { once.Do(func() { close(claiming); <-goOn }) }
	defer func() { b.s.beforeCommit = nil }()
	var wg sync.WaitGroup
	var claimed, erased error
	wg.Go(func() {
		as, err := b.s.Claim(ctx, "race", 1, campaign.Fence{Owner: "race", Epoch: epoch})
		if claimed = err; err == nil && len(as) != 1 {
			claimed = fmt.Errorf("claimed %d", len(as))
		}
	})
	<-claiming
	wg.Go(func() { _, erased = b.s.ErasePerson(ctx, "race", p.ID, b.now) })
	time.Sleep(30 * time.Millisecond) // for the erasure to come to the claim's locks; it holds without
	close(goOn)
	wg.Wait()
	b.must(claimed)
	b.want(erased, api.ErrConflict, "erased while a call was claimed")
}

// forgotten looks at what is left of a person and of their one call.
func forgotten(b *apiBed, a campaign.Attempt, who uuid.UUID, told []scheduler.Message) {
	b.Helper()
	ctx := b.Context()
	_, err := b.s.Person(ctx, "acme", "forget me")
	b.want(err, api.ErrNotFound, "person by the old name")
	call, person, fp := binID(a.ID), binID(who), b.s.keys.fingerprint(b.number(70))
	for _, q := range []struct {
		what, sql string
		args      []any
		want      int
	}{
		{"number", "SELECT COUNT(*) FROM number WHERE hmac = ?", []any{fp}, 0},
		{"person's row", "SELECT COUNT(*) FROM person WHERE id = ? AND name = '' AND vars = '{}' AND number_id IS NULL", []any{person}, 1},
		{"turns without words", "SELECT COUNT(*) FROM turn WHERE attempt_id = ? AND said = '' AND planned = ''", []any{call}, 1},
		{"ticket without words", "SELECT COUNT(*) FROM ticket WHERE attempt_id = ? AND words = ''", []any{call}, 1},
		{"refusal without words", "SELECT COUNT(*) FROM dnc WHERE attempt_id = ? AND words = ''", []any{call}, 2},
		{"refusal by fingerprint", "SELECT COUNT(*) FROM dnc WHERE subject = ?", []any{fp}, 1},
		{"inputs", "SELECT COUNT(*) FROM call_event WHERE attempt_id = ?", []any{call}, 0},
		{"references", "SELECT COUNT(*) FROM task_contact WHERE person_id = ? AND ref <> ''", []any{person}, 0},
		{"consent without proof", "SELECT COUNT(*) FROM consent WHERE person_id = ? AND proof = ''", []any{person}, 1},
		{"person's key", "SELECT COUNT(*) FROM person_key WHERE person_id = ? AND sealed IS NULL AND erased_at IS NOT NULL", []any{person}, 1},
		{"call's record", "SELECT COUNT(*) FROM cdr WHERE attempt_id = ?", []any{call}, 1},
		{"permit", "SELECT COUNT(*) FROM permit WHERE id = ?", []any{call}, 1},
		{"recordings left", "SELECT COUNT(*) FROM recording WHERE attempt_id = ? AND path = 'held.wav'", []any{call}, 1},
		{"recording erased", "SELECT COUNT(*) FROM recording WHERE attempt_id = ? AND path = '' AND sha256 = 'abc'", []any{call}, 1},
	} {
		b.same(b.count(q.sql, q.args...), q.want, q.what)
	}
	for i, want := range []struct{ state, body string }{{msgDelivered, "{}"}, {msgDead, "{}"}, {msgWaiting, `{"name":"秘密"}`}} {
		var m outboxRow
		b.must(b.s.w.Where("id = ?", binID(told[i].ID)).Take(&m).Error)
		if m.State != want.state || string(m.Body) != want.body || (m.EndedAt == 0) != (want.state == msgWaiting) {
			b.Errorf("message %s is %s with %s", m.Event, m.State, m.Body)
		}
	}
	v, err := b.s.Attempt(ctx, "acme", a.ID)
	b.must(err)
	if v.Masked != "" || v.Outcome.Disposition != campaign.Completed || len(v.Outcome.Slots) != 0 || strings.Contains(fmt.Sprintf("%+v %+v", v.Outcome, *v.Outcome.OptOut), "秘密") {
		b.Errorf("attempt %+v %+v", v, v.Outcome)
	}
	if es, err := b.s.DNC(ctx, "acme", api.DNCQuery{}); err != nil || len(es) < 2 {
		b.Errorf("list: %+v %v", es, err)
	}
}
