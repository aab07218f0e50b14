package check

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// concrete are the facts of a state that the engine is really in.
func concrete(m *machine, st dialogue.State) facts {
	f := make(facts, len(m.tab.vars))
	for i, v := range m.tab.vars {
		f[i] = v.full()
		kind, name, _ := strings.Cut(v.key, ".")
		switch {
		case v.key == "language":
			f[i] = v.of(string(st.Language))
		case v.key == "segment":
			f[i] = text1(v, st.Segment, true)
		case v.key == "objections":
			n := 0
			for _, k := range st.Objections {
				n += k
			}
			f[i] = counted(v, n)
		case strings.HasPrefix(v.key, "tag:"):
			f[i] = 1
			for _, t := range st.Tags {
				if "tag:"+t == v.key {
					f[i] = 2
				}
			}
		case kind == "visits":
			f[i] = counted(v, st.Visits[name])
		case kind == "vars":
			s, ok := st.Vars[name]
			f[i] = text1(v, s, ok)
		case kind == "slots":
			s, ok := st.Slots[name]
			f[i] = text1(v, s, ok)
		}
	}
	return f
}

func counted(v *variable, n int) mask { return 1 << min(n, len(v.values)-1) }

// text1 is the value that stands for a text.
func text1(v *variable, s string, ok bool) mask {
	if !ok {
		return v.unset()
	}
	for i, x := range v.values {
		switch x := x.v.(type) {
		case string:
			if x == s {
				return 1 << i
			}
		case bool:
			if x == (s == "true") {
				return 1 << i
			}
		case float64:
			return numbered(v, s)
		}
	}
	return v.of(other{})
}

// numbered is the stretch that a number lies in.
func numbered(v *variable, s string) mask {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return v.full()
	}
	best := mask(0)
	var points []float64
	for _, x := range v.values {
		if p, ok := x.v.(float64); ok {
			points = append(points, p)
		}
	}
	for i, x := range v.values {
		p, ok := x.v.(float64)
		if !ok {
			continue
		}
		if p == f {
			return 1 << i
		}
		k := i - (len(v.values) - len(points)) // points stand last: below, constant, between, constant, ..., above
		switch {
		case len(points) == 1, k == 0 && f < points[min(1, len(points)-1)]:
			return 1 << i
		case k == len(points)-1 && f > points[k-1]:
			best = 1 << i
		case k > 0 && k < len(points)-1 && k%2 == 0 && f > points[k-1] && f < points[k+1]:
			return 1 << i
		}
	}
	return best
}

// customersOf are customers of every value of every enum and segment that the
// script knows, and of none.
func customersOf(sc *dialogue.Script, r *rand.Rand) dialogue.Customer {
	m := sc.Model()
	c := dialogue.Customer{ID: strconv.Itoa(r.IntN(1000)), Name: "张三", Vars: map[string]any{}}
	c.Language = m.Info.Languages[r.IntN(len(m.Info.Languages))]
	if len(m.Segments) > 0 && r.IntN(2) == 0 {
		c.Segment = m.Segments[r.IntN(len(m.Segments))].Name
	}
	for _, v := range m.Variables {
		if !v.Required && r.IntN(3) == 0 {
			continue
		}
		values := m.Values[v.Name]
		switch v.Type {
		case "enum":
			c.Vars[v.Name] = values[r.IntN(len(values))]
		case "number", "amount", "percent", "discount":
			c.Vars[v.Name] = r.IntN(200)
		case "bool":
			c.Vars[v.Name] = r.IntN(2) == 0
		case "date", "datetime":
			c.Vars[v.Name] = "2026-10-07T10:00:00"
		case "time":
			c.Vars[v.Name] = "2026-10-07T10:00"
		case "digits", "phone":
			c.Vars[v.Name] = []string{"1234", "20261234"}[r.IntN(2)]
		case "grade":
			c.Vars[v.Name] = "grade9"
		case "name":
			c.Vars[v.Name] = "李四"
		default:
			c.Vars[v.Name] = []string{"甲", "maths", "1990"}[r.IntN(3)]
		}
	}
	return c
}

