package scripts

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
)

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// walks is how many conversations are walked; RINGMASTER_PROVE=1 walks twenty
// times as many.
func walks(n int) int {
	if os.Getenv("RINGMASTER_PROVE") != "" {
		return 20 * n
	}
	return n
}

// Whatever happens in whatever order, nothing of business is said before the
// notice has been played to its end, and every conversation ends.
func TestRow_S14_NoBusinessBeforeTheDisclosure(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 14))
	for path, s := range compiled(t) {
		disclosed := 0
		people := customers(t, path, s)
		for i := range walks(80) {
			w := walk(t, s, people[i%len(people)])
			src := &source{b: randomBytes(r, 400)}
			for !w.ended() {
				if w.inputs > w.limit() {
					w.fail("still talking after %d inputs", w.inputs)
				}
				w.give(w.input(src))
			}
			if w.disclosed {
				disclosed++
			}
		}
		if disclosed*10 < walks(80) {
			t.Errorf("%s: only %d conversations got past the notice: the walk proves little", path, disclosed)
		}
	}
}

// The notice that is cut short is begun again, and no more than three times.
func TestRow_S14_AnInterruptedNoticeIsNotHeard(t *testing.T) {
	for path, s := range compiled(t) {
		w := walk(t, s, customers(t, path, s)[0])
		for range 2 {
			l := w.mv.Lines[0]
			w.give(dialogue.Input{Kind: dialogue.Heard, Text: "喂喂", HeardLine: l.ID, HeardText: "您好"})
			if len(w.mv.Lines) != 1 || !w.mv.Lines[0].Disclosure {
				w.fail("the notice should be said again")
			}
			if w.st.Disclosed {
				w.fail("it counts as heard")
			}
		}
		w.give(dialogue.Input{Kind: dialogue.Heard, Text: "喂喂", HeardLine: w.mv.Lines[0].ID})
		if w.mv.End == nil || w.mv.End.Reason != "not_disclosed" {
			w.fail("it should end")
		}
	}
}

func urgentWords() map[dialogue.Stop]string {
	return map[dialogue.Stop]string{dialogue.StopCalling: "别打了", dialogue.StopComplaint: "我要投诉", dialogue.StopHuman: "转人工"}
}

// Stop, complaint and human work at every node and at any time.
func TestRow_S15_StopAtAnyNodeAtAnyTime(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 15))
	for path, s := range compiled(t) {
		people := customers(t, path, s)
		for i := range walks(50) {
			w := walk(t, s, people[i%len(people)])
			src := &source{b: randomBytes(r, 200)}
			for range r.IntN(25) {
				before := *w
				w.give(w.input(src))
				if w.ended() {
					*w = before
					break
				}
			}
			for stop, words := range urgentWords() {
				again := *w
				again.urgent(stop, words)
			}
		}
		// And at every node, however seldom a walk comes there: before, during
		// and after its lines.
		for _, node := range s.Info().Nodes {
			for stop, words := range urgentWords() {
				for _, pending := range []bool{false, true} {
					w := walk(t, s, people[0])
					w.give(dialogue.Input{Kind: dialogue.Said})
					w.st.Node, w.st.Pending, w.st.Guarded = node, pending, pending
					w.urgent(stop, words)
				}
			}
		}
	}
}

// urgent says the words here and looks at what comes of it.
func (w *walker) urgent(stop dialogue.Stop, words string) {
	w.t.Helper()
	phase := w.st.Phase
	in := dialogue.Input{Kind: dialogue.Heard, Text: words}
	if len(w.saying) > 0 {
		in.HeardLine = w.saying[0].ID
	}
	w.give(in)
	did := func(kind string) bool {
		return slices.ContainsFunc(w.mv.Actions, func(a dialogue.Action) bool { return a.Kind == kind })
	}
	switch stop {
	case dialogue.StopCalling:
		if w.mv.End == nil || w.mv.End.Disposition != campaign.OptedOut || !did("opt_out") || len(w.mv.Lines) != 1 {
			w.fail("%q at %s (%s): %+v", words, w.st.Node, phase, w.mv)
		}
	case dialogue.StopComplaint:
		if w.mv.End == nil || w.mv.End.Disposition != campaign.Complaint || !did("opt_out") || !did("ticket") || len(w.mv.Lines) != 1 {
			w.fail("%q at %s (%s): %+v", words, w.st.Node, phase, w.mv)
		}
	case dialogue.StopHuman:
		if did("opt_out") {
			w.fail("%q blocked the number", words)
		}
		if phase == dialogue.Voicemail { // a greeting may say it
			return
		}
		promised := w.mv.End != nil && w.mv.End.Reason == "human_wanted" && did("ticket")
		if w.mv.Transfer == nil && !promised || phase != dialogue.Transferring && len(w.mv.Lines) == 0 {
			w.fail("%q at %s (%s): %+v", words, w.st.Node, phase, w.mv)
		}
	}
}

// FuzzConversation: any bytes as inputs; every conversation is bounded, its
// decisions are the same after a JSON round trip, and the notice comes first.
func FuzzConversation(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 8 {
		f.Add(uint8(i), randomBytes(r, 60))
	}
	all := compiled(f)
	var paths []string
	for p := range all {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	people := map[string][]dialogue.Customer{}
	for _, p := range paths {
		people[p] = customers(f, p, all[p])
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		path := paths[int(which)%len(paths)]
		w := walk(t, all[path], people[path][int(which/16)%len(people[path])])
		src := &source{b: b}
		for !w.ended() {
			if w.inputs > w.limit() {
				w.fail("still talking after %d inputs", w.inputs)
			}
			w.give(w.input(src))
		}
	})
}
