package dashscope

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
)

// Pauses and readings go out as the documentation words them, and what is
// heard has the silence; without hints the text goes out plain.
func TestHintsAreSentAsSSML(t *testing.T) {
	v, s := serve(t, nil, func(c *Config) { c.SSML = true })
	u := speech.Utterance{Text: "重庆银行您好A", Language: "cmn", Format: audio.FormatSlin, Hints: []speech.Hint{
		{Start: 0, End: 6, Reading: "chong2 qing4"}, {Start: 12, End: 12, Pause: 700 * time.Millisecond},
		{Start: 12, End: 15, Reading: "nü3"}, {Start: 15, End: 19, Reading: "hao3 ei1"}}}
	syn, err := v.Synthesize(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syn.Close() }()
	samples, err := speechtest.ReadAll(syn, audio.FormatSlin, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	want := `<speak><phoneme alphabet="py" ph="chong2 qing4">重庆</phoneme>银行<break time="700ms"/><phoneme alphabet="py" ph="nv3">您</phoneme>好A</speak>`
	if got := s.Asked(); len(got) != 1 || got[0].Text != want || !got[0].SSML || got[0].Readings != "重庆 chong2 qing4, 您 nv3" {
		t.Errorf("%+v", got)
	}
	heard, err := tone.DecodeAll(samples, 8000)
	if err != nil || len(heard) != 2 || heard[0].Text != "重庆银行" || heard[1].Text != "您好A" {
		t.Fatalf("%+v, %v", heard, err)
	}
	if gap := audio.FormatSlin.Duration(heard[1].Start - heard[0].End); gap < 650*time.Millisecond || gap > 800*time.Millisecond {
		t.Errorf("a pause of %v", gap)
	}
	if _, err := say(t, v); err != nil {
		t.Fatal(err)
	}
	if got := s.Asked()[1]; got.SSML || got.Text != "您好，这里是银行" {
		t.Errorf("%+v", got)
	}
}

// No text becomes markup, wherever its hints stand, and none is lost.
func TestTextIsNotMarkup(t *testing.T) {
	v, s := serve(t, nil, func(c *Config) { c.SSML = true })
	const text = `</speak><audio src="x"/>&<break time='9s'/>`
	syn, err := v.Synthesize(t.Context(), speech.Utterance{Text: text, Language: "cmn", Format: audio.FormatSlin, Hints: []speech.Hint{{Start: 3, End: 3, Pause: time.Millisecond}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := speechtest.ReadAll(syn, audio.FormatSlin, time.Minute); err != nil {
		t.Fatal(err)
	}
	_ = syn.Close()
	got := s.Asked()[0].Text
	if said, breaks := plainly(t, got); said != text || breaks != 1 || !strings.Contains(got, `time="50ms"`) {
		t.Errorf("%s says %q", got, said)
	}
	long := speech.Utterance{Text: strings.Repeat("好", 9999), Language: "cmn", Format: audio.FormatSlin, Hints: []speech.Hint{{Pause: time.Second}}}
	if _, err := v.Synthesize(t.Context(), long); !errors.Is(err, ErrTooLong) {
		t.Errorf("%v", err)
	}
	for model, want := range map[string]bool{"cosyvoice-v3-flash": true, "cosyvoice-v2": true, "cosyvoice-v1": false, "cosyvoice-v3.5-plus": true, "cosyvoice-v3-flash-2026-01-01": true, "qwen3-tts": false} {
		if TakesSSML(model) != want {
			t.Errorf("%s: %v", model, !want)
		}
	}
}

// plainly is the text of markup that has nothing but <speak>, <break> and
// <phoneme>.
func plainly(t *testing.T, markup string) (text string, breaks int) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(markup))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return text, breaks
		}
		if err != nil {
			t.Fatalf("%s: %v", markup, err)
		}
		switch x := token.(type) {
		case xml.CharData:
			text += string(x)
		case xml.StartElement:
			switch x.Name.Local {
			case "break":
				breaks++
			case "speak", "phoneme":
			default:
				t.Fatalf("%s has <%s>", markup, x.Name.Local)
			}
		case xml.EndElement:
		default:
			t.Fatalf("%s has %T", markup, token)
		}
	}
}

// FuzzMarkup: whatever text and hints are, the markup is XML of the three
// elements and says the text.
func FuzzMarkup(f *testing.F) {
	f.Add("欢迎来到重庆", 12, 18, "chong2 qing4", 300)
	f.Add("<speak>&amp;]]>", 3, 3, `"/><x y="`, -1)
	f.Add("\x00重\xff", 1, 4, "chong2", 1<<40)
	f.Fuzz(func(t *testing.T, text string, from, to int, reading string, ms int) {
		u := speech.Utterance{Text: text, Language: "cmn", Hints: []speech.Hint{{Start: from, End: to, Reading: reading, Pause: time.Duration(ms) * time.Millisecond}}}
		said, _ := plainly(t, markup(u))
		if whole := clean(text); said != whole && !strings.ContainsRune(text, '�') && strings.ToValidUTF8(text, "") == text {
			t.Errorf("%q is said as %q", whole, said)
		}
	})
}
