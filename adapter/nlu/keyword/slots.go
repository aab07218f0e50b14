package keyword

import (
	"regexp"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"ringmaster/internal/nlu"
)

// slots finds the values that the question wants.
func slots(t text, q nlu.Question) []nlu.Slot {
	var out []nlu.Slot
	for _, spec := range q.Slots {
		if value, from, to, ok := slot(t, spec, q.Now); ok {
			start, end, words := t.span(from, to)
			out = append(out, nlu.Slot{Name: spec.Name, Value: value, Text: words, Start: start, End: end})
		}
	}
	return out
}

func slot(t text, spec nlu.SlotSpec, now time.Time) (value string, from, to int, ok bool) {
	s := t.s
	switch spec.Kind {
	case "digits", "order", "id_card", "bank_card", "phone", "code":
		return digits(s, spec.Kind)
	case "number":
		return number(s)
	case "amount":
		return amount(s)
	case "age":
		return age(s)
	case "grade":
		return grade(s)
	case "date", "time", "datetime":
		return when(s, spec.Kind, now)
	case "yes_no":
		return yesNo(s)
	case "enum":
		return enum(s, spec.Values)
	case "name":
		return personName(s)
	case "text":
		return strings.TrimSpace(t.orig), 0, len(s), true
	}
	return "", 0, 0, false
}

func yesNo(s string) (string, int, int, bool) {
	yes, y := lexical(s, "affirm")
	no, n := lexical(s, "deny")
	switch {
	case y && (!n || yes.conf > no.conf || yes.conf == no.conf && yes.end > no.end):
		return "yes", 0, len(s), true
	case n:
		return "no", 0, len(s), true
	}
	return "", 0, 0, false
}

var correction = regexp.MustCompile(`不对|不是|说错了|错了|还是|改成|换成|唔系|no wait|i mean|actually|rather`)

// enum finds the value by its spoken forms: the longest form wins; of several
// values the first, or the last after a correction (食品吧，不对，还是家电).
func enum(s string, values map[string][]string) (value string, from, to int, ok bool) {
	type found struct {
		value    string
		from, to int
	}
	var all []found
	for v, forms := range values {
		for _, f := range append([]string{v}, forms...) {
			k := normalise(f).s
			if i, j, hit := find(s, k); hit {
				all = append(all, found{v, i, j})
			}
		}
	}
	if len(all) == 0 {
		return "", 0, 0, false
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		switch {
		case a.from != b.from:
			return a.from < b.from
		case a.to != b.to:
			return a.to > b.to
		}
		return a.value < b.value
	})
	kept := all[:1]
	for _, f := range all[1:] { // drop what lies inside a longer form
		if f.from >= kept[len(kept)-1].to {
			kept = append(kept, f)
		}
	}
	best := kept[0]
	if last := kept[len(kept)-1]; len(kept) > 1 && correction.MatchString(s[best.to:last.from]) {
		best = last
	}
	return best.value, best.from, best.to, true
}

var (
	nameHan = regexp.MustCompile(`(?:我叫|我是|名字叫|名字是|叫做|我名叫|我系)(\p{Han}{2,4}?)(?:\||$|吧|啊|呀|的)`)
	sirHan  = regexp.MustCompile(`(?:我姓|姓|免贵姓)(\p{Han}{1,2}?)(?:\||$|啊|的|先生|女士)`)
	nameEN  = regexp.MustCompile(`(?:my name is|i am|this is|im|its) ([a-z]+(?: [a-z]+)?)(?:\||$| speaking)`)
)

func personName(s string) (string, int, int, bool) {
	for _, re := range []*regexp.Regexp{nameHan, sirHan, nameEN} {
		if m := re.FindStringSubmatchIndex(s); m != nil {
			name := s[m[2]:m[3]]
			if utf8.RuneCountInString(name) > 40 {
				continue
			}
			if name[0] < 0x80 {
				ws := strings.Fields(name)
				for i, w := range ws {
					ws[i] = strings.ToUpper(w[:1]) + w[1:]
				}
				name = strings.Join(ws, " ")
			}
			return name, m[2], m[3], true
		}
	}
	return "", 0, 0, false
}
