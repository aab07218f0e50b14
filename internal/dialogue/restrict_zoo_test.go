package dialogue

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// One mistake each, told with its place and what was probably meant.
func TestZooOfRestrictions(t *testing.T) {
	l := lib(t)
	for _, c := range []struct{ name, old, new, at, want string }{
		{"unknown segment in a ceiling", "early: soft, mid", "earl: soft, mid", "earl:", `did you mean "early"?`},
		{"unknown tone", "late: strong}}", "late: strng}}", "strng", `did you mean "strong"?`},
		{"unknown tone of a node", "tone: strong\n", "tone: stron\n", "stron\n", `did you mean "strong"?`},
		{"a segment twice", "- {name: early}", "- {name: mid}", "name: mid}\n", "declared twice"},
		{"a condition about an unknown segment", `for: segment == "late"`, `for: segment == "lat"`, "segment == \"lat\"", "not declared"},
		{"a list of unknown segments", `for: segment == "late"`, "for: 'segment in [\"late\", \"vip\"]'", "'segment in", "not declared"},
		{"a variant of an unknown segment", "segments: [mid]", "segments: [middle]", "middle", "not declared"},
		{"a variant without words", "{text: 您好，有一笔款项想提醒您一下。}", "{tone: soft}", "tone: soft}\n", `needs "text"`},
		{"unknown tier variable", "tier: level", "tier: leve", "leve\n", `did you mean "level"?`},
		{"unknown tier", "tiers: [platinum], also", "tiers: [platnum], also", "platnum", `did you mean "platinum"?`},
		{"unknown offer", "{{offer.p8 ??", "{{offer.p9 ??", "送您一张", `there is no offer "p9"`},
		{"an offer in other words", "为您介绍{{product}}", "为您介绍8折的{{product}}", "- 为您介绍8折", "{{offer.p8}}"},
		{"an offer with a placeholder", "say: 九折券", `say: "{{product}}券"`, `"{{product}}券"`, "plain words"},
		{"unknown advice", "items: [sugar, fruit", "items: [suger, fruit", "suger", `did you mean "sugar"?`},
		{"unknown excluded advice", "excludes: [fruit]", "excludes: [fruits]", "fruits", `did you mean "fruit"?`},
		{"unknown unlock", "do: [{unlock: account}, {unlock: account}]", "do: [{unlock: acount}]", "acount", `did you mean "account"?`},
		{"an unlock for everybody", "{when: slots.answer == vars.secret}\nuse", "{when: true}\nuse", "true}\nuse", "unlocks for everybody"},
		{"an unlock without a condition", "account: {when: slots.answer == vars.secret}\nuse", "account: {}\nuse", "{}\nuse", `needs "when"`},
		{"unknown part", "part: identity", "part: identiy", "verify:", `did you mean "identity"?`},
		{"a parameter too many", "failed: bye}}", "failed: bye, tires: 2}}", "tires", `did you mean "tries"?`},
		{"a parameter too few", "question: 验证码, ", "", "verify:", `needs "question"`},
		{"a part leads nowhere", "done: safe", "done: saf", "saf, failed", `did you mean "safe"?`},
		{"unknown lexicon", "industry: finance", "industry: finance\nlexicon: finanse", "finanse", `did you mean "finance"?`},
		{"a bad reading", "chong2 qing4", "chong2", "为您介绍", "a syllable with its tone"},
		{"a reading without a tone", "chong2 qing4", "chong qing", "为您介绍", "a syllable with its tone"},
		{"a bad pause", "pause 300ms", "pause 10s", "为您介绍", "from 50ms to 3s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(restrictedSrc, c.old) {
				t.Fatalf("the mistake cannot be made: %q", c.old)
			}
			zoo(t, l, strings.Replace(restrictedSrc, c.old, c.new, 1), strings.TrimPrefix(c.at, "\n      - "), c.want)
		})
	}
	for _, c := range []struct{ name, old, new, at, want string }{
		{"unknown offer", "offers: [p8, g9]", "offers: [p8, g8]", "g8]", "there is no offer"},
		{"a stop intent", "sign_up: bye,", "stop: bye,", "stop: bye", "decided by the engine"},
		{"no fallback", "      fallback: {cmn", "      fallbac: {cmn", "fallbac:", `did you mean "fallback"?`},
		{"no facts", "      facts:\n", "      fakts:\n", "fakts:", `did you mean "facts"?`},
		{"too patient", "turns: 2", "turns: 2\n      timeout: 10s", "10s", "500ms to 3s"},
		{"anything else taken", "- {intent: affirm, goto: bye}", "- {any: true, goto: bye}", "", "never reached"},
		{"leads nowhere", "      then: bye", "      then: by", "by\n", `there is no node "by"`},
	} {
		t.Run("compose/"+c.name, func(t *testing.T) {
			if !strings.Contains(composing, c.old) {
				t.Fatalf("the mistake cannot be made: %q", c.old)
			}
			zoo(t, l, strings.Replace(composing, c.old, c.new, 1), c.at, c.want)
		})
	}
}

