package config

import (
	"fmt"
	"regexp"
	"strings"
)

// What may be done with a recording in which numbers cannot be silenced, and
// with originals.
const (
	WithholdHandover = "withhold"
	KeepHandover     = "keep"
	NoOriginals      = "none"
	VaultOriginals   = "vault"
)

// Recordings of calls.
type Recordings struct {
	Dir      string `yaml:"dir"`
	Disabled bool   `yaml:"disabled"`
	// Producer is named in the implicit AI metadata of every file: the company's
	// name or its code (GB 45438-2025).
	Producer string `yaml:"producer"`
	// Handover: withhold (nobody recognizes what a person and a customer say, so
	// numbers in it cannot be silenced) or keep, an operator's own decision.
	Handover string `yaml:"handover"`
	// Originals: none, or vault: encrypted before anything is silenced, read
	// with a reason only.
	Originals string `yaml:"originals"`
	Label     Label  `yaml:"label"`
}

// Label is the examination of every recording for the AI notice.
type Label struct {
	Disabled bool `yaml:"disabled"`
	// Flag alone: a missing notice is told and counted, and its task goes on.
	FlagOnly bool `yaml:"flag_only"`
	// Cue: the rhythm cue of GB 45438-2025 is played before the notice; it or the
	// spoken notice is proof.
	Cue bool `yaml:"cue"`
}

// Redact is what is masked beyond the built-in kinds of numbers.
type Redact struct {
	// Patterns are words that announce a number (工号, 会员号), or regular
	// expressions between slashes for what is masked wherever it stands.
	Patterns []string `yaml:"patterns"`
}

func defaultRecordings() Recordings {
	return Recordings{Dir: "var/recordings", Producer: "ringmaster", Handover: WithholdHandover, Originals: NoOriginals}
}

func (r Recordings) check(k *checker) {
	k.must(r.Disabled || r.Dir != "", "recordings.dir", "a folder, or recordings.disabled: true")
	k.must(r.Handover == WithholdHandover || r.Handover == KeepHandover, "recordings.handover", "withhold or keep")
	k.must(r.Originals == NoOriginals || r.Originals == VaultOriginals, "recordings.originals", "none or vault")
	k.must(len(r.Producer) <= 256, "recordings.producer", "at most 256 bytes: a company's name or code")
}

func (r Redact) check(k *checker) {
	k.must(len(r.Patterns) <= 256, "redact.patterns", "at most 256")
	for i, p := range r.Patterns {
		at := fmt.Sprintf("redact.patterns[%d]", i)
		k.must(p != "" && len(p) <= 256, at, "a word that announces a number, or a /regular expression/, of 1 to 256 bytes")
		if len(p) > 2 && strings.HasPrefix(p, "/") && strings.HasSuffix(p, "/") {
			if re, err := regexp.Compile(p[1 : len(p)-1]); err != nil || re.MatchString("") {
				k.bad(at, "a regular expression (RE2) that does not match the empty text")
			}
		}
	}
}
