package api

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Whatever a list holds, each of its rows gets one verdict, no verdict tells a
// number, and what is exported of it is no formula.
func FuzzImportCSV(f *testing.F) {
	for _, s := range []string{"phone\n13812345678\n", "phone,reason,until\n\"1\n2\",x,2026-01-01\n", "手机号;原因\n=\"0138\";x\n", "phone\n\"unclosed\n", "\ufeffphone\t x\n+86138\t=1+1\n",
		"phone\n1.38E+10\n", "phone,phone\n,,,,\n", "\xff\xfep\x00h\x00o\x00n\x00e\x00\n\x00", "\xca\xd6\xbb\xfa\n13800001111\n"} {
		f.Add([]byte(s))
	}
	s := New(Deps{TenantRegion: "CN", Now: func() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }})
	f.Fuzz(func(t *testing.T, body []byte) {
		text, err := decodeText(body, "")
		if err != nil {
			return
		}
		if !utf8.ValidString(text) {
			t.Fatal("no UTF-8")
		}
		rows, err := s.parseCSV(text, DNCEntry{})
		if err != nil {
			return
		}
		for i, r := range rows {
			if r.line != i+2 {
				t.Fatalf("row %d says that it is line %d", i+2, r.line)
			}
			if (r.why == "") == r.entry.Number.IsZero() {
				t.Fatalf("row %d: %q with number %s", r.line, r.why, r.entry.Number)
			}
			if digits.MatchString(strings.ReplaceAll(r.why, "1.38E+10", "")) && !strings.Contains(r.why, "2026-01-02") {
				t.Fatalf("row %d tells %q", r.line, r.why)
			}
			if c := harmless(r.entry.Reason); c != "" && strings.ContainsRune("=+-@", rune(c[0])) {
				t.Fatalf("formula %q", c)
			}
		}
	})
}
