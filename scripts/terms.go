package scripts

import (
	"bufio"
	"bytes"
	"embed"
	"fmt"
	"path"
	"strconv"
	"strings"
)

//go:embed terms/*.txt
var terms embed.FS

// defaultTermWeight of a term that gives none.
const defaultTermWeight = 10

// Terms are what an industry's callers say and recognizers mishear, with
// weights of 1 to 100; empty for an industry without a list. They are
// recognition, no part of a script: a better list makes no new version.
func Terms(industry string) (map[string]int, error) {
	src, err := terms.ReadFile(path.Join("terms", path.Base(industry)+".txt"))
	if err != nil || path.Base(industry) != industry {
		return map[string]int{}, nil //nolint:nilerr // most industries have none
	}
	return ParseTerms(industry, src)
}

// ParseTerms reads a term a line, a weight after a tab; # begins a remark.
func ParseTerms(name string, src []byte) (map[string]int, error) {
	out := map[string]int{}
	s := bufio.NewScanner(bytes.NewReader(src))
	for n := 1; s.Scan(); n++ {
		line, _, _ := strings.Cut(s.Text(), "#")
		term, weight, given := strings.Cut(line, "\t")
		term = strings.TrimSpace(term)
		if term == "" {
			continue
		}
		w := defaultTermWeight
		if given {
			var err error
			if w, err = strconv.Atoi(strings.TrimSpace(weight)); err != nil || w < 1 || w > 100 {
				return nil, fmt.Errorf("terms %s, line %d: the weight is a number of 1 to 100 after a tab", name, n)
			}
		}
		if r := []rune(term); len(r) < 2 || len(r) > 16 {
			return nil, fmt.Errorf("terms %s, line %d: a term has 2 to 16 characters", name, n)
		}
		if _, ok := out[term]; ok {
			return nil, fmt.Errorf("terms %s, line %d: %s stands there twice", name, n, term)
		}
		out[term] = w
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("terms %s: %w", name, err)
	}
	return out, nil
}
