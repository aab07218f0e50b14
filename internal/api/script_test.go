package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
)

// desk stands for compiler and check: "id: x" names the script, each "node n:
// text" is a node, BAD is refused at its line. That the real ones are behind it
// is shown in internal/app.
type desk struct{}

func (desk) Check(_ context.Context, src []byte) (api.CheckedScript, error) {
	sum := sha256.Sum256(src)
	out := api.CheckedScript{Version: hex.EncodeToString(sum[:]), Purpose: campaign.Marketing, Source: src, Report: json.RawMessage(`{"nodes":1,"edges":2,"states":3}`)}
	for i, line := range strings.Split(string(src), "\n") {
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			out.ID = id
		}
		if line == "service" {
			out.Purpose = campaign.Service
		}
		if at := strings.Index(line, "BAD"); at >= 0 {
			out.Findings = append(out.Findings, json.RawMessage(fmt.Sprintf(`{"rule":"exit","file":"script.yaml","line":%d,"column":%d,"text":"bad","path":[{"who":"us","text":"hello"}]}`, i+1, at+1)))
		}
	}
	return out, nil
}

func (d desk) Outline(ctx context.Context, _ string, src []byte) (api.ScriptOutline, error) {
	c, _ := d.Check(ctx, src)
	out := api.ScriptOutline{Purpose: c.Purpose, Nodes: map[string]string{}, Replies: map[string]string{}}
	for line := range strings.SplitSeq(string(src), "\n") {
		if name, text, ok := strings.Cut(strings.TrimPrefix(line, "node "), ": "); ok && strings.HasPrefix(line, "node ") {
			out.Nodes[name], out.Replies[name+".1"] = text, text
		}
	}
	return out, nil
}

func (desk) Released(string, string, []byte) {}

const yaml = "Content-Type: application/yaml"

// keep drafts a source and returns its version.
func (b *bed) keep(id, src string, status int) string {
	b.Helper()
	rec := b.do("POST", "/api/v1/scripts/"+id+"/drafts", src, yaml)
	if rec.Code != status {
		b.Fatalf("draft: %d %s, want %d", rec.Code, rec.Body, status)
	}
	var v struct{ Version string }
	b.read(rec, &v)
	return v.Version
}

// drafted keeps a version of the script sale behind the API's back.
func (b *bed) drafted() string {
	b.Helper()
	c, err := desk{}.Check(b.Context(), []byte("id: sale\nnode a: "+uuid.NewString()+"\n"))
	b.must(err)
	_, _, err = b.store.SaveDraft(b.Context(), api.ScriptVersion{Tenant: tenant, Script: "sale", Version: c.Version, Source: c.Source, By: "test"})
	b.must(err)
	return c.Version
}

// release puts a version of the script sale in force behind the API's back.
func (b *bed) release(version string) {
	b.Helper()
	from, _, err := b.store.ScriptVersion(b.Context(), tenant, "sale")
	if !errors.Is(err, api.ErrNotFound) {
		b.must(err)
	}
	_, err = b.store.ReleaseScript(b.Context(), api.ScriptRelease{Tenant: tenant, Script: "sale", Version: version, Action: api.ScriptPublished, By: "test", Note: "x", From: from})
	b.must(err)
}

func (b *bed) put(action, id, version, more string) *httptest.ResponseRecorder {
	b.Helper()
	return b.do("POST", "/api/v1/scripts/"+id+"/"+action, `{"version":"`+version+`","note":"call 13812345678"`+more+`}`)
}

