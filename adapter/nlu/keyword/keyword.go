package keyword

import (
	"context"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// Provider is the name in every Answer.
const Provider = "keyword"

// Abstain is the confidence under which nothing is claimed.
const Abstain = 0.5

// Understander is the embedded understander. Its only state is a bounded
// cache of compiled patterns and example profiles.
type Understander struct {
	mu       sync.Mutex
	patterns map[string]*regexp.Regexp
	profiles map[string]profile
	normals  map[string]string
}

// New gives an understander that is ready at once.
func New() *Understander {
	return &Understander{patterns: map[string]*regexp.Regexp{}, profiles: map[string]profile{}, normals: map[string]string{}}
}

var _ nlu.Understander = (*Understander)(nil)

// Understand answers from the words alone. Its only error is that of a
// context that has ended.
func (u *Understander) Understand(ctx context.Context, q nlu.Question) (nlu.Answer, error) {
	if err := ctx.Err(); err != nil {
		return nlu.Answer{}, fmt.Errorf("%w: %w", nlu.ErrTimeout, err)
	}
	t := normalise(q.Said)
	a := nlu.Answer{Provider: Provider}
	if strings.Trim(t.s, "| ") == "" {
		a.Reason = "nothing was said"
		return a, nil
	}
	a.Slots = slots(t, q)
	hits := u.hits(t, q)
	if len(hits) == 0 {
		a.Reason = "no keyword and no example is near"
		return a, nil
	}
	sort.SliceStable(hits, func(i, j int) bool { return better(hits[i], hits[j]) })
	best := hits[0]
	if len(hits) > 1 && hits[1].intent != best.intent && hits[1].tier == best.tier && best.conf-hits[1].conf < 0.02 && best.length == hits[1].length {
		best.conf *= 0.85 // two things were said with equal force
		best.why += ", but " + string(hits[1].intent) + " as well"
	}
	for _, h := range hits[:min(len(hits), 5)] {
		a.Candidates = append(a.Candidates, nlu.Candidate{Intent: h.intent, Confidence: h.conf})
	}
	a.Candidates[0].Confidence = best.conf
	sort.SliceStable(a.Candidates, func(i, j int) bool { return a.Candidates[i].Confidence > a.Candidates[j].Confidence })
	if best.conf < Abstain {
		a.Reason = fmt.Sprintf("nearest is %s with %.2f: too far", best.intent, best.conf)
		return a, nil
	}
	a.Intent, a.Confidence, a.Reason = best.intent, best.conf, best.why
	return a, nil
}

// hit is one intent that the words may mean.
type hit struct {
	intent nlu.Intent
	conf   float64
	tier   int // 0 urgent, 1 says something, 2 yes or no, 3 courtesies
	length int // characters matched
	end    int // where the match ends
	order  int // in Expect
	why    string
}

// better: what says something beats yes and no, those beat courtesies, unless
// it is much less sure; then confidence, then length, then what was said last,
// then the order of the script.
func better(a, b hit) bool {
	if a.tier != b.tier && (a.conf >= 0.62 || a.conf >= b.conf) && (b.conf >= 0.62 || b.conf >= a.conf) {
		return a.tier < b.tier
	}
	if a.tier == b.tier && a.tier == 2 && a.end != b.end {
		return a.end > b.end
	}
	switch {
	case a.conf != b.conf:
		return a.conf > b.conf
	case a.length != b.length:
		return a.length > b.length
	case a.end != b.end:
		return a.end > b.end
	}
	return a.order < b.order
}

func (u *Understander) hits(t text, q nlu.Question) []hit {
	expect := q.Expect
	if len(expect) == 0 {
		expect = everything
	}
	var out []hit
	if stop, words := dialogue.FindStop(q.Said, q.Language); stop != dialogue.StopNone {
		for i, e := range expect {
			if e.Intent == nlu.Intent(stop) {
				out = append(out, hit{intent: e.Intent, conf: 0.98, length: utf8.RuneCountInString(words), end: len(t.s), order: i, why: "word of urgency " + words})
			}
		}
	}
	for i, e := range expect {
		if h, ok := u.expectation(t, e); ok {
			h.order = i
			out = append(out, h)
		}
	}
	return out
}

// expectation is the best evidence for one intent.
func (u *Understander) expectation(t text, e nlu.Expectation) (best hit, ok bool) {
	take := func(h hit) {
		if !ok || h.conf > best.conf || h.conf == best.conf && h.length > best.length {
			best, ok = h, true
		}
	}
	tier := tierOf(e.Intent)
	for _, k := range e.Keywords {
		if from, to, found := u.keyword(t.s, k); found {
			n := utf8.RuneCountInString(t.s[from:to])
			if t.s[from] < 0x80 {
				n = (n + 2) / 3 // a Latin word weighs as its syllables
			}
			take(hit{intent: e.Intent, conf: confidenceOf(n) + 0.01, tier: min(tier, 1), length: n, end: to, why: "keyword " + brief(k)})
		}
	}
	if h, found := lexical(t.s, e.Intent); found {
		h.intent, h.tier = e.Intent, tier
		take(h)
	}
	if len(e.Examples) > 0 {
		if sim, words := u.nearest(t.s, e.Examples); sim > 0 {
			take(hit{intent: e.Intent, conf: calibrated(sim), tier: min(tier, 1), length: utf8.RuneCountInString(words), end: len(t.s), why: "like the example " + brief(words)})
		}
	}
	return best, ok
}

// confidenceOf a keyword of n characters: one character is weak evidence.
func confidenceOf(n int) float64 {
	if n <= 1 {
		return 0.64
	}
	return min(0.74+0.04*float64(n-1), 0.94)
}

const maxCache = 4096

// keyword finds a keyword that is not negated. A keyword that starts with re:
// is a regular expression.
func (u *Understander) keyword(s, k string) (from, to int, ok bool) {
	if pat, isRE := strings.CutPrefix(k, "re:"); isRE {
		re := u.pattern(pat)
		if re == nil {
			return 0, 0, false
		}
		if at := re.FindStringIndex(s); at != nil && at[1] > at[0] {
			return at[0], at[1], true
		}
		return 0, 0, false
	}
	return find(s, u.normal(k))
}

func (u *Understander) normal(k string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, ok := u.normals[k]
	if !ok {
		if len(u.normals) >= maxCache {
			clear(u.normals)
		}
		n = normalise(k).s
		u.normals[k] = n
	}
	return n
}

func (u *Understander) pattern(p string) *regexp.Regexp {
	u.mu.Lock()
	defer u.mu.Unlock()
	re, ok := u.patterns[p]
	if !ok {
		if len(u.patterns) >= maxCache {
			clear(u.patterns)
		}
		re, _ = regexp.Compile(p) //nolint:errcheck // Compile of the script has refused bad ones; nil never matches
		u.patterns[p] = re
	}
	return re
}

// find looks for a phrase that stands on its own and is not taken back.
func find(s, k string) (from, to int, ok bool) {
	if k == "" {
		return 0, 0, false
	}
	for at := 0; at < len(s); {
		i := strings.Index(s[at:], k)
		if i < 0 {
			return 0, 0, false
		}
		from, to = at+i, at+i+len(k)
		if !inWord(s, from, to) && !negated(s, from, to, k) {
			return from, to, true
		}
		at = to
	}
	return 0, 0, false
}

func inWord(s string, from, to int) bool {
	letter := func(b byte) bool { return b >= 'a' && b <= 'z' }
	return from > 0 && letter(s[from]) && letter(s[from-1]) || to < len(s) && letter(s[to-1]) && letter(s[to])
}

var (
	negator   = regexp.MustCompile(`(?:不|没|无|别|未|唔|冇|莫|甭)(?:有|是|用|要|想|会|太|很|怎么|算|觉得|需要|打算|准备|系|使|去|能|再|那么|感)*$`)
	negatorEN = regexp.MustCompile(`(?:^|[ |])(?:not|no|dont|didnt|isnt|wont|never|cant|doesnt|arent|wasnt)(?: (?:a|an|the|too|so|very|that|really|want|need|to|any|think|its|it|is|going|like|have|be))* $`)
	choice    = regexp.MustCompile(`要不要|是不是|能不能|可不可以|会不会|有没有|好不好|行不行|想不想|需不需要|系唔系|可唔可以|有冇|不知道|不晓得`)
)

// negated: the phrase is taken back by what stands before it (不贵, not
// expensive), or asked about (贵不贵).
func negated(s string, from, to int, k string) bool {
	left := s[:from]
	if i := strings.LastIndexByte(left, '|'); i >= 0 {
		left = left[i+1:]
	}
	first, _ := utf8.DecodeRuneInString(k)
	last, n := utf8.DecodeLastRuneInString(k)
	if strings.HasPrefix(s[to:], "不"+string(last)) && len(k) == n {
		return true
	}
	if strings.ContainsRune("不没无别未唔冇莫甭", first) {
		return false
	}
	if first < 0x80 {
		return negatorEN.MatchString(left)
	}
	return negator.MatchString(choice.ReplaceAllString(left, "要"))
}
