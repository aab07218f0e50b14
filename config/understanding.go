package config

import (
	"fmt"
	"math"
	"net/url"
	"time"
)

// Understanding says who tells what a customer meant.
type Understanding struct {
	// Embedded answers always: trained (a model of every script version, beside
	// the keywords) or keyword (keywords and examples alone).
	Embedded string `yaml:"embedded"`
	Models   int    `yaml:"models"` // kept in memory, the least lately used go first
	// Reports is a folder for the evaluation of every published version; empty:
	// it is only logged.
	Reports  string   `yaml:"reports"`
	Provider Provider `yaml:"provider"`
	Composer Composer `yaml:"composer"`
}

// Composer is a language model behind an OpenAI-compatible endpoint that words
// the turns which a script hands over (`compose:`). Without one the script's
// fallback lines are said.
type Composer struct {
	URL     string        `yaml:"url"` // the base, such as http://host:8000/v1; empty: none
	Token   Secret        `yaml:"token"`
	Timeout time.Duration `yaml:"timeout"` // for one answer; 0: 2500 ms. A script may ask for less
	Model   string        `yaml:"model"`
	Plain   bool          `yaml:"plain"` // without response_format, for servers that know no JSON schema
}

func (c Composer) check(k *checker) {
	const at = "understanding.composer"
	if c.URL == "" {
		k.must(c.Token.IsZero() && c.Model == "", at+".url", "the base of the endpoint, such as http://host:8000/v1")
		return
	}
	k.must(c.Model != "", at+".model", "the name of the model, as the endpoint knows it")
	to, err := url.Parse(c.URL)
	k.must(err == nil && (to.Scheme == "http" || to.Scheme == "https") && to.Host != "", at+".url", "http:// or https:// with a host")
	k.must(err != nil || to.User == nil, at+".url", "no user or password in it: use token, best as env:NAME or file:/path")
	k.must(c.Timeout == 0 || c.Timeout >= 500*time.Millisecond && c.Timeout <= 3*time.Second, at+".timeout", "0 (default 2500ms), or 500ms to 3s: from 900ms on the silence is filled")
}

// Provider is an understander behind HTTP; the embedded one answers when it
// does not, and in its own words beside it when it does.
type Provider struct {
	Kind    string        `yaml:"kind"` // bert, openai; empty: none
	URL     string        `yaml:"url"`  // bert: of the endpoint; openai: the base, such as http://host:8000/v1
	Token   Secret        `yaml:"token"`
	Timeout time.Duration `yaml:"timeout"` // for one answer; 0: 800 ms
	// bert
	Shape       string            `yaml:"shape"`       // classify (the default) or rasa
	Labels      map[string]string `yaml:"labels"`      // the model's label to our intent
	Temperature float64           `yaml:"temperature"` // above 1 calms a model that is too sure; 0: as it is
	// openai
	Model string  `yaml:"model"`
	Plain bool    `yaml:"plain"` // without response_format, for servers that know no JSON schema
	Trust float64 `yaml:"trust"` // the most that the model is believed; 0: 0.85
}

func (u Understanding) check(k *checker) {
	k.must(u.Embedded == "trained" || u.Embedded == "keyword", "understanding.embedded", "trained (a model of every script version beside the keywords) or keyword")
	k.must(u.Models >= 1 && u.Models <= 1000, "understanding.models", "1 to 1000; a model takes about 1 MB, with many labels up to 15 MB")
	u.Composer.check(k)
	p, at := u.Provider, "understanding.provider"
	switch p.Kind {
	case "":
		k.must(p.URL == "" && p.Token.IsZero() && p.Model == "", at+".kind", "bert or openai")
		return
	case "bert":
		k.must(p.Shape == "" || p.Shape == "classify" || p.Shape == "rasa", at+".shape", "classify ([{label, score}]) or rasa (/model/parse)")
		k.must(p.Temperature >= 0 && p.Temperature <= 20, at+".temperature", "0 (as it is) to 20")
		for label, intent := range p.Labels {
			k.must(intentName.MatchString(intent), fmt.Sprintf("%s.labels[%q]", at, label), "an intent such as price_objection")
		}
	case "openai":
		k.must(p.Model != "", at+".model", "the name of the model, as the endpoint knows it")
		k.must(p.Trust >= 0 && p.Trust <= 1 && !math.IsNaN(p.Trust), at+".trust", "0 (default 0.85) to 1")
	default:
		k.bad(at+".kind", "bert or openai")
	}
	to, err := url.Parse(p.URL)
	k.must(err == nil && (to.Scheme == "http" || to.Scheme == "https") && to.Host != "", at+".url", "http:// or https:// with a host")
	k.must(err != nil || to.User == nil, at+".url", "no user or password in it: use token, best as env:NAME or file:/path")
	k.must(p.Timeout == 0 || p.Timeout >= 50*time.Millisecond && p.Timeout <= 2500*time.Millisecond, at+".timeout",
		"0 (default 800ms), or 50ms to 2500ms: the call gives up after 3s, from 900ms on it fills the silence")
}
