package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringmaster/adapter/nlu/bert"
	"ringmaster/adapter/nlu/keyword"
	"ringmaster/adapter/nlu/openai"
	"ringmaster/adapter/nlu/remote"
	"ringmaster/adapter/nlu/trained"
	"ringmaster/config"
	"ringmaster/internal/api"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/classify"
)

// understanding is who tells what customers mean: keywords, a model of every
// script version, a provider if one is configured. It counts what it answers.
type understanding struct {
	top      nlu.Understander      // answers calls
	model    *trained.Understander // nil: keywords alone
	provider *remote.Understander  // nil: none
	kind     string                // of the provider
	words    *composing            // words turns
	log      *slog.Logger
	reports  string // folder; empty: evaluations are only logged

	answers *prometheus.CounterVec
	seconds prometheus.Histogram
	quality *prometheus.GaugeVec

	ctx    context.Context //nolint:containedctx // the life of evaluations
	cancel context.CancelFunc
	work   sync.WaitGroup
	turn   chan struct{} // held by the evaluation that runs
}

// examplesOf gives what a script version teaches its model.
type examplesOf func(ctx context.Context, tenant, script, version string) ([]classify.Example, error)

func newUnderstanding(o Options, examples examplesOf) (*understanding, error) {
	c := o.Config.Understanding
	u := &understanding{log: o.Log, reports: c.Reports, turn: make(chan struct{}, 1),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringmaster_nlu_answers_total", Help: "Answers by who gave them (keyword, trained, bert, openai) and what came of it (understood, abstained, error)."}, []string{"by", "result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ringmaster_nlu_seconds", Help: "Time to an answer.", Buckets: []float64{1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3}}),
		quality: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ringmaster_nlu_macro_f1", Help: "Macro F1 of a script's published version as a call hears it, cross-validated."}, []string{"script"}),
	}
	var err error
	if u.words, err = newComposing(c.Composer); err != nil {
		return nil, err
	}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	u.top = o.Understander
	if u.top != nil {
		return u, nil
	}
	u.top = keyword.New()
	if c.Embedded == "trained" {
		u.model = trained.New(trained.Options{Keyword: keyword.New(), Source: examples, Models: c.Models, Log: o.Log})
		u.top = u.model
	}
	if u.provider, err = newProvider(c.Provider, u.top, u.failed); err != nil {
		u.close()
		return nil, err
	}
	if u.provider != nil {
		u.kind, u.top = c.Provider.Kind, u.provider
	}
	return u, nil
}

// newProvider makes the configured understander behind HTTP; nil when there is
// none. Adding a kind is one case here.
func newProvider(c config.Provider, embedded nlu.Understander, failed func(error)) (*remote.Understander, error) {
	switch c.Kind {
	case "":
		return nil, nil //nolint:nilnil // none is no fault
	case "bert":
		labels := map[string]nlu.Intent{}
		for from, to := range c.Labels {
			labels[from] = nlu.Intent(to)
		}
		return bert.New(bert.Options{URL: c.URL, Shape: bert.Shape(c.Shape), Token: c.Token.Reveal(), Timeout: c.Timeout, Labels: labels,
			Temperature: c.Temperature, Embedded: embedded, Failed: failed})
	case "openai":
		url := c.URL
		if !strings.HasSuffix(url, "/chat/completions") {
			url = strings.TrimRight(url, "/") + "/chat/completions"
		}
		return openai.New(openai.Options{URL: url, Model: c.Model, Token: c.Token.Reveal(), Timeout: c.Timeout, Plain: c.Plain, Trust: c.Trust,
			Embedded: embedded, Failed: failed})
	}
	return nil, fmt.Errorf("understanding.provider.kind %q is not known", c.Kind)
}

func (u *understanding) failed(err error) {
	u.log.Warn("understanding provider failed; the embedded one answers", "err", err)
}

// Understand implements nlu.Understander.
func (u *understanding) Understand(ctx context.Context, q nlu.Question) (nlu.Answer, error) {
	from := time.Now()
	a, err := u.top.Understand(ctx, q)
	u.seconds.Observe(time.Since(from).Seconds())
	result := "understood"
	switch {
	case err != nil:
		result = "error"
	case a.Intent == "":
		result = "abstained"
	}
	by := a.Provider
	if by == "" {
		by = "none"
	}
	u.answers.WithLabelValues(by, result).Inc()
	return a, err
}

