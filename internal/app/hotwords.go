package app

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"ringmaster/internal/call"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu/correct"
	"ringmaster/internal/speech"
	"ringmaster/scripts"
)

// maxHotwords of one call: a recognizer that favours everything favours
// nothing.
const maxHotwords = 300

// hearing is what the recognizer of one call should know, and how its results
// are put right.
type hearing struct {
	hotwords   map[string]int // all: of the industry, the script, its nodes, the contact
	everywhere map[string]int // without those of single nodes
	dictionary *correct.Dictionary
}

// hearingFor gathers the words of industry, script, nodes and contact.
func hearingFor(sounds *correct.Table, sc *dialogue.Script, who dialogue.Customer) (hearing, error) {
	info := sc.Info()
	industry, err := scripts.Terms(info.Industry)
	if err != nil {
		return hearing{}, err
	}
	own, names := sc.CustomerHotwords(who)
	h := hearing{everywhere: merged(industry, info.Hotwords, own)}
	h.hotwords = bounded(merged(h.everywhere, sc.Hotwords()), maxHotwords)
	h.everywhere = bounded(h.everywhere, maxHotwords)
	var terms []correct.Term
	for _, w := range slices.Sorted(maps.Keys(h.hotwords)) {
		terms = append(terms, correct.Term{Text: w, Weight: h.hotwords[w], Name: names[w]})
	}
	h.dictionary = sounds.Dictionary(terms, known(sc))
	return h, nil
}

// known are words that the script understands as they stand: they are right.
func known(sc *dialogue.Script) []string {
	var out []string
	for _, e := range sc.Expectations() {
		for _, k := range e.Keywords {
			if !strings.HasPrefix(k, "re:") {
				out = append(out, k)
			}
		}
	}
	return out
}

// merged holds every word with its greatest weight.
func merged(all ...map[string]int) map[string]int {
	out := map[string]int{}
	for _, m := range all {
		for w, weight := range m {
			out[w] = max(out[w], weight)
		}
	}
	return out
}

// bounded keeps the n words of the greatest weight.
func bounded(words map[string]int, n int) map[string]int {
	if len(words) <= n {
		return words
	}
	list := slices.SortedFunc(maps.Keys(words), func(a, b string) int {
		return cmp.Or(cmp.Compare(words[b], words[a]), cmp.Compare(a, b))
	})
	out := map[string]int{}
	for _, w := range list[:n] {
		out[w] = words[w]
	}
	return out
}

// recognizer gives the recognizer of a call whose results are put right.
func (h hearing) recognizer(inner speech.Recognizer, corrected prometheus.Counter) speech.Recognizer {
	return correct.Recognizer(inner, h.dictionary, sameUrgency, func(n int) { corrected.Add(float64(n)) })
}

// sameUrgency: no correction makes or unmakes a word of urgency (别打了, 投诉,
// 转人工): what ends a call is what was heard.
func sameUrgency(before, after string) bool {
	was, _ := dialogue.FindStop(before, "cmn")
	is, _ := dialogue.FindStop(after, "cmn")
	return was == is
}

// ears prepare the recognizer of each call.
type ears struct {
	sounds    *correct.Table
	corrected *prometheus.CounterVec
}

func newEars() *ears {
	return &ears{sounds: correct.NewTable(), corrected: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringmaster_asr_corrections_total",
		Help: "Terms that were put right in final results of the recognizer, by script."}, []string{"script"})}
}

// tune gives a plan and its ports the hotwords of the call, and the recognizer
// that puts its results right.
func (e *ears) tune(p *call.Plan, d *call.Deps, sc *dialogue.Script) error {
	h, err := hearingFor(e.sounds, sc, p.Customer)
	if err != nil {
		return err
	}
	p.Hotwords, p.Everywhere = h.hotwords, h.everywhere
	d.Recognizer = h.recognizer(d.Recognizer, e.corrected.WithLabelValues(sc.Info().ID))
	return nil
}
