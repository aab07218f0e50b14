package dialogue

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/speech"
)

// One mistake each, made in the small script: the place and the words that
// tell an author what to do.
func TestZooOfBadScripts(t *testing.T) {
	for _, c := range []struct {
		name     string
		old, new string // the mistake
		at       string // the text whose place is named; "" = not held
		want     string // in the message or the suggestion
	}{
		{"unknown field", "purpose: service", "purpos: service", "purpos", `did you mean "purpose"?`},
		{"no id", "id: small\n", "", "", `add ` + "`id:`"},
		{"format of another time", "format: ringmaster/1", "format: ringmaster/2", "ringmaster/2", `unknown format`},
		{"unknown purpose", "purpose: service", "purpose: servce", "servce", `did you mean "service"?`},
		{"unknown language", "language: cmn", "language: mandarin", "mandarin", "known: cmn, en, hak, ug, yue"},
		{"a title that is a list", "title: Small", "title: [a]", "[a]", "wanted a text"},
		{"goto nowhere", "goto: terms", "goto: tems", "tems", `did you mean "terms"?`},
		{"start nowhere", "start: ask", "start: aks", "aks", `did you mean "ask"?`},
		{"a node nobody reaches", "goto: terms", "goto: bye", "terms:", `node "terms" is never reached`},
		{"a node that leads nowhere", "    goto: bye\n  code", "  code", "say: 您是金卡", "leads nowhere"},
		{"a node that listens and leads on", "    keys_say:", "    goto: bye\n    keys_say:", "", "is never reached"},
		{"two ways out", "      - intent: affirm\n        goto: terms", "      - intent: affirm\n        goto: terms\n        end: completed", "intent: affirm", "leads to one place"},
		{"no trigger", "      - slot: code\n        goto: bye", "      - goto: bye", "", "nothing triggers this reply"},
		{"unknown intent", "- intent: affirm\n        goto: terms", "- intent: afirm\n        goto: terms", "intent: afirm", `did you mean "affirm"?`},
		{"stop is the engine's", "- intent: affirm\n        goto: terms", "- intent: stop\n        goto: terms", "intent: stop", "decided by the engine"},
		{"unknown variable", "您欠的{{amount}}", "您欠的{{amout}}", "\"您欠的", `did you mean "amount"?`},
		{"unknown formatter", "{{due|when}}", "{{due|wen}}", "\"您欠的", `did you mean "when"?`},
		{"formatter of another type", "{{due|when}}", "{{tier|when}}", "\"您欠的", "does not take tier"},
		{"unknown format of a variable", "amount: {type: amount,", "amount: {type: amount, format: amout,", "amout", `did you mean "amount"?`},
		{"placeholder without end", "您欠的{{amount}}，{{due|when}}", "您欠的{{amount，due", "\"您欠的", "never ends"},
		{"a value that may be missing", "say: 请注意还款日期。", "say: 请{{name}}注意。", "请{{name}}", "may be missing"},
		{"a slot that may be unheard", "say: 请注意还款日期。", "say: 请在{{visit|when}}来。", "请在{{visit", "may be missing"},
		{"a notice that may fail", "say: {cmn: 本次通话将会录音。, ", "say: {cmn: \"{{name}}，本次通话将会录音。\", ", "", "the disclosure"},
		{"an empty line", "say: 请注意还款日期。", "say: \"\"", "\"\"", "an empty line"},
		{"a node without the language", "say: 您是金卡会员。", "say: {en: Gold.}", "en: Gold", "lacks the language"},
		{"unknown spoken language", "say: 您是金卡会员。", "say: {zh: 您是金卡会员。}", "zh:", "unknown language"},
		{"unknown type", "amount: {type: amount", "amount: {type: amont", "amont", `did you mean "amount"?`},
		{"a default of another type", `default: "2026-10-02T10:00"`, "default: soon", "soon", "is not a datetime"},
		{"enum without values", "tier: {type: enum, values: [gold, silver], default: silver}", "tier: {type: enum}", "type: enum}", "enum without values"},
		{"unknown slot kind", "code: digits", "code: digit", "digit\n", `did you mean "digits"?`},
		{"a slot and a variable", "  visit: datetime", "  visit: datetime\n  name: name", "name: name", "is a variable and a slot"},
		{"unknown slot", "- slot: code", "- slot: cod", "cod\n", `did you mean "code"?`},
		{"unknown condition variable", `vars.tier == "gold"`, `vars.teir == "gold"`, "vars.teir", "condition"},
		{"a condition that is none", `vars.tier == "gold"`, `vars.tier`, "vars.tier\n", "condition"},
		{"a condition that loops", `vars.tier == "gold"`, `"all(1..1000000, # > 0)"`, "\"all(1", "not offered"},
		{"a nested predicate", `vars.tier == "gold"`, `any(history, any(history, true))`, "any(history", "cannot be nested"},
		{"a condition that is no expression", `vars.tier == "gold"`, `((((`, "((((", "condition"},
		{"a type error", `vars.tier == "gold"`, `vars.amount == "gold"`, "vars.amount", "condition"},
		{"a bad key", `keys: {"5": bye}`, `keys: {"55": bye}`, `"55"`, "not a key of a phone"},
		{"a bad limit", "turns: 6", "turns: 0", "0,", "from 2 to 200"},
		{"a bad duration", "duration: 2m", "duration: 2", "2,", "write 6s, 800ms or 4m"},
		{"a bad regular expression", "- intent: deny\n        goto: code", "- keywords: ['re:(']\n        goto: code", "'re:('", "not a regular expression"},
		{"unknown disposition", "disposition: completed", "disposition: complete", "complete,", `did you mean "completed"?`},
		{"unknown system line", "  stop: 好的", "  stopp: 好的", "stopp", `did you mean "stop"?`},
		{"a transfer to nowhere", "handover: {queue: sales, agent: \"1001\", timeout: 15s, failed: ask}", "handover: {timeout: 15s}", "timeout: 15s", "needs an agent or a queue"},
		{"a circle without listening", "    goto: bye\n  code", "    goto: gold\n  code", "gold:", "without anybody listening"},
		{"said twice", "start: ask", "start: ask\nstart: ask", "", "start"},
		{"a list where a mapping belongs", "nodes:\n  ask:", "nodes:\n  - ask:", "", ""},
		{"not YAML", "start: ask", "start: [ask", "", ""},
		{"a tab", "start: ask", "start:\n\task", "", ""},
		{"an anchor", "start: ask", "start: &a ask", "", "anchors"},
		{"a merge", "start: ask", "start: ask\n<<: {x: 1}", "", ""},
		{"a tag", "start: ask", "start: !!str ask", "", "tags"},
		{"a second document", "start: ask", "start: ask\n---\nx: 1", "", ""},
		{"the engine's own name", "  bye:\n", "  _bye:\n", "_bye", "belong to the engine"},
		{"a name with a space", "  gold:\n", "  gold card:\n", "gold card", "is not a name"},
		{"an action of another trade", "    end: {disposition: completed, reason: done}", "    do: [{mail: x}]\n    end: completed", "mail", "unknown action"},
		{"a skip without a condition", "    again: 可以还吗？", "    again: 可以还吗？\n    skip: [{goto: bye}]", "goto: bye", "add `when:`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(small, c.old) {
				t.Fatalf("the mistake cannot be made: %q", c.old)
			}
			src := strings.Replace(small, c.old, c.new, 1)
			s, err := Compile("zoo.yaml", []byte(src))
			var ps Problems
			if err == nil || s != nil || !errors.As(err, &ps) {
				t.Fatalf("accepted, or another kind of error: %v", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwanted %q", err, c.want)
			}
			if c.at == "" {
				return
			}
			offset := strings.Index(src, c.at)
			line := 1 + strings.Count(src[:offset], "\n")
			col := 1 + len([]rune(src[strings.LastIndex(src[:offset], "\n")+1:offset]))
			place := fmt.Sprintf("zoo.yaml:%d:%d: ", line, col)
			if !strings.Contains(err.Error(), place) {
				t.Errorf("%v\nwanted the place %s", err, place)
			}
		})
	}
}

