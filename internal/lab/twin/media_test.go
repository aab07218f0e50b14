package twin

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ringmaster/internal/lab/twin/callee"
)

// talk sets up an answered call with a media leg in its bridge.
func talk(t *testing.T, ex *Exchange, format string, s callee.Script) (*client, *leg) {
	t.Helper()
	ex.Callee("callee", s)
	c := connect(t, ex, "a")
	c.originate("x", "callee")
	c.event("StasisStart", "x")
	c.must(200, "POST", "/bridges/b?type=mixing")
	c.must(204, "POST", "/bridges/b/addChannel?channel=x")
	l := c.media("m", format, "f(json)")
	c.must(204, "POST", "/bridges/b/addChannel?channel=m")
	return c, l
}

func (c *client) record() callee.Record { return c.ex.Calls("callee")[0].Record }

func TestSoundBothWays(t *testing.T) {
	for _, format := range []string{"slin", "slin16"} {
		t.Run(format, func(t *testing.T) {
			ex := start(t, Config{})
			c, l := talk(t, ex, format, callee.Script{Steps: []callee.Step{
				{Wait: 300 * time.Millisecond}, {Say: tone(700, 400*time.Millisecond)}, {Wait: time.Second},
			}})
			sound := tone(1000, 500*time.Millisecond)
			if format == "slin16" {
				sound, _ = callee.Upsample(nil, sound, 0)
			}
			l.send(websocket.MessageBinary, pcmBytes(sound))
			eventually(t, "the callee heard it", func() bool { return c.record().Audible >= 460*time.Millisecond })
			time.Sleep(500 * time.Millisecond)
			r := c.record()
			from := int(r.FirstAudible/time.Millisecond) * 8
			if p := callee.Power(r.Heard[from+160:from+3600], 1000); p < 0.95 || r.Audible > 520*time.Millisecond {
				t.Errorf("share of 1 kHz %.2f, audible %v", p, r.Audible)
			}
			if r.Missing < 10 {
				t.Errorf("only %d dead frames: between what we say the line must be dead, as Asterisk's is", r.Missing)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			var back []byte
			for _, f := range l.frames {
				back = append(back, f...)
			}
			loud := 0
			step := len(l.frames[0])
			for at := 0; at < len(back); at += step {
				if callee.Audible(samplesOf(back[at : at+step])) {
					loud++
				}
			}
			if loud < 19 || loud > 22 {
				t.Errorf("%d loud frames of 20 came back", loud)
			}
			if n, span := len(l.at), l.at[len(l.at)-1].Sub(l.at[0]); n < int(span/(20*time.Millisecond))*9/10 {
				t.Errorf("%d frames in %v", n, span)
			}
		})
	}
}

func samplesOf(b []byte) []int16 {
	var out []int16
	for i := 0; i+1 < len(b); i += 2 {
		out = append(out, int16(uint16(b[i])|uint16(b[i+1])<<8))
	}
	return out
}

func TestControlMessages(t *testing.T) {
	ex := start(t, Config{})
	c, l := talk(t, ex, "slin", callee.Script{})
	frame := 320
	l.hear("MEDIA_START", `"optimal_frame_size":320`, `"ptime":20`)
	began := time.Now()
	l.send(websocket.MessageBinary, pcmBytes(tone(500, 200*time.Millisecond)))
	l.command(`{"command":"MARK_MEDIA","correlation_id":"mk"}`)
	l.command(`{"command":"REPORT_QUEUE_DRAINED"}`)
	l.hear("MEDIA_MARK_PROCESSED", `"mk"`)
	if d := time.Since(began); d < 190*time.Millisecond || d > 2*time.Second {
		t.Errorf("a mark after 200 ms was reached after %v", d)
	}
	l.hear("QUEUE_DRAINED")
	// What is flushed is not heard, and its mark never comes.
	l.command(`{"command":"PAUSE_MEDIA"}`)
	l.send(websocket.MessageBinary, make([]byte, 50*frame))
	l.command(`{"command":"MARK_MEDIA","correlation_id":"lost"}`)
	l.command(`{"command":"GET_STATUS"}`)
	l.hear("STATUS", `"queue_length":50`, `"media_paused":true`)
	l.command(`{"command":"FLUSH_MEDIA"}`)
	l.command(`{"command":"GET_STATUS"}`)
	l.hear("STATUS", `"queue_length":0`, `"media_paused":true`)
	// The queue: 1000 frames, a message more is accepted while it is not full.
	for range 11 {
		l.send(websocket.MessageBinary, make([]byte, 95*frame))
	}
	l.command(`{"command":"GET_STATUS"}`)
	l.hear("STATUS", `"queue_length":1045`, `"queue_full":true`)
	l.hear("MEDIA_XOFF")
	l.send(websocket.MessageBinary, make([]byte, 95*frame))
	l.command(`{"command":"FLUSH_MEDIA"}`)
	l.hear("MEDIA_XON")
	l.command(`{"command":"CONTINUE_MEDIA"}`)
	// 700 bytes: two frames, the rest is thrown away; buffering keeps it.
	l.command(`{"command":"PAUSE_MEDIA"}`)
	l.send(websocket.MessageBinary, make([]byte, 700))
	l.command(`{"command":"GET_STATUS"}`)
	l.hear("STATUS", `"queue_length":2`)
	l.command(`{"command":"START_MEDIA_BUFFERING"}`)
	for range 3 {
		l.send(websocket.MessageBinary, make([]byte, 400))
	}
	l.command(`{"command":"STOP_MEDIA_BUFFERING","correlation_id":"utt"}`)
	l.command(`{"command":"GET_STATUS"}`)
	l.hear("STATUS", `"queue_length":6`)
	l.command(`{"command":"CONTINUE_MEDIA"}`)
	l.hear("MEDIA_BUFFERING_COMPLETED", `"utt"`)
	// Longer than 128 bytes: no answer, no error.
	l.command(`{"command":"MARK_MEDIA","correlation_id":"` + strings.Repeat("x", 100) + `"}`)
	l.command(`nonsense`)
	l.hear("ERROR", "Unable to parse JSON command")
	l.mu.Lock()
	for _, s := range l.text {
		if strings.Contains(s, "xxx") || strings.Contains(s, "lost") {
			t.Errorf("%s", s)
		}
	}
	l.mu.Unlock()
	l.command(`{"command":"HANGUP"}`)
	if e := c.gone("m"); *e.Cause != 16 || e.TechCause != 1000 {
		t.Errorf("cause %d tech %d", *e.Cause, e.TechCause)
	}
	if code, _ := c.ask("GET", "/channels/x", ""); code != 200 {
		t.Error("the call must survive its media leg")
	}
}

func TestFlushIsSilenceAtOnce(t *testing.T) {
	ex := start(t, Config{})
	c, l := talk(t, ex, "slin", callee.Script{Steps: []callee.Step{
		{BargeIn: 400 * time.Millisecond}, {Say: tone(700, 300*time.Millisecond)},
	}})
	l.send(websocket.MessageBinary, pcmBytes(tone(1000, 3*time.Second)))
	eventually(t, "the callee interrupts", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		n := len(l.frames)
		return n > 0 && callee.Audible(samplesOf(l.frames[n-1]))
	})
	l.command(`{"command":"FLUSH_MEDIA"}`)
	time.Sleep(500 * time.Millisecond)
	r := c.record()
	if len(r.BargeIns) != 1 || r.BargeIns[0].LastAudible-r.BargeIns[0].Onset > 100*time.Millisecond {
		t.Errorf("%+v", r.BargeIns)
	}
}

