package sipphone

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/audio"
)

func TestKeysArriveOnceAndWithTheirLength(t *testing.T) {
	caller, callee := pair(t, Script{Answer(0), DTMF("15#"), Silence(50 * time.Millisecond), Hangup("")})
	out, in := dial(t, caller, callee, Dial{})
	a := wait(t, out)
	wait(t, in)
	if a.Keys() != "15#" {
		t.Fatalf("keys %q, want 15#", a.Keys())
	}
	for _, d := range a.Digits {
		if !d.Ended || d.Duration != 100*time.Millisecond {
			t.Errorf("key %c: ended %v after %v, want 100 ms", d.Key, d.Ended, d.Duration)
		}
	}
	_, sent := in.Packets()
	var marks, last, stamps int
	var ts uint32
	for _, p := range sent {
		if p.Payload != defaultEvents {
			continue
		}
		if p.Marker {
			marks++
		}
		if p.Timestamp != ts {
			stamps, ts = stamps+1, p.Timestamp
			last = 0
		}
		last++
	}
	if marks != 3 || stamps != 3 || last != 5+2 {
		t.Errorf("3 keys gave %d markers, %d timestamps, %d packets for the last one (want 5 and 2 repeats)", marks, stamps, last)
	}
	for i := 1; i < len(sent); i++ {
		if sent[i].Seq != sent[i-1].Seq+1 {
			t.Fatalf("sequence %d after %d", sent[i].Seq, sent[i-1].Seq)
		}
	}
}

func TestBargeInIsMeasured(t *testing.T) {
	// The bot talks for 3 s and stops 240 ms after it hears us.
	long, word := chirp(3*time.Second, 300, 2000), chirp(400*time.Millisecond, 500, 900)
	bot := Script{Do(func(ctx context.Context, c *Call) error {
		speech, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			if c.awaitSpeech(ctx, 240*time.Millisecond) == nil {
				c.media.abandon()
				stop()
			}
		}()
		_ = c.Speak(speech, long)
		return ctx.Err()
	})}
	caller, callee := pair(t, Script{Answer(0), BargeIn(500*time.Millisecond, word), Silence(400 * time.Millisecond), Hangup("")})
	out, in := dial(t, caller, callee, Dial{Script: bot})
	wait(t, out)
	r := wait(t, in)
	started := r.SpokenSpans[0].Start
	if d := started.Sub(r.FirstSoundAt); d < 500*time.Millisecond || d > 700*time.Millisecond {
		t.Errorf("interrupted after %v of speech, want 500 ms", d)
	}
	// The truth is the bot's own last packet with sound in it.
	_, sent := out.Packets()
	var last time.Time
	for _, p := range sent {
		if p.Audible {
			last = p.At.Add(frameTime)
		}
	}
	if d, want := r.BotStoppedAfter(started), last.Sub(started); want <= 0 || (d-want).Abs() > 10*time.Millisecond {
		t.Errorf("the bot went on for %v, measured %v", want, d)
	}
}

func TestLostPacketsAreSilenceOfTheRightLength(t *testing.T) {
	said := chirp(2*time.Second, 300, 3000)
	callee := listen(t, Config{Loss: Loss{Receive: 0.2, Seed: 7}})
	caller := listen(t, Config{})
	out, in := dial(t, caller, callee, Dial{Script: Script{Speak(said), Silence(100 * time.Millisecond), Hangup("")}})
	wait(t, out)
	r := wait(t, in)
	share := float64(r.Lost) / float64(r.PacketsReceived+r.Lost)
	if share < 0.08 || share > 0.35 || r.Dropped == 0 {
		t.Errorf("lost %d of %d, want about a fifth; dropped %d", r.Lost, r.PacketsReceived+r.Lost, r.Dropped)
	}
	// Frame 40 ms before the end lies where it was said, whatever was lost before it.
	heard, clean := in.Heard().Samples, throughG711(t, said)
	first := -1
	for at := 0; at+frameSamples <= len(clean); at += frameSamples {
		i := find(heard, clean[at:at+frameSamples])
		if i < 0 {
			continue
		}
		if first < 0 {
			first = i - at
		}
		if i-at != first {
			t.Fatalf("the frame said at %v lies %v off", toDuration(at), toDuration(i-at-first))
		}
	}
	if first < 0 {
		t.Fatal("nothing of the speech arrived")
	}
}

func TestEarlyMediaIsHeardBeforeTheAnswer(t *testing.T) {
	announcement := chirp(400*time.Millisecond, 700, 900)
	caller, callee := pair(t, Script{EarlyMedia(announcement), Reject(404, `Q.850;cause=1;text="Unallocated"`)})
	out, in := dial(t, caller, callee, Dial{})
	a := wait(t, out)
	wait(t, in)
	if a.Status != 404 || a.Q850 != 1 || a.EarlyAt.IsZero() || !a.AnswerAt.IsZero() {
		t.Errorf("status %d cause %d early %v answered %v", a.Status, a.Q850, a.EarlyAt, a.AnswerAt)
	}
	if find(out.Heard().Samples, throughG711(t, announcement[:3000])) < 0 {
		t.Error("the announcement did not arrive")
	}
}