// Several mistakes are all told at once.
func TestAllMistakesAtOnce(t *testing.T) {
	src := strings.NewReplacer("goto: terms", "goto: tems", "{{due|when}}", "{{due|wen}}", "code: digits", "code: digit", "turns: 6", "turns: x").Replace(small)
	_, err := Compile("x.yaml", []byte(src))
	var ps Problems
	if !errors.As(err, &ps) || len(ps) < 3 {
		t.Fatalf("%v", err)
	}
	for i := 1; i < len(ps); i++ {
		if ps[i].Line < ps[i-1].Line {
			t.Errorf("not in the order of the file: %v", err)
		}
	}
}

// What would cost much is refused early, and quickly.
func TestHostileYAML(t *testing.T) {
	laughs := "a: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n"
	for i := range 8 {
		laughs += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", 'b'+i, 'b'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i)
	}
	deep := ""
	for i := range 500 {
		deep += strings.Repeat(" ", i) + "a:\n"
	}
	for name, src := range map[string]string{
		"billion laughs": laughs, "brackets": strings.Repeat("[", 100_000), "braces": strings.Repeat("{a: ", 50_000), "dashes": strings.Repeat("- ", 50_000),
		"questions": strings.Repeat("? ", 50_000), "indent": deep, "huge": strings.Repeat("a", maxSource+1), "zero": "a: \x00", "not UTF-8": "a: \xff\xfe", "empty": "", "spaces": "   \n\n",
		"many keys": strings.Repeat("a: b\n", 60_000), "colons": strings.Repeat("a:", 30_000), "one list": "[1,2]", "a word": "hello", "quotes": strings.Repeat("\"", 10_001),
		"only a comment": "# nothing", "percent": "%YAML 9.9\n---\n", "self": "a: &a [*a]", "long line": "a: " + strings.Repeat("b ", 200_000),
	} {
		start := time.Now()
		if s, err := Compile(name, []byte(src)); err == nil || s != nil || !errors.Is(err, ErrScript) {
			t.Errorf("%s: %v", name, err)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("%s took %s", name, d)
		}
	}
}

