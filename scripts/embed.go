// Package scripts holds the call scripts (话术) that are shipped: one YAML file
// a script, by industry, each with its conversation tests beside it.
package scripts

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:embed demo education finance healthcare retail schema.json
var files embed.FS

// FS holds every shipped script and conversation test, by industry.
func FS() fs.FS { return files }

// File is one shipped script.
type File struct {
	Path   string // such as retail/promotion_001.yaml
	Source []byte
}

// All are the shipped scripts, without their tests and what they share, in the
// order of their paths.
func All() ([]File, error) {
	var out []File
	err := each(func(p string, src []byte) {
		if !shared(p) && !strings.HasSuffix(p, ".test.yaml") {
			out = append(out, File{Path: p, Source: src})
		}
	})
	return out, err
}

// Shared are the lexicons and parts that shipped scripts use, by path.
func Shared() (map[string][]byte, error) {
	out := map[string][]byte{}
	err := each(func(p string, src []byte) {
		if shared(p) {
			out[p] = src
		}
	})
	return out, err
}

func shared(p string) bool {
	return path.Base(p) == "lexicon.yaml" || strings.HasSuffix(p, ".part.yaml")
}

func each(f func(path string, src []byte)) error {
	return fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(p) != ".yaml" {
			return err
		}
		src, err := files.ReadFile(p)
		if err == nil {
			f(p, src)
		}
		return err
	})
}

// Schema is the published JSON Schema of a script file.
func Schema() []byte {
	b, _ := files.ReadFile("schema.json") //nolint:errcheck // embedded
	return b
}