// A first fragment of 1024 bytes or more ends the leg, as chan_websocket does.
func TestFragmentsKillTheLeg(t *testing.T) {
	ex := start(t, Config{})
	c, l := talk(t, ex, "slin", callee.Script{})
	w, err := l.ws.Writer(t.Context(), websocket.MessageBinary)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if _, err := w.Write(make([]byte, 3200)); err != nil {
			break
		}
	}
	if e := c.gone("m"); *e.Cause != 38 || e.TechCause != 1003 {
		t.Errorf("cause %d tech %d", *e.Cause, e.TechCause)
	}
}

func TestMediaSocketRules(t *testing.T) {
	ex := start(t, Config{})
	c, l := talk(t, ex, "ulaw", callee.Script{})
	dial := func(id string) int {
		_, resp, err := websocket.Dial(t.Context(), "ws://"+ex.Addr()+"/media/"+id, &websocket.DialOptions{Subprotocols: []string{"media"}})
		if err == nil || resp == nil {
			t.Fatalf("%v", err)
		}
		return resp.StatusCode
	}
	start := l.hear("MEDIA_START")
	id := start[strings.Index(start, "connection_id")+16:]
	id = id[:strings.IndexByte(id, '"')]
	if dial(id) != 409 || dial("none") != 404 {
		t.Error("second 409, unknown 404")
	}
	_ = l.ws.CloseNow() // our process died
	if e := c.gone("m"); *e.Cause != 38 || e.TechCause != 1001 {
		t.Errorf("cause %d tech %d", *e.Cause, e.TechCause)
	}
	again := c.media("m2", "ulaw", "f(json)") // a replacement leg
	c.must(204, "POST", "/bridges/b/addChannel?channel=m2")
	eventually(t, "frames of 160 bytes", func() bool {
		again.mu.Lock()
		defer again.mu.Unlock()
		return len(again.frames) > 3 && len(again.frames[0]) == 160
	})
	c.must(204, "DELETE", "/channels/x")
	c.gone("x")
	if code, _ := c.ask("GET", "/channels/m2", ""); code != 200 {
		t.Error("the media leg stays when the callee is gone")
	}
}

