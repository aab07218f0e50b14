package config

import (
	"net/url"
	"time"

	"ringmaster/internal/speech"
)

// Synthesizer is a text-to-speech provider.
type Synthesizer struct {
	Name    string        `yaml:"name"`
	Kind    string        `yaml:"kind"` // espeak, openai, dashscope
	Command string        `yaml:"command"`
	Timeout time.Duration `yaml:"timeout"`
	// openai: an endpoint that is compatible with POST /audio/speech. dashscope:
	// CosyVoice of Alibaba Cloud Model Studio; its rate is that of the call.
	URL    string                     `yaml:"url"` // openai: the base, such as http://host:8880/v1; dashscope: wss://...
	Token  Secret                     `yaml:"token"`
	Model  string                     `yaml:"model"`
	Voices map[speech.Language]string `yaml:"voices"` // by language, for scripts that name none
	Rate   int                        `yaml:"rate"`   // Hz of its samples; 0: 24000
	// Hints is what becomes of the pauses and readings that scripts ask for:
	// ssml (dashscope alone), spelled (exact silence, and characters of the same
	// sound), pauses (exact silence alone), off; empty is the best it can.
	Hints string `yaml:"hints"`
}

func (s Synthesizer) check(k *checker, at string) {
	k.must(s.Kind == "espeak" || s.Kind == "openai" || s.Kind == "dashscope", at+".kind", "espeak, openai or dashscope")
	k.must(s.Timeout >= 0 && s.Timeout <= time.Minute, at+".timeout", "0 (default) to 1m")
	k.must(s.Hints == "" || s.Hints == "spelled" || s.Hints == "pauses" || s.Hints == "off" || s.Hints == "ssml" && s.Kind == "dashscope", at+".hints",
		"empty (the best it can), spelled, pauses or off; ssml for kind: dashscope")
	to, err := url.Parse(s.URL)
	scheme := func(a, b string) bool { return err == nil && (to.Scheme == a || to.Scheme == b) && to.Host != "" }
	switch s.Kind {
	case "openai":
		k.must(scheme("http", "https"), at+".url", "http:// or https:// with a host, such as http://127.0.0.1:8880/v1")
		k.must(s.Rate == 0 || s.Rate >= 8000 && s.Rate <= 48000, at+".rate", "0 (24000) or 8000 to 48000")
	case "dashscope":
		k.must(scheme("ws", "wss"), at+".url", "wss:// with a host, such as wss://dashscope.aliyuncs.com/api-ws/v1/inference")
		k.must(!s.Token.IsZero(), at+".token", "the API key of Model Studio, best as env:NAME or file:/path")
		k.must(s.Rate == 0, at+".rate", "0: the service is asked for the rate of the call")
	default:
		k.must(s.URL == "" && s.Model == "" && s.Token.IsZero(), at+".url", "only kind: openai and dashscope have a url, a token and a model")
		return
	}
	k.must(err != nil || to.User == nil, at+".url", "no user or password in it: use token, best as env:NAME or file:/path")
	k.must(s.Model != "", at+".model", "the name of the model, as the endpoint knows it")
	k.must(len(s.Voices) > 0, at+".voices", "a voice for each language, such as {cmn: alloy}")
}
