package tone

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/env"
)

var samples = []string{
	"好",
	"你好，我想问一下贷款的事情。",
	"别打了",
	"ياخشىمۇسىز، مەن بۈگۈن ئالدىراش",
	"Hello, is this 12345?",
	"emoji 😀👩‍👩‍👧 and 一二三 mixed ABC, tab\tand NUL\x00end",
	strings.Repeat("长", 40),
}

func TestRoundTripThroughEveryCodec(t *testing.T) {
	for _, text := range samples {
		for _, rate := range []int{8000, 16000, 24000, 48000} {
			if rate > 16000 && len(text) > 20 {
				continue
			}
			pcm := join(silence(rate/7), Encode(text, rate), silence(rate/3))
			wantText(t, pcm, rate, text)
			wantText(t, through(t, pcm, audio.ULaw), rate, text)
			wantText(t, through(t, pcm, audio.ALaw), rate, text)
			wantText(t, through(t, through(t, through(t, pcm, audio.ULaw), audio.ALaw), audio.ULaw), rate, text)
		}
	}
}

func TestLevels(t *testing.T) {
	text := samples[1]
	for _, dB := range []float64{-20, -12, -6, 0, 6, 10} {
		pcm := gain(join(silence(1000), Encode(text, 8000), silence(1000)), dB)
		wantText(t, through(t, pcm, audio.ULaw), 8000, text)
	}
}

func TestEveryOffset(t *testing.T) {
	text := "偏移 offset"
	for _, rate := range []int{8000, 16000} {
		speech := Encode(text, rate)
		for off := 0; off < rate/50; off += 3 * rate / 8000 {
			wantText(t, join(silence(off), speech), rate, text)
		}
	}
}

func TestWriteSizesDoNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := samples[1]
	pcm := join(silence(333), Encode(text, 8000), silence(100))
	for range 50 {
		d, _ := NewDecoder(8000)
		var last Utterance
		said := ""
		for at := 0; at < len(pcm); {
			n := min(1+r.IntN(400), len(pcm)-at)
			for _, e := range d.Write(pcm[at : at+n]) {
				said += e.NewText()
				last = e.Utterance
			}
			at += n
		}
		if said != text || last.Text != text || !last.Intact {
			t.Fatalf("said %q, end %+v", said, last)
		}
	}
}

func TestTimesAndPartials(t *testing.T) {
	text := "今天天气好"
	const lead = 1234
	pcm := join(silence(lead), Encode(text, 8000), silence(8000))
	d, _ := NewDecoder(8000)
	known, ended := map[int]int{}, 0
	for at := 0; at < len(pcm); at += 40 {
		for _, e := range d.Write(pcm[at:min(at+40, len(pcm))]) {
			switch e.Kind {
			case Text:
				for i := range e.New {
					known[len(e.Utterance.Chars)-e.New+i] = at + 40
				}
			case End:
				ended = at + 40
				for i, c := range e.Utterance.Chars {
					start, end := lead+1280*(i+1), lead+1280*(i+2)
					if i == 0 {
						start = lead
					}
					if i == 4 {
						end += 1280
					}
					if abs(int(c.Start)-start) > 40 || abs(int(c.End)-end) > 40 {
						t.Errorf("char %d: %d-%d, want %d-%d", i, c.Start, c.End, start, end)
					}
				}
			}
		}
	}
	for i := range 5 {
		if late := known[i] - (lead + 1280*(i+2)); late > 160 {
			t.Errorf("character %d was known %d samples after it was said", i, late)
		}
	}
	if late := ended - (lead + 1280*7); ended == 0 || late > 160 {
		t.Errorf("the end was known %d samples after it", late)
	}
}

func abs(v int) int { return max(v, -v) }

func TestTwoUtterances(t *testing.T) {
	a, b := Encode("第一句话", 8000), Encode("second 第二句", 8000)
	for gap := 0; gap < 500; gap += 7 {
		wantText(t, join(a, silence(gap), b, silence(400)), 8000, "第一句话", "second 第二句")
	}
}

func TestInterruptedAnywhere(t *testing.T) {
	text := "我不需要，别再打了，谢谢"
	pcm := Encode(text, 8000)
	next := Encode("喂", 8000)
	for cut := 0; cut < len(pcm)-640; cut += 97 {
		for _, gap := range []int{0, 150, 4000} {
			all := hear(t, join(pcm[:cut], silence(gap), next, silence(800)), 8000)
			if len(all) == 0 || all[len(all)-1].Text != "喂" || !all[len(all)-1].Intact {
				t.Fatalf("cut %d gap %d: second utterance not heard: %+v", cut, gap, all)
			}
			if len(all) > 2 {
				t.Fatalf("cut %d gap %d: %d utterances: %+v", cut, gap, len(all), all)
			}
			if len(all) == 2 {
				if !strings.HasPrefix(text, all[0].Text) || !all[0].Cut || all[0].Intact && all[0].Text != text {
					t.Fatalf("cut %d gap %d: %+v", cut, gap, all[0])
				}
				whole := max(0, (cut-400)/1280-1)
				if n := len([]rune(all[0].Text)); n < whole {
					t.Fatalf("cut %d: only %d of %d characters", cut, n, whole)
				}
			}
		}
	}
}

