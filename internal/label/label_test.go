package label

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/env"
)

// voice synthesizes with one of espeak's voices.
func voice(t *testing.T, name, speed, pitch, text string) []int16 {
	t.Helper()
	out, err := exec.Command("espeak-ng", "-v", name, "-s", speed, "-p", pitch, "--stdout", text).Output()
	if err != nil {
		t.Fatal(err)
	}
	w, err := audio.ReadWAV(bytes.NewReader(out), 1<<22)
	if err != nil {
		t.Fatal(err)
	}
	out8, err := audio.Resample(w.Tracks[0], w.Rate, 8000)
	if err != nil {
		t.Fatal(err)
	}
	return out8
}

func peak(s []int16) (p int) {
	for _, v := range s {
		p = max(p, int(v), -int(v))
	}
	return p
}

// channel is what a telephone line and a recorder do to a sound.
type channel struct {
	name  string
	gain  float64
	codec audio.Encoding
	noise float64 // dB below the sound's peak; 0 = none
	rate  int     // of the recording
	echo  bool
}

var channels = []channel{
	{name: "as it is", gain: 1, rate: 8000},
	{name: "G.711 u-law", gain: 1, codec: audio.ULaw, rate: 8000},
	{name: "G.711 A-law, -12 dB", gain: 0.25, codec: audio.ALaw, rate: 8000},
	{name: "A-law, +4 dB, noise 25 dB below", gain: 1.5, codec: audio.ALaw, noise: 25, rate: 8000},
	{name: "16 kHz, noise 30 dB below", gain: 0.7, noise: 30, rate: 16000},
	{name: "u-law, echo, noise 30 dB below", gain: 0.6, codec: audio.ULaw, noise: 30, rate: 8000, echo: true},
}

