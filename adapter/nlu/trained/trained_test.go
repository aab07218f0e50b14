package trained

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/classify"
	"ringmaster/internal/nlu/nlutest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open gives an understander whose model for q is ready.
func open(t *testing.T, q nlu.Question) *Understander {
	t.Helper()
	u := New(Options{Keyword: keyword.New(), Workers: 2})
	t.Cleanup(u.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := u.Train(ctx, q); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestContract(t *testing.T) {
	u := open(t, nlutest.Question(""))
	nlutest.Run(t, func(*testing.T) nlu.Understander { return u }, nlutest.Options{})
}

func TestContractBeforeTheModelIsReady(t *testing.T) {
	u := New(Options{Keyword: keyword.New()})
	u.turn <- struct{}{} // no training gets its turn
	t.Cleanup(u.Close)
	nlutest.Run(t, func(*testing.T) nlu.Understander { return u }, nlutest.Options{})
	if u.Ready(nlutest.Question("")) {
		t.Error("ready without a training")
	}
}

// source gives each version another meaning of one sentence.
func source(_ context.Context, _, _, version string) ([]classify.Example, error) {
	if version == "broken" {
		return nil, errors.New("the database is away")
	}
	label := map[string]string{"v1": "consult", "v2": "enrol"}[version]
	var out []classify.Example
	for _, s := range []string{"孩子想补补功课", "想给孩子补课", "孩子功课跟不上", "补习班怎么样", "孩子成绩要补一补", "功课想找人补"} {
		out = append(out, classify.Example{Label: label, Text: s})
	}
	return out, nil
}

func TestEachVersionHasItsOwnModel(t *testing.T) {
	u := New(Options{Keyword: keyword.New(), Source: source, Workers: 2})
	t.Cleanup(u.Close)
	ask := func(version string) nlu.Answer {
		q := nlu.Question{Tenant: "t", Script: "s", Version: version, Said: "想给孩子补补课", Language: "cmn", Expect: []nlu.Expectation{{Intent: "consult"}, {Intent: "enrol"}, {Intent: "deny"}}}
		a, err := u.Understand(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		nlutest.Check(t, q, a)
		return a
	}
	if a := ask("v1"); a.Intent != "" || a.Provider != keyword.Provider {
		t.Errorf("before the model is ready: %+v", a)
	}
	for version, want := range map[string]nlu.Intent{"v1": "consult", "v2": "enrol"} {
		if err := u.Train(t.Context(), nlu.Question{Tenant: "t", Script: "s", Version: version}); err != nil {
			t.Fatal(err)
		}
		if a := ask(version); a.Intent != want || a.Provider != Provider {
			t.Errorf("%s: %+v, want %s", version, a, want)
		}
	}
	broken := nlu.Question{Tenant: "t", Script: "s", Version: "broken"}
	if err := u.Train(t.Context(), broken); err == nil {
		t.Error("a version without examples is trained")
	}
	if a := ask("broken"); a.Provider != keyword.Provider {
		t.Errorf("%+v", a)
	}
}

func TestAFailedTrainingIsTriedAgainLater(t *testing.T) {
	away := true
	u := New(Options{Keyword: keyword.New(), Source: func(ctx context.Context, a, b, _ string) ([]classify.Example, error) {
		if away {
			return nil, errors.New("away")
		}
		return source(ctx, a, b, "v1")
	}})
	t.Cleanup(u.Close)
	q := nlu.Question{Tenant: "t", Script: "s", Version: "v1"}
	if err := u.Train(t.Context(), q); err == nil {
		t.Fatal("trained from nothing")
	}
	away = false
	if err := u.Train(t.Context(), q); err == nil {
		t.Error("tried again at once")
	}
	u.mu.Lock()
	for _, e := range u.models {
		e.again = time.Now()
	}
	u.mu.Unlock()
	if err := u.Train(t.Context(), q); err != nil || !u.Ready(q) {
		t.Errorf("a minute later: %v", err)
	}
}

func TestModelsAreBoundedAndCloseEndsTrainings(t *testing.T) {
	u := New(Options{Keyword: keyword.New(), Source: source, Models: 2})
	for _, v := range []string{"v1", "v2", "broken"} {
		_ = u.Train(t.Context(), nlu.Question{Version: v})
	}
	u.mu.Lock()
	n, first := len(u.models), u.models[u.key(nlu.Question{Version: "v1"})]
	u.mu.Unlock()
	if n > 2 || first != nil {
		t.Errorf("%d models are kept, the oldest: %v", n, first)
	}
	q := nlu.Question{Version: "v1", Said: "好的", Expect: []nlu.Expectation{{Intent: "affirm"}}}
	if _, err := u.Understand(t.Context(), q); err != nil { // starts a training
		t.Fatal(err)
	}
	u.Close()
	if a, err := u.Understand(t.Context(), q); err != nil || a.Intent != "affirm" {
		t.Errorf("after Close: %+v %v", a, err)
	}
	if err := u.Train(t.Context(), nlu.Question{Version: "v9"}); !errors.Is(err, nlu.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}

// The row's own demand: unsure is silent. Sentences that no author thought of
// are not pressed into an intent.
func TestRow_S10_AbstainsFromWhatIsNoIntent(t *testing.T) {
	q := nlutest.Question("")
	u := open(t, q)
	claimed := 0
	strange := []string{"冰箱里没有鸡蛋了", "这个路口左转", "昨天夜里下了一场雪", "他弟弟在北京读大学", "窗帘是蓝色的", "地铁二号线换乘", "电脑开不了机", "院子里的花开了", "前面好像堵车", "今年的春晚好看", "爬山要穿运动鞋", "馒头蒸好了",
		"the train leaves at noon", "my keyboard is broken", "two plus two", "it snowed all night", "他把钥匙落在办公室", "这本小说写得真长", "楼上在装修", "小狗跑到街上去了"}
	for _, said := range strange {
		q.Said = said
		a, err := u.Understand(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if a.Intent != "" {
			claimed++
			t.Logf("%s: %s %.2f, %s", said, a.Intent, a.Confidence, a.Reason)
		}
	}
	if claimed > 1 {
		t.Errorf("%d of %d strange sentences are claimed", claimed, len(strange))
	}
}
