package voices

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"ringmaster/internal/speech"
)

// Genders.
const (
	Female = "female"
	Male   = "male"
)

// maxVoices bounds a catalogue.
const maxVoices = 1000

// Voice is one entry: a voice of a provider under a name of the operator's.
type Voice struct {
	Name       string            `json:"name"` // what scripts write
	Provider   string            `json:"provider"`
	Own        string            `json:"voice,omitempty"`  // the provider's name for it; empty = its default for the language
	Gender     string            `json:"gender,omitempty"` // female, male, or empty
	Languages  []speech.Language `json:"languages"`        // in which texts may be given to it
	Dialect    string            `json:"dialect,omitempty"`
	Industries []string          `json:"industries,omitempty"` // for which it is the default; empty = for all
	Speed      float64           `json:"speed,omitempty"`      // 1 = the provider's normal; 0 means 1
	About      string            `json:"description,omitempty"`
}

// Speaks reports that texts of the language may be given to the voice.
func (v Voice) Speaks(l speech.Language) bool { return slices.Contains(v.Languages, l) }

// Catalogue is a list of voices, first ones first; immutable. nil is an empty one.
type Catalogue struct {
	list  []Voice
	named map[string]int
}

// ErrCatalogue is what every refused catalogue is (errors.Is).
var ErrCatalogue = errors.New("catalogue of voices refused: correct speech.voices")

var (
	namePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.+-]{0,63}$`)
	wordPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
)

// Languages that scripts are written in.
func Languages() []speech.Language { return []speech.Language{"cmn", "yue", "hak", "ug", "en"} }

// New checks a list. The error names every entry that cannot stand, by its
// place from 0.
func New(list []Voice) (*Catalogue, error) {
	c := &Catalogue{named: map[string]int{}}
	var errs []error
	if len(list) > maxVoices {
		errs = append(errs, fmt.Errorf("%d voices, at most %d", len(list), maxVoices))
		list = list[:maxVoices]
	}
	for i, v := range list {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("[%d]%s", i, fmt.Sprintf(format, args...)))
		}
		if !namePattern.MatchString(v.Name) {
			bad(".name: a letter, then at most 63 letters, digits and _ . + -")
		}
		if _, ok := c.named[v.Name]; ok {
			bad(".name: %.64q stands twice", v.Name)
		}
		if v.Gender != "" && v.Gender != Female && v.Gender != Male {
			bad(".gender: female, male, or nothing")
		}
		if len(v.Languages) == 0 {
			bad(".languages: at least one of %v", Languages())
		}
		for _, l := range v.Languages {
			if !slices.Contains(Languages(), l) {
				bad(".languages: %.16q is none of %v", l, Languages())
			}
		}
		for _, w := range append(slices.Clone(v.Industries), v.Dialect) {
			if w != "" && !wordPattern.MatchString(w) {
				bad(": an industry or dialect is a word of small letters, such as finance or sichuan, not %.40q", w)
			}
		}
		if v.Speed != 0 && (v.Speed < 0.5 || v.Speed > 2) {
			bad(".speed: 0 (normal) or 0.5 to 2")
		}
		c.named[v.Name] = len(c.list)
		c.list = append(c.list, v)
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrCatalogue, errors.Join(errs...))
	}
	return c, nil
}

// List gives every voice in the order of the configuration.
func (c *Catalogue) List() []Voice {
	if c == nil {
		return nil
	}
	return slices.Clone(c.list)
}

// Empty reports that there is no catalogue: scripts then name the voices of
// their first provider.
func (c *Catalogue) Empty() bool { return c == nil || len(c.list) == 0 }

// Voice by its name.
func (c *Catalogue) Voice(name string) (Voice, bool) {
	if c == nil {
		return Voice{}, false
	}
	i, ok := c.named[name]
	if !ok {
		return Voice{}, false
	}
	return c.list[i], true
}

// Names of the voices that speak a language; of all when it is empty.
func (c *Catalogue) Names(l speech.Language) []string {
	var out []string
	for _, v := range c.List() {
		if l == "" || v.Speaks(l) {
			out = append(out, v.Name)
		}
	}
	return out
}
