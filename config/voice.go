package config

import (
	"fmt"
	"slices"
	"strings"

	"ringmaster/internal/speech"
	"ringmaster/internal/speech/voices"
)

// Voice is an entry of the catalogue of voices: scripts name it, or ask for
// what it is like.
type Voice struct {
	Name        string            `yaml:"name"`
	Provider    string            `yaml:"provider"` // a name of speech.synthesizers
	Voice       string            `yaml:"voice"`    // the provider's name for it; empty = its default for the language
	Gender      string            `yaml:"gender"`   // female, male
	Languages   []speech.Language `yaml:"languages"`
	Dialect     string            `yaml:"dialect"`    // an accent of the language, such as sichuan
	Industries  []string          `yaml:"industries"` // of which it is the default voice
	Speed       float64           `yaml:"speed"`      // 1 = normal
	Description string            `yaml:"description"`
}

// DefaultSynthesizers speak where none are configured.
func DefaultSynthesizers() []Synthesizer { return []Synthesizer{{Name: "espeak", Kind: "espeak"}} }

// Voicing gives the synthesizers in their order, the embedded voice when none
// are configured.
func (s Speech) Voicing() []Synthesizer {
	if len(s.Synthesizers) == 0 {
		return DefaultSynthesizers()
	}
	return s.Synthesizers
}

// Catalogue of voices; nil when none are configured.
func (s Speech) Catalogue() (*voices.Catalogue, error) {
	if len(s.Voices) == 0 {
		return nil, nil //nolint:nilnil // nil is an empty catalogue
	}
	list := make([]voices.Voice, 0, len(s.Voices))
	for _, v := range s.Voices {
		list = append(list, voices.Voice{Name: v.Name, Provider: v.Provider, Own: v.Voice, Gender: v.Gender, Languages: v.Languages,
			Dialect: v.Dialect, Industries: v.Industries, Speed: v.Speed, About: v.Description})
	}
	return voices.New(list)
}

func (s Speech) checkVoices(k *checker) {
	if len(s.Voices) == 0 {
		return
	}
	if _, err := s.Catalogue(); err != nil {
		for line := range strings.SplitSeq(strings.TrimPrefix(err.Error(), voices.ErrCatalogue.Error()+": "), "\n") {
			key, what, _ := strings.Cut(line, ": ")
			k.bad("speech.voices"+key, "%s", what)
		}
	}
	var names []string
	for i, p := range s.Voicing() {
		at := fmt.Sprintf("speech.synthesizers[%d].name", i)
		k.must(p.Name != "", at, "a name, for speech.voices to say which provider has a voice")
		k.must(!slices.Contains(names, p.Name), at, "a name of its own")
		names = append(names, p.Name)
	}
	for i, v := range s.Voices {
		at := fmt.Sprintf("speech.voices[%d]", i)
		k.must(slices.Contains(names, v.Provider), at+".provider", "the name of a synthesizer: "+strings.Join(names, ", "))
		k.must(len(v.Voice) <= 200, at+".voice", "at most 200 bytes")
		k.must(len(v.Description) <= 500, at+".description", "at most 500 bytes")
	}
}
