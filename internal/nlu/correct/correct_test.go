package correct

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"ringmaster/scripts"
)

// theTable is made once: it takes as long as all tests.
var theTable = sync.OnceValue(NewTable)

var industries = []string{"healthcare", "finance", "education", "retail"}

func termsOf(t testing.TB, industries ...string) []Term {
	t.Helper()
	var out []Term
	for _, i := range industries {
		ts, err := scripts.Terms(i)
		if err != nil || len(ts) == 0 {
			t.Fatalf("%s: %d terms, %v", i, len(ts), err)
		}
		for text, w := range ts {
			out = append(out, Term{Text: text, Weight: w})
		}
	}
	slices.SortFunc(out, func(a, b Term) int { return strings.Compare(a.Text, b.Text) })
	return out
}

func lines(t testing.TB, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if l := strings.TrimSpace(s.Text()); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

// mishearer makes of a term what a recognizer that does not know it may write.
type mishearer struct {
	table *Table
	rnd   *rand.Rand
	pool  map[syllable][]rune // common characters by sound
	mixed map[class][]rune
}

func newMishearer(table *Table, seed uint64) *mishearer {
	m := &mishearer{table: table, rnd: rand.New(rand.NewPCG(seed, 7)), pool: map[syllable][]rune{}, mixed: map[class][]rune{}}
	seen := map[rune]bool{}
	for _, r := range commonWords {
		if ys := table.of(r); !seen[r] && len(ys) > 0 && !strings.ContainsRune(numerals, r) && r >= hanFirst {
			seen[r] = true
			m.pool[ys[0].plain()] = append(m.pool[ys[0].plain()], r)
			m.mixed[table.class(ys[0])] = append(m.mixed[table.class(ys[0])], r)
		}
	}
	return m
}

// mishear changes up to n characters; the same sound three times of four, else
// one that is mixed up with it. It reports false when no common character
// sounds like any of the term.
func (m *mishearer) mishear(term string, n int) (string, bool) {
	rs := []rune(term)
	changed := 0
	for _, i := range m.rnd.Perm(len(rs)) {
		ys := m.table.of(rs[i])
		if changed == n || len(ys) == 0 || strings.ContainsRune(numerals, rs[i]) {
			continue
		}
		from := m.pool[ys[0].plain()]
		if m.rnd.IntN(4) == 0 {
			from = m.mixed[m.table.class(ys[0])]
		}
		from = slices.DeleteFunc(slices.Clone(from), func(r rune) bool { return r == rs[i] })
		if len(from) == 0 {
			continue
		}
		rs[i] = from[m.rnd.IntN(len(from))]
		changed++
	}
	return string(rs), changed > 0
}

func TestRow_S9_KeywordRecallWithAndWithoutCorrection(t *testing.T) {
	table := theTable()
	carriers := []string{"我想问一下%s多少钱", "你们有没有%s", "那个%s怎么弄", "%s是什么意思", "我要办%s"}
	// Generated: every term, five times, with one to three characters misheard.
	m := newMishearer(table, 20261123)
	type count struct{ n, with, without int }
	byLength := map[int]*count{}
	var all count
	for _, industry := range industries {
		d := table.Dictionary(termsOf(t, industry), nil)
		for _, term := range termsOf(t, industry) {
			for k := range 5 {
				heard, ok := m.mishear(term.Text, 1+k%3)
				if !ok {
					continue
				}
				n := min(utf8.RuneCountInString(term.Text), 5)
				if byLength[n] == nil {
					byLength[n] = &count{}
				}
				sentence := fmt.Sprintf(carriers[k], heard)
				got, _ := d.Correct(sentence)
				for _, c := range []*count{byLength[n], &all} {
					c.n++
					if strings.Contains(sentence, term.Text) {
						c.without++
					}
					if strings.Contains(got, term.Text) {
						c.with++
					}
				}
			}
		}
	}
	for n := 2; n <= 5; n++ {
		c := byLength[n]
		t.Logf("generated, %d characters%s: %d sentences, keyword recall %.1f %% without, %.1f %% with", n, map[bool]string{true: " and more"}[n == 5], c.n, 100*float64(c.without)/float64(c.n), 100*float64(c.with)/float64(c.n))
	}
	t.Logf("generated, all: %d sentences, keyword recall %.1f %% without, %.1f %% with", all.n, 100*float64(all.without)/float64(all.n), 100*float64(all.with)/float64(all.n))
	// Written by hand: what recognizers do write.
	var hand count
	wrong := 0
	for _, l := range lines(t, "testdata/heard.tsv") {
		f := strings.Split(l, "\t")
		d := table.Dictionary(termsOf(t, f[0]), nil)
		got, _ := d.Correct(f[1])
		hand.n++
		switch got {
		case f[2]:
			hand.with++
		case f[1]:
			t.Logf("not put right: %s", f[1])
		default:
			wrong++
			t.Logf("%s became %s, meant %s", f[1], got, f[2])
		}
	}
	t.Logf("by hand: %d sentences, right 0.0 %% without, %.1f %% with; %d became something else", hand.n, 100*float64(hand.with)/float64(hand.n), wrong)
	// What is right stays right, with the terms of all industries at once.
	d := table.Dictionary(termsOf(t, industries...), nil)
	false1 := 0
	right := lines(t, "testdata/right.txt")
	for _, s := range right {
		if got, ch := d.Correct(s); got != s {
			false1++
			t.Logf("false: %s became %s %+v", s, got, ch)
		}
	}
	talk := lines(t, "../../../adapter/nlu/trained/common.tsv")
	for _, l := range talk {
		_, s, _ := strings.Cut(l, "\t")
		if got, _ := d.Correct(s); got != s {
			false1 += len(right) // never
			t.Errorf("false: %s became %s", s, got)
		}
	}
	t.Logf("false corrections: %d of %d sentences that are right, with the %d terms of all industries at once", false1, len(right)+len(talk), len(d.terms))
	if with := float64(all.with) / float64(all.n); with < 0.72 || all.without*50 > all.n {
		t.Errorf("generated: %d of %d with, %d without", all.with, all.n, all.without)
	}
	for n, least := range map[int]float64{2: 0.15, 3: 0.9, 4: 0.95, 5: 0.97} {
		if c := byLength[n]; float64(c.with) < least*float64(c.n) {
			t.Errorf("%d characters: %d of %d", n, c.with, c.n)
		}
	}
	if hand.with*100 < hand.n*95 || wrong > 0 {
		t.Errorf("by hand: %d of %d, %d became something else", hand.with, hand.n, wrong)
	}
	if false1 > 1 {
		t.Errorf("%d false corrections", false1)
	}
}

func TestDigitsAreNeverTouched(t *testing.T) {
	d := theTable().Dictionary([]Term{{Text: "一对一", Weight: 100}, {Text: "八折券", Weight: 100}, {Text: "五险一金", Weight: 100}, {Text: "市区", Weight: 100}, {Text: "要饭", Weight: 100}, {Text: "是的", Weight: 100}}, nil)
	for _, s := range []string{"二对一", "一对二", "八十八区", "四区", "我要八百", "尾号是8848", "十的", "三五险一斤", "1对1", "九折券", "五显一金就是我"} {
		got, _ := d.Correct(s)
		if digitsOf(got) != digitsOf(s) {
			t.Errorf("%s became %s", s, got)
		}
	}
	if got, _ := d.Correct("我交五显一金"); got != "我交五险一金" {
		t.Errorf("beside its own numerals a term is put right: %s", got)
	}
}

func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(numerals, r) || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

func TestCorrect(t *testing.T) {
	terms := []Term{{Text: "CT检查"}, {Text: "B超"}, {Text: "处方药"}, {Text: "年化收益率"}, {Text: "保价", Weight: 60}, {Text: "王晓丽", Name: true}, {Text: "李明", Name: true}, {Text: "LPR利率"}}
	d := theTable().Dictionary(terms, []string{"厨房要装", "初访药"})
	for said, want := range map[string]string{
		"西提检查":                      "CT检查",
		"c t检查做了":                   "CT检查做了",
		"ct检查":                      "ct检查", // found by whoever looks for it
		"act检查":                     "act检查",
		"毕超做了":                      "B超做了",
		"厨房药":                       "厨房药", // 厨房 is a word
		"除方药和年华收益率":                 "处方药和年化收益率",
		"厨房要装修":                     "厨房要装修",
		"初访药店":                      "初访药店",
		"我要报价":                      "我要报价",
		"我叫王小丽":                     "我叫王晓丽",
		"我叫王小莉":                     "我叫王晓丽",
		"我叫汪小离":                     "我叫汪小离",
		"李铭在吗":                      "李明在吗",
		"力明在吗":                      "力明在吗",
		"lpr利绿是多少":                  "LPR利率是多少",
		"":                          "",
		"处方，药":                      "处方，药",
		"处方 药":                      "处方 药",
		"\xff处方\xfe药除方药":            "\xff处方\xfe药处方药",
		strings.Repeat("除方药", 2000): strings.Repeat("除方药", 2000), // too long to be an utterance
	} {
		got, changes := d.Correct(said)
		if got != want {
			t.Errorf("%s became %s, want %s", clip(said), clip(got), clip(want))
		}
		if (got != said) != (len(changes) > 0) {
			t.Errorf("%s: changes %+v", clip(said), changes)
		}
	}
	if got, ch := d.Correct("除方药和年华收益率"); len(ch) != 2 || ch[0].Was != "除方药" || ch[0].Now != "处方药" || ch[1].At != len("除方药和") {
		t.Errorf("%s %+v", got, ch)
	}
}

func clip(s string) string { return s[:min(len(s), 60)] }

// What is being talked about is believed more.
func TestWeightAndTwoCharacters(t *testing.T) {
	said := "我要做画聊"
	for weight, want := range map[int]string{10: said, 60: "我要做化疗"} {
		if got, _ := theTable().Dictionary([]Term{{Text: "化疗", Weight: weight}}, nil).Correct(said); got != want {
			t.Errorf("weight %d: %s, want %s", weight, got, want)
		}
	}
}

func TestDictionaryLeavesOutWhatIsNoTerm(t *testing.T) {
	d := theTable().Dictionary([]Term{{Text: ""}, {Text: "药"}, {Text: "一二三"}, {Text: "处方，药"}, {Text: strings.Repeat("药方", 20)}, {Text: "处方药"}, {Text: "处方药", Weight: 90}}, nil)
	if len(d.terms) != 1 || d.terms[0].Weight != 90 {
		t.Errorf("%+v", d.terms)
	}
	if got, ch := theTable().Dictionary(nil, nil).Correct("处方要"); got != "处方要" || ch != nil {
		t.Errorf("%s %v", got, ch)
	}
}

func TestConcurrent(t *testing.T) {
	d := theTable().Dictionary(termsOf(t, "healthcare"), nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if got, _ := d.Correct("西提检查和除方药"); got != "CT检查和处方药" {
					t.Error(got)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Whatever is recognized: the changes describe what was done, digits stay, and
// what has been put right stays so.
func FuzzCorrect(f *testing.F) {
	for _, s := range []string{"西提检查", "除方药和年华收益率8848", "一对衣", "\xff\xfe", "c t 检查", "act检查", "Ａ Ｂ超"} {
		f.Add(s)
	}
	d := theTable().Dictionary(append(termsOf(f, industries...), Term{Text: "保价", Weight: 80}, Term{Text: "张三丰", Name: true}), []string{"转人工"})
	f.Fuzz(func(t *testing.T, s string) {
		got, changes := d.Correct(s)
		want, done := "", 0
		for _, c := range changes {
			if c.At < done || !strings.HasPrefix(s[c.At:], c.Was) {
				t.Fatalf("%q: %+v", s, changes)
			}
			want += s[done:c.At] + c.Now
			done = c.At + len(c.Was)
		}
		if want += s[done:]; want != got {
			t.Fatalf("%q became %q, the changes say %q", s, got, want)
		}
		if digitsOf(s) != digitsOf(got) {
			t.Fatalf("%q became %q: digits changed", s, got)
		}
	})
}

func BenchmarkCorrect(b *testing.B) {
	d := theTable().Dictionary(termsOf(b, industries...), nil)
	for b.Loop() {
		d.Correct("我想问一下那个年华收益率是多少，能不能随时取出来")
	}
}