// anyInput is anything that may happen while the script listens.
func anyInput(m dialogue.Model, mv dialogue.Move, st dialogue.State, r *rand.Rand) dialogue.Input {
	switch r.IntN(12) {
	case 0:
		return dialogue.Input{Kind: dialogue.Silence}
	case 1:
		return dialogue.Input{Kind: dialogue.KeysPressed, Digits: []string{"1", "2", "3", "0", "1234#"}[r.IntN(5)]}
	case 2:
		return dialogue.Input{Kind: dialogue.TransferFailed, Reason: "busy"}
	}
	in := dialogue.Input{Kind: dialogue.Heard, Text: "嗯嗯呃"}
	l := mv.Listen
	if n := len(l.Expect); n > 0 && r.IntN(5) > 0 {
		in.Answer.Intent = l.Expect[r.IntN(n)].Intent
		in.Answer.Confidence = 0.9
	}
	if i := in.Answer.Intent; i == "stop" || i == "complaint" {
		in.Answer.Intent = "affirm"
	}
	for _, spec := range l.Slots {
		if r.IntN(2) == 0 {
			in.Answer.Slots = append(in.Answer.Slots, nlu.Slot{Name: spec.Name, Value: slotValue(m, spec, st, r)})
		}
	}
	return in
}

func slotValue(m dialogue.Model, spec nlu.SlotSpec, st dialogue.State, r *rand.Rand) string {
	if v := m.Values[spec.Name]; len(v) > 0 {
		return v[r.IntN(len(v))]
	}
	switch spec.Kind {
	case "number", "age", "amount":
		return strconv.Itoa(r.IntN(10))
	case "datetime":
		return "2026-10-02T15:00"
	case "date":
		return "2026-10-02"
	case "grade":
		return "grade9"
	case "yes_no":
		return []string{"yes", "no"}[r.IntN(2)]
	}
	if len(st.Vars) > 0 && r.IntN(2) == 0 {
		for _, name := range sortedKeys(st.Vars) {
			if r.IntN(3) == 0 {
				return st.Vars[name]
			}
		}
	}
	return "1234"
}

// corners has what packs have little of: slots heard with another reply, keys
// that lead on, intents in conditions, counted visits and objections, set
// slots, detours, tags, a hand-over that fails into the middle.
const corners = `format: ringmaster/1
id: corners
title: Corners
purpose: service
language: cmn
variables: {amount: {type: amount}, vip: {type: bool}}
slots:
  size: {kind: enum, values: {big: [大的], small: [小的]}}
  day: date
limits: {turns: 30, visits: 6, objections: 4, no_match: 2, silence: 2}
disclosure: {say: 我是人工智能语音助手，本次通话将会录音。}
start: ask
handover: {queue: q, failed: detour}
keys: {"0": human, "9": stop}
globals:
  greeting: {say: 您好。, set: {day: "2026-10-01"}, goto: return}
nodes:
  ask:
    say: 您要哪一个？
    slots: [size, day]
    keys: {"1": by_key}
    expect:
      - {intent: affirm, goto: tell}
      - {intent: [deny, unsure], do: [{tag: doubts}], goto: detour}
    silence: {limit: 1, say: 您还在吗？, then: tell}
  by_key:
    say: 您按了一。
    expect:
      - {intent: affirm, when: slots.size == "big", goto: tell}
      - {any: true, goto: return}
  detour:
    aside: true
    skip:
      - {when: visits.detour > 2, say: 那就先到这里。, goto: bye}
    say: 还有别的吗？
    expect:
      - {intent: affirm, set: {size: small}, goto: return}
      - {slot: day, when: '"doubts" in tags', goto: tell}
      - {intent: deny, when: objections > 1, goto: bye}
      - {any: true, goto: stay}
    slots: [day]
    no_match: {limit: 0, then: bye}
  tell:
    route:
      - {when: intent == "affirm" and slots.size == "big", say: 大的。, goto: ask}
      - {when: slots.day != nil and slots.size == nil, say: 哪一天知道了。, goto: detour}
      - {when: vars.amount != nil and vars.amount >= 100, say: 金额大。, goto: by_key}
      - {when: vars.vip == true, say: 贵宾。, goto: bye}
      - {say: 小的。, goto: bye}
  bye: {say: 再见。, end: completed}
objections:
  price: {intent: price_objection, depth: 2, set: {size: big}, rounds: [不贵。, 真不贵。], goto: detour, worn_out: tell}
`