func TestBeginningMissing(t *testing.T) {
	text := "我不需要，别再打了，谢谢"
	pcm := Encode(text, 8000)
	for cut := 1; cut < len(pcm)-4*1280; cut += 111 {
		all := hear(t, join(pcm[cut:], silence(800)), 8000)
		if len(all) != 1 || !strings.HasSuffix(text, all[0].Text) {
			t.Fatalf("cut %d: %+v", cut, all)
		}
		if want := (len(pcm)-cut)/1280 - 2; len([]rune(all[0].Text)) < want {
			t.Fatalf("cut %d: %q, want %d characters", cut, all[0].Text, want)
		}
	}
}

func TestEchoOfAnotherText(t *testing.T) {
	text := "您好，这里是客服中心"
	other := gain(Encode("完全不同的另外一段文字在回声里", 8000), -20)
	for off := 0; off < 3000; off += 333 {
		pcm := mix(join(silence(2000), Encode(text, 8000), silence(800)), join(silence(off), other))
		all := hear(t, through(t, pcm, audio.ALaw), 8000)
		found := false
		for _, u := range all {
			found = found || u.Text == text && u.Intact
		}
		if !found {
			t.Errorf("echo at %d: %+v", off, all)
		}
	}
}

func TestNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	text := samples[1]
	for _, snr := range []float64{30, 20, 15, 10, 6, 3, 0} {
		total, bad, symbols, erased := 0, 0, 0, 0
		for range 10 {
			pcm := join(silence(4000), Encode(text, 8000), silence(4000))
			pcm = through(t, mix(pcm, noise(r, len(pcm), -16-snr)), audio.ULaw)
			got, e := "", 0
			for _, u := range hear(t, pcm, 8000) {
				got += u.Text
				symbols += u.Symbols
				e += u.Erased
			}
			erased += e
			total += len([]rune(text))
			bad += distance([]rune(text), []rune(got))
		}
		t.Logf("white noise, SNR %4.0f dB: character error rate %.2f %%, erased symbols %.2f %%",
			snr, 100*float64(bad)/float64(total), 100*float64(erased)/float64(max(symbols, 1)))
		if snr >= 6 && bad > 0 {
			t.Errorf("SNR %.0f dB: %d of %d characters wrong", snr, bad, total)
		}
	}
}

func TestPacketLoss(t *testing.T) {
	limits := map[float64]float64{0.01: 1, 0.02: 3, 0.05: 12} // percent
	for _, how := range []string{"silence", "gone", "repeat", "double"} {
		for _, rate := range []float64{0.01, 0.02, 0.05} {
			r := rand.New(rand.NewPCG(5, uint64(rate*100)))
			var total, bad, symbols, erased, intact, wrong, runs int
			for range 25 {
				text := randomText(r, 5+r.IntN(25))
				pcm := join(silence(r.IntN(2000)), Encode(text, 8000), silence(4000))
				got := ""
				good := false
				for _, u := range hear(t, through(t, lose(r, pcm, rate, how), audio.ULaw), 8000) {
					got += u.Text
					symbols += u.Symbols
					erased += u.Erased
					good = u.Intact
				}
				runs++
				if good {
					intact++
					if got != text {
						wrong++
					}
				}
				total += len([]rune(text))
				bad += distance([]rune(text), []rune(got))
			}
			cer := 100 * float64(bad) / float64(total)
			t.Logf("%-7s %.0f %% of packets: character error rate %.2f %%, erased symbols %.2f %%, %d of %d utterances proven intact",
				how, rate*100, cer, 100*float64(erased)/float64(symbols), intact, runs)
			if wrong > 0 {
				t.Errorf("%s %.0f %%: %d utterances were called intact and were not", how, rate*100, wrong)
			}
			if cer > limits[rate] {
				t.Errorf("%s %.0f %%: character error rate %.2f %%", how, rate*100, cer)
			}
		}
	}
}

func TestRandomTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 80 {
		text := randomText(r, 1+r.IntN(30))
		rate := []int{8000, 16000}[r.IntN(2)]
		pcm := join(silence(r.IntN(3000)), Encode(text, rate), silence(r.IntN(1000)))
		wantText(t, gain(pcm, -20+26*r.Float64()), rate, text)
	}
}

func TestNothingIsInvented(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	dtmf := make([]int16, 80000)
	for i := range dtmf {
		x := float64(i) / 8000
		k := i / 800 % 2
		dtmf[i] = int16(float64(k) * 5000 * (math.Sin(2*math.Pi*770*x) + math.Sin(2*math.Pi*1336*x)))
	}
	sweep := make([]int16, 80000)
	for i := range sweep {
		x := float64(i) / 8000
		f := 120 + 60*math.Sin(2*math.Pi*0.7*x) // a voice-like buzz with moving formants
		for h := 1; h < 25; h++ {
			a := math.Exp(-math.Pow(float64(h)*f-700-400*math.Sin(2*math.Pi*1.3*x), 2)/2e5) +
				0.6*math.Exp(-math.Pow(float64(h)*f-1800-600*math.Sin(2*math.Pi*2.1*x), 2)/3e5)
			sweep[i] += int16(2500 * a * math.Sin(2*math.Pi*float64(h)*f*x))
		}
	}
	for name, pcm := range map[string][]int16{
		"silence": silence(80000), "noise": noise(r, 8000*20, -20), "dtmf": dtmf, "voice": sweep,
		"quiet noise": noise(r, 8000*10, -55), "clipping": gain(noise(r, 8000*10, -6), 20),
	} {
		if all := hear(t, pcm, 8000); len(all) > 0 {
			t.Errorf("%s: %+v", name, all)
		}
	}
}

