package call

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/speech"
)

const dialects = `format: ringmaster/1
id: dialects
title: Dialects
purpose: service
language: cmn
voices: {cmn: xiaoyan, yue: hoifung}
disclosure:
  say: {cmn: 您好，本次通话将会录音。, yue: 你好，今次通话会录音。, hak: 你好，这摆通话会录音。, ug: ياخشىمۇسىز، سۆزلىشىش خاتىرىلىنىدۇ.}
start: ask
nodes:
  ask:
    say: {cmn: 您明天有空吗？, yue: 你听日得闲吗？, hak: 你天光日有闲无？, ug: ئەتە ۋاقتىڭىز بارمۇ؟}
    expect:
      - {intent: affirm, goto: time}
  time:
    say: 上午十点可以吗？        # nobody has put it into dialect yet
    expect:
      - {intent: affirm, goto: bye}
  bye:
    say: {cmn: 再见。, yue: 拜拜。, hak: 再见哦。, ug: خوش.}
    end: completed
`

// offers is a recognizer and a voice that offer some languages only, and
// keep what they were asked for.
type offers struct {
	speech.Recognizer
	speech.Synthesizer
	hears, speaks []speech.Language

	mu    sync.Mutex
	heard []string
	said  []string
}

func (o *offers) Recognize(ctx context.Context, r speech.RecognizeOptions) (speech.Recognition, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard = append(o.heard, string(r.Language))
	if !slices.Contains(o.hears, r.Language) {
		return nil, fmt.Errorf("%w: %s", speech.ErrUnsupported, r.Language)
	}
	return o.Recognizer.Recognize(ctx, r)
}

func (o *offers) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Contains(o.speaks, u.Language) {
		return nil, fmt.Errorf("%w: %s", speech.ErrUnsupported, u.Language)
	}
	o.said = append(o.said, string(u.Language)+" "+u.Voice+" "+u.Text)
	return o.Synthesizer.Synthesize(ctx, u)
}

// The contact's dialect picks voice and recognizer; a line, a voice or a
// recognizer that lacks it falls back to the script's language at the same
// node, and the call goes on.
func TestRow_S26_TheDialectPicksVoiceAndRecognizer(t *testing.T) {
	all := []speech.Language{"cmn", "yue", "hak", "ug", "en"}
	for name, c := range map[string]struct {
		language      speech.Language
		hears, speaks []speech.Language
		heard         string
		said          string
	}{
		"mandarin":                 {"cmn", all, all, "cmn", "cmn xiaoyan 您好，本次通话将会录音。/cmn xiaoyan 您明天有空吗？/cmn xiaoyan 上午十点可以吗？/cmn xiaoyan 再见。"},
		"cantonese":                {"yue", all, all, "yue", "yue hoifung 你好，今次通话会录音。/yue hoifung 你听日得闲吗？/cmn xiaoyan 上午十点可以吗？/yue hoifung 拜拜。"},
		"hakka":                    {"hak", all, all, "hak", "hak  你好，这摆通话会录音。/hak  你天光日有闲无？/cmn xiaoyan 上午十点可以吗？/hak  再见哦。"},
		"uyghur":                   {"ug", all, all, "ug", "ug  ياخشىمۇسىز، سۆزلىشىش خاتىرىلىنىدۇ./ug  ئەتە ۋاقتىڭىز بارمۇ؟/cmn xiaoyan 上午十点可以吗？/ug  خوش."},
		"a recognizer without it":  {"hak", []speech.Language{"cmn", "yue"}, all, "hak cmn", "hak  你好，这摆通话会录音。/hak  你天光日有闲无？/cmn xiaoyan 上午十点可以吗？/hak  再见哦。"},
		"a voice without it":       {"hak", all, []speech.Language{"cmn", "yue"}, "hak", "cmn xiaoyan 您好，本次通话将会录音。/cmn xiaoyan 您明天有空吗？/cmn xiaoyan 上午十点可以吗？/cmn xiaoyan 再见。"},
		"neither":                  {"ug", []speech.Language{"cmn"}, []speech.Language{"cmn"}, "ug cmn", "cmn xiaoyan 您好，本次通话将会录音。/cmn xiaoyan 您明天有空吗？/cmn xiaoyan 上午十点可以吗？/cmn xiaoyan 再见。"},
		"a language nobody writes": {"en", []speech.Language{"cmn"}, all, "en cmn", "cmn xiaoyan 您好，本次通话将会录音。/cmn xiaoyan 您明天有空吗？/cmn xiaoyan 上午十点可以吗？/cmn xiaoyan 再见。"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, "speaks", callee.Script{Steps: []callee.Step{listen(), say("可以"), listen(), say("可以"), listen(), pause(2 * time.Second), {Hangup: true}}})
				sc, err := dialogue.Compile("dialects.yaml", []byte(dialects))
				if err != nil {
					t.Fatal(err)
				}
				l.plan.Script, l.plan.Customer.Language, l.plan.Customer.Vars = sc, c.language, nil
				o := &offers{Recognizer: l.deps.Recognizer, Synthesizer: l.deps.Synthesizer, hears: c.hears, speaks: c.speaks}
				l.deps.Recognizer, l.deps.Synthesizer = o, o
				out := l.run(t)
				if got := strings.Join(o.heard, " "); got != c.heard {
					t.Errorf("the recognizer was asked for %s", got)
				}
				if got := strings.Join(o.said, "/"); got != c.said {
					t.Errorf("said\n%s, wanted\n%s", got, c.said)
				}
				if out.Disposition != campaign.Completed || out.Disclosure == nil || !out.Disclosure.Complete || len(out.Degraded) > 0 {
					show(t, out)
					t.Errorf("%s, degraded %v", out.Disposition, out.Degraded)
				}
			})
		})
	}
}
