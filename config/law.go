package config

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	"ringmaster/internal/compliance"
)

//go:embed jurisdictions/*.yaml
var shipped embed.FS

const maxLawFiles = 500

// Compliance is the operator's part of the rules.
type Compliance struct {
	// Dir is a folder of jurisdiction and calendar files. A file whose name: is
	// that of a shipped one takes its place, any other is added.
	Dir string `yaml:"dir"`
	// Drafts are the drafts of laws that are to be obeyed as if in force.
	Drafts []string `yaml:"drafts"`
	// LegalBasis is stated for a purpose whose task states none.
	LegalBasis map[compliance.Purpose]string `yaml:"legal_basis"`
	// SMSCallerID is what text messages are sent from: E.164, or a short number. It is registered for the trunk "sms" by standing
	// here. Without one no text message is allowed but to lab extensions.
	SMSCallerID string `yaml:"sms_caller_id"`
	// Caps are on top of those of the law. They hold for every jurisdiction.
	Caps []Cap `yaml:"caps"`
}

// Cap is at most so many acts towards one subject in a span of time.
type Cap struct {
	ID       string               `yaml:"id"`
	Subject  string               `yaml:"subject"` // person, number, contact
	Per      string               `yaml:"per"`     // day, life, 24h, 7d
	AtMost   int                  `yaml:"at_most"`
	Counts   string               `yaml:"counts"` // all (default), answered, effective
	Channels []compliance.Channel `yaml:"channels"`
}

// DefaultCompliance is what a file need not say: three approaches in 24 hours
// and seven in seven days, per person and per number.
func DefaultCompliance() Compliance {
	return Compliance{
		LegalBasis: map[compliance.Purpose]string{"service": "contract", "collections": "contract", "health": "contract", "fraud": "legal_duty"},
		Caps: []Cap{
			{ID: "person_24h", Subject: compliance.SubjectPerson, Per: "24h", AtMost: 3},
			{ID: "person_7d", Subject: compliance.SubjectPerson, Per: "7d", AtMost: 7},
			{ID: "number_24h", Subject: compliance.SubjectNumber, Per: "24h", AtMost: 3},
			{ID: "number_7d", Subject: compliance.SubjectNumber, Per: "7d", AtMost: 7},
		},
	}
}

func (c Compliance) check(k *checker) {
	for p, b := range c.LegalBasis {
		k.must(slices.Contains(compliance.Bases(), b), "compliance.legal_basis", "a purpose of scripts and one of "+strings.Join(compliance.Bases(), ", "))
		k.must(slices.Contains(compliance.Purposes(), p), "compliance.legal_basis", "marketing, collections, service, fraud or health")
	}
	if _, err := ParseCallerID(c.SMSCallerID); c.SMSCallerID != "" && err != nil {
		k.bad("compliance.sms_caller_id", "%v", err)
	}
	if _, err := c.OwnCaps(); err != nil {
		k.bad("compliance.caps", "%v", err)
	}
	if _, err := c.Set(); err != nil {
		k.bad("compliance.dir", "%v", err)
	}
}

// OwnCaps are the caps as rules.
func (c Compliance) OwnCaps() ([]compliance.Cap, error) {
	var out []compliance.Cap
	seen := map[string]bool{}
	for i, o := range c.Caps {
		r, err := compliance.ParseCap(o.ID, o.Subject, o.Per, o.AtMost, o.Counts, o.Channels)
		if err == nil && seen[o.ID] {
			err = errors.New("id: stands twice")
		}
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		seen[o.ID] = true
		out = append(out, r)
	}
	return out, nil
}

// Set loads the shipped jurisdictions and those of Dir. A mistake in any file
// loads none.
func (c Compliance) Set() (*compliance.Set, error) {
	ours, err := shippedLaws()
	if err != nil {
		return nil, err
	}
	l := laws{js: slices.Clone(ours.js), cs: slices.Clone(ours.cs)}
	if c.Dir != "" {
		l.own = true
		if err := l.folder(os.DirFS(c.Dir), ".", c.Dir); err != nil {
			return nil, err
		}
	}
	return compliance.NewSet(l.js, l.cs, c.Drafts)
}

// shippedLaws parses the files in the binary once: they never change.
var shippedLaws = sync.OnceValues(func() (laws, error) {
	var l laws
	return l, l.folder(shipped, "jurisdictions", "")
})

// Shipped are the jurisdictions that come with the binary.
func Shipped() (*compliance.Set, error) { return Compliance{}.Set() }

type laws struct {
	js  []compliance.Jurisdiction
	cs  []compliance.Calendar
	own bool // of the operator: they take the place of shipped ones
	// from is where a name was read among the operator's own files.
	from map[string]string
}

func (l *laws) folder(fsys fs.FS, dir, shown string) error {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var names []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
			names = append(names, e.Name())
		}
	}
	if len(names) > maxLawFiles {
		return fmt.Errorf("%w: %s has more than %d files", ErrInvalid, shown, maxLawFiles)
	}
	sort.Strings(names)
	for _, n := range names {
		if err := l.file(fsys, strings.TrimPrefix(dir+"/"+n, "./")); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrInvalid, filepath.Join(shown, n), err)
		}
	}
	return nil
}

func (l *laws) file(fsys fs.FS, path string) error {
	st, err := fs.Stat(fsys, path)
	if err != nil {
		return err
	}
	if st.Size() > compliance.MaxFile || !st.Mode().IsRegular() {
		return fmt.Errorf("not a file of at most %d bytes", compliance.MaxFile)
	}
	data, err := fs.ReadFile(fsys, path)
	if err != nil {
		return err
	}
	if compliance.IsCalendar(data) {
		c, err := compliance.ParseCalendar(data)
		if err != nil {
			return err
		}
		l.cs, err = put(l, l.cs, c, "calendar "+c.Name, path, func(x compliance.Calendar) bool { return x.Name == c.Name })
		return err
	}
	j, err := compliance.ParseJurisdiction(data)
	if err != nil {
		return err
	}
	l.js, err = put(l, l.js, j, j.Name, path, func(x compliance.Jurisdiction) bool { return x.Name == j.Name })
	return err
}

// put adds v, or puts it in the place of the shipped one of the same name.
func put[T any](l *laws, list []T, v T, name, path string, same func(T) bool) ([]T, error) {
	if l.own {
		if l.from == nil {
			l.from = map[string]string{}
		}
		if other, ok := l.from[name]; ok {
			return list, fmt.Errorf("name: %s stands in %s too", name, other)
		}
		l.from[name] = path
		for i := range list {
			if same(list[i]) {
				list[i] = v
				return list, nil
			}
		}
	}
	return append(list, v), nil
}
