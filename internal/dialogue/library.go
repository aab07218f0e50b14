package dialogue

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"ringmaster/internal/nlu"
)

// Library is what scripts share by name: lexicons of industries, and parts
// that a script takes in with `use:`. It is immutable; nil is an empty one.
type Library struct {
	lexicons map[string]*Lexicon
	parts    map[string]*fragment
}

// NewLibrary reads lexicons (files named lexicon.yaml) and parts (*.part.yaml)
// from path to source; other files are left alone. The error is of type
// Problems and holds every mistake of every file.
func NewLibrary(files map[string][]byte) (*Library, error) {
	l := &Library{lexicons: map[string]*Lexicon{}, parts: map[string]*fragment{}}
	var all Problems
	for _, file := range sortedKeys(files) {
		var ps Problems
		if errors.As(l.read(file, files[file]), &ps) {
			all = append(all, ps...)
		}
	}
	if len(all) > 0 {
		return nil, all
	}
	return l, nil
}

// Shared reports that a file of this name belongs into a Library and is no
// script.
func Shared(file string) bool {
	return path.Base(file) == "lexicon.yaml" || strings.HasSuffix(file, ".part.yaml")
}

func (l *Library) read(file string, src []byte) error {
	if !Shared(file) {
		return nil
	}
	p := &problems{file: file}
	root := readYAML(p, src)
	c := &compiler{problems: p, s: newScript()}
	switch {
	case root == nil:
	case path.Base(file) == "lexicon.yaml":
		lex := c.lexicon(root)
		lex.file, lex.src = file, src
		if old := l.lexicons[lex.Name]; old != nil {
			c.add(root, "join the two", "the lexicon %q is already given in %s", lex.Name, old.file)
		}
		l.lexicons[lex.Name] = lex
	default:
		f := c.fragment(root)
		f.file, f.src = file, src
		if old := l.parts[f.id]; old != nil {
			c.add(root, "give one of them another id", "the part %q is already given in %s", f.id, old.file)
		}
		l.parts[f.id] = f
	}
	return p.err()
}

// Lexicon of an industry; nil when there is none.
func (l *Library) Lexicon(industry string) *Lexicon {
	if l == nil {
		return nil
	}
	return l.lexicons[industry]
}

// With gives a library in which what own holds goes before l's.
func (l *Library) With(own *Library) *Library {
	if own == nil {
		return l
	}
	out := &Library{lexicons: map[string]*Lexicon{}, parts: map[string]*fragment{}}
	for _, from := range []*Library{l, own} {
		if from == nil {
			continue
		}
		for k, v := range from.lexicons {
			out.lexicons[k] = v
		}
		for k, v := range from.parts {
			out.parts[k] = v
		}
	}
	return out
}

// Compile reads a script that may use what the library holds. See Compile.
func (l *Library) Compile(file string, src []byte) (*Script, error) {
	own, main, err := unbundle(file, src)
	if err != nil {
		return nil, err
	}
	p := &problems{file: file}
	root := readYAML(p, main)
	if root == nil || len(p.list) > 0 && root.kind != kMap {
		return nil, p.err()
	}
	c := &compiler{problems: p, lib: l.With(own), s: newScript()}
	c.base()
	if root.kind != kMap {
		c.add(root, "start with `format: ringmaster/1`", "a script is a mapping, not %s", root.kind)
		return nil, p.err()
	}
	c.expand(root)
	if len(p.list) == 0 {
		c.script(root)
	}
	switch {
	case len(p.list) == 0:
		c.check()
		c.finishRestrictions()
	case len(c.s.nodes) > 0: // told with the rest, so that one correction is enough
		c.checkRefs()
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	c.bundle(main)
	c.s.written = writtenIn(root)
	c.finish()
	return c.s, nil
}

func newScript() *Script {
	return &Script{
		vars: map[string]*variable{}, slots: map[string]*slotDecl{}, nodes: map[string]*node{},
		globals: map[nlu.Intent]*reply{}, objections: map[nlu.Intent]*objection{},
		lines: map[string]*say{}, fixed: map[string]*say{}, keys: map[string]*reply{}, index: map[string]*indexed{},
		offers: map[string]*offer{}, advice: map[string]*advice{}, unlocks: map[string]*cond{},
		limits: limits{turns: 40, objections: 4, visits: 6, noMatch: 2, silence: 2, duration: 5 * time.Minute, silenceAfter: 6 * time.Second,
			maxSpeech: 20 * time.Second, callback: 2 * time.Hour}, minConf: 0.5,
	}
}

// bundleMark begins, in a bundle, a file that the script uses.
const bundleMark = "\n--- # ringmaster-bundle: "

// bundle joins the source with everything that it uses: that is the version,
// and what is to be stored, so that a change of a lexicon or part changes no
// version that has been published.
func (c *compiler) bundle(main []byte) {
	var b strings.Builder
	b.Write(main)
	join := func(name string, src []byte) {
		b.WriteString(bundleMark + name + "\n")
		b.Write(src)
	}
	if l := c.s.lexicon; l != nil {
		join("lexicon.yaml", l.src)
	}
	for _, id := range sortedKeys(c.used) {
		join(id+".part.yaml", c.used[id].src)
	}
	c.s.source = []byte(b.String())
	sum := sha256.Sum256(c.s.source)
	c.s.info.Version = hex.EncodeToString(sum[:])
}

// unbundle takes a bundle apart; a script that uses nothing is its own.
func unbundle(file string, src []byte) (*Library, []byte, error) {
	if len(src) > 8*maxSource {
		return nil, src, nil // refused by its size
	}
	parts := strings.Split(string(src), bundleMark)
	if len(parts) == 1 {
		return nil, src, nil
	}
	files := map[string][]byte{}
	for _, p := range parts[1:] {
		name, text, _ := strings.Cut(p, "\n")
		files[file+"/"+strings.TrimSpace(name)] = []byte(text)
	}
	l, err := NewLibrary(files)
	return l, []byte(parts[0]), err
}

// Source is what to store of this version: the script with the lexicon and
// the parts that it uses. It compiles to the same version, without a library.
func (s *Script) Source() []byte { return slices.Clone(s.source) }
