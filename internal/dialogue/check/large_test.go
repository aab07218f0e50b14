package check

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/dialogue"
)

// largeSource is a script of n nodes such as a big business writes them:
// chapters of ten nodes that branch, listen for slots, test tags, tiers and
// segments, detour and come back, under globals, objections and keys. hard: an
// amount is compared with another number in every chapter, so that a hundred
// stretches of it would have to be told apart.
func largeSource(n int, hard bool) string {
	var b strings.Builder
	b.WriteString(`format: ringmaster/1
id: large
title: Large
purpose: service
language: cmn
variables:
  name: {type: name}
  level: {type: enum, values: [platinum, gold, basic], default: basic}
  amount: {type: amount, required: true}
slots:
  size: {kind: enum, values: {big: [大的, 大号], small: [小的, 小号]}}
  day: date
  count: number
limits: {turns: 200, visits: 4, objections: 4, no_match: 2, silence: 2}
segments: [early, late]
tone: {ceilings: {early: soft, late: strong}, otherwise: soft}
tier: level
offers:
  p8: {say: 八折券, tiers: [platinum]}
disclosure: {say: 您好，我是人工智能语音助手，本次通话将会录音。}
start: n0
handover: {queue: service, timeout: 20s, failed: bye}
keys: {"0": human, "9": stop}
nodes:
`)
	at := func(i int) string {
		if i >= n-1 {
			return "bye"
		}
		return fmt.Sprint("n", i)
	}
	for i := range n - 1 {
		limit := i / 10 % 3 * 1000
		if hard {
			limit = i
		}
		next, jump := at(i+1), at(min(i+10-i%10, n-1))
		fmt.Fprintf(&b, "  n%d:\n", i)
		switch i % 10 {
		case 3:
			fmt.Fprintf(&b, "    route:\n      - {when: slots.size == \"big\", goto: %s}\n      - {when: vars.amount > %d, goto: %s}\n      - {goto: %s}\n", next, limit, jump, next)
		case 5:
			fmt.Fprintf(&b, "    aside: true\n    say: 第%d步补充，您听清楚了吗？\n    expect:\n      - {intent: affirm, goto: %s}\n      - {any: true, goto: %s}\n", i, next, jump)
		case 7:
			fmt.Fprintf(&b, "    do: [{tag: seen}]\n    say:\n      - {text: 第%d步，今天必须办理。, tone: strong}\n      - 第%d步，您方便办理吗？\n    expect:\n      - {intent: affirm, goto: %s}\n      - {intent: deny, when: '\"seen\" in tags', goto: %s}\n      - {any: true, goto: %s}\n", i, i, next, jump, next)
		case 8:
			fmt.Fprintf(&b, "    say: 第%d步，您可以用{{offer.p8 ?? 会员价}}，要几份？\n    slots: [count]\n    expect:\n      - {slot: count, when: slots.count > 2, goto: %s}\n      - {slot: count, goto: %s}\n      - {intent: [deny, not_interested], goto: bye}\n", i, next, jump)
		default:
			fmt.Fprintf(&b, "    say: 第%d步，您要大号还是小号？\n    slots: [size]\n    expect:\n      - {slot: size, goto: %s}\n      - {intent: affirm, goto: %s}\n      - {intent: own_%d, keywords: [步骤%d, 第%d个, 说说%d], goto: %s}\n      - {intent: papers_%d, examples: [办第%d步要带什么材料, 身份证要不要带, 需要我准备些什么], goto: %s}\n      - {intent: cost_%d, examples: [第%d步多少钱, 这个要收费吗, 总共得交多少], goto: %s}\n      - {intent: deny, goto: %s}\n    no_match: {limit: 2, then: %s}\n", i, next, next, i, i, i, i, next, i, i, next, i, i, jump, jump, jump)
		}
	}
	b.WriteString(`  bye:
    say: 好的，再见。
    end: {disposition: completed, reason: done}
objections:
  price: {intent: price_objection, depth: 2, rounds: [理解您的考虑，您看可以吗？, 明白，先给您留着好吗？], worn_out: bye}
  time: {intent: time_objection, depth: 2, rounds: [很快就好，您看可以吗？, 明白，先给您留着好吗？], worn_out: bye}
grade:
  - {grade: A, when: '"seen" in tags'}
  - {grade: C}
`)
	return b.String()
}

func large(t testing.TB, n int) *dialogue.Script {
	t.Helper()
	sc, err := dialogue.Compile("large.yaml", []byte(largeSource(n, false)))
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// A thousand nodes: what is explored stays in proportion to the script. The
// time is printed, not judged; the aim is under 2 s.
func TestRow_M8_AThousandNodes(t *testing.T) {
	t.Parallel()
	sc := large(t, 1000)
	began := time.Now()
	r := Run(sc, Options{File: "large.yaml", Understander: keyword.New()})
	t.Logf("%d nodes, %d states, %d ways on, every phrase understood: %s (GOMAXPROCS %d)", r.Nodes, r.States, r.Edges, time.Since(began), runtime.GOMAXPROCS(0))
	for _, f := range r.Findings {
		t.Error(f.Explain())
	}
	if r.States < 700 || r.States > 20*r.Nodes {
		t.Errorf("%d states of %d nodes", r.States, r.Nodes)
	}
}

// A script that has more combinations than are told apart is still explored:
// some are judged together, and nothing is said that is not so.
func TestTooManyCombinationsAreJudgedTogether(t *testing.T) {
	t.Parallel()
	sc, err := dialogue.Compile("large.yaml", []byte(largeSource(400, true)))
	if err != nil {
		t.Fatal(err)
	}
	c := newChecker(sc, Options{File: "large.yaml"})
	r := c.run()
	t.Logf("%d nodes, %d states, judged together: %v", r.Nodes, r.States, c.x.widened)
	if !c.x.widened || r.States > maxStates {
		t.Errorf("%d states", r.States)
	}
	for _, f := range r.Findings {
		t.Error(f.Explain())
	}
}

func BenchmarkThousandNodes(b *testing.B) {
	sc := large(b, 1000)
	for b.Loop() {
		Run(sc, Options{File: "large.yaml"})
	}
}