func zoo(t *testing.T, l *Library, src, at, want string) {
	t.Helper()
	s, err := l.Compile("zoo.yaml", []byte(src))
	var ps Problems
	if err == nil || s != nil || !errors.As(err, &ps) || !strings.Contains(err.Error(), want) {
		t.Fatalf("%v\nwanted %q", err, want)
	}
	if at == "" {
		return
	}
	offset := strings.Index(src, at)
	line, col := 1+strings.Count(src[:offset], "\n"), 1+len([]rune(src[strings.LastIndex(src[:offset], "\n")+1:offset]))
	if place := fmt.Sprintf("zoo.yaml:%d:%d: ", line, col); !strings.Contains(err.Error(), place) {
		t.Errorf("%v\nwanted the place %s", err, place)
	}
}

// Lexicons and parts are refused with their own file and place; every mistake
// of every file at once.
func TestZooOfLibraries(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"format", "ringmaster-lexicon/1", "ringmaster-lexicon/2", "lexicon.yaml:1:9: unknown format"},
		{"field", "banned:", "baned:", `lexicon.yaml:3:1: unknown field "baned"`},
		{"an empty phrase", "- 稳赚不赔", `- "，。"`, "lexicon.yaml:5:5: an empty phrase"},
		{"unless that holds nothing", "[不保本保息, 并非保本保息]", "[不保本]", "does not hold"},
		{"tone", "tones: {firm:", "tones: {hard:", `unknown tone "hard"`},
		{"weight", "年化利率: 20", "年化利率: 200", "from 1 to 100"},
		{"reading", "银行: yin2 hang2", "银行: yin2", "is no reading"},
	} {
		_, err := NewLibrary(map[string][]byte{"lexicon.yaml": []byte(strings.Replace(lexiconSrc, c.old, c.new, 1))})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	_, err := NewLibrary(map[string][]byte{"a/lexicon.yaml": []byte("format: x\n"), "b/x.part.yaml": []byte("id: [\n"), "c/x.part.yaml": []byte("nodes: {}\n")})
	var ps Problems
	if !errors.As(err, &ps) || !strings.Contains(err.Error(), "a/lexicon.yaml") || !strings.Contains(err.Error(), "b/x.part.yaml") || !strings.Contains(err.Error(), "c/x.part.yaml") {
		t.Errorf("%v", err)
	}
	if _, err = NewLibrary(map[string][]byte{"a/lexicon.yaml": []byte(lexiconSrc), "b/lexicon.yaml": []byte(lexiconSrc)}); err == nil || !strings.Contains(err.Error(), "already given in a/lexicon.yaml") {
		t.Errorf("%v", err)
	}
}

func partOf(id, body string) []byte {
	return []byte("format: ringmaster-part/1\nid: " + id + "\nstart: a\n" + body)
}

