package app

import (
	"context"
	"fmt"
	"time"

	"ringmaster/adapter/speech/cache"
	"ringmaster/adapter/speech/dashscope"
	"ringmaster/adapter/speech/espeak"
	"ringmaster/adapter/speech/funasr"
	"ringmaster/adapter/speech/level"
	"ringmaster/adapter/speech/openai"
	"ringmaster/config"
	"ringmaster/internal/speech"
)

// newRecognizer chains the configured recognizers: the first is used, the next
// is its fallback. Adding a kind is one line here.
func newRecognizer(o Options) (speech.Recognizer, error) {
	if o.Recognizer != nil {
		return o.Recognizer, nil
	}
	var chain speech.Recognizer
	list := o.Config.Speech.Recognizers
	for i := len(list) - 1; i >= 0; i-- {
		r, err := recognizer(o, list[i])
		if err != nil {
			return nil, fmt.Errorf("recognizer %s: %w", list[i].Name, err)
		}
		if chain == nil {
			chain = r
		} else {
			chain = cache.FallbackRecognizer(r, chain, cache.RecognitionTimeouts{Connect: timeout(list[i].Timeout, 3*time.Second)})
		}
	}
	return chain, nil
}

func recognizer(o Options, c config.Recognizer) (speech.Recognizer, error) {
	switch c.Kind {
	case "funasr":
		return funasr.New(funasr.Config{URL: c.URL, ConnectTimeout: timeout(c.Timeout, 3*time.Second), Hotwords: funasr.Hotwords(c.Hotwords), Logger: o.Log})
	}
	return nil, fmt.Errorf("kind %q is not known", c.Kind)
}

// newVoice chains the configured synthesizers behind the prompt cache.
func newVoice(ctx context.Context, o Options) (*cache.Cache, error) {
	chain, provider := o.Synthesizer, "given"
	list := o.Config.Speech.Synthesizers
	if chain == nil && len(list) == 0 {
		list = []config.Synthesizer{{Name: "espeak", Kind: "espeak"}}
	}
	if chain == nil {
		for i := len(list) - 1; i >= 0; i-- {
			s, err := levelled(ctx, list[i])
			if err != nil {
				return nil, fmt.Errorf("synthesizer %s: %w", list[i].Name, err)
			}
			if chain == nil {
				chain = s
			} else {
				chain = cache.Fallback(s, chain, cache.SynthesisTimeouts{FirstAudio: timeout(list[i].Timeout, 2*time.Second)})
			}
		}
		provider = list[0].Kind + "/" + list[0].Name
	}
	own := o.Synthesizer != nil // speaks as it wants to
	return cache.New(chain, cache.Config{Provider: provider, Level: !own, Dir: o.Config.Speech.Cache.Dir, DiskBytes: o.Config.Speech.Cache.MaxBytes, Log: o.Log})
}

// levelled is a provider as loud as the others; espeak is so by itself.
func levelled(ctx context.Context, c config.Synthesizer) (speech.Synthesizer, error) {
	s, err := synthesizer(ctx, c)
	if err != nil || c.Kind == "espeak" {
		return s, err
	}
	return level.New(s), nil
}

func synthesizer(ctx context.Context, c config.Synthesizer) (speech.Synthesizer, error) {
	switch c.Kind {
	case "espeak":
		return espeak.New(ctx, espeak.Config{Program: c.Command, Timeout: timeout(c.Timeout, 10*time.Second)})
	case "openai":
		return openai.New(openai.Config{Name: c.Name, URL: c.URL, Token: c.Token.Reveal(), Model: c.Model, Voices: c.Voices, Rate: c.Rate, FirstAudio: timeout(c.Timeout, 3*time.Second)})
	case "dashscope":
		return dashscope.NewSynthesizer(dashscope.Config{Name: c.Name, URL: c.URL, Token: c.Token.Reveal(), Model: c.Model, Voices: c.Voices, FirstAudio: timeout(c.Timeout, 3*time.Second)})
	}
	return nil, fmt.Errorf("kind %q is not known", c.Kind)
}

func timeout(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
