package simulate

import (
	"math/rand/v2"
	"slices"
	"strings"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// Persona is a sort of customer.
type Persona string

// Personas.
const (
	Cooperative Persona = "cooperative"
	Busy        Persona = "busy"
	Price       Persona = "price_objector"
	Complainer  Persona = "complainer"
	Silent      Persona = "silent"
	Abusive     Persona = "abusive"
	HangUp      Persona = "hang_up"
	Human       Persona = "wants_human"
	Confused    Persona = "confused"
)

// Personas are all of them, in the order of tables.
func Personas() []Persona {
	return []Persona{Cooperative, Busy, Price, Complainer, Silent, Abusive, HangUp, Human, Confused}
}

// Weights say how often each is met, relative to the others. They are an
// assumption to be set, not a measurement.
func Weights() map[Persona]int {
	return map[Persona]int{Cooperative: 35, Busy: 15, Price: 12, Complainer: 3, Silent: 8, Abusive: 3, HangUp: 12, Human: 4, Confused: 8}
}

// doing is what a customer does when he has the floor.
type doing struct {
	say    string
	silent bool
	gone   bool // hangs up
}

// customer is one imaginary person.
type customer struct {
	persona Persona
	r       *rand.Rand
	spare   []string // sentences of the conversations beside the script
	turns   int
}

func (c *customer) chance(percent int) bool { return c.r.IntN(100) < percent }

func (c *customer) one(of ...string) doing { return doing{say: of[c.r.IntN(len(of))]} }

// answer decides at a place where q is expected.
func (c *customer) answer(q nlu.Question) doing {
	c.turns++
	switch c.persona {
	case Cooperative:
		return c.helpful(q, 90)
	case Busy:
		if c.turns == 1 || c.chance(50) {
			return c.either(25, c.one("我现在没空", "在开会，不方便", "我很忙，改天再说", "现在没时间"))
		}
	case Price:
		if c.turns > 1 && c.chance(60) {
			return c.one("太贵了", "有点贵啊", "这个价格太高了", "能不能便宜点")
		}
		return c.helpful(q, 75)
	case Complainer:
		if c.chance(60) {
			return c.one("我要投诉你们", "再打我就投诉了", "你们这是骚扰电话，我要投诉")
		}
	case Silent:
		if c.chance(85) {
			return doing{silent: true}
		}
	case Abusive:
		if c.chance(70) {
			return c.either(20, c.one("滚，别再打了", "你有病吧，不要再给我打电话", "烦死了，别打了"))
		}
	case HangUp:
		if c.chance(45) {
			return doing{gone: true}
		}
		return c.helpful(q, 60)
	case Human:
		if c.chance(70) {
			return c.one("转人工", "我要跟真人说", "帮我转人工客服")
		}
	case Confused:
		if c.chance(60) {
			return c.one(append([]string{"你说什么", "什么意思", "你是谁啊", "没听清，再说一遍", "啊？", "今天天气怎么样"}, c.spare...)...)
		}
	}
	return c.helpful(q, 50)
}

// either lets him hang up in so many of a hundred cases.
func (c *customer) either(percent int, d doing) doing {
	if c.chance(percent) {
		return doing{gone: true}
	}
	return d
}

// helpful answers what was asked, kindly in so many of a hundred cases.
func (c *customer) helpful(q nlu.Question, kind int) doing {
	asked := slices.DeleteFunc(slices.Clone(q.Slots), func(s nlu.SlotSpec) bool { // it is listened for everywhere
		return s.Name == "callback_at" && q.Node != "_callback"
	})
	if len(asked) > 0 && c.chance(80) {
		return doing{say: c.slot(asked[c.r.IntN(len(asked))])}
	}
	var kindly, others []nlu.Expectation
	for _, e := range q.Expect {
		switch e.Intent {
		case "stop", "complaint", "human", "repeat", "who_are_you", "goodbye":
			continue // a persona of their own, or asked when confused
		case "affirm":
			kindly = append(kindly, e, e, e)
		case "deny", "not_interested", "time_objection", "price_objection":
			others = append(others, e)
		default:
			if len(e.Keywords)+len(e.Examples) > 0 {
				kindly = append(kindly, e)
			}
		}
	}
	from := kindly
	if !c.chance(kind) && len(others) > 0 || len(kindly) == 0 {
		from = others
	}
	if len(from) == 0 {
		return c.one("好的", "嗯，可以")
	}
	return doing{say: c.words(from[c.r.IntN(len(from))])}
}

func (c *customer) words(e nlu.Expectation) string {
	own := slices.Clone(e.Examples)
	for _, k := range e.Keywords {
		if !strings.HasPrefix(k, "re:") {
			own = append(own, k)
		}
	}
	own = append(own, usual(e.Intent)...)
	own = slices.DeleteFunc(own, foreign) // what is said in Chinese
	if len(own) == 0 {
		return "好的"
	}
	return own[c.r.IntN(len(own))]
}

// foreign: written without a single Chinese character.
func foreign(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x3400 && r < 0xa000 })
}

func usual(i nlu.Intent) []string {
	switch i {
	case "affirm":
		return []string{"好的", "可以", "嗯，方便", "行，没问题"}
	case "deny":
		return []string{"不用了", "不需要", "不是"}
	case "not_interested":
		return []string{"没兴趣", "我不感兴趣"}
	case "time_objection":
		return []string{"没时间", "最近比较忙"}
	case "price_objection":
		return []string{"太贵了", "价格有点高"}
	}
	return nil
}

func (c *customer) slot(s nlu.SlotSpec) string {
	var forms []string
	for _, v := range s.Values {
		for _, f := range v {
			if !foreign(f) {
				forms = append(forms, f)
			}
		}
	}
	slices.Sort(forms) // a map has no order
	if len(forms) > 0 {
		return forms[c.r.IntN(len(forms))]
	}
	pick := func(of ...string) string { return of[c.r.IntN(len(of))] }
	switch s.Kind {
	case "number", "digits", "code", "order":
		return pick("三", "五", "1234", "一二三四")
	case "amount":
		return pick("五百元", "一千块")
	case "date", "datetime":
		return pick("明天下午三点", "后天上午十点")
	case "time":
		return pick("下午三点", "晚上八点")
	case "age":
		return pick("三十五岁", "八岁")
	case "grade":
		return pick("三年级", "初二")
	case "name":
		return pick("我叫李雷", "韩梅梅")
	case "yes_no":
		return pick("是的", "不是")
	}
	return pick("好的", "就这样吧")
}

// silence is what the dialogue hears of one who says nothing.
func silence() dialogue.Input { return dialogue.Input{Kind: dialogue.Silence} }
