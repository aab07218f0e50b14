package app

import (
	"fmt"
	"time"

	"ringmaster/adapter/speech/cache"
	"ringmaster/adapter/speech/dashscope"
	"ringmaster/adapter/speech/funasr"
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
	case "dashscope":
		return dashscope.NewRecognizer(dashscope.HearConfig{
			Name: c.Name, URL: c.URL, Token: c.Token.Reveal(), Model: c.Model, Vocabulary: c.Vocabulary, EndSilence: c.EndSilence,
			ConnectTimeout: timeout(c.Timeout, 3*time.Second), Logger: o.Log,
		})
	}
	return nil, fmt.Errorf("kind %q is not known", c.Kind)
}

func timeout(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
