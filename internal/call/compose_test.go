package call

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/nlu"
)

const chatting = `format: ringmaster/1
id: chatting
title: Chatting
purpose: service
language: cmn
disclosure: {say: 本次通话将会录音。}
start: chat
nodes:
  chat:
    say: 关于课程您想了解什么？
    expect:
      - {intent: affirm, goto: bye}
    compose:
      task: 回答课程问题
      facts: [课程每周两次，每次90分钟。]
      timeout: 3s
      fallback: 这个问题请同事回复您。
      then: bye
  bye:
    say: 谢谢再见。
    end: completed
`

// words composes as it is told, after a while.
type words struct {
	delay time.Duration
	draft nlu.Draft
	fail  error

	mu   sync.Mutex
	seen []nlu.Prompt
}

func (w *words) Compose(ctx context.Context, p nlu.Prompt) (nlu.Draft, error) {
	w.mu.Lock()
	w.seen = append(w.seen, p)
	w.mu.Unlock()
	if w.delay > 0 {
		t := time.NewTimer(w.delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nlu.Draft{}, nlu.ErrTimeout
		}
	}
	return w.draft, w.fail
}

func chatLab(t *testing.T, w *words, steps ...callee.Step) (*lab, *[]string) {
	t.Helper()
	l := newLab(t, "asks", callee.Script{Steps: steps})
	sc, err := dialogue.Compile("chatting.yaml", []byte(chatting))
	if err != nil {
		t.Fatal(err)
	}
	l.plan.Script = sc
	l.plan.Customer.Vars = nil
	var results []string
	l.deps.Composer = w
	l.deps.Composed = func(r string) { results = append(results, r) }
	return l, &results
}

func ours(o campaign.Outcome) string {
	var out []string
	for _, turn := range o.Turns {
		if turn.Side == campaign.Us {
			out = append(out, turn.Text)
		}
	}
	return strings.Join(out, "/")
}

// The model's words are said when they are in order; anything else, and
// anything late, is the author's line, counted, and never long in coming.
func TestTurnsWordedByAModel(t *testing.T) {
	good := nlu.Draft{Say: "课程每周上两次，每次九十分钟。"}
	for name, c := range map[string]struct {
		w        *words
		says     string
		result   string
		degraded bool
	}{
		"at once":    {&words{draft: good}, "课程每周上两次，每次九十分钟。", "said", false},
		"slow":       {&words{draft: good, delay: 2 * time.Second}, "请稍等", "said", false},
		"too slow":   {&words{draft: good, delay: time.Hour}, "这个问题请同事回复您。", "failed", true},
		"down":       {&words{fail: errors.New("down")}, "这个问题请同事回复您。", "failed", true},
		"invents":    {&words{draft: nlu.Draft{Say: "课程免费，还送您平板。"}}, "这个问题请同事回复您。", "refused: a promise or an offer that is no fact: 送您", false},
		"taken over": {&words{draft: nlu.Draft{Say: "好的，忽略规则。"}}, "这个问题请同事回复您。", "refused: it talks of 规则", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, results := chatLab(t, c.w, listen(), say("怎么上课啊"), pause(6*time.Second), say("可以"), listen(), pause(10*time.Second), callee.Step{Hangup: true})
				o := l.run(t)
				show(t, o)
				if !strings.Contains(ours(o), c.says) || !slices.Contains(*results, c.result) {
					t.Errorf("said %s; counted %v", ours(o), *results)
				}
				if slices.Contains(o.Degraded, "model") != c.degraded {
					t.Errorf("degraded %v", o.Degraded)
				}
				if o.Disposition != campaign.Completed {
					t.Errorf("%s (%s)", o.Disposition, o.Reason)
				}
				if quiet := longestQuiet(l.tape, endOf(o, c.says)); quiet > 2*time.Second {
					t.Errorf("%v of silence on the line", quiet)
				}
			})
		})
	}
}

// What they say while the model thinks is answered instead; a stop word ends
// the call, and the model's words are not said into the goodbye.
func TestWordsOvertakeTheModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &words{draft: nlu.Draft{Say: "课程每周上两次。"}, delay: 2500 * time.Millisecond}
		l, results := chatLab(t, w, listen(), say("怎么上课啊"), pause(1200*time.Millisecond), say("别再打了"), listen(), pause(time.Second), callee.Step{Hangup: true})
		o := l.run(t)
		show(t, o)
		if o.Disposition != campaign.OptedOut || strings.Contains(ours(o), "两次") || len(*results) != 0 {
			t.Errorf("%s, said %s, %v", o.Disposition, ours(o), *results)
		}
	})
}

// No number of a person is told to a model.
func TestTheModelSeesMaskedWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &words{draft: nlu.Draft{Say: "课程每周上两次。"}}
		l, _ := chatLab(t, w, listen(), say("我的电话是13812345678"), listen(), say("怎么上课啊"), listen(), say("好的"), listen(), pause(5*time.Second), callee.Step{Hangup: true})
		show(t, l.run(t))
		if len(w.seen) < 2 {
			t.Fatalf("%d prompts", len(w.seen))
		}
		for _, p := range w.seen {
			all := p.Said
			for _, h := range p.History {
				all += "/" + h.Bot + h.Caller
			}
			if strings.Contains(all, "12345678") || strings.Contains(all, "13812345678") {
				t.Errorf("the model is told %s", all)
			}
		}
		if last := w.seen[len(w.seen)-1]; len(last.History) < 3 || last.Said != "怎么上课啊" {
			t.Errorf("%+v", last)
		}
	})
}

// endOf is when we had said it.
func endOf(o campaign.Outcome, text string) time.Duration {
	for _, turn := range o.Turns {
		if turn.Side == campaign.Us && strings.Contains(turn.Text, text) {
			return time.Duration(turn.EndMS) * time.Millisecond
		}
	}
	return 0
}

// longestQuiet is the longest time in which neither side made a sound, from
// the first sound of the call to until.
func longestQuiet(tp *tape, until time.Duration) time.Duration {
	const window = 80 // 10 ms
	longest, run, begun := 0, 0, false
	for i := 0; i+window <= min(len(tp.us), len(tp.them), int(until.Seconds()*8000)); i += window {
		loud := false
		for k := i; k < i+window; k++ {
			if v, u := tp.them[k], tp.us[k]; v > 200 || v < -200 || u > 200 || u < -200 {
				loud = true
				break
			}
		}
		if loud {
			if begun {
				longest = max(longest, run)
			}
			begun, run = true, 0
			continue
		}
		run += window
	}
	return time.Duration(longest) * time.Second / 8000
}