func TestUnreachableCalleeTimesOut(t *testing.T) {
	callee := listen(t, Config{Script: func(string, Invite) Script { return Script{Unreachable()} }})
	caller := listen(t, Config{T1: 5 * time.Millisecond})
	out, in := dial(t, caller, callee, Dial{})
	if r := wait(t, out); r.Status != 408 || r.EndedBy != Timeout {
		t.Errorf("status %d by %s", r.Status, r.EndedBy)
	}
	if n := len(in.Record().Events); n != 1 {
		t.Errorf("%d events: the repeats of one INVITE made more than one call", n)
	}
	if n := len(callee.Calls()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestAnswerWithoutAckEnds(t *testing.T) {
	callee := listen(t, Config{T1: 5 * time.Millisecond})
	deaf, err := listenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.close()
	invite := strings.ReplaceAll(`INVITE sip:1@x SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKdeaf
From: <sip:2@x>;tag=a
To: <sip:1@x>
Call-ID: deaf
CSeq: 1 INVITE
Contact: <sip:2@127.0.0.1:9>
Content-Length: 0

`, "\n", "\r\n")
	if err := deaf.write([]byte(invite), callee.Addr()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	in, err := callee.WaitCall(ctx, "1")
	if err != nil {
		t.Fatal(err)
	}
	if r := wait(t, in); r.EndedBy != Timeout {
		t.Errorf("ended by %q", r.EndedBy)
	}
}

func TestALaw(t *testing.T) {
	said := chirp(300*time.Millisecond, 400, 800)
	callee := listen(t, Config{Codecs: []audio.Encoding{audio.ALaw}, Script: func(string, Invite) Script {
		return Script{Answer(0), Speak(said), Silence(60 * time.Millisecond), Hangup("")}
	}})
	caller := listen(t, Config{})
	out, in := dial(t, caller, callee, Dial{})
	wait(t, out)
	if r := wait(t, in); r.Err != nil {
		t.Fatal(r.Err)
	}
	if out.media.codec.encoding != audio.ALaw {
		t.Errorf("agreed on %s", out.media.codec.encoding)
	}
	wire, _ := audio.Encode(nil, said, audio.ALaw)
	clean, _ := audio.Decode(nil, wire, audio.ALaw)
	if find(out.Heard().Samples, clean) < 0 {
		t.Error("the speech did not arrive")
	}
}

func TestNoCommonCodecIsRefused(t *testing.T) {
	callee := listen(t, Config{Codecs: []audio.Encoding{audio.ALaw}})
	caller := listen(t, Config{Codecs: []audio.Encoding{audio.ULaw}})
	out, _ := dial(t, caller, callee, Dial{})
	if r := wait(t, out); r.Status != 488 {
		t.Errorf("status %d, want 488", r.Status)
	}
}

func TestHoldAndDisplayUpdate(t *testing.T) {
	caller, callee := pair(t, Script{Answer(0)})
	out, in := dial(t, caller, callee, Dial{})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := out.WaitAnswered(ctx); err != nil {
		t.Fatal(err)
	}
	out.mu.Lock()
	out.direction, out.cseq = "sendonly", out.cseq+1
	branch := newBranch()
	body := out.describe(caller.codecs, defaultEvents)
	data, peer, seq := out.build("INVITE", branch, out.cseq, body, "P-Asserted-Identity", `"Desk" <sip:777@x>`), out.peer, out.cseq
	out.mu.Unlock()
	answered := make(chan string, 8)
	request(t, caller, branch, "INVITE", data, peer, answered)
	if got := <-answered; !strings.Contains(got, "a=recvonly") {
		t.Errorf("a hold was answered with %q", got)
	}
	out.mu.Lock()
	ack := out.build("ACK", newBranch(), seq, nil)
	out.mu.Unlock()
	caller.transmit(ack, peer)
	r := in.Record()
	if len(r.Updates) != 1 || !strings.Contains(r.Updates[0].Asserted, "777") {
		t.Errorf("the display was not updated: %+v", r.Updates)
	}
}

func TestOptionsAndUnknownRequests(t *testing.T) {
	p := listen(t, Config{})
	probe := listen(t, Config{})
	for method, want := range map[string]string{"OPTIONS": "200", "SUBSCRIBE": "405", "BYE": "481", "CANCEL": "481", "NOTIFY": "200"} {
		branch := newBranch()
		data := method + " sip:1@x SIP/2.0\r\nVia: SIP/2.0/UDP " + probe.Addr().String() + ";branch=" + branch +
			"\r\nFrom: <sip:2@x>;tag=a\r\nTo: <sip:1@x>\r\nCall-ID: q\r\nCSeq: 1 " + method + "\r\nContent-Length: 0\r\n\r\n"
		answered := make(chan string, 8)
		request(t, probe, branch, method, []byte(data), p.Addr(), answered)
		select {
		case got := <-answered:
			if !strings.HasPrefix(got, "SIP/2.0 "+want) {
				t.Errorf("%s was answered with %q, want %s", method, got, want)
			}
		case <-time.After(limit):
			t.Errorf("%s was not answered", method)
		}
	}
}

func TestCloseEndsEverythingOnBothSides(t *testing.T) {
	caller, callee := pair(t, Script{Answer(0), Forever(WaitForBotSilence(time.Second))})
	out, in := dial(t, caller, callee, Dial{Script: Script{Forever(Speak(chirp(time.Second, 300, 400)))}})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := out.WaitAnswered(ctx); err != nil {
		t.Fatal(err)
	}
	if err := caller.Close(); err != nil {
		t.Fatal(err)
	}
	if r := wait(t, in); r.EndedBy != Remote {
		t.Errorf("callee ended by %s", r.EndedBy)
	}
	if r := out.Record(); r.EndedBy != Shutdown {
		t.Errorf("caller ended by %s", r.EndedBy)
	}
	if _, err := caller.WaitCall(ctx, ""); !errors.Is(err, ErrClosed) {
		t.Errorf("WaitCall on a closed telephone: %v", err)
	}
	if _, err := caller.Dial(Dial{Account: Account{Server: callee.Addr().String()}}); !errors.Is(err, ErrClosed) {
		t.Errorf("Dial on a closed telephone: %v", err)
	}
}

func TestStepThatWaitsInVainHangsUp(t *testing.T) {
	callee := listen(t, Config{StepTimeout: 100 * time.Millisecond, Script: func(string, Invite) Script {
		return Script{Answer(0), WaitForBotSpeech(0)}
	}})
	out, in := dial(t, listen(t, Config{}), callee, Dial{})
	wait(t, out)
	if r := wait(t, in); !errors.Is(r.Err, errNoSpeech) || r.EndedBy != Local {
		t.Errorf("err %v, ended by %s", r.Err, r.EndedBy)
	}
}

func TestManyCallsOnOnePort(t *testing.T) {
	word := chirp(200*time.Millisecond, 500, 600)
	caller, callee := pair(t, Script{Ring(0), Answer(10 * time.Millisecond), Speak(word), Hangup("")})
	const n = 100
	var calls []*Call
	for range n {
		c, err := caller.Dial(Dial{To: "1", Account: Account{Server: callee.Addr().String()}})
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, c)
	}
	for _, c := range calls {
		if r := wait(t, c); r.EndedBy != Remote || r.FirstSoundAt.IsZero() {
			t.Fatalf("ended by %s, sound at %v: %v", r.EndedBy, r.FirstSoundAt, r.Events)
		}
	}
	if got := len(callee.Calls()); got != n {
		t.Errorf("%d calls arrived, want %d", got, n)
	}
	for _, c := range callee.Calls() {
		wait(t, c)
		callee.Forget(c)
	}
	if len(callee.Calls()) != 0 || len(callee.byTag) != 0 || len(callee.byBranch) != 0 {
		t.Error("forgotten calls are still kept")
	}
}

func TestLateOfferIsAnsweredInTheAck(t *testing.T) {
	said := chirp(300*time.Millisecond, 400, 800)
	callee := listen(t, Config{Script: func(string, Invite) Script {
		return Script{Answer(0), Silence(20 * time.Millisecond), Speak(said), Silence(60 * time.Millisecond), Hangup("")}
	}})
	caller := listen(t, Config{})
	c, err := caller.newCall(false, "1", "late")
	if err != nil {
		t.Fatal(err)
	}
	c.out = &outbound{from: "2", server: callee.Addr(), uri: "sip:1@" + callee.Addr().String()}
	c.target, c.peer = c.out.uri, callee.Addr()
	c.local, c.remote = "<sip:2@x>;tag="+c.localTag, "<"+c.out.uri+">"
	answered := make(chan string, 8)
	branch := newBranch()
	request(t, caller, branch, "INVITE", c.build("INVITE", branch, 1, nil), callee.Addr(), answered)
	got := <-answered
	_, body, _ := strings.Cut(got, "\r\n\r\n")
	s, err := parseSDP([]byte(body))
	if err != nil {
		t.Fatalf("no offer in %q: %v", got, err)
	}
	_, tag, _ := strings.Cut(got, "To: ")
	c.remote, _, _ = strings.Cut(tag, "\r\n")
	c.media.connect(s, s.codecs[0])
	done := make(chan struct{})
	go func() { c.media.read(); close(done) }()
	caller.transmit(c.build("ACK", newBranch(), 1, c.describe(s.codecs[:1], s.events)), callee.Addr())
	in := callee.Calls()[0]
	if r := wait(t, in); r.Err != nil || r.SpokenSpans == nil {
		t.Errorf("%v, spoke %v", r.Err, r.SpokenSpans)
	}
	if find(c.Heard().Samples, throughG711(t, said)) < 0 {
		t.Error("the speech did not arrive")
	}
	_ = c.media.sock.close()
	<-done
	c.cancel(nil)
}
