package redact

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrPattern is a pattern of a tenant that cannot be used.
var ErrPattern = errors.New("redact: a pattern is a word that announces a number, or a /regular expression/ that does not match the empty text")

// Check reports patterns that New would take for something else than was meant.
func Check(patterns ...string) error {
	for _, p := range patterns {
		if _, err := pattern(p); err != nil {
			return err
		}
	}
	return nil
}

// pattern reads a regular expression between slashes; nil is a word.
func pattern(p string) (*regexp.Regexp, error) {
	if p == "" || len(p) > 256 {
		return nil, fmt.Errorf("%w: %d bytes", ErrPattern, len(p))
	}
	if len(p) < 3 || !strings.HasPrefix(p, "/") || !strings.HasSuffix(p, "/") {
		return nil, nil
	}
	re, err := regexp.Compile(p[1 : len(p)-1])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPattern, err)
	}
	if re.MatchString("") {
		return nil, ErrPattern
	}
	return re, nil
}

// patternTail is how many tokens of a partial result are held back while a
// tenant has patterns: what they match may still be growing.
const patternTail = 10

// matched adds what the tenant's patterns match.
func (m *Masker) matched(text string, toks []token, runs []run) []run {
	var found []run
	for _, re := range m.lex.patterns {
		for _, at := range re.FindAllStringIndex(text, -1) {
			u := run{first: -1, gathered: true}
			for i, t := range toks {
				if t.end > at[0] && t.start < at[1] {
					if u.last = i; u.first < 0 {
						u.first = i
					}
					u.digits += t.digits
				}
			}
			if u.first >= 0 {
				found = append(found, u)
			}
		}
	}
	if len(found) == 0 {
		return runs
	}
	all := append(append([]run(nil), runs...), found...)
	for i := 1; i < len(all); i++ { // few, and nearly in order
		for j := i; j > 0 && all[j].first < all[j-1].first; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	for i := range all { // one that overlaps a match is masked with it
		for _, f := range found {
			if all[i].first <= f.last && f.first <= all[i].last {
				all[i].exempt, all[i].order, all[i].gathered = false, false, true
			}
		}
	}
	return apart(all)
}
