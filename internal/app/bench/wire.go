package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"ringmaster/config"
	"ringmaster/internal/lab/asterisk"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/lab/tone"
)

// The aims at the telephone.
const (
	aimFirstSound = 600 * time.Millisecond // p95, from the answer
	aimStop       = 300 * time.Millisecond // p95, from the onset of the customer's speech
	aimStopAfter  = 150 * time.Millisecond // p95, from our own noticing
)

// Wire measures at SIP telephones behind a real Asterisk: how soon after the
// answer our voice is heard, and how soon it falls silent when somebody speaks
// into it.
type Wire struct {
	Calls    int // 0 = 40
	Together int // at once; 0 = 4
	Out      io.Writer
}

// Heard is what the telephones measured, each ascending.
type Heard struct {
	First     []time.Duration // from the answer to the first audible sample of ours
	Stopped   []time.Duration // from the onset of the customer's speech to our last audible sample
	StopAfter []time.Duration // from our own noticing to our last audible sample
	Errors    []string
}

const wireScript = `format: ringmaster/1
id: bench_wire
title: bench
industry: demo
purpose: service
language: cmn
limits: {turns: 30, silence: 2, no_match: 2}
disclosure:
  say: {cmn: 我是智能语音助手，本次通话将会录音。}
start: one
voicemail: hang_up
nodes:
  one:
    say: {cmn: 这一句话特别特别长，因为要等对方打断它，所以我们就一直这样说下去，说到有人开口为止，谁都可以随时打断，不用客气，请讲，我们听着呢。}
    expecting: yes_no
    expect: [{intent: affirm, goto: bye}]
  bye: {say: {cmn: 再见。}, end: completed}
`

// Run measures and prints.
func (w Wire) Run(ctx context.Context) (Heard, error) {
	w.Calls, w.Together = orDefault(w.Calls, 40), orDefault(w.Together, 4)
	heading(ctx, w.Out, "Answer and interruption at the telephone, real Asterisk")
	phones, err := sipphone.Listen(sipphone.Config{Script: func(user string, _ sipphone.Invite) sipphone.Script { return telephone(user) }})
	if err != nil {
		return Heard{}, err
	}
	defer func() { _ = phones.Close() }()
	ast, err := asterisk.Start(ctx, asterisk.Options{App: "ringmaster-bench", Trunk: phones.Addr().String()})
	if errors.Is(err, env.ErrMissing) {
		return Heard{}, fmt.Errorf("%w\nsetup/asterisk.sh installs it beside the project", err)
	} else if err != nil {
		return Heard{}, err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = ast.Stop(stop)
	}()
	user, secret := ast.Credentials()
	b, err := newBed(ctx, setup{lines: w.Together + 4, id: "bench_wire", script: wireScript, pbx: config.PBX{
		Name: "asterisk", Kind: "asterisk", URL: ast.ARIURL(), User: user, Password: config.NewSecret(secret), App: "ringmaster", Media: config.Media{Format: "ulaw"},
		Trunks: []config.Trunk{{Name: "lab", Endpoint: "PJSIP/{number}@lab", Lab: true, Lines: w.Together + 4}}}})
	if err != nil {
		return Heard{}, err
	}
	defer b.close()
	_, _ = fmt.Fprintf(w.Out, "calls    %d, %d at once, G.711 over SIP and RTP; half of the customers say 喂 when they answer\n\n", w.Calls, w.Together)
	var h Heard
	for from := 0; from < w.Calls; from += w.Together {
		if err := w.batch(ctx, b, phones, from, min(w.Together, w.Calls-from), &h); err != nil {
			return h, err
		}
	}
	for _, d := range [][]time.Duration{h.First, h.Stopped, h.StopAfter} {
		slices.Sort(d)
	}
	w.print(h)
	return h, nil
}

// telephone answers; every other one greets. It speaks into the second line,
// each at another moment of a frame, and hangs up when we have fallen silent.
func telephone(user string) sipphone.Script {
	var n int
	_, _ = fmt.Sscanf(user, "w%d", &n)
	s := sipphone.Script{sipphone.Ring(0), sipphone.Answer(time.Duration(150+n%7*31) * time.Millisecond)}
	if n%2 == 0 {
		s = append(s, sipphone.Silence(200*time.Millisecond), sipphone.Speak(tone.Encode("喂", 8000)))
	}
	return append(s, sipphone.BargeIn(time.Duration(2200+n%11*37)*time.Millisecond, tone.Encode("等一下我想问一句", 8000)), sipphone.WaitForBotSilence(300*time.Millisecond), sipphone.Hangup(""))
}

func (w Wire) batch(ctx context.Context, b *bed, phones *sipphone.Phone, from, n int, h *Heard) error {
	for i := from; i < from+n; i++ {
		if err := b.order(ctx, fmt.Sprintf("w%d", i)); err != nil {
			return err
		}
	}
	limit, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for i := from; i < from+n; i++ {
		user := fmt.Sprintf("w%d", i)
		c, err := phones.WaitCall(limit, user)
		if err != nil {
			return fmt.Errorf("%s never rang: %w", user, errors.Join(err, errors.New(strings.Join(b.troubles(), "; "))))
		}
		rec, err := c.Wait(limit)
		if err = errors.Join(err, rec.Err); err != nil || len(rec.SpokenSpans) == 0 || rec.FirstSoundAt.IsZero() {
			h.Errors = append(h.Errors, fmt.Sprintf("%s: %v, heard %v", user, err, rec.BotSpans))
			continue
		}
		onset := rec.SpokenSpans[len(rec.SpokenSpans)-1].Start
		h.First = append(h.First, rec.FirstSoundAt.Sub(rec.AnswerAt))
		h.Stopped = append(h.Stopped, rec.BotStoppedAfter(onset))
		b.mu.Lock()
		cut := b.cut[user]
		b.mu.Unlock()
		if !cut.IsZero() {
			h.StopAfter = append(h.StopAfter, max(0, onset.Add(rec.BotStoppedAfter(onset)).Sub(cut)))
		}
	}
	return nil
}

func (w Wire) print(h Heard) {
	row := func(name string, d []time.Duration) []string {
		return []string{name, fmt.Sprint(len(d)), ms(quantile(d, 500)), ms(quantile(d, 950)), ms(quantile(d, 1000))}
	}
	table(w.Out, [][]string{{"at the telephone", "calls", "p50", "p95", "longest"},
		row("answer (200 OK sent) to our first audible sample", h.First), row("onset of speech to our last audible sample", h.Stopped), row("our noticing to our last audible sample", h.StopAfter)})
	_, _ = fmt.Fprint(w.Out, `
Detection of machines runs meanwhile and nothing waits for it. The voice is of zero latency, as a prompt from the cache is; the first line
is the notice. Noticing is when the controller had noted that its line was cut: later than its decision by the time that stopping takes it.
`)
	for _, e := range h.Errors {
		_, _ = fmt.Fprintln(w.Out, "not measured:", e)
	}
	_, _ = fmt.Fprintln(w.Out)
	at := func(what string, d []time.Duration, aim time.Duration) Aim {
		return Aim{fmt.Sprintf("%s: p95 at most %v", what, aim), ms(quantile(d, 950)), len(d) > 0 && quantile(d, 950) <= aim}
	}
	aims(w.Out, []Aim{at("answer to first audio", h.First, aimFirstSound), at("interruption to silence", h.Stopped, aimStop), at("noticing to silence", h.StopAfter, aimStopAfter)})
}