func TestRow_S4_DraftPublishRollBackDiffAndHistoryByTheAPI(t *testing.T) {
	b := newBed(t)
	first := b.keep("sale", "id: sale\nnode a: hello\nnode b: bye\n", 201)
	if again := b.keep("sale", "id: sale\nnode a: hello\nnode b: bye\n", 200); again != first {
		t.Errorf("the same source is another version: %s", again)
	}
	second := b.keep("sale", "id: sale\nnode a: hi\nnode c: new\n", 201)
	if rec := b.put("publish", "sale", first, ""); rec.Code != 200 {
		t.Fatalf("publish: %d %s", rec.Code, rec.Body)
	}
	if rec := b.put("publish", "sale", second, `,"replaces":"`+first+`"`); rec.Code != 200 {
		t.Fatalf("publish: %d %s", rec.Code, rec.Body)
	}
	if rec := b.put("rollback", "sale", first, `,"replaces":"`+first+`"`); rec.Code != 409 {
		t.Errorf("a rollback that saw another version: %d", rec.Code)
	}
	if rec := b.put("rollback", "sale", first, ""); rec.Code != 200 || strings.Contains(rec.Body.String(), canary) {
		t.Fatalf("rollback: %d %s", rec.Code, rec.Body)
	}
	var h struct {
		Current  string
		Versions []struct{ Version string }
		History  []struct{ Action, Version, By, Note string }
	}
	b.read(b.do("GET", "/api/v1/scripts/sale/versions", ""), &h)
	var told []string
	for _, r := range h.History {
		told = append(told, r.Action+" "+r.Version)
		if !strings.HasPrefix(r.By, "key/") || r.Note != "call ****" {
			t.Errorf("history says %+v", r)
		}
	}
	if want := []string{"rollback " + first, "publish " + second, "publish " + first}; fmt.Sprint(told) != fmt.Sprint(want) || h.Current != first || len(h.Versions) != 2 {
		t.Errorf("history %v, current %s, want %v", told, h.Current, want)
	}
	rec := b.do("GET", "/api/v1/scripts/sale/diff?from="+first+"&to="+second, "")
	want := `"lines":[{"op":"-","line":2,"text":"node a: hello"},{"op":"-","line":3,"text":"node b: bye"},{"op":"+","line":2,"text":"node a: hi"},{"op":"+","line":3,"text":"node c: new"}],` +
		`"nodes":{"added":["c"],"removed":["b"],"changed":["a"]},"replies":{"added":["c.1"],"removed":["b.1"],"changed":["a.1"]}`
	if rec.Code != 200 || !strings.Contains(rec.Body.String(), want) {
		t.Errorf("diff: %d %s", rec.Code, rec.Body)
	}
	if rec := b.do("GET", "/api/v1/scripts/sale/versions/"+second, ""); rec.Body.String() != "id: sale\nnode a: hi\nnode c: new\n" {
		t.Errorf("source: %d %q", rec.Code, rec.Body)
	}
	if rec := b.do("GET", "/api/v1/scripts", ""); !strings.Contains(rec.Body.String(), `"script_id":"sale","version":"`+first) {
		t.Errorf("list: %s", rec.Body)
	}
	audit := b.do("GET", "/api/v1/audit?action=script.rollback", "").Body.String()
	if !strings.Contains(audit, `"script/sale"`) || !strings.Contains(audit, "rollback "+first[:12]) {
		t.Errorf("the audit log does not say it: %s", audit)
	}
}

func TestRow_S4_WhatIsRefused(t *testing.T) {
	b := newBed(t)
	v := b.keep("sale", "id: sale\nnode a: hello\n", 201)
	other := b.keep("sale", "id: sale\nservice\n", 201)
	b.put("publish", "sale", v, "")
	rec := b.do("POST", "/api/v1/scripts/sale/drafts", "id: sale\nBAD\n  BAD\n", yaml)
	for _, want := range []string{`"line":2,"column":1`, `"line":3,"column":3`, `"path":[{"who":"us"`} {
		if rec.Code != 422 || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("a bad script: %d %s, want %s", rec.Code, rec.Body, want)
		}
	}
	b.refused("another id", 422, "id", "POST", "/api/v1/scripts/sale/drafts", "id: other\n", yaml)
	b.refused("no media type of YAML", 415, "", "POST", "/api/v1/scripts/sale/drafts", "{}")
	b.refused("nothing", 400, "", "POST", "/api/v1/scripts/sale/drafts", "", yaml)
	b.refused("too large", 413, "", "POST", "/api/v1/scripts/sale/drafts", strings.Repeat("x", 4<<20+1), yaml)
	b.refused("an ID that is none", 404, "", "POST", "/api/v1/scripts/13812345678/drafts", "id: x\n", yaml)
	b.refused("no note", 422, "note", "POST", "/api/v1/scripts/sale/publish", `{"version":"`+v+`"}`)
	b.refused("no version", 422, "version", "POST", "/api/v1/scripts/sale/publish", `{"note":"x"}`)
	b.refused("an unknown version", 404, "", "POST", "/api/v1/scripts/sale/publish", `{"version":"v9","note":"x"}`)
	b.refused("another purpose", 422, "version", "POST", "/api/v1/scripts/sale/publish", `{"version":"`+other+`","note":"x"}`)
	b.refused("what is not in force any more", 409, "", "POST", "/api/v1/scripts/sale/publish", `{"version":"`+other+`","note":"x","replaces":"v0"}`)
	b.refused("a rollback to what was never in force", 409, "", "POST", "/api/v1/scripts/sale/rollback", `{"version":"`+b.keep("sale", "id: sale\nnode z: z\n", 201)+`","note":"x"}`)
	b.refused("no such script", 404, "", "GET", "/api/v1/scripts/none/versions", "")
}

// Of publishes at once that saw the same version in force, one wins.
func TestRow_S4_OneOfConcurrentPublishesWins(t *testing.T) {
	b := newBed(t)
	first := b.keep("sale", "id: sale\n", 201)
	b.put("publish", "sale", first, "")
	const n = 5
	versions, codes := make([]string, n), make([]int, n)
	for i := range n {
		versions[i] = b.keep("sale", fmt.Sprintf("id: sale\nnode a: %d\n", i), 201)
	}
	var work sync.WaitGroup
	for i := range n {
		work.Go(func() { codes[i] = b.put("publish", "sale", versions[i], `,"replaces":"`+first+`"`).Code })
	}
	work.Wait()
	won := 0
	for _, code := range codes {
		if code == 200 {
			won++
		} else if code != 409 {
			t.Errorf("a publish answered %d", code)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d publishes won", won, n)
	}
}
