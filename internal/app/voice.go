package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ringmaster/adapter/speech/cache"
	"ringmaster/adapter/speech/cast"
	"ringmaster/adapter/speech/dashscope"
	"ringmaster/adapter/speech/espeak"
	"ringmaster/adapter/speech/hinted"
	"ringmaster/adapter/speech/level"
	"ringmaster/adapter/speech/openai"
	"ringmaster/config"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/voices"
)

// newVoice puts the prompt cache before the configured synthesizers, of which
// each speaks the voices that the catalogue gives it. The cast is nil when o
// brings a synthesizer of its own.
func newVoice(ctx context.Context, o Options) (*cache.Cache, *cast.Cast, error) {
	c := cache.Config{Dir: o.Config.Speech.Cache.Dir, DiskBytes: o.Config.Speech.Cache.MaxBytes, Log: o.Log}
	if o.Synthesizer != nil { // speaks as it wants to
		c.Provider = "given"
		prompts, err := cache.New(o.Synthesizer, c)
		return prompts, nil, err
	}
	list := o.Config.Speech.Voicing()
	catalogue, err := o.Config.Speech.Catalogue()
	if err != nil {
		return nil, nil, err
	}
	providers := make([]cast.Provider, 0, len(list))
	for _, s := range list {
		v, err := levelled(ctx, s, catalogue)
		if err != nil {
			return nil, nil, fmt.Errorf("synthesizer %s: %w", s.Name, err)
		}
		providers = append(providers, cast.Provider{Name: s.Name, Synthesizer: v, FirstAudio: timeout(s.Timeout, 2*time.Second), Speaks: languagesOf(s, catalogue), Key: soundOf(s)})
	}
	voice, err := cast.New(cast.Config{Providers: providers, Catalogue: catalogue, Log: o.Log})
	if err != nil {
		return nil, nil, err
	}
	c.Provider, c.Level, c.Identity = list[0].Kind+"/"+list[0].Name, true, voice.Identity
	prompts, err := cache.New(voice, c)
	return prompts, voice, err
}

// languagesOf are the languages that a provider has a voice for.
func languagesOf(c config.Synthesizer, catalogue *voices.Catalogue) []speech.Language {
	if c.Kind == "espeak" {
		return espeak.Languages()
	}
	return slices.Sorted(maps.Keys(ownVoices(c, catalogue)))
}

// soundOf is what shapes the sound of a provider beside the voice: when it
// changes, what was kept is made anew.
func soundOf(c config.Synthesizer) string {
	if c.Kind == "espeak" && c.Hints == "" {
		return ""
	}
	key := []string{c.Model, c.Hints, fmt.Sprint(c.Rate)}
	for _, l := range slices.Sorted(maps.Keys(c.Voices)) {
		key = append(key, string(l)+"="+c.Voices[l])
	}
	return strings.Join(key, "\x01")
}

// levelled is a provider as loud as the others, which heeds the hints of scripts
// as it can, or as far as it is told to.
func levelled(ctx context.Context, c config.Synthesizer, catalogue *voices.Catalogue) (speech.Synthesizer, error) {
	s, err := synthesizer(ctx, c, catalogue)
	if err != nil {
		return nil, err
	}
	if c.Kind != "espeak" { // is so by itself
		s = level.New(s)
	}
	if marksUp(c) {
		return s, nil
	}
	return hinted.New(s, hinted.Options{Pauses: c.Hints != "off", Readings: c.Hints == "" || c.Hints == "spelled"}), nil
}

// marksUp: the provider takes hints as markup.
func marksUp(c config.Synthesizer) bool {
	return c.Kind == "dashscope" && (c.Hints == "ssml" || c.Hints == "" && dashscope.TakesSSML(c.Model))
}

func synthesizer(ctx context.Context, c config.Synthesizer, catalogue *voices.Catalogue) (speech.Synthesizer, error) {
	own := ownVoices(c, catalogue)
	switch c.Kind {
	case "espeak":
		return espeak.New(ctx, espeak.Config{Program: c.Command, Timeout: timeout(c.Timeout, 10*time.Second)})
	case "openai":
		return openai.New(openai.Config{Name: c.Name, URL: c.URL, Token: c.Token.Reveal(), Model: c.Model, Voices: own, Rate: c.Rate, FirstAudio: timeout(c.Timeout, 3*time.Second)})
	case "dashscope":
		return dashscope.NewSynthesizer(dashscope.Config{Name: c.Name, URL: c.URL, Token: c.Token.Reveal(), Model: c.Model, Voices: own, FirstAudio: timeout(c.Timeout, 3*time.Second), SSML: marksUp(c)})
	}
	return nil, fmt.Errorf("kind %q is not known", c.Kind)
}

// ownVoices are a provider's voices by language: its defaults, and where it has
// none the first of the catalogue.
func ownVoices(c config.Synthesizer, catalogue *voices.Catalogue) map[speech.Language]string {
	out := maps.Clone(c.Voices)
	for _, v := range catalogue.List() {
		for _, l := range v.Languages {
			if _, ok := out[l]; !ok && v.Provider == c.Name && v.Own != "" && out != nil {
				out[l] = v.Own
			}
		}
	}
	return out
}
