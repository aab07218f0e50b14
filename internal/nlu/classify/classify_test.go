package classify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// requests makes sentences of twelve labels out of parts; other makes
// sentences of none of them out of words that no label has.
func requests(n int, seed uint64) []Example {
	rng := rand.New(rand.NewPCG(seed, 1))
	pick := func(list string) string {
		words := strings.Split(list, "|")
		return words[rng.IntN(len(words))]
	}
	kinds := []struct{ label, verbs, things string }{
		{"balance", "查一下|看看|告诉我", "余额|账户里还有多少钱|卡上剩多少"}, {"transfer", "帮我|我要|怎么", "转账|汇款|把钱转到别的卡"},
		{"loss", "我的卡|银行卡|信用卡", "丢了|找不到了|被偷了"}, {"limit", "能不能|想要|请", "提高额度|调高限额|额度不够用"},
		{"repay", "什么时候|怎么|最晚哪天", "还款|还信用卡|还账单"}, {"points", "积分|里程", "怎么换|能换什么|快过期了吗"},
		{"balance_en", "what is|tell me|show me", "my balance|the money in my account|how much i have"}, {"transfer_en", "please|i want to|how do i", "send money|transfer funds|wire cash"},
		{"loss_en", "my card|the bank card|my visa", "is lost|was stolen|has gone missing"}, {"limit_en", "please|can you|i need to", "raise my limit|increase the limit|extend my credit line"},
		{"repay_en", "when|how|where", "do i pay the bill|must the bill be paid|is my payment due"}, {"points_en", "my points|reward miles|the bonus points", "expire when|can buy what|are worth what"},
	}
	fill := "嗯|请问|你好|那个|麻烦|well|hello|um"
	var out []Example
	for range n {
		k := kinds[rng.IntN(len(kinds))]
		parts := []string{pick(k.verbs), pick(k.things)}
		if rng.IntN(2) == 0 {
			parts = append([]string{pick(fill)}, parts...)
		}
		out = append(out, Example{k.label, strings.Join(parts, " ")})
	}
	return out
}

func strangers() []Example {
	var out []Example
	for _, s := range strings.Split("今天天气真好|足球比赛几点开始|红烧肉要放多少糖|明天会下雪吗|这部电影的导演是谁|爷爷在公园里散步|windows keep crashing|who sang this song|the cat sleeps on a sofa|recipe for tomato soup|distance from earth to mars|他去年搬到上海", "|") {
		out = append(out, Example{"oos", s})
	}
	return out
}

