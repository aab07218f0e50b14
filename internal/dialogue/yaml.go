package dialogue

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a script file. They are far above any script that people read and
// far below what could hurt.
const (
	maxSource = 512 << 10 // bytes
	maxDepth  = 16        // nested mappings and lists
	maxTokens = 100_000
	maxValues = 40_000
)

type kind uint8

const (
	kNull kind = iota
	kText
	kNumber
	kBool
	kList
	kMap
)

func (k kind) String() string {
	return [...]string{"nothing", "a text", "a number", "true or false", "a list", "a mapping"}[k]
}

// val is one value of the file with its place.
type val struct {
	line, col int
	file      string // of a part; empty = the script's own
	kind      kind
	text      string // scalars
	list      []*val
	keys      []entry
}

type entry struct {
	key *val
	v   *val
}

// readYAML parses hostile bytes to a bounded tree. Anchors, aliases, merge
// keys and tags are not part of the language, so no file can be larger in
// memory than on disk.
func readYAML(p *problems, src []byte) *val {
	if len(src) > maxSource {
		p.add(nil, "split it into several scripts", "the file has %d bytes; at most %d are read", len(src), maxSource)
		return nil
	}
	if !utf8.Valid(src) {
		p.add(badByte(src), "save the file as UTF-8", "the file is not UTF-8")
		return nil
	}
	if i := strings.IndexByte(string(src), 0); i >= 0 {
		p.add(nil, "", "the file has a zero byte at offset %d", i)
		return nil
	}
	if !shallow(p, src) {
		return nil
	}
	file, err := parseYAML(src)
	if err != nil {
		at, text := yamlError(err)
		p.add(at, yamlHint(src, at.line, text), "%s", text)
		return nil
	}
	docs := 0
	var root *val
	b := builder{p: p}
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		docs++
		if docs == 1 {
			root = b.build(d.Body, 0)
			continue
		}
		p.add(place(d.Body), "remove everything from the second --- on", "a script file holds one document")
	}
	if root == nil && len(p.list) == 0 {
		p.add(nil, "start with `format: ringmaster/1`", "the file is empty")
	}
	return root
}

// shallow refuses what would cost the parser much: too many tokens or too
// deep nesting, before the recursive parser sees it.
func shallow(p *problems, src []byte) bool {
	open, dashes, lineStart := 0, 0, true
	line := 1
	for _, c := range src {
		switch {
		case c == '\n':
			line, dashes, lineStart = line+1, 0, true
			continue
		case c == '[' || c == '{':
			open++
		case (c == ']' || c == '}') && open > 0:
			open--
		case (c == '-' || c == '?') && lineStart:
			dashes++
		case c == ':' && lineStart:
			dashes++
		case c != ' ' && c != '\t':
			lineStart = false
		}
		if open > 4*maxDepth || dashes > 4*maxDepth {
			p.add(&val{line: line, col: 1}, "", "nested too deeply; at most %d levels are read", maxDepth)
			return false
		}
	}
	return true
}

// parseYAML shields us from a panic in the parser: hostile bytes end as an
// error in any case.
func parseYAML(src []byte) (f *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, err = nil, fmt.Errorf("[1:1] not readable as YAML: %v", r)
		}
	}()
	tokens := lexer.Tokenize(string(src))
	if len(tokens) > maxTokens {
		return nil, fmt.Errorf("[1:1] the file has %d YAML tokens; at most %d are read", len(tokens), maxTokens)
	}
	columns := map[int]bool{}
	for _, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType:
			return nil, fmt.Errorf("[%d:%d] anchors, aliases, merge keys and tags are not part of a script; write the value out", t.Position.Line, t.Position.Column)
		case token.MappingValueType:
			columns[t.Position.IndentNum] = true
		}
	}
	if len(columns) > 4*maxDepth {
		return nil, fmt.Errorf("[1:1] nested too deeply; at most %d levels are read", maxDepth)
	}
	return parser.Parse(tokens, 0)
}

// yamlError takes the place out of the parser's "[line:col] words".
func yamlError(err error) (*val, string) {
	s, _, _ := strings.Cut(err.Error(), "\n")
	at := &val{line: 1, col: 1}
	if strings.HasPrefix(s, "[") {
		if pos, rest, ok := strings.Cut(s[1:], "] "); ok {
			l, c, _ := strings.Cut(pos, ":")
			if n, err := strconv.Atoi(l); err == nil {
				at.line = n
			}
			if n, err := strconv.Atoi(c); err == nil {
				at.col = n
			}
			s = rest
		}
	}
	return at, s
}

func badByte(src []byte) *val {
	line, col := 1, 1
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if col++; r == '\n' {
			line, col = line+1, 1
		}
		src = src[n:]
	}
	return &val{line: line, col: col}
}

func place(n ast.Node) *val {
	v := &val{line: 1, col: 1}
	if t := n.GetToken(); t != nil && t.Position != nil {
		v.line, v.col = t.Position.Line, t.Position.Column
	}
	return v
}

type builder struct {
	p     *problems
	count int
}

func (b *builder) build(n ast.Node, depth int) *val {
	v := place(n)
	if b.count++; b.count > maxValues {
		if b.count == maxValues+1 {
			b.p.add(v, "", "more than %d values", maxValues)
		}
		return v
	}
	if depth > maxDepth {
		b.p.add(v, "", "nested too deeply; at most %d levels are read", maxDepth)
		return v
	}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		v.kind, v.text = kText, n.Value
	case *ast.LiteralNode:
		v.kind, v.text = kText, strings.TrimSuffix(n.Value.Value, "\n")
	case *ast.IntegerNode:
		v.kind, v.text = kNumber, n.Token.Value
	case *ast.FloatNode:
		v.kind, v.text = kNumber, n.Token.Value
	case *ast.BoolNode:
		v.kind, v.text = kBool, strconv.FormatBool(n.Value)
	case *ast.SequenceNode:
		v.kind = kList
		for _, e := range n.Values {
			v.list = append(v.list, b.build(e, depth+1))
		}
	case *ast.MappingNode:
		v.kind = kMap
		if len(n.Values) > 0 { // the token of a block mapping is its first colon
			k := place(n.Values[0].Key)
			v.line, v.col = k.line, k.col
		}
		for _, e := range n.Values {
			b.entry(v, e, depth)
		}
	case *ast.MappingValueNode:
		v.kind = kMap
		b.entry(v, n, depth)
	default:
		b.p.add(v, "write it as a quoted text", "%s is not part of a script", strings.ToLower(n.Type().String()))
	}
	return v
}

func (b *builder) entry(v *val, e *ast.MappingValueNode, depth int) {
	k := place(e.Key)
	k.kind = kText
	switch key := e.Key.(type) {
	case *ast.StringNode:
		k.text = key.Value
	case *ast.IntegerNode:
		k.text = key.Token.Value
	case *ast.FloatNode:
		k.text = key.Token.Value
	case *ast.BoolNode:
		k.text = key.Token.Value
	case *ast.NullNode:
		k.text = key.Token.Value
	default:
		b.p.add(k, "write a plain name", "this is not a name")
		return
	}
	for _, other := range v.keys {
		if other.key.text == k.text {
			b.p.add(k, "join the two", "%q is already given in line %d", k.text, other.key.line)
			return
		}
	}
	if e.Value == nil {
		v.keys = append(v.keys, entry{k, &val{line: k.line, col: k.col}})
		return
	}
	v.keys = append(v.keys, entry{k, b.build(e.Value, depth+1)})
}