func (c channel) pass(t *testing.T, r *rand.Rand, in []int16) []int16 {
	t.Helper()
	out := make([]int16, len(in))
	level := 0.0
	if c.noise > 0 {
		level = float64(peak(in)) * math.Pow(10, -c.noise/20)
	}
	for i, v := range in {
		x := float64(v) * c.gain
		if c.echo && i >= 400 {
			x += 0.15 * float64(in[i-400])
		}
		x += level * c.gain * r.NormFloat64() / 2
		out[i] = int16(max(-32768, min(32767, x)))
	}
	if c.codec != "" {
		wire, err := audio.Encode(nil, out, c.codec)
		if err != nil {
			t.Fatal(err)
		}
		if out, err = audio.Decode(out[:0], wire, c.codec); err != nil {
			t.Fatal(err)
		}
	}
	if c.rate != 8000 {
		again, err := audio.Resample(out, 8000, c.rate)
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
	return out
}

func silence(d time.Duration) []int16 { return make([]int16, int(d.Seconds()*8000)) }

func join(parts ...[]int16) (out []int16) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

var notices = []struct{ voice, speed, pitch, text string }{
	{"cmn", "160", "50", "您好，我是某某银行的智能语音助手，本次通话将会录音。"},
	{"cmn+f2", "180", "60", "您好，我是人工智能客服，为保证服务质量，通话会被录音。"},
	{"cmn+m3", "150", "40", "我是AI助手，本次通话由人工智能生成，并且会录音。"},
	{"yue", "160", "50", "你好，我系人工智能助理，今次通话會錄音。"},
	{"en-us", "165", "50", "Hello, this is an automated assistant using an artificial voice. This call is recorded."},
	{"en-us+f3", "175", "65", "Hi, I am an AI assistant calling for the clinic, and this call may be recorded."},
}

var others = []struct{ voice, speed, pitch, text string }{
	{"cmn", "160", "50", "您好，我是某某银行的客户经理，想跟您确认一下还款的时间。"},
	{"cmn", "160", "50", "您好，资料您收到了吗？那我跟您说一下里面的三个要点。"},
	{"cmn+f2", "180", "60", "您好，我是小王，为您介绍一下本周的优惠活动，满两百减三十。"},
	{"cmn+m3", "150", "40", "我是张经理，本次活动由总部统一安排，名额不多。"},
	{"yue", "160", "50", "你好，我系客戶經理，想同你傾下個月嘅計劃。"},
	{"en-us", "165", "50", "Hello, this is Anna from the sales department. Do you have a moment to talk about your plan?"},
	{"en-us+f3", "175", "65", "Hi, I am calling from the clinic to remind you of an appointment tomorrow."},
}

// The examination of recordings, measured: six notices in six voices through
// six channels, beside recordings without them, with other texts of the same
// voice, and with notices that were cut short.
func TestRow_M13_LabelsAreFoundInRecordingsAndTheirAbsenceToo(t *testing.T) {
	env.Need(t, env.Espeak)
	r := rand.New(rand.NewPCG(1, 2))
	var sounds [][]int16
	var wg sync.WaitGroup
	all := append(append([]struct{ voice, speed, pitch, text string }{}, notices...), others...)
	sounds = make([][]int16, len(all))
	gate := make(chan struct{}, 2)
	for i, n := range all {
		wg.Go(func() {
			gate <- struct{}{}
			sounds[i] = voice(t, n.voice, n.speed, n.pitch, n.text)
			<-gate
		})
	}
	wg.Wait()
	var accepted, right, wrong, falseAccept, cut, cutAccept, resumed, resumedFound int
	lowest, highest := 1.0, 0.0
	for i := range notices {
		p, err := NewPrint(sounds[i], 8000)
		if err != nil {
			t.Fatal(err)
		}
		for k, c := range channels {
			lead := silence(time.Duration(200+r.IntN(1500)) * time.Millisecond)
			after := sounds[len(notices)+r.IntN(len(others))]
			m := p.Find(c.pass(t, r, join(lead, sounds[i], silence(300*time.Millisecond), after)), c.rate)
			right++
			lowest = min(lowest, m.Score)
			if m.Proven() {
				accepted++
			} else {
				t.Logf("not found: notice %d through %s: %+v", i, c.name, m)
			}
			if d := m.At - time.Duration(len(lead))*time.Second/8000; m.Proven() && (d < -150*time.Millisecond || d > 300*time.Millisecond) {
				t.Errorf("notice %d through %s: found %v off its place", i, c.name, d)
			}
			if k%3 != i%3 && os.Getenv("RINGMASTER_PROVE") == "" {
				continue
			}
			for j := range all {
				if j == i || (i+j)%3 != 0 {
					continue
				}
				m := p.Find(c.pass(t, r, join(lead, sounds[j], silence(time.Second))), c.rate)
				wrong++
				highest = max(highest, m.Score)
				if m.Proven() {
					falseAccept++
					t.Logf("found where it is not: notice %d in sound %d through %s: %+v", i, j, c.name, m)
				}
			}
			at := (len(sounds[i])/3 + r.IntN(len(sounds[i])/3)) / 160 * 160 // stopped, and it goes on a little earlier
			m = p.Find(c.pass(t, r, join(lead, sounds[i][:at], silence(time.Duration(500+r.IntN(2000))*time.Millisecond), sounds[i][max(0, at-3200):], silence(time.Second))), c.rate)
			if resumed++; m.Proven() {
				resumedFound++
			} else {
				t.Logf("a notice that went on is not found: %d through %s: %+v", i, c.name, m)
			}
			keep := 0.45 + 0.4*r.Float64() // hung up in mid-notice
			m = p.Find(c.pass(t, r, join(lead, sounds[i][:int(keep*float64(len(sounds[i])))], silence(time.Second))), c.rate)
			cut++
			if m.Proven() {
				cutAccept++
				t.Logf("a notice of which %.0f %% was heard counts: %d through %s: %+v", keep*100, i, c.name, m)
			}
		}
	}
	t.Logf("spoken notices: %d of %d found (lowest score %.2f); %d of %d other recordings accepted (highest score %.2f); %d of %d cut notices accepted",
		accepted, right, lowest, falseAccept, wrong, highest, cutAccept, cut)
	t.Logf("%d of %d notices that were stopped and went on found", resumedFound, resumed)
	if resumedFound*10 < resumed*9 {
		t.Error("too few of them")
	}
	if accepted != right || falseAccept != 0 || cutAccept != 0 {
		t.Error("a notice was missed, or found where it is not")
	}
	found, missed, cues := 0, 0, 0
	for i := range all {
		for _, c := range channels {
			cues++
			if _, ok := FindCue(c.pass(t, r, join(silence(300*time.Millisecond), Cue(8000), sounds[i])), c.rate); !ok {
				missed++
				t.Logf("cue missed before sound %d through %s", i, c.name)
			}
			if _, ok := FindCue(c.pass(t, r, join(sounds[i], sounds[(i+1)%len(all)])), c.rate); ok {
				found++
				t.Logf("a cue was found in sound %d through %s", i, c.name)
			}
		}
	}
	t.Logf("rhythm cue: %d of %d missed, %d found where there is none", missed, cues, found)
	if missed+found > 0 {
		t.Error("the cue's detector errs")
	}
}

// Other rhythms are no cue.
func TestOtherRhythmsAreNoCue(t *testing.T) {
	unit := 800
	for name, rhythm := range map[string][]int{
		"long short short short": {3, 1, 1, 3, 1, 1, 1}, "five shorts": {1, 1, 1, 1, 1, 1, 1, 1, 1}, "busy tone": {4, 4, 4, 4, 4, 4, 4},
		"short long short": {1, 1, 3, 3, 1}, "no gap between the letters": {1, 1, 3, 1, 1, 1, 1},
	} {
		out := silence(500 * time.Millisecond)
		for i, n := range rhythm {
			if i%2 == 0 {
				out = append(out, beep(8000, n*unit)...)
			} else {
				out = append(out, make([]int16, n*unit)...)
			}
		}
		if at, ok := FindCue(append(out, silence(time.Second)...), 8000); ok {
			t.Errorf("%s was taken for the cue at %v", name, at)
		}
	}
	if at, ok := FindCue(join(silence(time.Second), Cue(8000), silence(time.Second)), 8000); !ok || at < time.Second || at > 1100*time.Millisecond {
		t.Errorf("%v %v", at, ok)
	}
}

func TestMetadataStaysWithTheFile(t *testing.T) {
	m := Generated("示例银行 <&> \"AI\"", "0190-1")
	got, err := Read(m.Chunks())
	if err != nil || got != m {
		t.Fatalf("%+v, %v", got, err)
	}
	got, err = Read(m.Chunks()[1:]) // XMP alone
	if err != nil || got != m {
		t.Fatalf("XMP: %+v, %v", got, err)
	}
	if s := fmt.Sprint(m.Chunks()); strings.Contains(s, "13812345678") {
		t.Error("a number")
	}
	for _, bad := range [][]audio.Chunk{nil, {{ID: "LIST", Data: []byte("INFOICMT\xff\xff\xff\xff")}}, {{ID: "_PMX", Data: []byte("<x")}}, {{ID: "LIST", Data: []byte("INFO")}}} {
		if _, err := Read(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestNoticeTooShortHasNoPrint(t *testing.T) {
	if _, err := NewPrint(silence(5*time.Second), 8000); err == nil {
		t.Error("silence has a fingerprint")
	}
	if m := (Print{}).Find(silence(time.Second), 8000); m.Proven() {
		t.Error("nothing was found everywhere")
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range Generated("a", "b").Chunks() {
		f.Add(c.ID, c.Data)
	}
	f.Fuzz(func(_ *testing.T, id string, data []byte) {
		_, _ = Read([]audio.Chunk{{ID: id, Data: data}})
	})
}

func FuzzFindCue(f *testing.F) {
	f.Add([]byte("abcdefgh"), 8000)
	f.Fuzz(func(_ *testing.T, data []byte, rate int) {
		s := make([]int16, len(data)/2)
		for i := range s {
			s[i] = int16(data[2*i]) | int16(data[2*i+1])<<8
		}
		FindCue(s, rate)
		if p, err := NewPrint(s, rate); err == nil {
			p.Find(s, rate)
		}
	})
}
