package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/adapter/freeswitch/esl/esltest"
	"ringmaster/internal/pbx"
)

// scripted is a Switch on a FreeSWITCH that does what a test says.
type scripted struct {
	*esltest.Server
	sw *Switch
	t  *testing.T

	mu    sync.Mutex
	alive map[string]string // channels and their Answer-State
	jobs  func(id, job string)
	mute  map[string]bool   // commands that get no answer, by their first word
	dumps map[string]string // answers to uuid_dump, where not made of alive
	owed  int               // replies to originate that come before the next one
}

func newScripted(t *testing.T, change func(*Config)) *scripted {
	s := &scripted{Server: esltest.New(t), t: t, alive: map[string]string{}, mute: map[string]bool{}}
	s.Answer = s.answer
	cfg := Config{
		Addr: s.Addr(), Password: esltest.Password, ControllerID: "c1", Log: testLog(t), BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond,
		Trunks: map[string]Trunk{"lab": {Endpoint: "sofia/gateway/lab/{number}", Lab: true}}, Recordings: "/rec",
	}
	if change != nil {
		change(&cfg)
	}
	s.sw = start(t, cfg)
	return s
}

func (s *scripted) set(id, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == "" {
		delete(s.alive, id)
	} else {
		s.alive[id] = state
	}
}

func (s *scripted) answer(c *esltest.Conn, cmd esltest.Command) (kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasSuffix(cmd.Line, "core_uuid") { // no ping: those come on the other connection too
		for ; s.owed > 0; s.owed-- {
			c.Reply("command/reply", "+OK Job-UUID: late")
		}
	}
	word, arg, _ := strings.Cut(strings.TrimPrefix(cmd.Line, "api "), " ")
	if s.mute[word] {
		return "", ""
	}
	switch word {
	case "bgapi":
		if s.mute["originate"] {
			s.owed++
			return "", ""
		}
		id, _, _ := strings.Cut(strings.SplitN(cmd.Line, "origination_uuid=", 2)[1], ":")
		if s.jobs != nil {
			go s.jobs(id, cmd.Headers["job-uuid"])
		}
	case "uuid_exists":
		return "api/response", fmt.Sprint(s.alive[arg] != "")
	case "uuid_dump":
		id, _, _ := strings.Cut(arg, " ")
		if d := s.dumps[id]; d != "" {
			return "api/response", d
		}
		if s.alive[id] == "" {
			return "api/response", "-ERR No such channel!\n"
		}
		return "api/response", fmt.Sprintf(`{"Event-Name":"CHANNEL_DATA","Unique-ID":%q,"Answer-State":%q,"Channel-Presence-Data":"ringmaster-c1/t"}`, id, s.alive[id])
	case "uuid_kill":
		id, _, _ := strings.Cut(arg, " ")
		if s.alive[id] == "" {
			return "api/response", "-ERR No such channel!\n"
		}
		return "api/response", "+OK\n"
	}
	return "default", ""
}

// tell sends an event of a channel.
func (s *scripted) tell(id, name string, pairs ...string) {
	s.Send(esltest.Event(name, append([]string{"Unique-ID", id}, pairs...)...))
}

func (s *scripted) job(job, words string) {
	s.Send(esltest.Event("BACKGROUND_JOB", "Job-UUID", job, "Job-Command", "originate", words+"\n"))
}

// asked waits until a command was sent.
func (s *scripted) asked(what string) {
	s.t.Helper()
	s.eventually(what, func() bool {
		for _, c := range s.Commands() {
			if strings.Contains(c.Line, what) {
				return true
			}
		}
		return false
	})
}

// kills counts the hang-ups of a channel that were sent.
func (s *scripted) kills(id string) int {
	n := 0
	for _, c := range s.Commands() {
		if strings.HasPrefix(c.Line, "api uuid_kill "+id+" ") {
			n++
		}
	}
	return n
}

func (s *scripted) eventually(what string, ok func() bool) {
	s.t.Helper()
	limit := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-limit:
			s.t.Fatalf("never: %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// all reads a leg to its end.
func all(t *testing.T, leg pbx.Leg) (names []string, last pbx.Hungup) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		e, err := leg.Next(ctx)
		if errors.Is(err, io.EOF) {
			return names, last
		}
		if err != nil {
			t.Fatalf("%v after %v", err, names)
		}
		names = append(names, strings.TrimPrefix(fmt.Sprintf("%T", e), "pbx."))
		if h, ok := e.(pbx.Hungup); ok {
			last = h
		}
	}
}