// The model knows everything that the engine does: wherever a random
// conversation with the real engine stands, a state of the model covers it;
// what was said, the model knows can be said; what was taken, it knows can be
// taken. So what the model never reaches is never reached.
func TestTheModelCoversTheEngine(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 8))
	now := time.Date(2026, 10, 1, 14, 0, 0, 0, time.FixedZone("", 8*3600))
	moves := 0
	packs := shipped(t)
	good, err := os.ReadFile("testdata/zoo/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if packs["zoo/good.yaml"], err = zooLibrary(t).Compile("zoo/good.yaml", good); err != nil {
		t.Fatal(err)
	}
	packs["large"] = large(t, 60)
	if packs["corners"], err = dialogue.Compile("corners.yaml", []byte(corners)); err != nil {
		t.Fatal(err)
	}
	for _, path := range sortedKeys(packs) {
		sc := packs[path]
		c := newChecker(sc, Options{File: path})
		c.run()
		m := sc.Model()
		for range 80 {
			moves += walkCovered(t, c, m, now, 40, r)
			if t.Failed() {
				t.Fatal(path)
			}
		}
	}
	t.Logf("%d moves of the engine, every one covered by the model", moves)
}

// walkCovered is one random conversation; it gives the number of its moves.
func walkCovered(t *testing.T, c *checker, m dialogue.Model, now time.Time, length int, r *rand.Rand) (moves int) {
	t.Helper()
	sayable, takeable := map[string]bool{}, map[string]bool{}
	for _, u := range c.b.order {
		for _, v := range u.all {
			sayable[v.id] = u.engine || v.said
		}
	}
	for _, n := range c.m.nodes {
		for _, e := range n.ways() {
			takeable[e.id] = takeable[e.id] || e.taken
		}
	}
	who := customersOf(c.script, r)
	st, mv := c.script.Start(who, now)
	var log []string
	for i := range length {
		if mv.End != nil {
			break
		}
		in := dialogue.Input{Kind: dialogue.Said}
		if i > 0 && !st.Pending {
			in = anyInput(m, mv, st, r)
		}
		st, mv = c.script.Next(st, in, now)
		moves++
		log = append(log, fmt.Sprintf("%s %s %v -> %s %s", in.Kind, in.Answer.Intent, in.Answer.Slots, mv.Node, mv.Reason))
		covered(t, c, st, mv, sayable, takeable)
		if t.Failed() {
			t.Fatalf("%+v\n%s", who, strings.Join(log, "\n"))
		}
	}
	return moves
}

func covered(t *testing.T, c *checker, st dialogue.State, mv dialogue.Move, sayable, takeable map[string]bool) {
	t.Helper()
	for _, l := range mv.Lines {
		if known, ok := sayable[l.ID]; !l.Fixed && !known && (ok || !strings.HasSuffix(l.ID, ".compose")) {
			t.Errorf("%s was said, and the model says that it never is", l.ID)
		}
	}
	if taken, ok := takeable[mv.Reply]; ok && !taken {
		t.Errorf("%s was taken, and the model says that it never is", mv.Reply)
	}
	if st.Phase != dialogue.Talking || mv.End != nil {
		return
	}
	i, ok := c.b.byID[st.Node]
	if !ok {
		t.Errorf("at the unknown node %q", st.Node)
		return
	}
	f := c.x.project(concrete(c.m, st), c.m.nodes[i])
	for _, s := range c.x.at[i] {
		if s.f.covers(f) {
			return
		}
	}
	t.Errorf("the engine is at %s, and no state of the model covers it (%d states)", st.Node, len(c.x.at[i]))
}