// close ends trainings and evaluations and waits for them.
func (u *understanding) close() {
	u.cancel()
	u.work.Wait()
	if u.model != nil {
		u.model.Close()
	}
}

// check is what readiness says: calls can be made before the models are ready,
// because keywords answer meanwhile.
func (u *understanding) check() api.Check {
	c := api.Check{Name: "understanding", OK: true}
	if u.model == nil {
		return c
	}
	if s := u.model.Stats(); s.Training+s.Failed > 0 {
		c.Why = fmt.Sprintf("%d models ready, %d in training, %d failed: keywords answer where there is none", s.Ready, s.Training, s.Failed)
	}
	return c
}

var (
	descModels   = prometheus.NewDesc("ringmaster_nlu_models", "Models of script versions by state (ready, training, failed).", []string{"state"}, nil)
	descProvider = prometheus.NewDesc("ringmaster_nlu_provider_total", "Questions to the understanding provider by what came of them.", []string{"provider", "result"}, nil)
)

// Describe implements prometheus.Collector.
func (u *understanding) Describe(ch chan<- *prometheus.Desc) {
	u.answers.Describe(ch)
	u.seconds.Describe(ch)
	u.quality.Describe(ch)
	u.words.turns.Describe(ch)
	ch <- descModels
	ch <- descProvider
}

// Collect implements prometheus.Collector.
func (u *understanding) Collect(ch chan<- prometheus.Metric) {
	u.answers.Collect(ch)
	u.seconds.Collect(ch)
	u.quality.Collect(ch)
	u.words.turns.Collect(ch)
	if u.model != nil {
		s := u.model.Stats()
		for state, n := range map[string]int{"ready": s.Ready, "training": s.Training, "failed": s.Failed} {
			ch <- prometheus.MustNewConstMetric(descModels, prometheus.GaugeValue, float64(n), state)
		}
	}
	if u.provider != nil {
		s := u.provider.Stats()
		for result, n := range map[string]uint64{"asked": s.Asked, "answered": s.Answered, "timed_out": s.TimedOut, "unavailable": s.Unavailable,
			"protocol": s.Protocol, "rested": s.Rested, "fell_back": s.FellBack} {
			ch <- prometheus.MustNewConstMetric(descProvider, prometheus.CounterValue, float64(n), u.kind, result)
		}
	}
}

// prepare starts the training of a script version.
func (u *understanding) prepare(tenant string, info dialogue.Info) {
	if u.model != nil {
		u.model.Prepare(nlu.Question{Tenant: tenant, Script: info.ID, Version: info.Version})
	}
}

// checkUnderstanding asks the configured provider one question.
func checkUnderstanding(ctx context.Context, c config.Config, log *slog.Logger, yield func(Finding) bool) bool {
	part := "understanding"
	if c.Understanding.Provider.Kind == "" {
		return yield(Finding{Part: part, OK: true, Detail: "embedded: " + c.Understanding.Embedded})
	}
	var why error
	p, err := newProvider(c.Understanding.Provider, keyword.New(), func(err error) { why = err })
	fix := "check understanding.provider: kind, url, token, model, timeout; calls go on with the embedded understander"
	if err != nil {
		return yield(Finding{Part: part, Detail: err.Error(), Fix: fix})
	}
	from := time.Now()
	_, err = p.Understand(ctx, nlu.Question{Said: "那你先把这件事情再跟我讲一讲", Language: "cmn",
		Expect: []nlu.Expectation{{Intent: "affirm", Examples: []string{"可以"}}, {Intent: "deny", Examples: []string{"不用了"}}}})
	log.Debug("provider was asked", "err", err)
	if s := p.Stats(); s.Answered != 1 {
		detail := "it was not asked"
		if why != nil {
			detail = why.Error()
		}
		return yield(Finding{Part: part, Detail: detail, Fix: fix})
	}
	return yield(Finding{Part: part, OK: true, Detail: fmt.Sprintf("%s answers in %v", c.Understanding.Provider.Kind, time.Since(from).Round(time.Millisecond))})
}
