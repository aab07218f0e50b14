// Package bert understands by a text-classification model behind HTTP: the
// answer shape of the common inference servers (a list of label and score, or
// a list of such lists) and Rasa's /model/parse.
package bert

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"ringmaster/adapter/nlu/remote"
	"ringmaster/internal/nlu"
)

// Shape is how a server is spoken to.
type Shape string

const (
	// Classify sends {"inputs": text} and reads [{label, score}] or [[{label,
	// score}]]: Hugging Face inference endpoints, text-embeddings-inference's
	// /predict, and servers made alike.
	Classify Shape = "classify"
	// Rasa sends {"text": text} and reads intent and intent_ranking.
	Rasa Shape = "rasa"
)

// Options of a server.
type Options struct {
	URL     string
	Shape   Shape // empty: Classify
	Token   string
	Timeout time.Duration // 0: remote.DefaultTimeout
	// Labels says which intent a label of the model stands for (LABEL_0:
	// affirm); a label that is not named is its own intent.
	Labels map[string]nlu.Intent
	// Temperature of the model, found on labelled sentences: neural scores are
	// too sure of themselves (Guo et al., ICML 2017). 0 or 1: as they come.
	Temperature float64
	Client      *http.Client
	Embedded    nlu.Understander
	Failed      func(err error)
}

// Provider is the name in every Answer that the model had a part in.
const Provider = "bert"

// New gives an understander that asks a server, and answers by the embedded
// one when the server does not.
func New(o Options) (*remote.Understander, error) {
	speak := remote.Speak{}
	switch o.Shape {
	case Classify, "":
		speak.Body = func(_ nlu.Question, said string) (any, error) {
			return map[string]any{"inputs": said, "parameters": map[string]any{"top_k": 10}}, nil
		}
		speak.Parse = func(_ nlu.Question, b []byte) ([]nlu.Candidate, string, error) { return o.scored(ParseClassify(b)) }
	case Rasa:
		speak.Body = func(_ nlu.Question, said string) (any, error) { return map[string]any{"text": said}, nil }
		speak.Parse = func(_ nlu.Question, b []byte) ([]nlu.Candidate, string, error) { return o.scored(ParseRasa(b)) }
	default:
		return nil, fmt.Errorf("understanding provider bert: shape %q is not known: use classify or rasa", o.Shape)
	}
	return remote.New(remote.Options{Name: Provider, URL: o.URL, Token: o.Token, Timeout: o.Timeout, Client: o.Client, Embedded: o.Embedded, Failed: o.Failed}, speak)
}

// scored names intents, and puts the scores on the scale of probability.
func (o Options) scored(cs []nlu.Candidate, err error) ([]nlu.Candidate, string, error) {
	if err != nil {
		return nil, "", err
	}
	for i, c := range cs {
		if to, ok := o.Labels[string(c.Intent)]; ok {
			cs[i].Intent = to
		}
	}
	remote.Temper(cs, o.Temperature)
	return cs, "model says " + remote.Line(string(cs[0].Intent)), nil
}

var (
	errShape = errors.New("the answer is not a list of label and score")
	errRasa  = errors.New("the answer has no intent with name and confidence")
	errScore = errors.New("a score is no number from 0 to 1")
)

// maxCandidates that are read of one answer.
const maxCandidates = 2000

type labelled struct {
	Label *string  `json:"label"`
	Score *float64 `json:"score"`
}

// ParseClassify reads [{label, score}, ...] or [[{label, score}, ...]], best
// first or not.
func ParseClassify(b []byte) ([]nlu.Candidate, error) {
	var flat []labelled
	if err := json.Unmarshal(b, &flat); err != nil {
		var nested [][]labelled
		if err := json.Unmarshal(b, &nested); err != nil || len(nested) != 1 {
			return nil, errShape
		}
		flat = nested[0]
	}
	out := make([]nlu.Candidate, 0, min(len(flat), maxCandidates))
	for _, l := range flat[:min(len(flat), maxCandidates)] {
		if l.Label == nil || l.Score == nil || strings.TrimSpace(*l.Label) == "" {
			return nil, errShape
		}
		out = append(out, nlu.Candidate{Intent: nlu.Intent(*l.Label), Confidence: *l.Score})
	}
	return remote.Ranked(out, errShape, errScore)
}

// ParseRasa reads the answer of /model/parse. Its catch-all nlu_fallback names
// no intent.
func ParseRasa(b []byte) ([]nlu.Candidate, error) {
	type named struct {
		Name       *string  `json:"name"`
		Confidence *float64 `json:"confidence"`
	}
	var answer struct {
		Intent  *named  `json:"intent"`
		Ranking []named `json:"intent_ranking"`
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.Intent == nil {
		return nil, errRasa
	}
	all := answer.Ranking
	if len(all) == 0 {
		all = []named{*answer.Intent}
	}
	out := make([]nlu.Candidate, 0, min(len(all), maxCandidates))
	for _, n := range all[:min(len(all), maxCandidates)] {
		if n.Confidence == nil {
			return nil, errRasa
		}
		c := nlu.Candidate{Intent: "_none", Confidence: *n.Confidence}
		if n.Name != nil && *n.Name != "" && *n.Name != "nlu_fallback" {
			c.Intent = nlu.Intent(*n.Name)
		}
		out = append(out, c)
	}
	return remote.Ranked(out, errRasa, errScore)
}
