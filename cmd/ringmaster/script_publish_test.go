package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringmaster/internal/dialogue/check"
	"ringmaster/internal/lab/twin"
)

// desk is an author at a terminal, beside a running controller.
type desk struct {
	*house
	file string
}

func newDesk(t *testing.T) *desk {
	d := &desk{house: newHouse(t, "", twin.Cast{}, ""), file: beside(t, "")}
	if !d.start() {
		t.Fatal("the controller did not start")
	}
	return d
}

// says runs a subcommand with a key and wants these words of it; refused wants
// an error.
func (d *desk) says(key string, refused bool, want []string, args ...string) string {
	d.Helper()
	out, err := script(d.T, "", append(args, "--api", d.base(), "--key", key)...)
	text := out
	if err != nil {
		text += err.Error()
	}
	if (err != nil) != refused {
		d.Fatalf("%q: %v\n%s", args, err, out)
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			d.Errorf("%q does not say %q:\n%s", args, w, text)
		}
	}
	if strings.Contains(text, key) {
		d.Errorf("%q tells the key", args)
	}
	return out
}

// write puts another text into the author's file.
func (d *desk) write(from, to string) {
	d.Helper()
	src, err := os.ReadFile(d.file)
	d.must(err)
	if !bytes.Contains(src, []byte(from)) {
		d.Fatalf("the script has no %q", from)
	}
	d.must(os.WriteFile(d.file, bytes.Replace(src, []byte(from), []byte(to), 1), 0o600))
}

func (d *desk) makeKey(role string) string {
	d.Helper()
	out, complaints, code := run(d.T, d.bin, "key", "create", "--config", d.config, "--role", role)
	if code != 0 {
		d.Fatalf("key create: %s", complaints)
	}
	return strings.TrimSpace(out)
}

// An author drafts, an administrator publishes, looks who did what, compares
// and rolls back, all from a terminal; what is refused says what to do.
func TestRow_S4_VersionsFromATerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	author, admin := d.makeKey("script_author"), d.makeKey("admin")
	d.says(author, false, []string{"SCRIPT", "promotion_001  "}, "versions")
	d.says(author, false, []string{"import", "shipped"}, "versions", "promotion_001")
	d.says(admin, false, []string{"they are the same"}, "diff", d.file)

	d.write("那就不打扰您了，祝您购物愉快，再见。", "祝您购物愉快，再见。")
	d.says(author, false, []string{"node    changed", "- ", "那就不打扰您了，祝您购物愉快，再见。", "+ ", "祝您购物愉快，再见。"}, "diff", d.file)
	d.says(author, false, []string{"node    changed"}, "diff", shippedPromotion, d.file)
	d.says(author, true, []string{"--note is missing"}, "publish", d.file)
	d.says(author, false, []string{"kept as a draft; in force is still", "ringmaster script publish promotion_001 --version "}, "publish", d.file, "--draft")
	d.says(author, true, []string{"kept as a draft and not in force", "scripts:publish"}, "publish", d.file, "--note", "shorter end")

	var h scriptHistory
	d.must(json.Unmarshal([]byte(d.says(admin, false, nil, "versions", "promotion_001", "--json")), &h))
	if len(h.Versions) != 2 || h.Versions[0].Version == h.Current || !strings.HasPrefix(h.Versions[0].CreatedBy, "key/") {
		t.Fatalf("after a draft: %+v", h)
	}
	first, second := h.Current, h.Versions[0].Version
	d.says(admin, false, []string{"version " + short(second) + " is in force, publish 2 by key/", "before it " + short(first), "rollback promotion_001 --version " + short(first)},
		"publish", "promotion_001", "--version", second[:8], "--note", "shorter end")
	d.says(admin, false, []string{"was in force already"}, "publish", d.file, "--note", "again")
	d.says(admin, false, []string{"publish", "shorter end", short(second) + "  yes"}, "versions", "promotion_001")
	d.says(admin, false, []string{short(first) + " to " + short(second), "+ "}, "diff", "promotion_001")
	d.says(admin, true, []string{"nothing was changed", "409", "versions promotion_001"}, "rollback", "promotion_001", "--note", "x", "--replaces", first)
	var back published
	d.must(json.Unmarshal([]byte(d.says(admin, false, nil, "rollback", "promotion_001", "--note", "callers missed it", "--json")), &back))
	if back.Release == nil || back.Release.Version != first || back.Release.Action != "rollback" || back.Replaced != second {
		t.Errorf("rollback: %+v", back)
	}
	d.says(admin, false, []string{"rollback", "callers missed it"}, "versions", "promotion_001")
	d.refusals(author, admin, second)
}

// refusals: everything that is wrong says where, and what to do.
func (d *desk) refusals(author, admin, second string) {
	d.Helper()
	d.write("祝您购物愉快，再见。", "稳赚不赔，再见。")
	line := 0
	src, err := os.ReadFile(d.file)
	d.must(err)
	for i, l := range strings.Split(string(src), "\n") {
		if strings.Contains(l, "稳赚不赔") {
			line = i + 1
		}
	}
	d.write("industry: retail", "industry: finance") // whose lexicon forbids it
	out := d.says(admin, true, []string{"banned: “稳赚” is never said", "    us:   ", "nothing was published"}, "publish", d.file, "--note", "x")
	if want := d.file + ":" + itoa(line) + ":"; !strings.Contains(out, want) {
		d.Errorf("no place %s in\n%s", want, out)
	}
	var reports []check.Report
	d.must(json.Unmarshal([]byte(d.says(admin, true, nil, "publish", d.file, "--note", "x", "--json")), &reports))
	if len(reports) != 1 || reports[0].OK() || reports[0].File != d.file || len(reports[0].Findings[0].Path) == 0 {
		d.Errorf("findings as JSON: %+v", reports)
	}
	d.write("goto: offer", "goto: ofer")
	d.says(author, true, []string{":1", "syntax", "offer", "nothing was published"}, "publish", d.file, "--draft")
	d.says(author, true, []string{"syntax"}, "diff", d.file)
	for _, c := range []struct {
		key, want string
		args      []string
	}{
		{admin, "there is nothing to roll back to", []string{"rollback", "class_reminder", "--note", "x"}},
		{admin, "the controller has no script nothing_here", []string{"rollback", "nothing_here", "--note", "x"}},
		{admin, "no version of promotion_001 begins with zzz", []string{"publish", "promotion_001", "--version", "zzz", "--note", "x"}},
		{admin, "--version is missing", []string{"publish", "promotion_001", "--note", "x"}},
		{admin, "it ends in .yaml", []string{"publish", "promotion.txt", "--note", "x"}},
		{admin, "no such file", []string{"publish", filepath.Join(d.dir, "none.yaml"), "--note", "x"}},
		{author, "this key lacks the scope scripts:publish", []string{"publish", "promotion_001", "--version", second, "--note", "x"}},
		{admin, "--limit: 1 to 500", []string{"versions", "promotion_001", "--limit", "-1"}},
		{"rm_nothing", "set RINGMASTER_KEY", []string{"versions"}},
	} {
		d.says(c.key, true, []string{c.want}, c.args...)
	}
	if out, err := script(d.T, "", "versions", "--api", "http://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "is it running") {
		d.Errorf("no controller: %v\n%s", err, out)
	}
	if err := refused(&bytes.Buffer{}, "x.yaml", false, []check.Finding{{Rule: check.Syntax, File: "script.yaml"}}); !errors.Is(err, errRefused) {
		d.Errorf("%v", err)
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }
