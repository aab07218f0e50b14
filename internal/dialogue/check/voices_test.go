package check

import (
	"strings"
	"testing"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/voices"
)

// A voice that the catalogue lacks refuses the script at its place; without a
// catalogue nothing is asked of voices.
func TestAVoiceThatIsNotThereRefusesTheScript(t *testing.T) {
	cat, err := voices.New([]voices.Voice{{Name: "mei", Provider: "a", Languages: []speech.Language{"cmn"}}})
	if err != nil {
		t.Fatal(err)
	}
	const src = `format: ringmaster/1
id: a
title: A
purpose: service
language: cmn
voices: {cmn: mey}
limits: {turns: 8, visits: 2, no_match: 1, silence: 1}
disclosure: {say: 您好，我是人工智能语音助手，本次通话将会录音。}
start: bye
nodes:
  bye: {say: 再见。, end: completed}
`
	sc, err := dialogue.Compile("a.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	voice := func(o Options) (out []Finding) {
		for _, f := range Run(sc, o).Findings {
			if f.Rule == Voice {
				out = append(out, f)
			}
		}
		return out
	}
	got := voice(Options{File: "a.yaml", Voices: cat})
	if len(got) != 1 || got[0].Line != 6 || got[0].Column != 15 || !strings.Contains(got[0].Explain(), `did you mean "mei"?`) {
		t.Errorf("%+v", got)
	}
	if got := voice(Options{}); got != nil {
		t.Errorf("without a catalogue: %+v", got)
	}
}
