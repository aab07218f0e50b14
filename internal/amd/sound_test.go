package amd

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/env"
	"ringmaster/internal/turn"
	. "ringmaster/internal/turn/turntest"
)

// people are what persons say when they pick up, machines what recordings do.
func people() map[string][]string {
	return map[string][]string{
		"cmn": {"喂?", "喂,你好。", "你好,哪位?", "喂,请问你是哪里?", "你好。", "喂,谁呀?"},
		"yue": {"喂?", "喂,你好。", "邊位呀?", "喂,搵邊個?"},
		"en":  {"Hello?", "Hello, who is this?", "Yes?", "Hello, speaking."},
	}
}

func machines() map[string][]string {
	return map[string][]string{
		"cmn": {"您好,您拨打的用户暂时无法接听,请在嘀声后留言,结束请按井号键。", "你好,我现在不方便接电话,有事请留言,我会尽快给您回复,谢谢。", "这里是语音信箱,请在听到提示音之后开始录音。"},
		"yue": {"你好,你打嘅用戶暫時未能接聽,請喺嘟一聲之後留低口訊。", "我而家唔方便聽電話,請留低你嘅姓名同電話號碼。"},
		"en":  {"Hello, you have reached the voice mail of John, please leave a message after the tone.", "Sorry, I can not come to the phone right now, please leave your name and number after the beep."},
	}
}

// answer makes the call of one callee while we speak first, with echo and
// street noise, and returns the last verdict.
func answer(t *testing.T, r *rand.Rand, ours, said []float64, beepAfter int) (Result, int) {
	t.Helper()
	n := Rate*3 + len(said) + beepAfter + Rate*5
	mic := Noise(r, n, -60)
	played := make([]float64, n)
	at := Rate/4 + r.IntN(Rate*3/4)
	Add(played, AtLevel(ours, -18), Rate*3/10)
	ref := Int16(played)
	Add(mic, NewPath(r, (30+r.IntN(200))*8, -15-15*r.Float64()).Apply(Float(G711(ref))), 0)
	Add(mic, Noise(r, n, -45-10*r.Float64()), 0)
	Add(mic, AtLevel(said, -16-8*r.Float64()), at)
	end := 0
	if beepAfter > 0 {
		length := Rate * (150 + r.IntN(500)) / 1000
		end = at + len(said) + beepAfter + length
		Add(mic, Tone(length, -18, 420+1500*r.Float64()), end-length)
	}
	heard := G711(Int16(mic))
	k, err := turn.New(turn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var s State
	var last Result
	step := func(in turn.Input) {
		var res Result
		var ok bool
		if s, res, ok = Step(s, Config{}, in); ok {
			last = res
		}
	}
	for p := 0; p+160 <= n; p += 160 {
		speaking := p >= Rate*3/10 && p < Rate*3/10+len(ours)
		now := time.Duration(p+160) * time.Second / Rate
		for _, e := range k.Frame(turn.Frame{Pos: int64(p), Mic: heard[p : p+160], Ref: ref[p : p+160], Speaking: speaking}, nil) {
			in := turn.InputOf(e, Rate)
			in.Now = now
			step(in)
		}
		if at, ok := s.Deadline(Config{}); ok && at <= now {
			step(turn.Input{Kind: turn.InTick, Now: now})
		}
	}
	return last, end
}

// TestAnsweredBy measures people and recordings in espeak voices, answered
// while we are speaking: it prints the confusion and the timing, and holds the
// numbers that docs/turn.md quotes.
func TestAnsweredBy(t *testing.T) {
	env.Need(t, env.Espeak)
	espeak, err := env.Find(env.Espeak)
	if err != nil {
		t.Fatal(err)
	}
	cache := map[string][]float64{}
	speak := func(v Voice, text string) []float64 {
		key := v.String() + text
		if x, ok := cache[key]; ok {
			return x
		}
		x, err := Speak(t.Context(), espeak, v, text)
		if err != nil {
			t.Fatal(err)
		}
		cache[key] = x
		return x
	}
	r := rand.New(rand.NewPCG(11, 12))
	got := map[string]map[string]int{}
	var late []int
	calls := func(kind string, texts map[string][]string, beeps bool) {
		for _, lang := range Languages() {
			ours := speak(HeldOut.Voices(lang)[3], HeldOut.Agent(lang)[0])
			for i, text := range texts[lang] {
				for j := range 2 {
					said := speak(HeldOut.Voices(lang)[(i+3*j)%8], text)
					after := 0
					if beeps {
						after = Rate/4 + r.IntN(Rate)
					}
					res, end := answer(t, r, ours, said, after)
					if got[kind] == nil {
						got[kind] = map[string]int{}
					}
					got[kind][strings.TrimSpace(fmt.Sprintf("%s %s", res.Verdict, res.Reason))]++
					if res.Reason == Beep {
						late = append(late, int(res.Evidence.BeepEnd.Milliseconds())-end/8)
					}
				}
			}
		}
	}
	calls("person", people(), false)
	calls("recording, no beep", machines(), false)
	calls("recording and beep", machines(), true)
	share := func(kind, verdict string) float64 {
		var n, all int
		for k, v := range got[kind] {
			all += v
			if strings.HasPrefix(k, verdict) {
				n += v
			}
		}
		return float64(n) / float64(max(1, all))
	}
	for kind, row := range got {
		t.Logf("%-20s %v", kind, row)
	}
	t.Logf("beep end, ms after the true end: %v", late)
	if s := share("person", "voicemail"); s > 0.1 {
		t.Errorf("%.0f %% of persons are taken for a voicemail", 100*s)
	}
	if s := share("person", "human"); s < 0.6 {
		t.Errorf("%.0f %% of persons are recognised, want 60 %%", 100*s)
	}
	if s := share("recording, no beep", "voicemail"); s < 0.6 {
		t.Errorf("%.0f %% of recordings without a beep are suspected, want 60 %%", 100*s)
	}
	if s := share("recording and beep", "voicemail beep"); s < 0.95 {
		t.Errorf("%.0f %% of beeps are found, want 95 %%", 100*s)
	}
	for _, ms := range late {
		if ms < -20 || ms > 20 {
			t.Errorf("a beep ended %+d ms off", ms)
		}
	}
}
