package sipphone

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/internal/audio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is the time that a test waits for anything.
const limit = 20 * time.Second

func listen(t *testing.T, cfg Config) *Phone {
	t.Helper()
	p, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// pair is two telephones; script is what the called one does.
func pair(t *testing.T, script Script) (caller, callee *Phone) {
	t.Helper()
	callee = listen(t, Config{Script: func(string, Invite) Script { return script }})
	return listen(t, Config{}), callee
}

func dial(t *testing.T, from, to *Phone, d Dial) (*Call, *Call) {
	t.Helper()
	d.Server = to.Addr().String()
	if d.To == "" {
		d.To = "100"
	}
	out, err := from.Dial(d)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	in, err := to.WaitCall(ctx, d.To)
	if err != nil {
		t.Fatal(err)
	}
	return out, in
}

func wait(t *testing.T, c *Call) Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r, err := c.Wait(ctx)
	if err != nil {
		t.Fatalf("%v; events %v", err, r.Events)
	}
	return r
}

// chirp is sound in which every place differs from every other.
func chirp(d time.Duration, from, to float64) []int16 {
	n := int(d * rate / time.Second)
	out := make([]int16, n)
	phase := 0.0
	for i := range out {
		f := from + (to-from)*float64(i)/float64(n)
		phase += 2 * math.Pi * f / rate
		out[i] = int16(9000 * math.Sin(phase))
	}
	return out
}

// throughG711 is what is left of samples after mu-law.
func throughG711(t *testing.T, pcm []int16) []int16 {
	t.Helper()
	wire, err := audio.Encode(nil, pcm, audio.ULaw)
	if err != nil {
		t.Fatal(err)
	}
	out, err := audio.Decode(nil, wire, audio.ULaw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// find is the place of needle in hay, -1 if it is not there.
func find(hay, needle []int16) int {
	for i := 0; i+len(needle) <= len(hay); i++ {
		if slices.Equal(hay[i:i+len(needle)], needle) {
			return i
		}
	}
	return -1
}

func TestCallCarriesSpeechBothWays(t *testing.T) {
	question, reply := chirp(900*time.Millisecond, 300, 1200), chirp(700*time.Millisecond, 1500, 2500)
	caller, callee := pair(t, Script{
		Ring(20 * time.Millisecond), Answer(50 * time.Millisecond),
		WaitForBotSilence(300 * time.Millisecond), Speak(reply),
		Silence(200 * time.Millisecond), Hangup(`Q.850;cause=16;text="Normal"`),
	})
	out, in := dial(t, caller, callee, Dial{Display: "Bank", Account: Account{User: "200"}, Script: Script{Speak(question)}})
	a, b := wait(t, out), wait(t, in)
	if a.EndedBy != Remote || b.EndedBy != Local || a.Q850 != 16 || a.Status != 200 || b.Status != 200 {
		t.Errorf("ends: caller %s cause %d status %d, callee %s status %d", a.EndedBy, a.Q850, a.Status, b.EndedBy, b.Status)
	}
	if a.Err != nil || b.Err != nil {
		t.Errorf("scripts failed: %v, %v", a.Err, b.Err)
	}
	if find(in.Heard().Samples, throughG711(t, question)) < 0 {
		t.Error("the callee did not hear the question sample for sample")
	}
	if find(out.Heard().Samples, throughG711(t, reply)) < 0 {
		t.Error("the caller did not hear the reply sample for sample")
	}
	if a.Lost+b.Lost+a.Strange+b.Strange != 0 {
		t.Errorf("lost %d %d strange %d %d on a quiet loopback", a.Lost, b.Lost, a.Strange, b.Strange)
	}
	if b.Invite.FromUser != "200" || b.Invite.FromDisplay != "Bank" {
		t.Errorf("the display shows %q %q", b.Invite.FromUser, b.Invite.FromDisplay)
	}
	for _, at := range []time.Time{b.InviteAt, b.RingAt, b.AnswerAt, b.AckAt, b.FirstSoundAt, b.EndAt} {
		if at.IsZero() {
			t.Errorf("a time is missing: %+v", b.Events)
		}
	}
	// The callee answered 300 ms after the question ended, on the wire's clock.
	gap := b.SpokenSpans[0].Start.Sub(b.BotSpans[0].End)
	if gap < 290*time.Millisecond || gap > 600*time.Millisecond {
		t.Errorf("answered after %v, want about 300 ms", gap)
	}
	if d := b.BotSpans[0].Duration(); d < 850*time.Millisecond || d > 950*time.Millisecond {
		t.Errorf("the question lasted %v, want 900 ms", d)
	}
}

func TestBusyReasonReachesTheCaller(t *testing.T) {
	caller, callee := pair(t, Script{Reject(486, "Q.850;cause=17")})
	out, in := dial(t, caller, callee, Dial{})
	a, b := wait(t, out), wait(t, in)
	if a.Status != 486 || a.EndedBy != Remote || a.Q850 != 17 || b.Status != 486 || b.EndedBy != Local {
		t.Errorf("caller %d %s %d, callee %d %s", a.Status, a.EndedBy, a.Q850, b.Status, b.EndedBy)
	}
	if !b.AnswerAt.IsZero() {
		t.Error("answered although busy")
	}
}

func TestCancelWhileRinging(t *testing.T) {
	caller, callee := pair(t, Script{Ring(0), Ignore()})
	out, in := dial(t, caller, callee, Dial{CancelAfter: 150 * time.Millisecond})
	a, b := wait(t, out), wait(t, in)
	if a.Status != 487 || a.EndedBy != Local || b.Status != 487 || b.EndedBy != Remote {
		t.Errorf("caller %d %s, callee %d %s; %v", a.Status, a.EndedBy, b.Status, b.EndedBy, b.Events)
	}
	if rang := b.EndAt.Sub(b.RingAt); rang < 100*time.Millisecond || rang > 2*time.Second {
		t.Errorf("rang for %v", rang)
	}
}

func TestCallerHangsUp(t *testing.T) {
	caller, callee := pair(t, nil)
	out, in := dial(t, caller, callee, Dial{Script: Script{Silence(100 * time.Millisecond), Hangup("Q.850;cause=31")}})
	a, b := wait(t, out), wait(t, in)
	if a.EndedBy != Local || b.EndedBy != Remote || b.Q850 != 31 {
		t.Errorf("caller %s, callee %s cause %d", a.EndedBy, b.EndedBy, b.Q850)
	}
}
