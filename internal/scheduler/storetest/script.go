package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"ringmaster/internal/api"
)

func scriptGuarantees() []guarantee {
	return []guarantee{
		{"S01_drafts_are_kept_and_not_in_force", drafts},
		{"S02_publish_and_roll_back_with_their_history", releases},
		{"S03_of_concurrent_publishes_one_wins", publishRace},
		{"S04_files_do_not_undo_what_was_decided_by_hand", importsAfterHands},
	}
}

func (b *bed) draft(version, source string) {
	b.Helper()
	_, _, err := b.API.SaveDraft(b.ctx, api.ScriptVersion{Tenant: tenant, Script: "s", Version: version, Source: []byte(source), By: "author", At: time.Now()})
	b.must(err)
}

func (b *bed) release(action api.ScriptAction, version, from string) (api.ScriptRelease, error) {
	return b.API.ReleaseScript(b.ctx, api.ScriptRelease{Tenant: tenant, Script: "s", Version: version, Action: action, By: "admin", Note: "because " + version, At: time.Now(), Report: "{}", From: from})
}

func (b *bed) inForce(want string) {
	b.Helper()
	got, _, err := b.API.ScriptVersion(b.ctx, tenant, "s")
	if want == "" {
		b.want(err, api.ErrNotFound, "nothing is in force")
		return
	}
	b.must(err)
	if got != want {
		b.Errorf("version %q is in force, want %q", got, want)
	}
}

func drafts(b *bed) {
	v := api.ScriptVersion{Tenant: tenant, Script: "s", Version: "v1", Source: []byte("first\x00\xff"), By: "author", At: time.Now()}
	saved, created, err := b.API.SaveDraft(b.ctx, v)
	b.must(err)
	if !created || saved.By != "author" {
		b.Errorf("created %v, %+v", created, saved)
	}
	b.inForce("")
	second := v
	second.By = "another"
	if saved, created, err = b.API.SaveDraft(b.ctx, second); err != nil || created || saved.By != "author" {
		b.Errorf("the same again: created %v, %+v, %v", created, saved, err)
	}
	second.Source = []byte("other")
	_, _, err = b.API.SaveDraft(b.ctx, second)
	b.want(err, api.ErrConflict, "another content")
	got, err := b.API.StoredScript(b.ctx, tenant, "s", "v1")
	b.must(err)
	if string(got.Source) != string(v.Source) || got.By != "author" || !got.At.Equal(micro(v.At)) {
		b.Errorf("read back %+v", got)
	}
	_, err = b.API.StoredScript(b.ctx, "other", "s", "v1")
	b.want(err, api.ErrNotFound, "another tenant's version")
	_, err = b.API.StoredScript(b.ctx, tenant, "s", "v2")
	b.want(err, api.ErrNotFound, "no such version")
	list, err := b.API.Scripts(b.ctx, tenant, "", 10)
	b.must(err)
	if len(list) != 2 || list[0].ID != script || list[0].Version != "v1" || list[1].ID != "s" || list[1].Version != "" {
		b.Errorf("scripts %+v", list)
	}
	if list, err = b.API.Scripts(b.ctx, tenant, script, 1); err != nil || len(list) != 1 || list[0].ID != "s" {
		b.Errorf("the next page %+v, %v", list, err)
	}
	if list, err = b.API.Scripts(b.ctx, "other", "", 10); err != nil || len(list) != 0 {
		b.Errorf("another tenant's scripts %+v, %v", list, err)
	}
}

func releases(b *bed) {
	_, err := b.release(api.ScriptPublished, "v1", "")
	b.want(err, api.ErrNotFound, "no such script")
	b.draft("v1", "first")
	b.draft("v2", "second")
	_, err = b.release(api.ScriptPublished, "v9", "")
	b.want(err, api.ErrNotFound, "no such version")
	_, err = b.release(api.ScriptRolledBack, "v1", "")
	b.want(err, api.ErrConflict, "a rollback to what was never in force")
	r, err := b.release(api.ScriptPublished, "v1", "")
	b.must(err)
	if r.Seq != 1 || r.Version != "v1" || r.By != "admin" || r.Note != "because v1" {
		b.Errorf("release %+v", r)
	}
	b.inForce("v1")
	_, err = b.release(api.ScriptPublished, "v2", "v0")
	b.want(err, api.ErrConflict, "another version is in force than was seen")
	b.inForce("v1")
	_, err = b.release(api.ScriptPublished, "v2", "v1")
	b.must(err)
	b.inForce("v2")
	if r, err = b.release(api.ScriptPublished, "v2", "v2"); err != nil || r.Seq != 2 {
		b.Errorf("publishing what is in force: %+v, %v", r, err)
	}
	_, err = b.release(api.ScriptRolledBack, "v1", "v2")
	b.must(err)
	b.inForce("v1")
	h, err := b.API.ScriptHistory(b.ctx, tenant, "s", 10)
	b.must(err)
	var told []string
	for _, r := range h.Releases {
		told = append(told, fmt.Sprintf("%d %s %s %s %s", r.Seq, r.Action, r.Version, r.By, r.Note))
	}
	want := "[3 rollback v1 admin because v1 2 publish v2 admin because v2 1 publish v1 admin because v1]"
	if fmt.Sprint(told) != want || h.Current != "v1" || len(h.Versions) != 2 {
		b.Errorf("history %v of %q with %d versions, want %s", told, h.Current, len(h.Versions), want)
	}
	_, err = b.API.ScriptHistory(b.ctx, "other", "s", 10)
	b.want(err, api.ErrNotFound, "another tenant's history")
}

func publishRace(b *bed) {
	const n = 6
	b.draft("v0", "before")
	_, err := b.release(api.ScriptPublished, "v0", "")
	b.must(err)
	for i := range n {
		b.draft(fmt.Sprintf("c%d", i), fmt.Sprint(i))
	}
	var work sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		work.Go(func() { _, errs[i] = b.release(api.ScriptPublished, fmt.Sprintf("c%d", i), "v0") })
	}
	work.Wait()
	won := ""
	for i, err := range errs {
		switch {
		case err == nil && won != "":
			b.Errorf("%s and c%d both won", won, i)
		case err == nil:
			won = fmt.Sprintf("c%d", i)
		case !errors.Is(err, api.ErrConflict):
			b.Errorf("c%d: %v", i, err)
		}
	}
	b.inForce(won)
	h, err := b.API.ScriptHistory(b.ctx, tenant, "s", 10)
	b.must(err)
	if len(h.Releases) != 2 {
		b.Errorf("%d lines of history: %+v", len(h.Releases), h.Releases)
	}
}

func importsAfterHands(b *bed) {
	file := func(version string) {
		b.Helper()
		b.must(b.API.SaveScript(b.ctx, tenant, "s", version, []byte("of "+version), "file"))
	}
	file("v1")
	file("v2")
	b.inForce("v2")
	_, err := b.release(api.ScriptRolledBack, "v1", "v2")
	b.must(err)
	file("v2") // a controller starts again with the same file
	b.inForce("v1")
	file("v3") // somebody wrote another one
	b.inForce("v3")
	file("v1") // and took it back
	b.inForce("v1")
	h, err := b.API.ScriptHistory(b.ctx, tenant, "s", 10)
	b.must(err)
	if len(h.Releases) != 5 || h.Releases[0].Action != api.ScriptImported || h.Releases[2].Action != api.ScriptRolledBack {
		b.Errorf("history %+v", h.Releases)
	}
}