// Full, too fast, paused or a gateway that does not exist: refused, nobody
// rang, and the ID may be dialled again.
func TestRefusedBeforeTheInvite(t *testing.T) {
	s := newScripted(t, nil)
	for words, want := range map[string]string{
		"-ERR DESTINATION_OUT_OF_ORDER": "too many sessions", "-ERR INVALID_GATEWAY": "INVALID_GATEWAY", "-ERR CHAN_NOT_IMPLEMENTED": "CHAN_NOT_IMPLEMENTED", "-USAGE: <call url>": "USAGE",
	} {
		s.jobs = func(_, job string) { s.job(job, words) }
		req := requestTo(t, "1001")
		for range 2 {
			leg, err := s.sw.Originate(t.Context(), req)
			if !errors.Is(err, pbx.ErrRefused) || leg != nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", words, err)
			}
		}
	}
	if h := s.sw.Health(); !h.Up {
		t.Errorf("%+v", h)
	}
}

// The same words of an ID that lives are no refusal: it is taken hold of.
func TestAnIDThatLivesIsAdopted(t *testing.T) {
	s := newScripted(t, nil)
	s.jobs = func(id, job string) {
		s.set(id, "answered")
		s.job(job, "-ERR DESTINATION_OUT_OF_ORDER")
	}
	leg, err := s.sw.Originate(t.Context(), requestTo(t, "1001"))
	if err != nil {
		t.Fatal(err)
	}
	if e := until[pbx.LinkRestored](t, leg); !e.Up {
		t.Errorf("%+v", e)
	}
	// And where the exchange does not say whether it lives, nothing is proven.
	s.jobs = func(_, job string) {
		s.mu.Lock()
		s.mute["uuid_exists"] = true
		s.mu.Unlock()
		s.job(job, "-ERR DESTINATION_OUT_OF_ORDER")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	req := requestTo(t, "1002")
	go func() { _, err := s.sw.Originate(ctx, req); done <- err }()
	s.asked("api uuid_exists " + string(req.ID))
	s.Cut()
	if err := <-done; !errors.Is(err, pbx.ErrUnknown) {
		t.Errorf("%v, want ErrUnknown", err)
	}
	cancel()
}

// Events doubled and in a wrong order, and the job's end before, between and
// after them, make the same story.
func TestDisorderIsHarmless(t *testing.T) {
	s := newScripted(t, nil)
	end := []string{"Hangup-Cause", "NORMAL_CLEARING", "variable_hangup_cause_q850", "16", "variable_sip_hangup_disposition", "recv_bye", "Caller-Channel-Answered-Time", "1795473208665662"}
	for name, story := range map[string]func(id, job string){
		"as it should be": func(id, job string) {
			s.tell(id, "CHANNEL_CREATE")
			s.tell(id, "CHANNEL_PROGRESS")
			s.tell(id, "CHANNEL_ANSWER")
			s.job(job, "+OK "+id)
			s.tell(id, "CHANNEL_PARK")
			s.tell(id, "CHANNEL_HANGUP_COMPLETE", end...)
		},
		"doubled": func(id, job string) {
			for range 2 {
				s.tell(id, "CHANNEL_CREATE")
				s.tell(id, "CHANNEL_PROGRESS")
			}
			for range 3 {
				s.tell(id, "CHANNEL_ANSWER")
				s.job(job, "+OK "+id)
			}
			s.tell(id, "CHANNEL_HANGUP_COMPLETE", end...)
			s.tell(id, "CHANNEL_HANGUP_COMPLETE", end...)
		},
		"answer before ringing": func(id, job string) {
			s.job(job, "+OK "+id)
			s.tell(id, "CHANNEL_ANSWER")
			s.tell(id, "CHANNEL_PROGRESS")
			s.tell(id, "CHANNEL_CREATE")
			s.tell(id, "CHANNEL_HANGUP_COMPLETE", end...)
			s.tell(id, "CHANNEL_PARK")
		},
		"the answer lost": func(id, _ string) {
			s.tell(id, "CHANNEL_PROGRESS")
			s.tell(id, "CHANNEL_HANGUP_COMPLETE", end...)
			s.tell(id, "CHANNEL_ANSWER")
		},
	} {
		s.jobs = story
		leg, err := s.sw.Originate(t.Context(), requestTo(t, "1001"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		names, h := all(t, leg)
		got := strings.TrimPrefix(strings.Join(names, " "), "Ringing ")
		if got != "Answered Hungup" || h.By != pbx.ByRemote || !h.Answered {
			t.Errorf("%s: %v %+v", name, names, h)
		}
	}
}

// The last event lost: the job's end, or a look at the exchange, ends the leg.
func TestALostEndIsFound(t *testing.T) {
	s := newScripted(t, func(c *Config) { c.Deadline, c.LookUp = 20*time.Millisecond, 20*time.Millisecond })
	s.jobs = func(id, job string) {
		s.tell(id, "CHANNEL_PROGRESS")
		s.job(job, "-ERR USER_BUSY")
	}
	leg, err := s.sw.Originate(t.Context(), requestTo(t, "1001"))
	if err != nil {
		t.Fatal(err)
	}
	if names, h := all(t, leg); h.Q850 != pbx.CauseBusy || h.Answered || h.By != pbx.ByNetwork {
		t.Errorf("%v %+v", names, h)
	}
	s.jobs = func(id, job string) {
		s.set(id, "answered")
		s.tell(id, "CHANNEL_ANSWER")
	}
	leg, err = s.sw.Originate(t.Context(), requestTo(t, "1001"))
	if err != nil {
		t.Fatal(err)
	}
	until[pbx.Answered](t, leg)
	s.set(string(leg.ID()), "")
	if names, h := all(t, leg); h.By != pbx.ByUnknown || !h.Answered {
		t.Errorf("%v %+v", names, h)
	}
}

// Sent, and no answer: not refused, not placed. Whoever asks later gets the leg
// with all its events; and where nothing came of it, a late call is ended.
func TestALostReplyIsUnknown(t *testing.T) {
	s := newScripted(t, nil)
	s.mute["originate"] = true
	req := requestTo(t, "1001")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := s.sw.Originate(ctx, req); done <- err }()
	s.asked("origination_uuid=" + string(req.ID))
	cancel()
	if err := <-done; !errors.Is(err, pbx.ErrUnknown) {
		t.Fatalf("%v, want ErrUnknown", err)
	}
	id := string(req.ID)
	s.set(id, "ringing")
	s.tell(id, "CHANNEL_CREATE")
	s.tell(id, "CHANNEL_PROGRESS")
	leg, err := s.sw.Attach(t.Context(), req.ID)
	if err != nil {
		t.Fatal(err)
	}
	until[pbx.Ringing](t, leg)

	req = requestTo(t, "1002")
	ctx, cancel = context.WithCancel(t.Context())
	go func() { _, err := s.sw.Originate(ctx, req); done <- err }()
	s.asked("origination_uuid=" + string(req.ID))
	cancel()
	<-done
	if _, err := s.sw.Attach(t.Context(), req.ID); !errors.Is(err, pbx.ErrGone) {
		t.Fatalf("nothing is there: %v, want ErrGone", err)
	}
	s.eventually("the leg is forgotten", func() bool { return s.sw.find(string(req.ID)) == nil })
	s.set(string(req.ID), "ringing")
	s.tell(string(req.ID), "CHANNEL_CREATE", "Channel-Presence-Data", "ringmaster-c1/t")
	s.eventually("a call that came after all is ended", func() bool { return s.kills(string(req.ID)) > 0 })
}

// A hang-up that was sent before the channel was there is sent again.
func TestAHangupThatCameTooEarlyIsSentAgain(t *testing.T) {
	s := newScripted(t, nil)
	s.jobs = func(id, job string) { s.job(job, "+OK "+id) }
	leg, err := s.sw.Originate(t.Context(), requestTo(t, "1001"))
	if err != nil {
		t.Fatal(err)
	}
	if err := leg.Hangup(t.Context(), pbx.CauseNormal); err != nil {
		t.Fatal(err)
	}
	id := string(leg.ID())
	before := s.kills(id)
	s.set(id, "ringing")
	s.tell(id, "CHANNEL_CREATE")
	s.eventually("it is ended again", func() bool { return s.kills(id) > before })
	s.tell(id, "CHANNEL_HANGUP_COMPLETE", "Hangup-Cause", "NORMAL_CLEARING", "variable_hangup_cause_q850", "16", "variable_sip_hangup_disposition", "send_cancel")
	if _, h := all(t, leg); h.By != pbx.ByLocal {
		t.Errorf("%+v", h)
	}
}

// Sounds wait for each other with us; each is stopped exactly, also one that
// the break came too early for.
func TestSoundsAreQueuedAndStoppedExactly(t *testing.T) {
	s := newScripted(t, nil)
	s.jobs = func(id, _ string) {
		s.set(id, "answered")
		s.tell(id, "CHANNEL_ANSWER")
		s.tell(id, "CHANNEL_PARK")
	}
	leg, err := s.sw.Originate(t.Context(), requestTo(t, "1001"))
	if err != nil {
		t.Fatal(err)
	}
	until[pbx.Answered](t, leg)
	id := string(leg.ID())
	for _, p := range []string{"a", "b", "c"} {
		if err := leg.Play(t.Context(), pbx.Playback{ID: p, Media: "file:prompts/" + p}); err != nil {
			t.Fatal(err)
		}
	}
	if err := leg.Play(t.Context(), pbx.Playback{ID: "a", Media: "file:a"}); !errors.Is(err, pbx.ErrRefused) {
		t.Errorf("the same name twice: %v", err)
	}
	sent := func() (last esltest.Command, n int) {
		for _, c := range s.Commands() {
			if c.Headers["execute-app-name"] == "playback" {
				last, n = c, n+1
			}
		}
		return
	}
	breaks := func() (n int) {
		for _, c := range s.Commands() {
			if c.Line == "api uuid_break "+id {
				n++
			}
		}
		return
	}
	first, n := sent()
	if n != 1 || first.Headers["execute-app-arg"] != "prompts/a.wav" {
		t.Fatalf("%d were sent, %+v", n, first)
	}
	// b never sounds; a is stopped before it began, and again when it has.
	if err := leg.Stop(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if e := until[pbx.PlaybackEnded](t, leg); e.ID != "b" || !e.Stopped {
		t.Errorf("%+v", e)
	}
	if err := leg.Stop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	before := breaks()
	s.tell(id, "PLAYBACK_START")
	s.eventually("the break is sent again", func() bool { return breaks() > before })
	s.tell(id, "CHANNEL_EXECUTE_COMPLETE", "Application", "playback", "Application-UUID", first.Headers["event-uuid"], "Application-Response", "FILE PLAYED")
	if e := until[pbx.PlaybackEnded](t, leg); e.ID != "a" || !e.Stopped || e.Err != nil {
		t.Errorf("%+v", e)
	}
	s.eventually("c follows", func() bool { last, n := sent(); return n == 2 && last.Headers["execute-app-arg"] == "prompts/c.wav" })
	third, _ := sent()
	s.tell(id, "CHANNEL_EXECUTE_COMPLETE", "Application", "playback", "Application-UUID", third.Headers["event-uuid"], "Application-Response", "FILE NOT FOUND")
	if e := until[pbx.PlaybackEnded](t, leg); e.ID != "c" || e.Stopped || e.Err == nil {
		t.Errorf("%+v", e)
	}
	for _, bad := range []string{"file:../etc/passwd", "file:/etc/passwd", "file:a b", "tone:no-such", "shout://x", "file:a;b", ""} {
		if err := leg.Play(t.Context(), pbx.Playback{ID: "x", Media: bad}); !errors.Is(err, pbx.ErrRefused) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A callee who answers a controller that died is not left in silence.
func TestAStrangerOfOursIsEnded(t *testing.T) {
	s := newScripted(t, nil)
	s.set("orphan", "answered")
	s.set("another", "answered")
	s.tell("orphan", "CHANNEL_ANSWER", "Channel-Presence-Data", "ringmaster-c1/t")
	s.tell("another", "CHANNEL_ANSWER", "Channel-Presence-Data", "ringmaster-c2/t")
	s.eventually("it is ended", func() bool { return s.kills("orphan") == 1 })
	if s.kills("another") != 0 {
		t.Error("another controller's leg was ended")
	}
}

func TestBadConfigurations(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no address": func(c *Config) { c.Addr = "" }, "no password": func(c *Config) { c.Password = "" }, "a line break": func(c *Config) { c.Password = "a\nb" },
		"two numbers": func(c *Config) { c.Trunks = map[string]Trunk{"t": {Endpoint: "sofia/a/{number}{number}"}} }, "loopback": func(c *Config) { c.Agents = map[string]Agent{"a": {"loopback/1"}} },
		"prefix": func(c *Config) { c.Trunks = map[string]Trunk{"t": {Endpoint: "sofia/a/{number}", Prefix: "0,"}} }, "queue": func(c *Config) { c.Queues = map[string]Queue{"q": {}} },
		"both queues": func(c *Config) { c.Queues = map[string]Queue{"q": {Callcenter: "a@b", Context: "c"}} }, "queue's name": func(c *Config) { c.Queues = map[string]Queue{"q": {Callcenter: "a b@c"}} },
		"tone": func(c *Config) { c.Tones = map[string]string{"x": "%(1,2,3) &hangup()"} }, "folder": func(c *Config) { c.Sounds = "relative" }, "climbing": func(c *Config) { c.Recordings = "/a/../b" },
		"transport": func(c *Config) { c.Media.Transport = "tin cans" }, "profile": func(c *Config) { c.Media.Profile = "a b" }, "controller": func(c *Config) { c.ControllerID = "a b" },
	} {
		cfg := Config{Addr: "127.0.0.1:1", Password: "x"}
		change(&cfg)
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
