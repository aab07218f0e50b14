package config

import (
	"net/url"
	"time"

	"ringmaster/internal/speech"
)

// Synthesizer is a text-to-speech provider.
type Synthesizer struct {
	Name    string        `yaml:"name"`
	Kind    string        `yaml:"kind"` // espeak, openai
	Command string        `yaml:"command"`
	Timeout time.Duration `yaml:"timeout"`
	// openai: an endpoint that is compatible with POST /audio/speech.
	URL    string                     `yaml:"url"` // the base, such as http://host:8880/v1
	Token  Secret                     `yaml:"token"`
	Model  string                     `yaml:"model"`
	Voices map[speech.Language]string `yaml:"voices"` // by language, for scripts that name none
	Rate   int                        `yaml:"rate"`   // Hz of its samples; 0: 24000
}

func (s Synthesizer) check(k *checker, at string) {
	k.must(s.Kind == "espeak" || s.Kind == "openai", at+".kind", "espeak or openai")
	k.must(s.Timeout >= 0 && s.Timeout <= time.Minute, at+".timeout", "0 (default) to 1m")
	if s.Kind != "openai" {
		k.must(s.URL == "" && s.Model == "" && s.Token.IsZero(), at+".url", "only kind: openai has a url, a token and a model")
		return
	}
	to, err := url.Parse(s.URL)
	k.must(err == nil && (to.Scheme == "http" || to.Scheme == "https") && to.Host != "", at+".url", "http:// or https:// with a host, such as http://127.0.0.1:8880/v1")
	k.must(err != nil || to.User == nil, at+".url", "no user or password in it: use token, best as env:NAME or file:/path")
	k.must(s.Model != "", at+".model", "the name of the model, as the endpoint knows it")
	k.must(len(s.Voices) > 0, at+".voices", "a voice for each language, such as {cmn: alloy}")
	k.must(s.Rate == 0 || s.Rate >= 8000 && s.Rate <= 48000, at+".rate", "0 (24000) or 8000 to 48000")
}