func TestFormats(t *testing.T) {
	now := at()
	for _, c := range []struct {
		format, value string
		lang          speech.Language
		want          string
	}{
		{"datetime", "2023-10-01T14:00", "cmn", "2023年10月1日下午2点"},
		{"datetime", "2026-10-01T14:00", "cmn", "10月1日下午2点"},
		{"when", "2026-10-02T10:00", "cmn", "明天上午10点"},
		{"when", "2026-10-01T20:30", "cmn", "今天晚上8点半"},
		{"when", "2026-10-03T08:05", "cmn", "后天上午8点零5分"},
		{"when", "2026-10-08T12:15", "cmn", "10月8日中午12点15分"},
		{"when", "2026-10-02T15:00", "yue", "听日下午3点"},
		{"when", "2026-10-02T15:00", "en", "tomorrow at 3 pm"},
		{"datetime", "2026-12-24T15:30", "en", "December 24 at 3:30 pm"},
		{"date", "2026-12-03", "cmn", "12月3日"},
		{"date", "2027-01-05", "cmn", "1月5日"},
		{"day", "2026-10-02", "cmn", "明天"},
		{"time", "06:30", "cmn", "早上6点半"},
		{"time", "00:00", "cmn", "凌晨0点"},
		{"amount", "1024.50", "cmn", "1024.50元"},
		{"amount", "30", "en", "30 yuan"},
		{"percent", "85", "cmn", "百分之85"},
		{"discount", "8", "cmn", "8折"},
		{"discount", "0.85", "cmn", "八五折"},
		{"discount", "0.85", "en", "15 percent off"},
		{"phone", "13800138001", "cmn", "幺三八，零零幺三，八零零幺"},
		{"phone", "13800138001", "yue", "一三八，零零一三，八零零一"},
		{"digits", "123456", "cmn", "幺二三四，五六"},
		{"digits", "12", "en", "one two"},
		{"last4", "13800138001", "cmn", "八零零幺"},
		{"grade", "grade9", "cmn", "初三"},
		{"grade", "grade3", "cmn", "三年级"},
		{"grade", "preschool", "en", "preschool"},
		{"title", "张三", "cmn", "张先生"},
		{"title", "欧阳娜娜", "cmn", "欧阳先生"},
		{"title", "李医生", "cmn", "李医生"},
		{"title", "John Smith", "en", "Mr. Smith"},
	} {
		if got := spoken(c.format, c.value, c.lang, "m", now); got != c.want {
			t.Errorf("%s %s (%s): %q, want %q", c.format, c.value, c.lang, got, c.want)
		}
	}
	// The mission's own line: the year is not said when now is near.
	near := time.Date(2023, 9, 30, 9, 0, 0, 0, time.UTC)
	if got := spoken("datetime", "2023-10-01T14:00", "cmn", "", near); got != "10月1日下午2点" {
		t.Error(got)
	}
	if got := titled("张三", "", "cmn"); got != "张三" {
		t.Error(got)
	}
	if got := titled("陈静", "f", "yue"); got != "陈小姐" {
		t.Error(got)
	}
}

