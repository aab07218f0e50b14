package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/adapter/nlu/trained"
	"ringmaster/config"
	"ringmaster/internal/api"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/classify"
)

// published is a version that has become the current one.
type published struct {
	tenant string
	script *dialogue.Script
	before *dialogue.Script // the version before; nil: none
}

// publish trains the model of a version, and measures the version against the
// one before if that has not been done.
func (u *understanding) publish(p published) {
	info := p.script.Info()
	u.prepare(p.tenant, info)
	if u.model == nil {
		return
	}
	dir := u.reportDir(p.tenant, info)
	if dir != "" {
		if s, err := os.ReadFile(filepath.Join(dir, "report.json")); err == nil { //nolint:gosec // our own folder
			u.restore(info.ID, s)
			return
		}
	}
	if dir == "" && p.before == nil {
		return
	}
	u.work.Go(func() {
		select {
		case u.turn <- struct{}{}:
			defer func() { <-u.turn }()
		case <-u.ctx.Done():
			return
		}
		pub, err := evaluate(u.ctx, p.script, p.before, 1)
		if err == nil {
			err = u.keep(dir, info, pub)
		}
		if err != nil && u.ctx.Err() == nil {
			u.log.Warn("understanding of a published script was not measured", "script", info.ID, "version", info.Version, "err", err)
		}
	})
}

func (u *understanding) reportDir(tenant string, info dialogue.Info) string {
	if u.reports == "" {
		return ""
	}
	return filepath.Join(u.reports, tenant, info.ID, info.Version[:min(12, len(info.Version))])
}

// restore shows the figure of an evaluation that was made earlier.
func (u *understanding) restore(script string, report []byte) {
	var was PublicationSummary
	if json.Unmarshal(report, &was) == nil && was.MacroF1 >= 0 && was.MacroF1 <= 1 {
		u.quality.WithLabelValues(script).Set(was.MacroF1)
	}
}

// keep logs an evaluation and writes it for the script's author.
func (u *understanding) keep(dir string, info dialogue.Info, p trained.Publication) error {
	s := Summary(info, p)
	u.quality.WithLabelValues(info.ID).Set(s.MacroF1)
	attrs := []any{"script", info.ID, "version", info.Version, "examples", s.Examples, "macro_f1", round(s.MacroF1)}
	if s.Before != nil {
		attrs = append(attrs, "macro_f1_before", round(*s.Before), "worse", len(s.Worse), "lost", len(s.Lost))
	}
	if dir != "" {
		attrs = append(attrs, "report", dir)
	}
	level := slog.LevelInfo
	if len(s.Worse)+len(s.Lost) > 0 {
		level = slog.LevelWarn
	}
	u.log.Log(u.ctx, level, "understanding of a published script measured", attrs...)
	if dir == "" {
		return nil
	}
	var text, svg bytes.Buffer
	if err := errors.Join(p.Print(&text), p.Report.Matrix.WriteSVG(&svg)); err != nil {
		return err
	}
	js, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("understanding.reports: %w", err)
	}
	// report.json last: where it stands the others do.
	for _, f := range []struct {
		name string
		data []byte
	}{{"report.txt", text.Bytes()}, {"confusion.svg", svg.Bytes()}, {"report.json", js}} {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o600); err != nil {
			return fmt.Errorf("understanding.reports: %w", err)
		}
	}
	return nil
}

func round(f float64) float64 { return float64(int(f*1000+0.5)) / 1000 }

// evaluate measures a compiled version, beside the one before (nil: none).
func evaluate(ctx context.Context, s, before *dialogue.Script, workers int) (trained.Publication, error) {
	var was []nlu.Expectation
	if before != nil {
		was = before.Expectations()
	}
	return trained.Evaluate(ctx, keyword.New(), s.Expectations(), was, classify.Options{Workers: workers})
}

// PublicationSummary is an evaluation in figures.
type PublicationSummary struct {
	Script       string               `json:"script"`
	Version      string               `json:"version"`
	Examples     int                  `json:"examples"`
	Accuracy     float64              `json:"accuracy"`
	MacroF1      float64              `json:"macro_f1"`
	ModelMacroF1 float64              `json:"model_macro_f1"`
	Before       *float64             `json:"macro_f1_before,omitempty"`
	Worse        []trained.Fall       `json:"worse,omitempty"`
	Lost         []trained.Loss       `json:"lost,omitempty"`
	Confusions   []classify.Confusion `json:"confusions,omitempty"`
}

// Summary puts an evaluation into figures.
func Summary(info dialogue.Info, p trained.Publication) PublicationSummary {
	s := PublicationSummary{Script: info.ID, Version: info.Version, Examples: p.Report.Examples, Accuracy: p.Report.Accuracy,
		MacroF1: p.Report.MacroF1, ModelMacroF1: p.Model.MacroF1, Worse: p.Worse, Lost: p.Lost,
		Confusions: p.Report.Confusions[:min(len(p.Report.Confusions), 20)]}
	if p.Before.Examples > 0 {
		s.Before = &p.Before.MacroF1
	}
	return s
}

// MeasureScript measures how well a script file would be understood. before is
// another version of it: a file, or with a configuration the version that is
// published there; empty: none.
func MeasureScript(ctx context.Context, file, before string, c *config.Config) (trained.Publication, PublicationSummary, error) {
	s, err := compileFile(file)
	if err != nil {
		return trained.Publication{}, PublicationSummary{}, err
	}
	var was *dialogue.Script
	switch {
	case before != "":
		was, err = compileFile(before)
	case c != nil:
		was, err = publishedScript(ctx, *c, s.Info())
	}
	if err != nil {
		return trained.Publication{}, PublicationSummary{}, err
	}
	p, err := evaluate(ctx, s, was, 0)
	return p, Summary(s.Info(), p), err
}

func compileFile(path string) (*dialogue.Script, error) {
	if !strings.HasSuffix(path, ".yaml") {
		return nil, fmt.Errorf("%s: the file of a script ends in .yaml", path)
	}
	src, err := os.ReadFile(path) //nolint:gosec // the author's own file
	if err != nil {
		return nil, err
	}
	var l library // the shipped lexicons and parts, and those beside the file
	if err := l.readShared(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return l.shared.Compile(path, src)
}

// publishedScript is the version of a script that is published in the
// database of a configuration; nil when it is the same one, or none is.
func publishedScript(ctx context.Context, c config.Config, info dialogue.Info) (*dialogue.Script, error) {
	st, err := ConnectStore(ctx, c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer func() { _ = st.Close() }()
	version, src, err := st.ScriptVersion(ctx, c.Tenant.ID, info.ID)
	if errors.Is(err, api.ErrNotFound) || err == nil && version == info.Version {
		return nil, nil //nolint:nilnil // nothing to compare with is no fault
	}
	if err != nil {
		return nil, err
	}
	return dialogue.Compile(info.ID+".yaml", src)
}
