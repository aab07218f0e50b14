package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/api"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/check"
)

// Check implements api.ScriptDesk. One check runs at a time, so that authors do
// not take the processor from calls.
func (l *library) Check(ctx context.Context, source []byte) (api.CheckedScript, error) {
	select {
	case l.checks <- struct{}{}:
	case <-ctx.Done():
		return api.CheckedScript{}, ctx.Err()
	}
	defer func() { <-l.checks }()
	const file = "script.yaml"
	var out api.CheckedScript
	sc, err := l.shared.Compile(file, source)
	var mistakes dialogue.Problems
	switch {
	case errors.As(err, &mistakes):
		for _, m := range mistakes {
			if err := found(&out, check.Finding{Rule: check.Syntax, File: m.File, Line: m.Line, Column: m.Column, Text: m.Text, Suggest: m.Suggest}); err != nil {
				return out, err
			}
		}
		return out, nil
	case err != nil:
		return out, err
	}
	r := check.Run(sc, check.Options{File: file, Understander: keyword.New(), Voices: l.voices})
	info := sc.Info()
	out.ID, out.Version, out.Purpose, out.Source = info.ID, info.Version, info.Purpose, sc.Source()
	for _, f := range r.Findings {
		if err := found(&out, f); err != nil {
			return out, err
		}
	}
	out.Report, err = json.Marshal(map[string]int{"nodes": r.Nodes, "edges": r.Edges, "states": r.States})
	return out, err
}

func found(out *api.CheckedScript, f check.Finding) error {
	text, err := json.Marshal(f)
	out.Findings = append(out.Findings, text)
	return err
}

// Outline implements api.ScriptDesk.
func (l *library) Outline(_ context.Context, id string, source []byte) (api.ScriptOutline, error) {
	sc, err := l.shared.Compile(id+".yaml", source)
	if err != nil {
		return api.ScriptOutline{}, fmt.Errorf("a stored version of script %s does not compile any more: %w", id, err)
	}
	m := sc.Model()
	out := api.ScriptOutline{Purpose: m.Info.Purpose, Nodes: map[string]string{}, Replies: map[string]string{}}
	for _, n := range m.Nodes {
		if !n.Engine {
			if out.Nodes[n.ID], err = fingerprint(n); err != nil {
				return out, err
			}
		}
		for _, r := range n.Replies {
			if out.Replies[r.ID], err = fingerprint(r); err != nil {
				return out, err
			}
		}
	}
	for _, r := range m.Globals {
		if out.Replies[r.ID], err = fingerprint(r); err != nil {
			return out, err
		}
	}
	return out, nil
}

// fingerprint of a part of a script, wherever in the file it stands.
func fingerprint(part any) (string, error) {
	text, err := json.Marshal(part)
	if err != nil {
		return "", err
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return "", err
	}
	unplace(plain)
	if text, err = json.Marshal(plain); err != nil { // maps are written sorted
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// unplace takes the places (dialogue.Place) out of a model.
func unplace(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "At")
		for _, x := range v {
			unplace(x)
		}
	case []any:
		for _, x := range v {
			unplace(x)
		}
	}
}

// Released implements api.ScriptDesk: understanding learns the version before
// the first call needs it. Other controllers learn it with their first call.
func (l *library) Released(tenant, id string, source []byte) {
	sc, err := l.shared.Compile(id+".yaml", source)
	if err != nil || l.learn == nil {
		return
	}
	l.mu.Lock()
	l.compiled[tenant+"/"+id+"/"+sc.Info().Version] = sc
	l.mu.Unlock()
	l.learn(published{tenant: tenant, script: sc})
}

// version of a script, in force or not.
func (l *library) version(ctx context.Context, tenant, id, version string) (*dialogue.Script, error) {
	v, err := l.store.StoredScript(ctx, tenant, id, version)
	if err != nil {
		return nil, err
	}
	return l.shared.Compile(id+".yaml", v.Source)
}

// spoken is a version of a script that a call is under way by.
func (l *library) spoken(ctx context.Context, tenant, id, version string) (*dialogue.Script, error) {
	if sc, err := l.current(ctx, tenant, id); err == nil && sc.Info().Version == version {
		return sc, nil
	}
	v, err := l.store.StoredScript(ctx, tenant, id, version)
	if err != nil {
		return nil, err
	}
	sc, err := l.shared.Compile(id+".yaml", v.Source)
	if err != nil {
		return nil, fmt.Errorf("%w: version %s does not compile any more: %w", api.ErrNotFound, version, err)
	}
	if have := sc.Info().Version; have != version {
		return nil, fmt.Errorf("%w: version %s used lexicons or parts that have changed since (it is %s now)", api.ErrNotFound, version, have)
	}
	return sc.Cast(l.voices), nil
}