func TestPlainTextControl(t *testing.T) {
	ex := start(t, Config{})
	c := connect(t, ex, "a")
	l := c.media("m", "slin16", "")
	l.hear("MEDIA_START connection_id:", " format:slin16 optimal_frame_size:640 ptime:20")
	l.command("GET_STATUS")
	l.hear("STATUS channel_id:m queue_length:0")
	l.command("MARK_MEDIA " + strings.Repeat("y", 100))
	l.hear("MEDIA_MARK_PROCESSED", strings.Repeat("y", 100))
}

func TestPlaybacks(t *testing.T) {
	ex := start(t, Config{Prompts: map[string][]int16{"a": tone(500, 200*time.Millisecond), "b": tone(800, 200*time.Millisecond)}})
	c, _ := talk(t, ex, "slin", callee.Script{})
	c.must(201, "POST", "/channels/x/play/one?media=sound:a,sound:b")
	if body := c.must(201, "POST", "/channels/x/play/two?media=tone:ring"); body["state"] != "queued" {
		t.Errorf("%v", body)
	}
	finished := func(id, state string) {
		t.Helper()
		c.until(id+" "+state, func(g got) bool {
			return g.Type == "PlaybackFinished" && g.Playback.ID == id && g.Playback.State == state
		})
	}
	finished("one", "done")
	c.until("two started", func(g got) bool { return g.Type == "PlaybackStarted" && g.Playback.ID == "two" })
	if a := c.record().Audible; a < 380*time.Millisecond || a > 500*time.Millisecond {
		t.Errorf("heard %v of 400 ms", a)
	}
	c.must(204, "DELETE", "/playbacks/two")
	finished("two", "done")
	c.must(404, "DELETE", "/playbacks/two")
	c.must(201, "POST", "/channels/x/play/three?media=sound:missing")
	finished("three", "failed")
	c.must(201, "POST", "/channels/x/play/four?media=foo:12") // no end is ever told
	c.must(201, "POST", "/channels/x/play/five?media=tone:ring")
	c.must(204, "DELETE", "/channels/x")
	finished("five", "failed")
	if got := strings.Count(join(c.types("")), "PlaybackFinished"); got != 4 {
		t.Errorf("%d ends of playbacks, want 4", got)
	}
}

