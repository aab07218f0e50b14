package storetest

import (
	"crypto/sha256"
	"reflect"
	"sync"
	"time"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
)

func peopleGuarantees() []guarantee {
	return []guarantee{
		{"G01_person_is_saved_by_tenant_and_external_ID", personRoundTrip},
		{"G02_external_IDs_are_compared_byte_by_byte", externalIDs},
		{"G03_script_versions_never_change_and_roll_back", scriptVersions},
		{"G04_api_keys_are_found_by_hash_until_they_expire", apiKeys},
		{"G05_one_standing_task_a_script", standingTask},
	}
}

func personRoundTrip(b *bed) {
	p := b.person(7)
	got, err := b.API.Person(b.ctx, tenant, p.ExternalID)
	b.must(err)
	if got.Number != b.number(7) || got.ID != p.ID || got.Name != "王芳" || got.Zone != "Asia/Shanghai" || got.Language != "cmn" ||
		!reflect.DeepEqual(got.Vars, map[string]any{"plan": "gold", "amount": 12.5}) {
		b.Errorf("read back %+v", got)
	}
	saved, created, err := b.API.SavePerson(b.ctx, campaign.Person{ID: id(), Tenant: tenant, ExternalID: p.ExternalID, Name: "李雷", Number: b.number(8)})
	b.must(err)
	if created || saved.ID != p.ID || saved.Number != b.number(8) || saved.Name != "李雷" || !saved.CreatedAt.Equal(got.CreatedAt) {
		b.Errorf("second save: created %v, %+v", created, saved)
	}
	other, created, err := b.API.SavePerson(b.ctx, campaign.Person{Tenant: "other", ExternalID: p.ExternalID, Number: b.number(7)})
	b.must(err)
	if !created || other.ID == p.ID {
		b.Error("two tenants share a person")
	}
	_, err = b.API.Person(b.ctx, "nobody", p.ExternalID)
	b.want(err, api.ErrNotFound, "person of another tenant")

	for i := range 3 {
		b.person(20 + i)
	}
	var seen []string
	for after := ""; ; {
		page, err := b.API.People(b.ctx, tenant, after, 2)
		b.must(err)
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			seen = append(seen, p.ExternalID)
		}
		after = page[len(page)-1].ExternalID
	}
	if want := []string{"c00007", "c00020", "c00021", "c00022"}; !reflect.DeepEqual(seen, want) {
		b.Errorf("pages give %v, want %v", seen, want)
	}
}

func externalIDs(b *bed) {
	for i, e := range []string{"a", "A", "a ", "á", "ａ", "a\x01"} {
		if _, created, err := b.API.SavePerson(b.ctx, campaign.Person{Tenant: tenant, ExternalID: e, Number: b.number(i)}); err != nil || !created {
			b.Errorf("%q: created %v, %v", e, created, err)
		}
	}
	p, err := b.API.Person(b.ctx, tenant, "a ")
	b.must(err)
	if p.Number != b.number(2) {
		b.Error("trailing space was lost")
	}
}

func scriptVersions(b *bed) {
	v1, v2 := []byte("first\x00\xff"), []byte("second")
	b.must(b.API.SaveScript(b.ctx, tenant, "s", "1", v1, "a"))
	b.must(b.API.SaveScript(b.ctx, tenant, "s", "2", v2, "b"))
	b.must(b.API.SaveScript(b.ctx, tenant, "s", "2", v2, "b"))
	b.want(b.API.SaveScript(b.ctx, tenant, "s", "2", v1, "c"), api.ErrConflict, "another content")
	check := func(want string, source []byte) {
		b.Helper()
		version, got, err := b.API.ScriptVersion(b.ctx, tenant, "s")
		b.must(err)
		if version != want || string(got) != string(source) {
			b.Errorf("current is %q %q, want %q %q", version, got, want, source)
		}
	}
	check("2", v2)
	b.must(b.API.SaveScript(b.ctx, tenant, "s", "1", v1, "a"))
	check("1", v1)
	_, _, err := b.API.ScriptVersion(b.ctx, "other", "s")
	b.want(err, api.ErrNotFound, "script of another tenant")
}

func apiKeys(b *bed) {
	now := time.Now()
	k := api.APIKey{
		ID: id(), Tenant: tenant, Name: "crm", Hash: sha256.Sum256([]byte("secret")), Scopes: []string{"call:write", "call:read"},
		ExpiresAt: now.Add(time.Hour), CreatedAt: now,
	}
	b.must(b.API.SaveAPIKey(b.ctx, k))
	got, err := b.API.APIKeyByHash(b.ctx, k.Hash, now)
	b.must(err)
	if got.ID != k.ID || got.Tenant != tenant || got.Name != "crm" || !reflect.DeepEqual(got.Scopes, k.Scopes) || !got.ExpiresAt.Equal(micro(k.ExpiresAt)) {
		b.Errorf("read back %+v", got)
	}
	_, err = b.API.APIKeyByHash(b.ctx, k.Hash, now.Add(2*time.Hour))
	b.want(err, api.ErrNotFound, "expired key")
	_, err = b.API.APIKeyByHash(b.ctx, sha256.Sum256([]byte("guess")), now)
	b.want(err, api.ErrNotFound, "unknown key")
	k.ID = id()
	b.want(b.API.SaveAPIKey(b.ctx, k), api.ErrConflict, "one hash, two keys")
}

func standingTask(b *bed) {
	var wg sync.WaitGroup
	ids := make([]campaign.Task, 6)
	for i := range ids {
		view := b.again()
		wg.Go(func() {
			task, err := view.API.EnsureTask(b.ctx, campaign.Task{Tenant: tenant, Script: "fresh", Standing: true, Purpose: campaign.Health, Retry: campaign.DefaultRetry()})
			if err != nil {
				b.Error(err)
			}
			ids[i] = task
		})
	}
	wg.Wait()
	for _, task := range ids {
		if task.ID != ids[0].ID {
			b.Fatalf("tasks %s and %s", task.ID, ids[0].ID)
		}
	}
	if got := ids[0]; got.Retry.Delay[campaign.Busy] != 10*time.Minute || got.Purpose != campaign.Health || got.State != campaign.TaskRunning || !got.Standing {
		b.Errorf("read back %+v", got)
	}
	b.want(b.API.SetTaskState(b.ctx, "other", ids[0].ID, campaign.TaskPaused), api.ErrNotFound, "task of another tenant")
	b.must(b.API.SetTaskState(b.ctx, tenant, ids[0].ID, campaign.TaskPaused))
	again, err := b.API.EnsureTask(b.ctx, campaign.Task{Tenant: tenant, Script: "fresh", Standing: true})
	b.must(err)
	if again.State != campaign.TaskPaused {
		b.Errorf("ensuring a paused task made it %s", again.State)
	}
}
