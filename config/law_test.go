package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

func TestShippedJurisdictionsLoad(t *testing.T) {
	s, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"CN", "CN-collections", "CN-commercial", "US", "US-debt", "UK", "EU", "lab", "strictest"} {
		if _, ok := s.Jurisdiction(name); !ok {
			t.Errorf("%s is missing", name)
		}
	}
	if j, _ := s.Jurisdiction("CN-commercial"); !j.Draft {
		t.Error("the draft is not marked as one")
	}
}

// Every file of testdata/jurisdictions has one mistake; its first line says
// what the error must contain, or "nothing" where the file is good.
func TestZooOfBadJurisdictions(t *testing.T) {
	files, err := filepath.Glob("testdata/jurisdictions/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		want := strings.TrimSpace(strings.TrimPrefix(first, "# want:"))
		_, err = Compliance{Dir: folder(t, map[string]string{"own.yaml": string(data)})}.Set()
		if want == "nothing" {
			if err != nil {
				t.Errorf("%s: %v", f, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, ErrInvalid) && !errors.Is(err, compliance.ErrLaw) {
			t.Errorf("%s: the error must say %q: %v", f, want, err)
		}
	}
}

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOwnJurisdictionsAddAndReplace(t *testing.T) {
	const law = "format: ringmaster-law/1\nname: %s\ntitle: ours\n%s\nhours: {days: {every: [\"10:00-11:00\"]}, source: our contract}\n"
	s, err := Compliance{Dir: folder(t, map[string]string{
		"a.yaml": fmt.Sprintf(law, "UK", "regions: [GB]"), "b.yml": fmt.Sprintf(law, "bank", "extends: CN"), "readme.txt": "not a rule",
	})}.Set()
	if err != nil {
		t.Fatal(err)
	}
	if uk, _ := s.Jurisdiction("UK"); uk.Title != "ours" {
		t.Error("the shipped file was not replaced")
	}
	if l := s.Law(compliance.Act{Jurisdiction: "bank", Purpose: campaign.Service}); l.String() != "bank+CN+strictest" {
		t.Errorf("law of a contract: %s", l)
	}
	plain, err := Shipped()
	if err != nil || plain.Version() == s.Version() {
		t.Error("other figures have the same version")
	}
	for name, files := range map[string]map[string]string{
		"stands in a.yaml too":  {"a.yaml": fmt.Sprintf(law, "bank", "extends: CN"), "b.yaml": fmt.Sprintf(law, "bank", "extends: US")},
		"in a circle":           {"a.yaml": fmt.Sprintf(law, "one", "extends: two"), "b.yaml": fmt.Sprintf(law, "two", "extends: one")},
		"at most 65536 bytes":   {"a.yaml": "#" + strings.Repeat("x", compliance.MaxFile)},
		"does not exist":        {"a.yaml": fmt.Sprintf(law, "CN", "regions: [CN]") + "calendar: MARS\n"},
		"not UTF-8":             {"a.yaml": "\xff\xfe"},
		`regions: ["*"]: numbe`: {"a.yaml": fmt.Sprintf(law, "strictest", "regions: [JP]")},
	} {
		if _, err := (Compliance{Dir: folder(t, files)}).Set(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