// POST variable waits for a playback on a channel that is in no bridge.
func TestBlocking(t *testing.T) {
	ex := start(t, Config{Prompts: map[string][]int16{"a": tone(500, 600*time.Millisecond), "long": tone(500, 30*time.Second)}})
	ex.Callee("callee", callee.Script{})
	c := connect(t, ex, "a")
	c.originate("x", "callee")
	c.event("StasisStart", "x")
	c.must(201, "POST", "/channels/x/play/one?media=sound:a")
	began := time.Now()
	c.must(204, "POST", "/channels/x/variable?variable=A&value=1")
	if d := time.Since(began); d < 400*time.Millisecond {
		t.Errorf("not blocked: %v", d)
	}
	c.must(200, "POST", "/bridges/b")
	c.must(204, "POST", "/bridges/b/addChannel?channel=x")
	c.must(201, "POST", "/channels/x/play/two?media=sound:long")
	began = time.Now()
	c.must(204, "POST", "/channels/x/variable?variable=A&value=1")
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("blocked in a bridge: %v", d)
	}
}

func TestSnoopAndRecording(t *testing.T) {
	ex := start(t, Config{})
	c, l := talk(t, ex, "slin", callee.Script{Steps: []callee.Step{{Wait: 500 * time.Millisecond}, {Say: tone(700, time.Second)}}})
	c.must(200, "POST", "/channels/x/snoop/in?spy=in&app=a")
	c.must(200, "POST", "/channels/x/snoop/out?spy=out&app=a")
	c.must(201, "POST", "/channels/in/record?name=in&format=wav")
	c.must(201, "POST", "/channels/out/record?name=out&format=wav")
	l.send(websocket.MessageBinary, pcmBytes(tone(1000, 1500*time.Millisecond)))
	time.Sleep(1700 * time.Millisecond)
	c.must(204, "DELETE", "/channels/x")
	c.event("StasisEnd", "in")
	if strings.Contains(join(c.types("in")), "ChannelDestroyed") {
		t.Error("a snoop has no ChannelDestroyed")
	}
	for name, hz := range map[string]float64{"in": 700, "out": 1000} {
		req := ex.URL() + "/recordings/stored/" + name + "/file"
		resp, err := c.http.Get(req)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		_, _ = io.Copy(&b, resp.Body)
		_ = resp.Body.Close()
		s := samplesOf(b.Bytes()[44:])
		if len(s) < 9600 || callee.Power(s[5600:8800], hz) < 0.95 {
			t.Errorf("%s: %d samples, %.2f of %v Hz", name, len(s), callee.Power(s, hz), hz)
		}
	}
}

func TestInboundAndQueue(t *testing.T) {
	ex := start(t, Config{})
	ex.Queue("support", callee.Script{Ring: 50 * time.Millisecond, Steps: []callee.Step{{Say: tone(700, 200*time.Millisecond)}, {Hangup: true}}})
	c := connect(t, ex, "a")
	id := ex.Ring("a", "4001", "13800000000", callee.Script{})
	if e := c.event("StasisStart", id); fmt.Sprint(e.Args) != "[inbound 4001 13800000000]" || e.Channel.State != "Ring" {
		t.Fatalf("%+v", e)
	}
	c.must(204, "POST", "/channels/"+id+"/answer")
	c.must(204, "POST", "/channels/"+id+"/continue?context=q&extension=support&priority=1")
	c.until("back from the queue", func(g got) bool {
		return g.Type == "StasisStart" && fmt.Sprint(g.Args) == "[queue-left support CONTINUE]"
	})
	if r := ex.Calls("in:4001")[0].Record; r.Audible < 160*time.Millisecond {
		t.Errorf("the caller heard the agent for %v", r.Audible)
	}
	c.must(204, "POST", "/channels/"+id+"/continue?context=q&extension=nowhere&priority=1")
	c.gone(id)
}
