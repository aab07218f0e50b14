package app

import (
	"context"
	"path/filepath"

	"ringmaster/internal/api"
)

// ScriptDiff is what two versions of a script do not have in common.
type ScriptDiff = api.ScriptDiff

// PartsChanged are the names that came, went or are not the same.
type PartsChanged = api.PartsChanged

// ScriptText is a version of a script: a file, or what a controller keeps.
type ScriptText struct {
	// Path names the file; the lexicons and parts beside it are used. What a
	// controller keeps has them in itself.
	Path   string
	Source []byte
}

// CompareScripts compares two texts as a controller compares two versions. The
// error of one that does not compile is of type dialogue.Problems.
func CompareScripts(ctx context.Context, from, to ScriptText) (ScriptDiff, error) {
	var versions [2]api.ScriptVersion
	var outlines [2]api.ScriptOutline
	id := ""
	for i, text := range []ScriptText{from, to} {
		var l library
		if err := l.readShared(filepath.Dir(text.Path)); err != nil {
			return ScriptDiff{}, err
		}
		sc, err := l.shared.Compile(text.Path, text.Source)
		if err != nil {
			return ScriptDiff{}, err
		}
		info := sc.Info()
		id = info.ID
		versions[i] = api.ScriptVersion{Script: id, Version: info.Version, Source: sc.Source()}
		if outlines[i], err = l.Outline(ctx, id, sc.Source()); err != nil {
			return ScriptDiff{}, err
		}
	}
	return api.DiffScripts(id, versions[0], versions[1], outlines[0], outlines[1]), nil
}
