package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/config"
	"ringmaster/internal/api"
	"ringmaster/internal/app"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

// ledgerRun runs one command of `ringmaster ledger` in this process.
func ledgerRun(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := ledgerCommand()
	var out, complaints bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&complaints)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(t.Context())
	return out.String(), complaints.String(), err
}

// oneCall writes a configuration and places one call in its database.
func oneCall(t *testing.T, dir string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "config.yaml")
	secret := strings.Repeat("ab", 32)
	text := fmt.Sprintf(`controller: {id: rm-1}
tenant: {id: acme, zone: Asia/Shanghai, region: CN}
database: {dialect: sqlite, dsn: %s/ringmaster.db, number_key: "%s", crypt_key: "%s", ledger_key: "%s"}
pbx:
  - {name: main, kind: asterisk, url: "http://127.0.0.1:8088/ari", user: u, password: p, app: ringmaster, media: {format: slin}, trunks: [{name: lab, endpoint: "PJSIP/{number}@lab", lab: true, lines: 1}]}
speech:
  recognizers: [{name: r, kind: funasr, url: "ws://127.0.0.1:1"}]
  cache: {dir: %s/prompts}
recordings: {dir: %s/recordings}
`, dir, secret, secret, strings.Repeat("cd", 32), dir, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	st, err := app.OpenStore(ctx, c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	must(err)
	defer func() { _ = st.Close() }()
	_, err = st.EnsureTask(ctx, campaign.Task{Tenant: "acme", Script: "s", Standing: true, State: campaign.TaskRunning, Pool: "default", Retry: campaign.DefaultRetry()})
	must(err)
	n, err := phone.Parse("+8613800000001", "CN")
	must(err)
	_, _, err = st.SavePerson(ctx, campaign.Person{Tenant: "acme", ExternalID: "c1", Number: n})
	must(err)
	_, _, err = st.CreateContact(ctx, api.NewContact{ID: uuid.Must(uuid.NewV7()), Tenant: "acme", CustomerID: "c1", Script: "s", DueAt: time.Now().Add(-time.Second), State: campaign.Ready})
	must(err)
	epoch, err := st.Register(ctx, "c1")
	must(err)
	as, err := st.Claim(ctx, "default", 1, campaign.Fence{Owner: "c1", Epoch: epoch})
	must(err)
	if len(as) != 1 {
		t.Fatalf("claimed %d", len(as))
	}
	a := as[0]
	act := compliance.Act{Channel: compliance.Voice, Path: compliance.PathTask, Tenant: a.Tenant, Person: a.Person.ID.String(), Contact: a.Contact.ID.String(),
		Task: a.Task.ID.String(), Number: a.Person.Number, DueAt: a.DueAt, Try: 1}
	must(st.Place(ctx, a.Fence, campaign.Placement{PBX: "main"}, act, compliance.Rules{compliance.Late{Grace: time.Hour}}.Judge(act), time.Now()))
	must(st.Seal(ctx, "acme"))
	return file
}

// TestLedgerExportAndVerify is an auditor's day: the operator exports and hands over the public key; the auditor verifies without a
// database, keeps the checkpoint, and finds what was changed.
func TestLedgerExportAndVerify(t *testing.T) {
	dir := t.TempDir()
	file := oneCall(t, dir)
	out := filepath.Join(dir, "acme.jsonl")
	key, _, err := ledgerRun(t, "key", "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	key = strings.TrimSpace(key)
	_, said, err := ledgerRun(t, "export", "--config", file, "--out", out)
	if err != nil || !strings.Contains(said, key) || !strings.Contains(said, "checkpoint  1:") {
		t.Fatalf("%s, %v", said, err)
	}
	_, checkpoint, _ := strings.Cut(said, "checkpoint  ")
	checkpoint, _, _ = strings.Cut(checkpoint, "\n")
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	verdict, _, err := ledgerRun(t, "verify", "--key", key, "--checkpoint", checkpoint, out)
	if err != nil || !strings.Contains(verdict, "the ledger is whole") || !strings.Contains(verdict, "1 calls placed") {
		t.Errorf("%s, %v", verdict, err)
	}
	whole, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(whole, []byte("13800000001")) {
		t.Error("the export shows a number")
	}
	broken := filepath.Join(dir, "broken.jsonl")
	if err := os.WriteFile(broken, bytes.Replace(whole, []byte(`"try":1`), []byte(`"try":2`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ledgerRun(t, "verify", "--key", key, broken); err == nil || !strings.Contains(err.Error(), "broken at line 3 (permit ") {
		t.Errorf("an altered export: %v", err)
	}
	if _, _, err := ledgerRun(t, "verify", "--key", key, "--checkpoint", "2"+checkpoint[1:], out); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("a chain shorter than the checkpoint: %v", err)
	}
	for _, args := range [][]string{{"verify", "--key", "x", out}, {"verify", "--key", key, "--checkpoint", "x", out}, {"verify", "--key", key, out + ".none"}, {"verify", out},
		{"export", "--config", file + ".none"}, {"export", "--config", file, "--out", filepath.Join(dir, "none", "x")}} {
		if _, _, err := ledgerRun(t, args...); err == nil {
			t.Errorf("%v: no complaint", args)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".ledger-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
