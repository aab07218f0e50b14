package voices

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ringmaster/internal/speech"
)

// house is a catalogue with two providers.
func house(t *testing.T) *Catalogue {
	t.Helper()
	c, err := New([]Voice{
		{Name: "mei", Provider: "cloud", Own: "longmei", Gender: Female, Languages: []speech.Language{"cmn", "en"}},
		{Name: "wang", Provider: "cloud", Own: "longwang", Gender: Male, Languages: []speech.Language{"cmn"}, Industries: []string{"finance"}},
		{Name: "ling", Provider: "cloud", Own: "longling", Gender: Female, Languages: []speech.Language{"yue"}},
		{Name: "shu", Provider: "cloud", Own: "longshu", Gender: Male, Languages: []speech.Language{"cmn"}, Dialect: "sichuan"},
		{Name: "bo", Provider: "studio", Own: "onyx", Gender: Male, Languages: []speech.Language{"cmn"}},
		{Name: "an", Provider: "studio", Own: "alloy", Gender: Female, Languages: []speech.Language{"cmn"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The order of resolution: contact, node, segment, script, the industry's
// default, the language's default; what cannot be had in the line's language is
// passed over, and every choice says why.
func TestTheStrongestWishThatCanBeFulfilledSpeaks(t *testing.T) {
	c := house(t)
	ask := func(l Level, w string) Ask { return Ask{l, ParseWish(w)} }
	all := []Ask{ask(Contact, "an"), ask(Node, "bo"), ask(Segment, "wang"), ask(Script, "mei")}
	for i, want := range []string{"an", "bo", "wang", "mei"} {
		got := c.Choose("cmn", "", all[i:]...)
		if got.Voice != want || got.Level != all[i].Level || !strings.Contains(got.Reason, string(all[i].Level)+" asks for "+want) {
			t.Errorf("%d: %+v", i, got)
		}
	}
	for _, x := range []struct {
		lang     speech.Language
		industry string
		asks     []Ask
		voice    string
		level    Level
		reason   string
	}{
		{"cmn", "finance", nil, "wang", Industry, "the voice of finance for cmn"},
		{"cmn", "retail", nil, "mei", Language, "the voice for cmn"},
		{"cmn", "", nil, "mei", Language, "the voice for cmn"},
		{"ug", "finance", nil, "", Provider, "no voice of the catalogue is meant for ug"},
		{"yue", "finance", []Ask{ask(Contact, "gender=male"), ask(Node, "mei"), ask(Script, "ling")}, "ling", Script, "the contact's gender=male is passed over: no voice for yue is so; the node's mei is passed over: it does not speak yue"},
		{"cmn", "", []Ask{ask(Node, "nobody")}, "mei", Language, "there is no such voice"},
		{"cmn", "", []Ask{ask(Node, "gender=male")}, "bo", Node, "gender=male"},
		{"cmn", "finance", []Ask{ask(Node, "gender=male")}, "wang", Node, "gender=male"},
		{"cmn", "", []Ask{ask(Node, "industry=finance")}, "wang", Node, "industry=finance"},
		{"cmn", "", []Ask{ask(Contact, "dialect=sichuan")}, "shu", Contact, "dialect=sichuan"},
		{"yue", "", []Ask{ask(Contact, "dialect=yue")}, "ling", Contact, "dialect=yue"},
		{"cmn", "", []Ask{ask(Contact, "dialect=yue"), {}}, "mei", Language, "the contact's dialect=yue is passed over"},
	} {
		got := c.Choose(x.lang, x.industry, x.asks...)
		if got.Voice != x.voice || got.Level != x.level || !strings.Contains(got.Reason, x.reason) {
			t.Errorf("%s %s %v: %+v, want %s by %s because %q", x.lang, x.industry, x.asks, got, x.voice, x.level, x.reason)
		}
		if picked := c.Pick(x.lang, x.industry, x.asks...); picked != got.Voice {
			t.Errorf("%s %s %v: %s is picked, %s chosen", x.lang, x.industry, x.asks, picked, got.Voice)
		}
	}
	if got := (*Catalogue)(nil).Choose("cmn", "finance", ask(Node, "mei")); got.Voice != "" || got.Level != Provider {
		t.Errorf("an empty catalogue: %+v", got)
	}
}

// A substitute keeps dialect and gender where the other provider can, says what
// it does not keep, and is never of another language.
func TestASubstituteKeepsWhatItCan(t *testing.T) {
	c := house(t)
	for _, x := range []struct {
		voice, provider string
		lang            speech.Language
		want, lost      string
		ok              bool
	}{
		{"mei", "studio", "cmn", "an", "", true},
		{"wang", "studio", "cmn", "bo", "", true},
		{"shu", "studio", "cmn", "bo", "dialect", true},
		{"ling", "studio", "yue", "", "gender", false},
		{"mei", "espeak", "cmn", "", "gender", false},
	} {
		v, _ := c.Voice(x.voice)
		got, lost, ok := c.Substitute(v, x.lang, x.provider)
		if got.Name != x.want || strings.Join(lost, " ") != x.lost || ok != x.ok || ok && !got.Speaks(x.lang) {
			t.Errorf("%s by %s: %s without %v, %v", x.voice, x.provider, got.Name, lost, ok)
		}
	}
}

// What cannot stand is refused with its place, all of it at once.
func TestACatalogueIsChecked(t *testing.T) {
	_, err := New([]Voice{
		{Name: "1", Languages: []speech.Language{"cmn"}},
		{Name: "a", Gender: "woman", Languages: []speech.Language{"zh"}},
		{Name: "a", Speed: 9, Industries: []string{"Finance"}},
	})
	for _, want := range []string{"[0].name", "[1].gender", "[1].languages", "[2].name", "[2].languages", "[2].speed", "[2]: an industry"} {
		if !errors.Is(err, ErrCatalogue) || !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %v", want, err)
		}
	}
	c := house(t)
	if got := c.Names("yue"); !slices.Equal(got, []string{"ling"}) || len(c.Names("")) != 6 || c.Empty() || !(*Catalogue)(nil).Empty() {
		t.Errorf("%v", got)
	}
	many := make([]Voice, maxVoices+1)
	if _, err := New(many); !errors.Is(err, ErrCatalogue) {
		t.Error("too many voices are taken")
	}
}

// FuzzParseWish: what is written is read again, whatever it is.
func FuzzParseWish(f *testing.F) {
	for _, s := range []string{"mei", "gender=female", "gender=male,dialect=sichuan", "=", "gender=", "a,b=c", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w := ParseWish(s)
		if again := ParseWish(w.String()); again != w {
			t.Errorf("%q: %+v, then %+v", s, w, again)
		}
	})
}