// TestSoundsLikeSpeechToADetector: level, change and rhythm.
func TestSoundsLikeSpeechToADetector(t *testing.T) {
	pcm := Encode(strings.Repeat("啊", 20), 8000) // the same character again and again
	var power float64
	for _, v := range pcm {
		power += float64(v) * float64(v)
	}
	if level := 10*math.Log10(power/float64(len(pcm))) - 90.3; level < -19 || level > -15 {
		t.Errorf("level %.1f dBFS", level)
	}
	w := words(strings.Repeat("啊", 20))
	last := [2]int{-1, -1}
	for _, word := range w {
		for place, data := range word {
			low, high := tones(place, data)
			if last == [2]int{low, high} {
				t.Fatal("a pair of tones lasts longer than 20 ms")
			}
			last = [2]int{low, high}
		}
	}
	if d, n := Duration("你好吗"), len(Encode("你好吗", 8000)); d.Milliseconds()*8 != int64(n) || n != 5*1280 {
		t.Errorf("Duration %v, %d samples", d, n)
	}
}

func TestBadRates(t *testing.T) {
	for _, rate := range []int{0, -8000, 7999, 11025, 44100, 96000} {
		if _, err := NewDecoder(rate); err == nil {
			t.Errorf("rate %d accepted", rate)
		}
	}
}

// TestRealSpeechIsNotText feeds synthetic speech of five languages.
func TestRealSpeechIsNotText(t *testing.T) {
	env.Need(t, env.Espeak)
	program, err := env.Find(env.Espeak)
	if err != nil {
		t.Fatal(err)
	}
	for voice, text := range map[string]string{
		"cmn": strings.Repeat("您好，这里是客服中心，请问您现在方便接听电话吗？我们想和您确认一下上个月的账单。", 2),
		"yue": strings.Repeat("你好，請問你而家方唔方便傾電話呀？", 4),
		"hak": strings.Repeat("你好，請問你這下方便講電話無？", 4),
		"ug":  strings.Repeat("ياخشىمۇسىز، سىز بىلەن سۆزلىشەلەيمەنمۇ؟ ", 4),
		"en":  strings.Repeat("Good morning, this is a call about your account, have you a minute? ", 4),
	} {
		for _, pitch := range []string{"60"} {
			out, err := exec.Command(program, "-v", voice, "-p", pitch, "--stdout", text).Output()
			if err != nil {
				t.Fatalf("espeak-ng -v %s: %v", voice, err)
			}
			// 22.05 kHz played at 16 and 24 kHz: two speakers more
			var pcm []int16
			for i := 44; i+1 < len(out); i += 2 {
				pcm = append(pcm, int16(binary.LittleEndian.Uint16(out[i:])))
			}
			for _, rate := range []int{16000, 24000} {
				if all := hear(t, pcm, rate); len(all) > 0 {
					t.Errorf("%s pitch %s: %+v", voice, pitch, all)
				}
			}
			// speech before and after a text leaves it alone
			half := make([]int16, 0, len(pcm)/2)
			for i := 0; i+1 < len(pcm); i += 2 {
				half = append(half, int16((int(pcm[i])+int(pcm[i+1]))/2))
			}
			wantText(t, join(half, Encode("就是这句", 8000), half), 8000, "就是这句")
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range samples {
		f.Add(s, uint16(77))
	}
	f.Add("\xff\xfe broken", uint16(0))
	f.Fuzz(func(t *testing.T, text string, offset uint16) {
		if len(text) > 60 {
			return
		}
		pcm := join(silence(int(offset)%4000), Encode(text, 8000), silence(200))
		wantText(t, pcm, 8000, strings.ToValidUTF8(text, "\uFFFD"))
	})
}

func FuzzDecoder(f *testing.F) {
	var wire bytes.Buffer
	_ = binary.Write(&wire, binary.LittleEndian, Encode("种子 seed", 8000))
	f.Add(wire.Bytes())
	f.Add([]byte{1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, wire []byte) {
		var pcm []int16
		for i := 0; i+1 < len(wire); i += 2 {
			pcm = append(pcm, int16(binary.LittleEndian.Uint16(wire[i:])))
		}
		for _, u := range hear(t, pcm, 8000) {
			if !utf8.ValidString(u.Text) || u.Start > u.End || u.Start < 0 || u.End > int64(len(pcm)+160) {
				t.Fatalf("%+v of %d samples", u, len(pcm))
			}
		}
	})
}