func TestCanonical(t *testing.T) {
	for _, c := range []struct {
		typ  varType
		in   any
		want string // empty: refused
	}{
		{tAmount, 1024.5, "1024.50"}, {tAmount, "1,024.5", "1024.50"}, {tAmount, "¥30元", "30"}, {tAmount, 30, "30"}, {tAmount, "NaN", ""}, {tAmount, "0x10", ""}, {tAmount, "1e3", ""}, {tAmount, true, ""},
		{tNumber, "3.0", "3"}, {tNumber, -2, "-2"}, {tBool, true, "true"}, {tBool, "False", "false"}, {tBool, "maybe", ""},
		{tDateTime, "2023-10-01T14:00:00", "2023-10-01T14:00"}, {tDateTime, "2023-10-01T14:00:00+08:00", "2023-10-01T14:00"}, {tDateTime, "2023-10-01 14:00", "2023-10-01T14:00"}, {tDateTime, "tomorrow", ""},
		{tDate, "2023年10月1日", "2023-10-01"}, {tDate, "2023-02-30", ""}, {tTime, "9:05", "09:05"}, {tPhone, "138-0013 8000", "13800138000"}, {tPhone, "+86 13800138000", "8613800138000"}, {tPhone, "１２３", "123"}, {tPhone, "call me", ""},
		{tText, " a\n\tb\u202e ", "a b"}, {tText, strings.Repeat("长", 201), ""}, {tText, "", ""}, {tText, []string{"x"}, ""}, {tGrade, "grade9", "grade9"}, {tGrade, "grade13", ""}, {tGrade, "初三", ""},
		{tEnum, "gold", "gold"}, {tEnum, "lead", ""},
	} {
		got, err := canonical(c.typ, []string{"gold"}, c.in)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s %v: %q %v, want %q", c.typ, c.in, got, err, c.want)
		}
	}
}

// A name that holds a placeholder is said as it stands.
func TestValuesAreNotTemplates(t *testing.T) {
	src := strings.Replace(small, "say: 请注意还款日期。", `say: "{{name ?? 您}}请注意。"`, 1)
	c := customer()
	c.Name = "{{amount}}"
	_, mv := chat(t, compile(t, src), c, Input{Kind: Said}, heard("好", "affirm"))
	if mv.Lines[0].Text != "{{amount}}请注意。" {
		t.Error(mv.Lines[0].Text)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(strings.Replace(voicedScript, "CONTACT", "true", 1)))
	for _, p := range []string{"retail/promotion_001.yaml", "education/course_consult.yaml", "demo/hello.yaml"} {
		b, err := os.ReadFile("../../scripts/" + p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("a: &a [*a]\n<<: *a"))
	f.Add([]byte("? - : [{"))
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := Compile("f.yaml", src)
		if (s == nil) != (err != nil) {
			t.Fatal("neither a script nor an error")
		}
		if err != nil {
			var ps Problems
			if !errors.As(err, &ps) || len(ps) == 0 || len(ps) > maxProblems+1 {
				t.Fatalf("%v", err)
			}
			for _, p := range ps {
				if p.Line < 1 || p.Column < 1 || len(p.Text) > 2000 {
					t.Fatalf("%+v", p)
				}
			}
			return
		}
		s.Prompts(Customer{})
		st, mv := s.Start(Customer{ID: "1"}, at())
		for range s.inputLimit() + 1 {
			if mv.End != nil {
				return
			}
			st, mv = s.Next(st, Input{Kind: Said}, at())
			if mv.End == nil {
				st, mv = s.Next(st, heard("好的", "affirm"), at())
			}
		}
		if mv.End == nil {
			t.Fatalf("still talking: %+v", st)
		}
	})
}

// A state may come from another version of the script, or from a broken row.
func FuzzState(f *testing.F) {
	s := compile(f, objecting)
	st, _ := chat(f, s, customer(), Input{Kind: Said}, heard("太贵", "price_objection"))
	b, err := json.Marshal(st)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, []byte(`{"kind":"heard","text":"嗯","heard_line":"ask.0"}`))
	f.Add([]byte(`{"phase":"transferring","node":"gone"}`), []byte(`{"kind":"transfer_failed"}`))
	f.Add([]byte(`{"phase":"talking","node":"gone","main":"gone","failed":"x","pending":true,"guarded":true}`), []byte(`{"kind":"silence"}`))
	f.Add([]byte(`{"phase":"talking","node":"ask","pending":true,"vars":{"zz":"1"}}`), []byte(`{"kind":"heard","text":"不","answer":{"Intent":"deny"},"heard_line":"ask.0"}`))
	f.Fuzz(func(t *testing.T, state, input []byte) {
		var st State
		var in Input
		if json.Unmarshal(state, &st) != nil || json.Unmarshal(input, &in) != nil {
			return
		}
		for range 5 {
			st, _ = s.Next(st, in, at())
			s.Question(st, in.Text)
			s.Filler(st)
			st, _ = s.Next(st, Input{Kind: Said}, at())
		}
	})
}

// inputLimit is how many inputs any conversation survives.
func (s *Script) inputLimit() int { return 6*s.limits.turns + 40 }
