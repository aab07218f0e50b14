package scripts

import (
	"testing"
	"unicode/utf8"
)

// A list of terms: each of 2 to 16 characters with a weight of 1 to 100, or an
// error that names the line.
func FuzzTerms(f *testing.F) {
	f.Add([]byte("核磁共振\t20\n# x\nCT检查\n"))
	f.Add([]byte("a\tb\tc\n"))
	f.Add([]byte("核磁\t101\n"))
	f.Add([]byte("\xff\xff\xff\t5"))
	f.Fuzz(func(t *testing.T, src []byte) {
		terms, err := ParseTerms("x", src)
		if err != nil {
			if terms != nil {
				t.Fatal("an error and a list")
			}
			return
		}
		for term, weight := range terms {
			if n := utf8.RuneCountInString(term); n < 2 || n > 16 || weight < 1 || weight > 100 {
				t.Fatalf("%q weighs %d", term, weight)
			}
		}
	})
}
