package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringmaster/adapter/nlu/openai"
	"ringmaster/config"
	"ringmaster/internal/call"
	"ringmaster/internal/nlu"
)

// composing is the language model that words the turns which scripts hand
// over, and what became of its words.
type composing struct {
	composer *openai.Composer // nil: none is configured
	turns    *prometheus.CounterVec
}

func newComposing(c config.Composer) (*composing, error) {
	m := &composing{turns: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringmaster_composed_turns_total",
		Help: "Turns that scripts handed to a language model, by what became of its words: said; refused by the guards; failed (late, down, not in form). Refused and failed turns are the script's fallback line."}, []string{"result"})}
	if c.URL == "" {
		return m, nil
	}
	url := c.URL
	if !strings.HasSuffix(url, "/chat/completions") {
		url = strings.TrimRight(url, "/") + "/chat/completions"
	}
	var err error
	if m.composer, err = openai.NewComposer(openai.ComposerOptions{URL: url, Model: c.Model, Token: c.Token.Reveal(), Timeout: c.Timeout, Plain: c.Plain}); err != nil {
		return nil, fmt.Errorf("understanding.composer: %w", err)
	}
	return m, nil
}

// join gives calls the model, and counts.
func (m *composing) join(d *call.Deps) {
	if m == nil {
		return
	}
	if m.composer != nil {
		d.Composer = m.composer
	}
	d.Composed = func(result string) {
		kind, _, _ := strings.Cut(result, ":") // what was refused is in the log of the call, not in a label
		m.turns.WithLabelValues(kind).Inc()
	}
}

// checkComposer asks the configured language model for one turn.
func checkComposer(ctx context.Context, c config.Config, _ *slog.Logger, yield func(Finding) bool) bool {
	const part = "language model"
	if c.Understanding.Composer.URL == "" {
		return yield(Finding{Part: part, OK: true, Detail: "none: scripts that hand a turn over say their fallback line"})
	}
	m, err := newComposing(c.Understanding.Composer)
	from := time.Now()
	if err == nil {
		_, err = m.composer.Compose(ctx, nlu.Prompt{Language: "cmn", Task: "回答课程问题", Facts: []string{"课程每周两次。"}, Said: "一周上几次课", MaxChars: 40, MaxTokens: 100})
	}
	if err != nil {
		return yield(Finding{Part: part, Detail: err.Error(), Fix: "check understanding.composer: url, token, model, timeout, plain; calls go on with the scripts' fallback lines"})
	}
	return yield(Finding{Part: part, OK: true, Detail: fmt.Sprintf("answers in %v", time.Since(from).Round(time.Millisecond))})
}
