package hinted

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"ringmaster/internal/lab/env"
	"ringmaster/internal/speech"
)

// phonemes of texts as espeak-ng reads them.
func phonemes(t *testing.T, texts []string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "espeak-ng", "-v", "cmn-latn-pinyin", "-q", "-x", "--stdin")
	cmd.Stdin = strings.NewReader(strings.Join(texts, ".\n\n") + ".\n\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) != len(texts) {
		t.Fatalf("%d readings of %d texts", len(lines), len(texts))
	}
	return lines
}

// What spelling changes, measured on a real voice: the words of the shipped
// lexicons, and every homophone, as they are written and as they are given to a
// provider, against the pinyin that they should be read by.
func TestSpellingIsMeasured(t *testing.T) {
	env.Need(t, env.Espeak)
	var words [][2]string
	files, err := filepath.Glob("../../../scripts/*/lexicon.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d lexicons, %v", len(files), err)
	}
	block, entry := regexp.MustCompile(`(?m)^pronounce: \{(.*)\}`), regexp.MustCompile(`([^\s,:]+): ([a-zü0-9 ]+)`)
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(src), -1) {
			for _, e := range entry.FindAllStringSubmatch(m[1], -1) {
				words = append(words, [2]string{e[1], strings.TrimSpace(e[2])})
			}
		}
	}
	shipped := len(words)
	if shipped < 10 {
		t.Fatalf("%d words", shipped)
	}
	for _, e := range strings.Fields(homophones) {
		_, a := utf8.DecodeRuneInString(e)
		_, b := utf8.DecodeLastRuneInString(e)
		words = append(words, [2]string{e[:a], e[a : len(e)-b]})
	}
	var texts []string
	for _, w := range words {
		given, _ := spelled(w[0], []speech.Hint{{End: len(w[0]), Reading: w[1]}})
		texts = append(texts, w[0], given, w[1])
	}
	read := phonemes(t, texts)
	measure := func(what string, from, to int) (after int) {
		before := 0
		var wrong []string
		for i := from; i < to; i++ {
			want := read[3*i+2]
			if read[3*i] != want {
				before++
			}
			if read[3*i+1] != want {
				after++
				wrong = append(wrong, texts[3*i]+" as "+texts[3*i+1])
			}
		}
		slices.Sort(wrong)
		t.Logf("%s: %d; read wrongly as written %d, as given to the provider %d %v", what, to-from, before, after, wrong)
		if after > before {
			t.Errorf("%s: spelling makes it worse", what)
		}
		return after
	}
	if n := measure("words of the shipped lexicons", 0, shipped); n > 0 {
		t.Errorf("%d words of the shipped lexicons are read wrongly", n)
	}
	measure("characters with several readings", shipped, len(words))
}
