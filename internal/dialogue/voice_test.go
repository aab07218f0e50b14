package dialogue

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/speech"
	"ringmaster/internal/speech/voices"
)

const voicedScript = `format: ringmaster/1
id: voiced
title: Voices
purpose: service
industry: finance
lexicon: none
language: cmn
segments: [early, late]
voices:
  cmn: mei
  yue: ling
  segments: {late: {gender: male}}
  contact: CONTACT
disclosure:
  say: {cmn: 本次通话将会录音。, yue: 今次通話會錄音。}
  voice: {cmn: an, yue: ling}
start: ask
nodes:
  ask:
    voice: bo
    say: {cmn: 可以吗？, yue: 得唔得呀？}
    expect:
      - {intent: affirm, say: 好的。, goto: told}
      - {any: true, goto: told}
  told: {say: {cmn: 收到。, yue: 收到喇。}, goto: bye}
  bye: {say: {cmn: 再见。, yue: 再見。}, voice: {industry: finance}, end: completed}
`

func castHouse(t *testing.T) *voices.Catalogue {
	t.Helper()
	c, err := voices.New([]voices.Voice{
		{Name: "mei", Provider: "cloud", Gender: voices.Female, Languages: []speech.Language{"cmn"}},
		{Name: "an", Provider: "studio", Gender: voices.Female, Languages: []speech.Language{"cmn"}},
		{Name: "wang", Provider: "cloud", Gender: voices.Male, Languages: []speech.Language{"cmn"}, Industries: []string{"finance"}},
		{Name: "bo", Provider: "studio", Gender: voices.Male, Languages: []speech.Language{"cmn"}},
		{Name: "ling", Provider: "cloud", Gender: voices.Female, Languages: []speech.Language{"yue"}},
		{Name: "keung", Provider: "cloud", Gender: voices.Male, Languages: []speech.Language{"yue"}},
		{Name: "shu", Provider: "cloud", Gender: voices.Male, Languages: []speech.Language{"cmn"}, Dialect: "sichuan"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// played gives the voice of every line of the notice, the question, the answer
// with the next node, each as "line voice".
func played(t *testing.T, s *Script, c Customer) (got []string, why map[string]string) {
	t.Helper()
	why = map[string]string{}
	st, move := s.Start(c, time.Unix(1e9, 0))
	take := func() {
		for _, l := range move.Lines {
			got = append(got, strings.TrimSuffix(l.ID, ".yue")+" "+l.Voice)
			choice := s.VoiceOf(st, l)
			if choice.Voice != l.Voice {
				t.Errorf("%s is spoken by %q, explained as %q", l.ID, l.Voice, choice.Voice)
			}
			why[strings.TrimSuffix(l.ID, ".yue")] = choice.Reason
		}
	}
	take()
	data, err := json.Marshal(st) // survives a round trip
	if err != nil {
		t.Fatal(err)
	}
	var back State
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	st, move = s.Next(back, Input{Kind: Said, HeardLine: move.Lines[0].ID}, time.Unix(1e9, 0))
	take()
	st, move = s.Next(st, Input{Kind: Heard, Text: "好"}, time.Unix(1e9, 0))
	take()
	return got, why
}

// Contact before node before segment before script before the catalogue's own
// defaults, in the language of each line; the wish of a contact only where the
// script heeds it; without a catalogue the names go to the provider as they are.
func TestRow_S11_VoicesByContactNodeSegmentScriptAndIndustry(t *testing.T) {
	cat := castHouse(t)
	deaf := compile(t, strings.Replace(voicedScript, "CONTACT", "false", 1))
	bare := compile(t, strings.NewReplacer("  cmn: mei\n", "", "  yue: ling\n", "", "CONTACT", "false", "  voice: {cmn: an, yue: ling}\n", "", "    voice: bo\n", "").Replace(voicedScript))
	open := compile(t, strings.Replace(voicedScript, "CONTACT", "true", 1))
	for _, x := range []struct {
		name string
		s    *Script
		c    Customer
		want string
	}{
		{"segment none", deaf.Cast(cat), Customer{}, "disclosure.0 an, ask.0 bo, told.0 mei, bye.0 wang"},
		{"late", deaf.Cast(cat), Customer{Segment: "late"}, "disclosure.0 an, ask.0 bo, told.0 wang, bye.0 wang"},
		{"in Cantonese", deaf.Cast(cat), Customer{Language: "yue"}, "disclosure.0 ling, ask.0 ling, told.0 ling, bye.0 ling"},
		{"in Cantonese, late", deaf.Cast(cat), Customer{Language: "yue", Segment: "late"}, "disclosure.0 ling, ask.0 keung, told.0 keung, bye.0 keung"},
		{"not heeded", deaf.Cast(cat), Customer{Vars: map[string]any{"voice": "shu"}}, "disclosure.0 an, ask.0 bo, told.0 mei, bye.0 wang"},
		{"heeded", open.Cast(cat), Customer{Vars: map[string]any{"voice": "shu"}}, "disclosure.0 shu, ask.0 shu, told.0 shu, bye.0 shu"},
		{"a woman", open.Cast(cat), Customer{Vars: map[string]any{"voice_gender": "女"}, Segment: "late"}, "disclosure.0 mei, ask.0 mei, told.0 mei, bye.0 mei"},
		{"an accent", open.Cast(cat), Customer{Vars: map[string]any{"dialect": "Sichuan"}}, "disclosure.0 shu, ask.0 shu, told.0 shu, bye.0 shu"},
		{"an accent that is not written", open.Cast(cat), Customer{Vars: map[string]any{"dialect": "sichuan"}, Language: "yue"}, "disclosure.0 ling, ask.0 ling, told.0 ling, bye.0 ling"},
		{"of the industry, and of the language", bare.Cast(cat), Customer{}, "disclosure.0 wang, ask.0 wang, told.0 wang, bye.0 wang"},
		{"no industry speaks Cantonese", bare.Cast(cat), Customer{Language: "yue"}, "disclosure.0 ling, ask.0 ling, told.0 ling, bye.0 ling"},
		{"no catalogue", open, Customer{Segment: "late"}, "disclosure.0 an, ask.0 bo, told.0 mei, bye.0 mei"},
		{"no catalogue, his own", open, Customer{Vars: map[string]any{"voice": "x"}}, "disclosure.0 an, ask.0 bo, told.0 mei, bye.0 mei"},
	} {
		got, _ := played(t, x.s, x.c)
		if s := strings.Join(got, ", "); s != x.want {
			t.Errorf("%s:\n%s, want\n%s", x.name, s, x.want)
		}
	}
	_, why := played(t, open.Cast(cat), Customer{Language: "yue", Vars: map[string]any{"voice": "mei"}})
	if got := why["ask.0"]; !strings.Contains(got, "the script asks for ling") || !strings.Contains(got, "the contact's mei is passed over: it does not speak yue") ||
		!strings.Contains(got, "the node's bo is passed over") {
		t.Errorf("the reason: %s", got)
	}
	// What is warmed is what is said.
	for _, l := range deaf.Cast(cat).Prompts(Customer{ID: "1", Segment: "late"}) {
		if l.ID == "told.0" && l.Voice != "wang" {
			t.Errorf("warmed by %s", l.Voice)
		}
	}
	if st, _ := deaf.Start(Customer{Vars: map[string]any{"voice": "shu"}}, time.Unix(1e9, 0)); st.Voice != "" {
		t.Errorf("%q is kept although nobody heeds it", st.Voice)
	}
}

// A voice that is not there, or does not speak what it is to say, is named with
// its place and what was probably meant.
func TestVoicesAreCheckedAgainstTheCatalogue(t *testing.T) {
	cat := castHouse(t)
	good := strings.Replace(voicedScript, "CONTACT", "true", 1)
	if ps := compile(t, good).CheckVoices("x.yaml", cat); len(ps) > 0 {
		t.Errorf("%v", ps)
	}
	for _, x := range []struct{ old, new, want string }{
		{"cmn: mei", "cmn: mie", `10:8: voice "mie": there is no such voice in the catalogue (did you mean "mei"?)`},
		{"yue: ling\n  segments", "yue: mei\n  segments", `voice "mei": it does not speak yue (known: keung, ling)`},
		{"late: {gender: male}", "late: {industry: retail}", `voice "industry=retail": no voice for cmn is so`},
		{"    voice: bo", "    voice: nobody", `20:12: voice "nobody"`},
		{"voice: {cmn: an, yue: ling}", "voice: {cmn: ling}", `voice "ling": it does not speak cmn`},
	} {
		src := strings.Replace(good, x.old, x.new, 1)
		if src == good {
			t.Fatalf("%q is not in the script", x.old)
		}
		s := compile(t, src)
		ps := s.CheckVoices("x.yaml", cat)
		if len(ps) != 1 || !strings.Contains(ps.Error(), x.want) {
			t.Errorf("%s: %v", x.new, ps)
		}
		if ps := s.CheckVoices("x.yaml", nil); ps != nil {
			t.Errorf("without a catalogue: %v", ps)
		}
	}
	for old, want := range map[string]string{
		"cmn: mei":                    "cmn: {gender: woman}",
		"late: {gender: male}":        "lat: mei",
		"    voice: bo":               "    voice: {sex: male}",
		"  yue: ling":                 "  xx: ling",
		"contact: true":               "contact: 3",
		"voice: {industry: finance}":  "voice: {}",
		"voice: {cmn: an, yue: ling}": "voice: [an]",
	} {
		if _, err := Compile("x.yaml", []byte(strings.Replace(good, old, want, 1))); err == nil {
			t.Errorf("%s is taken", want)
		}
	}
}