func train(t testing.TB, n int) *Model {
	t.Helper()
	m, err := Train(context.Background(), requests(n, 1), Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shared is trained once for the tests that only ask.
var shared = sync.OnceValues(func() (*Model, error) {
	return Train(context.Background(), requests(240, 1), Options{Workers: 2})
})

func model(t testing.TB) *Model {
	t.Helper()
	m, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRow_S10_TheClassifierLearnsAndAbstains(t *testing.T) {
	m := model(t)
	r := m.Evaluate(requests(300, 2), strangers(), nil)
	if r.Accuracy < 0.97 || r.MacroF1 < 0.97 || r.AccuracyRejecting < 0.9 || r.OOSRecall < 0.9 || r.CalibrationError > 0.08 {
		t.Errorf("%+v", r)
	}
	if p := m.Predict("我的卡丢了", 3); p.Label != "loss" || !p.Known || p.Confidence < 0.8 || len(p.Ranked) != 3 || p.Ranked[0].Label != "loss" {
		t.Errorf("%+v", p)
	}
}

func TestNothingKnownIsNothingClaimed(t *testing.T) {
	m := model(t)
	for _, s := range []string{"", " ", "。。", "ЖЖЖЖ", "\x00\xff", strings.Repeat("贵", 100000), strings.Repeat("ж ", 50000), "\u202e"} {
		if p := m.Predict(s, 5); p.Known || !(p.Confidence >= 0 && p.Confidence < 0.5) {
			t.Errorf("%.20q: %+v", s, p)
		}
	}
}

func TestTheSameExamplesGiveTheSameModel(t *testing.T) {
	a, b := train(t, 48), train(t, 48)
	for _, e := range requests(50, 3) {
		if x, y := a.Predict(e.Text, 3), b.Predict(e.Text, 3); fmt.Sprint(x) != fmt.Sprint(y) {
			t.Fatalf("%s: %+v, then %+v", e.Text, x, y)
		}
	}
}

func TestConcurrentPredictions(t *testing.T) {
	m := model(t)
	want := m.Predict("my card is lost", 2)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if got := m.Predict("my card is lost", 2); got.Label != want.Label || got.Confidence != want.Confidence {
					t.Errorf("%+v, want %+v", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestWhatCannotBeTrained(t *testing.T) {
	for name, c := range map[string]struct {
		examples []Example
		want     error
	}{
		"nothing":        {nil, ErrTooFew},
		"one label":      {[]Example{{"a", "x"}, {"a", "y"}}, ErrTooFew},
		"too many":       {make([]Example, MaxExamples+1), ErrTooMany},
		"too many kinds": {kinds(MaxLabels + 1), ErrTooMany},
	} {
		if _, err := Train(context.Background(), c.examples, Options{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, es := range [][]Example{{{"a", "x"}, {"b", "y"}}, {{"a", ""}, {"b", ""}}, {{"a", "same words"}, {"b", "same words"}, {"a", "same words"}}} {
		m, err := Train(context.Background(), es, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if p := m.Predict("same words", 1); math.IsNaN(p.Confidence) || p.Confidence < 0 || p.Confidence > 1 {
			t.Errorf("%v: %+v", es, p)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Train(ctx, requests(200, 1), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

func kinds(n int) []Example {
	var out []Example
	for i := range n {
		out = append(out, Example{fmt.Sprint(i), "x"})
	}
	return out
}

func TestCrossValidate(t *testing.T) {
	es := requests(120, 1)
	r, answers, err := CrossValidate(context.Background(), es, 2, Options{})
	if err != nil || len(answers) != len(es) || r.Examples != len(es) || r.MacroF1 < 0.9 {
		t.Fatalf("%+v %v", r, err)
	}
	for i, a := range answers {
		if a.Truth != es[i].Label {
			t.Fatalf("answer %d belongs to another example", i)
		}
	}
}

func TestSummarise(t *testing.T) {
	r := Summarise([]Answered{{"a", "a", 0.9, true}, {"a", "b", 0.6, true}, {"b", "b", 0.9, false}, {"b", "b", 0.8, true}}, []Answered{{"", "a", 0.2, false}, {"", "b", 0.9, true}})
	near := func(got, want float64) bool { return math.Abs(got-want) < 1e-9 }
	if !near(r.Accuracy, 0.75) || !near(r.AccuracyRejecting, 0.5) || !near(r.OOSRecall, 0.5) || !near(r.MacroF1, (2.0/3+0.8)/2) {
		t.Errorf("%+v", r)
	}
	if len(r.Confusions) != 1 || r.Confusions[0] != (Confusion{"a", "b", 1}) {
		t.Errorf("%+v", r.Confusions)
	}
}

func TestKernelsAgreeWithPlainGo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 7, 8, 16, 24, 31, 32, 40, 64, 100, 128, 152, 256} {
		x, y, z := make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range x {
			x[i], y[i] = rng.Float32()-0.5, rng.Float32()-0.5
		}
		copy(z, y)
		if a, b := dot(x, y), dotGo(x, y); math.Abs(float64(a-b)) > 1e-4 {
			t.Errorf("dot of %d: %v, want %v", n, a, b)
		}
		small := make([]int8, n)
		for i := range small {
			small[i] = int8(rng.IntN(256) - 128)
		}
		u, v := append([]float32(nil), x...), append([]float32(nil), x...)
		addSmall(0.01, small, u)
		addSmallGo(0.01, small, v)
		for i := range u {
			if math.Abs(float64(u[i]-v[i])) > 1e-5 {
				t.Fatalf("add of %d small at %d: %v, want %v", n, i, u[i], v[i])
			}
		}
		add(1.5, x, y)
		addGo(1.5, x, z)
		for i := range y {
			if math.Abs(float64(y[i]-z[i])) > 1e-5 {
				t.Fatalf("add of %d at %d: %v, want %v", n, i, y[i], z[i])
			}
		}
	}
}

func TestFeatures(t *testing.T) {
	read := func(s string) [views][]uint64 {
		var rd reader
		rd.read(s)
		return rd.out
	}
	same := func(a, b string) bool { return fmt.Sprint(read(a)) == fmt.Sprint(read(b)) }
	for _, p := range [][2]string{{"Hello World", "hello  world"}, {"ＡＢＣ１２", "abc12"}, {"don’t", "don't"}, {"你好", "你 好"}} {
		if !same(p[0], p[1]) {
			t.Errorf("%q and %q differ", p[0], p[1])
		}
	}
	for _, p := range [][2]string{{"不要", "要不"}, {"go to", "goto"}, {"dont", "don't"}, {"a b", "b a"}} {
		if same(p[0], p[1]) {
			t.Errorf("%q and %q are the same", p[0], p[1])
		}
	}
}

func TestPictures(t *testing.T) {
	m := Matrix{Labels: []string{"a<b>", "b&c"}, Counts: [][]int{{3, 1}, {0, 4}}}
	var b bytes.Buffer
	if err := m.WritePNG(&b); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil || img.Bounds().Dx() != 2*m.cell()+1 {
		t.Fatalf("%v %v", img.Bounds(), err)
	}
	centre := func(x, y int) [3]uint32 {
		r, g, bl, _ := img.At(x*m.cell()+m.cell()/2, y*m.cell()+m.cell()/2).RGBA()
		return [3]uint32{r >> 8, g >> 8, bl >> 8}
	}
	if c := centre(0, 1); c != [3]uint32{255, 255, 255} {
		t.Errorf("an empty cell is %v", c)
	}
	if c := centre(1, 0); c[0] <= c[1] {
		t.Errorf("an error is %v, want red", c)
	}
	if c := centre(1, 1); c[1] <= c[0] {
		t.Errorf("the diagonal is %v, want green", c)
	}
	b.Reset()
	if err := m.WriteSVG(&b); err != nil || strings.Contains(b.String(), "a<b>") || !strings.Contains(b.String(), "a&lt;b&gt; → b&amp;c: 1") {
		t.Errorf("%v %s", err, b.String())
	}
}

func TestReadTSV(t *testing.T) {
	got, err := ReadTSV(strings.NewReader("\ufeffa\thello\r\n\n b \t 你好\tmore \n"))
	if err != nil || fmt.Sprint(got) != "[{a hello} {b 你好\tmore}]" {
		t.Errorf("%q %v", got, err)
	}
	for in, want := range map[string]string{
		"":                                       "empty",
		"\n\n":                                   "empty",
		"a\tx\nno tab here\n":                    "line 2",
		"a\tx\nb\t\n":                            "line 2",
		"a\tx\n\t y\n":                           "line 2",
		"a\tx\nb\t\xff\xfe\n":                    "line 2",
		strings.Repeat("l", 300) + "\tx":         "line 1",
		"a\tx\nb\t" + strings.Repeat("x", 70000): "line 2",
	} {
		if _, err := ReadTSV(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %s", in, err, want)
		}
	}
	if _, err := ReadTSV(strings.NewReader(strings.Repeat("a\tb\n", MaxExamples+1))); !errors.Is(err, ErrTooMany) {
		t.Errorf("too many lines: %v", err)
	}
}

func FuzzReadTSV(f *testing.F) {
	for _, s := range []string{"a\tb\n", "\ufeffa\tb\r\n\nc\td", "\t", "a\t\xff", "a\tb\tc"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		es, err := ReadTSV(bytes.NewReader(b))
		if (err == nil) != (len(es) > 0) {
			t.Fatal(es, err)
		}
		for _, e := range es {
			if e.Label == "" || e.Text == "" || len(e.Label) > maxLabelBytes {
				t.Fatalf("%+v", e)
			}
		}
	})
}

func FuzzPredict(f *testing.F) {
	m := model(f)
	for _, s := range []string{"", "我的卡丢了", "my card is lost", "\xff\xfe", "ａ１你'好。。", "ھەئە", "\u202e好"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := m.Predict(s, 5)
		if !(p.Confidence >= 0 && p.Confidence <= 1) || len(p.Ranked) != 5 || math.IsNaN(p.Score) {
			t.Fatalf("%+v", p)
		}
		for i, r := range p.Ranked {
			if !(r.Probability >= 0 && r.Probability <= 1.0001) || i > 0 && r.Probability > p.Ranked[i-1].Probability {
				t.Fatalf("%+v", p.Ranked)
			}
		}
	})
}