// Parts that use each other in a circle, too deep, or so often that the script
// would be too large, are refused.
func TestPartsAreBounded(t *testing.T) {
	script := func(use string) []byte {
		return []byte("format: ringmaster/1\nid: x\ntitle: x\npurpose: service\nlanguage: cmn\ndisclosure: {say: 录音。}\nstart: p\nuse: {p: " + use + "}\nnodes:\n  bye: {say: 再见。, end: completed}\n")
	}
	chain := map[string][]byte{}
	for i := range 6 {
		chain[fmt.Sprintf("p%d.part.yaml", i)] = partOf(fmt.Sprintf("p%d", i), fmt.Sprintf("use: {q: p%d}\nnodes:\n  a: {say: 好。, goto: q}\n", i+1))
	}
	chain["p6.part.yaml"] = partOf("p6", "nodes:\n  a: {say: 好。, end: completed}\n")
	wide := map[string][]byte{}
	for i := range 3 {
		use := ""
		for k := range 60 {
			use += fmt.Sprintf("u%d: w%d, ", k, i+1)
		}
		wide[fmt.Sprintf("w%d.part.yaml", i)] = partOf(fmt.Sprintf("w%d", i), "use: {"+strings.TrimSuffix(use, ", ")+"}\nnodes:\n  a: {say: 好。, goto: u1}\n")
	}
	wide["w3.part.yaml"] = partOf("w3", "nodes:\n  a: {say: 好。, end: completed}\n")
	for name, c := range map[string]struct {
		files map[string][]byte
		use   string
		want  string
	}{
		"itself":   {map[string][]byte{"c.part.yaml": partOf("c", "use: {d: c}\nnodes:\n  a: {say: 好。, goto: d}\n")}, "c", "uses itself"},
		"circle":   {map[string][]byte{"c.part.yaml": partOf("c", "use: {d: d}\nnodes:\n  a: {say: 好。, goto: d}\n"), "d.part.yaml": partOf("d", "use: {c: c}\nnodes:\n  a: {say: 好。, goto: c}\n")}, "c", "uses itself"},
		"too deep": {chain, "p0", "at most 4 deep"},
		"too many": {wide, "w0", "more than"},
	} {
		l, err := NewLibrary(c.files)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err = l.Compile("x.yaml", script(c.use)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.300v", name, err)
		}
	}
	l, err := NewLibrary(chain)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Compile("x.yaml", []byte(strings.Replace(string(script("p3")), "nodes:\n", "nodes:\n  unused_but_by_keys: {say: 好。, goto: bye}\n", 1)+"keys: {\"1\": unused_but_by_keys}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Info().Nodes, " "); !strings.Contains(got, "p__q__q__q__a") {
		t.Errorf("four deep is written out: %s", got)
	}
}

// FuzzLibrary: any bytes as lexicon, part and script end as an error or as a
// script that runs.
func FuzzLibrary(f *testing.F) {
	f.Add([]byte(lexiconSrc), []byte(partSrc), []byte(restrictedSrc))
	f.Add([]byte("format: x"), []byte("nodes: {a: {keys: {\"1\": $(x)}}}"), []byte("use: {a: b}"))
	f.Add([]byte(lexiconSrc), []byte(strings.Replace(partSrc, "$(tries)", "$(question)", 1)), []byte(composing))
	f.Fuzz(func(t *testing.T, lex, part, script []byte) {
		l, err := NewLibrary(map[string][]byte{"lexicon.yaml": lex, "p.part.yaml": part})
		if err != nil {
			if !errors.Is(err, ErrScript) {
				t.Fatal(err)
			}
			l = lib(t)
		}
		s, err := l.Compile("f.yaml", script)
		if err != nil {
			if !errors.Is(err, ErrScript) {
				t.Fatal(err)
			}
			return
		}
		again, err := Compile("f.yaml", s.Source())
		if err != nil || again.Info().Version != s.Info().Version {
			t.Fatalf("the stored source is another version: %v", err)
		}
		s.Model()
		st, _ := s.Start(Customer{ID: "1"}, at())
		for range 5 {
			st, _ = s.Next(st, Input{Kind: Said}, at())
			st, _ = s.Next(st, heard("好", "affirm"), at())
		}
	})
}
