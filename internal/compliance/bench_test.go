package compliance_test

import (
	"testing"
	"time"

	"ringmaster/internal/compliance"
)

// What Place pays for a judgement, all inputs written down, and what a look at
// a campaign pays for each contact.
func BenchmarkJudge(b *testing.B) {
	rs := rulesOf(b, compliance.Options{})
	a, f := plain(b)
	now := at(b, workday)
	for range 20 {
		f.Spent = append(f.Spent, compliance.Spent{At: now.Add(-30 * time.Hour), Channel: compliance.Voice, SamePerson: true, SameNumber: true})
	}
	b.Run("act", func(b *testing.B) {
		for b.Loop() {
			rs.Judge(a)
		}
	})
	judge := rs.Judge(a)
	b.Run("facts", func(b *testing.B) {
		for b.Loop() {
			if judge(now, f).Decision != compliance.Allow {
				b.Fatal("refused")
			}
		}
	})
	looked := rs.Prepared(a)
	b.Run("quick", func(b *testing.B) {
		for b.Loop() {
			if rs.Quick(now, &looked, &f).Decision != compliance.Allow {
				b.Fatal("refused")
			}
		}
	})
}
