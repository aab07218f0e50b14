package check

import (
	"slices"
	"strings"
)

// A variable is anything that a condition, a template or a guard may read: the
// segment, a value of the customer, a slot, a tag. Its possible values are
// few: the constants that the script compares it with, and one that stands for
// all others. That is exact, because no condition can tell the others apart.
type variable struct {
	key    string // "segment", "vars.level", "slots.code", "tag:signed_up", "visits.ask"
	kind   varKind
	values []value
	start  mask // what is possible when the call begins
}

type varKind uint8

const (
	ofCall   varKind = iota // known before the call and the same throughout
	ofSlot                  // heard or set during it
	ofTag                   // given, never taken away
	ofCount                 // counts up: visits of a node, objections
	ofTurn                  // only within one decision: the intent
	ofNobody                // may be anything whenever it is read
)

// value is one of a variable's possible values: nil (unset), a string, a
// float64, a bool, or other.
type value struct {
	v    any
	name string // as a person reads it
}

// other is any text that the script does not name.
type other struct{}

// mask is a set of values of one variable; bit i is values[i].
type mask uint64

const maxValues = 60 // of one variable; with more the rest is not told apart

func full(n int) mask { return mask(1)<<n - 1 }

func (v *variable) full() mask { return full(len(v.values)) }

// unset is the set that holds nil alone, 0 when the variable always has a value.
func (v *variable) unset() mask {
	for i, x := range v.values {
		if x.v == nil {
			return 1 << i
		}
	}
	return 0
}

func (v *variable) of(x any) mask {
	for i, have := range v.values {
		if have.v == x {
			return 1 << i
		}
	}
	return 0
}

// facts are what is known: for every variable the values that are possible.
type facts []mask

func (f facts) with(i int, m mask) facts {
	if f[i] == m {
		return f
	}
	g := slices.Clone(f)
	g[i] = m
	return g
}

// covers: whatever g allows, f allows too.
func (f facts) covers(g facts) bool {
	for i, m := range g {
		if m&^f[i] != 0 {
			return false
		}
	}
	return true
}

// join is the smallest set of facts that covers both.
func (f facts) join(g facts) facts {
	out := make(facts, len(f))
	for i := range f {
		out[i] = f[i] | g[i]
	}
	return out
}

// table holds the variables of a script.
type table struct {
	vars  []*variable
	index map[string]int
}

func newTable() *table { return &table{index: map[string]int{}} }

// put declares a variable; the first declaration stands.
func (t *table) put(v *variable) int {
	if i, ok := t.index[v.key]; ok {
		return i
	}
	if v.start == 0 {
		v.start = v.full()
	}
	t.index[v.key] = len(t.vars)
	t.vars = append(t.vars, v)
	return len(t.vars) - 1
}

func (t *table) find(key string) (int, bool) {
	i, ok := t.index[key]
	return i, ok
}

func (t *table) start() facts {
	f := make(facts, len(t.vars))
	for i, v := range t.vars {
		f[i] = v.start
	}
	return f
}

// whom describes the customers that facts leave, by what was known before the
// call: "segment is early or mid, vars.level is gold".
//
// The language is left out when it is the script's own.
func (t *table) whom(f facts, own string) string {
	var out []string
	for i, v := range t.vars {
		if v.kind != ofCall || f[i] == v.start || strings.HasPrefix(v.key, opaque) || v.key == "language" && f[i] == v.of(own) {
			continue
		}
		var names []string
		for b, x := range v.values {
			if f[i]&(1<<b) != 0 {
				names = append(names, x.name)
			}
		}
		if len(names) > 4 {
			names = append(names[:4], "...")
		}
		out = append(out, v.key+" is "+strings.Join(names, " or "))
	}
	if len(out) > 6 {
		out = append(out[:6], "...")
	}
	return strings.Join(out, ", ")
}
