package config

import (
	"net/url"
	"regexp"
	"time"
)

// Recognizer is a speech-to-text provider.
type Recognizer struct {
	Name    string        `yaml:"name"`
	Kind    string        `yaml:"kind"` // funasr, dashscope
	URL     string        `yaml:"url"`
	Timeout time.Duration `yaml:"timeout"`
	// Hotwords is the form in which a FunASR server takes them: json (its C++
	// server, the default) or plain (its Python server).
	Hotwords string `yaml:"hotwords"`
	// dashscope: Paraformer of Alibaba Cloud Model Studio.
	Token      Secret        `yaml:"token"`
	Model      string        `yaml:"model"`
	Vocabulary string        `yaml:"vocabulary"`  // ID of a list of hotwords that was made beforehand
	EndSilence time.Duration `yaml:"end_silence"` // ends an utterance; 0: 500 ms
}

// vocabularyID is the form of the service's IDs, such as vocab-testpfx-6977ae49.
var vocabularyID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

func (r Recognizer) check(k *checker, at string) {
	k.must(r.Kind == "funasr" || r.Kind == "dashscope", at+".kind", "funasr or dashscope")
	k.must(r.Timeout >= 0 && r.Timeout <= time.Minute, at+".timeout", "0 (default) to 1m")
	to, err := url.Parse(r.URL)
	ok := err == nil && (to.Scheme == "ws" || to.Scheme == "wss") && to.Host != ""
	if r.Kind != "dashscope" {
		k.must(ok, at+".url", "ws://host:10095 or wss://host:10095")
		k.must(r.Hotwords == "" || r.Hotwords == "json" || r.Hotwords == "plain", at+".hotwords", "json (FunASR's C++ server) or plain (its Python server)")
		k.must(r.Token.IsZero() && r.Model == "" && r.Vocabulary == "" && r.EndSilence == 0, at+".token", "only kind: dashscope has a token, a model, a vocabulary and an end_silence")
		return
	}
	k.must(ok, at+".url", "wss:// with a host, such as wss://dashscope.aliyuncs.com/api-ws/v1/inference")
	k.must(err != nil || to.User == nil, at+".url", "no user or password in it: use token, best as env:NAME or file:/path")
	k.must(!r.Token.IsZero(), at+".token", "the API key of Model Studio, best as env:NAME or file:/path")
	k.must(r.Model != "", at+".model", "paraformer-realtime-8k-v2 or paraformer-realtime-v2")
	k.must(r.Hotwords == "", at+".hotwords", "only kind: funasr takes hotwords with each call: name a list made beforehand as vocabulary")
	k.must(r.Vocabulary == "" || vocabularyID.MatchString(r.Vocabulary), at+".vocabulary", "the ID of a list of hotwords, such as vocab-clinic-24ee19fa")
	k.must(r.EndSilence == 0 || r.EndSilence >= 200*time.Millisecond && r.EndSilence <= 6*time.Second, at+".end_silence", "0 (500ms) or 200ms to 6s")
}
