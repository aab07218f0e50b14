package esl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/adapter/freeswitch/esl/esltest"
	"ringmaster/internal/pbx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder notes what a Handler is told.
type recorder struct {
	mu        sync.Mutex
	events    []string
	lost      []error
	restarted []bool
	ready     int
	block     chan struct{} // Event waits for it, if it is there
	signal    chan struct{}
}

func newRecorder() *recorder { return &recorder{signal: make(chan struct{}, 1)} }

func (r *recorder) note(f func()) {
	r.mu.Lock()
	f()
	r.mu.Unlock()
	select {
	case r.signal <- struct{}{}:
	default:
	}
}

func (r *recorder) Event(e *Event) {
	if r.block != nil {
		<-r.block
	}
	r.note(func() { r.events = append(r.events, e.Name+" "+e.Get("Unique-ID")) })
}
func (r *recorder) Lost(err error) { r.note(func() { r.lost = append(r.lost, err) }) }
func (r *recorder) Ready()         { r.note(func() { r.ready++ }) }
func (r *recorder) Restored(_ context.Context, _ Info, restarted bool) error {
	r.note(func() { r.restarted = append(r.restarted, restarted) })
	return nil
}

func (r *recorder) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		r.mu.Lock()
		done := ok()
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-r.signal:
		case <-limit.C:
			t.Fatalf("never: %s", what)
		}
	}
}

func config(s *esltest.Server) Config {
	return Config{Addr: s.Addr(), Password: esltest.Password, Events: "CHANNEL_ANSWER DTMF CUSTOM callcenter::info",
		BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond, RequestTimeout: 10 * time.Second}
}

// start runs a client until the test ends.
func start(t *testing.T, cfg Config, r *recorder) *Client {
	t.Helper()
	c, err := New(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

func TestTwoConnectionsEventsInOrderAndBack(t *testing.T) {
	s, r := esltest.New(t), newRecorder()
	c := start(t, config(s), r)
	r.until(t, "ready", func() bool { return r.ready == 1 })
	for i := range 100 {
		s.Send(esltest.Event("CHANNEL_ANSWER", "Unique-ID", fmt.Sprint(i)))
	}
	r.until(t, "all events", func() bool { return len(r.events) == 100 })
	for i, e := range r.events {
		if e != fmt.Sprintf("CHANNEL_ANSWER %d", i) {
			t.Fatalf("event %d is %s", i, e)
		}
	}
	s.Cut()
	r.until(t, "ready again", func() bool { return r.ready == 2 })
	r.until(t, "told of the loss", func() bool { return len(r.lost) >= 1 })
	if r.restarted[1] {
		t.Error("the same core was taken for a restart")
	}
	if s.Subscribers() != 1 {
		t.Errorf("%d subscriptions", s.Subscribers())
	}
	s.Send(esltest.Event("DTMF", "Unique-ID", "x"))
	r.until(t, "events after it", func() bool { return len(r.events) == 101 })
	if _, err := c.API(t.Context(), "status"); err != nil {
		t.Error(err)
	}
}

func TestANewCoreUUIDIsARestart(t *testing.T) {
	s, r := esltest.New(t), newRecorder()
	var mu sync.Mutex
	core := "core-1"
	s.Answer = func(_ *esltest.Conn, cmd esltest.Command) (kind, text string) {
		mu.Lock()
		defer mu.Unlock()
		if cmd.Line == "api global_getvar core_uuid" {
			return "api/response", core
		}
		return "default", ""
	}
	start(t, config(s), r)
	r.until(t, "ready", func() bool { return r.ready == 1 })
	mu.Lock()
	core = "core-2"
	mu.Unlock()
	s.Cut()
	r.until(t, "ready again", func() bool { return r.ready == 2 })
	if len(r.restarted) < 2 || r.restarted[0] || !r.restarted[len(r.restarted)-1] {
		t.Errorf("restarts %v", r.restarted)
	}
}

// A reply that comes after its caller gave up is not the next command's.
func TestALateReplyIsNobodyElses(t *testing.T) {
	s, r := esltest.New(t), newRecorder()
	gaveUp := make(chan struct{})
	s.Answer = func(c *esltest.Conn, cmd esltest.Command) (kind, text string) {
		switch cmd.Line {
		case "api slow":
			return "", ""
		case "api next":
			<-gaveUp
			c.Reply("api/response", "the slow one's")
			return "api/response", "its own"
		}
		return "default", ""
	}
	c := start(t, config(s), r)
	r.until(t, "ready", func() bool { return r.ready == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	slow := make(chan error, 1)
	go func() { _, err := c.API(ctx, "slow"); slow <- err }()
	for len(s.Commands()) == 0 || s.Commands()[len(s.Commands())-1].Line != "api slow" {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-slow; !errors.Is(err, pbx.ErrUnknown) {
		t.Errorf("given up: %v, want ErrUnknown", err)
	}
	close(gaveUp)
	if got, err := c.API(t.Context(), "next"); err != nil || got != "its own" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestEveryEndIsAnnounced(t *testing.T) {
	s, r := esltest.New(t), newRecorder()
	asked := make(chan struct{}, 1)
	s.Answer = func(_ *esltest.Conn, cmd esltest.Command) (kind, text string) {
		if cmd.Line == "api stuck" {
			asked <- struct{}{}
			return "", ""
		}
		return "default", ""
	}
	c := start(t, config(s), r)
	r.until(t, "ready", func() bool { return r.ready == 1 })
	got := make(chan error, 1)
	go func() { _, err := c.API(t.Context(), "stuck"); got <- err }()
	<-asked
	s.Refuse(true)
	s.Cut()
	if err := <-got; !errors.Is(err, pbx.ErrUnknown) {
		t.Errorf("sent, and the link died: %v, want ErrUnknown", err)
	}
	r.until(t, "lost", func() bool { return len(r.lost) > 0 })
	if _, err := c.API(t.Context(), "status"); !errors.Is(err, pbx.ErrUnavailable) {
		t.Errorf("without a link: %v, want ErrUnavailable", err)
	}
	s.Refuse(false)
}

// Our own slowness closes the connection instead of freezing the exchange.
func TestFallingBehindClosesTheConnection(t *testing.T) {
	s, r := esltest.New(t), newRecorder()
	r.block = make(chan struct{})
	cfg := config(s)
	cfg.MaxUnread = 100
	start(t, cfg, r)
	r.until(t, "ready", func() bool { return r.ready == 1 })
	for i := range 200 {
		s.Send(esltest.Event("CHANNEL_ANSWER", "Unique-ID", fmt.Sprint(i)))
	}
	// The reader has closed it although the handler still holds the first event;
	// where the handler had taken none yet, the client may be back by now.
	for told := false; s.Subscribers() > 0 && !told; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		told = len(r.lost) > 0
		r.mu.Unlock()
	}
	close(r.block)
	r.until(t, "told why", func() bool { return len(r.lost) > 0 && errors.Is(r.lost[0], ErrBehind) })
	r.until(t, "back", func() bool { return r.ready >= 2 })
}

func TestAHalfOpenPeerIsNoticed(t *testing.T) {
	s, r := esltest.New(t), newRecorder()
	cfg := config(s)
	cfg.PingPeriod = 20 * time.Millisecond
	start(t, cfg, r)
	r.until(t, "ready", func() bool { return r.ready == 1 })
	s.Mute(true)
	r.until(t, "told of the silence", func() bool { return len(r.lost) > 0 && errors.Is(r.lost[0], ErrSilent) })
	s.Mute(false)
	r.until(t, "back", func() bool { return r.ready == 2 })
}

func TestLogins(t *testing.T) {
	s := esltest.New(t)
	for name, c := range map[string]struct {
		change func(*Config)
		want   error
	}{
		"wrong password":      {func(c *Config) { c.Password = "wrong" }, ErrAuth},
		"user of a directory": {func(c *Config) { c.User = "ctl@pbx" }, nil},
	} {
		r, cfg := newRecorder(), config(s)
		c.change(&cfg)
		start(t, cfg, r)
		r.until(t, name, func() bool {
			return c.want == nil && r.ready == 1 || len(r.lost) > 0 && c.want != nil && errors.Is(r.lost[0], c.want)
		})
	}
	for name, c := range map[string]struct {
		say  string
		want error
	}{
		"our address is denied": {"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n", ErrDenied},
		"not FreeSWITCH":        {"SSH-2.0-OpenSSH_9.2\n\n", ErrHostile},
		"an HTTP server":        {"HTTP/1.1 400 Bad Request\nContent-Length: -5\n\n", ErrHostile},
		"nothing at all":        {"", context.DeadlineExceeded},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = nc.Write([]byte(c.say))
				defer func() { _ = nc.Close() }()
			}
		}()
		cfg := config(s)
		cfg.Addr = l.Addr().String()
		if c.say == "" {
			cfg.RequestTimeout = 50 * time.Millisecond
		}
		full, _ := cfg.withDefaults()
		if _, _, err := dial(t.Context(), full); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		_ = l.Close()
		<-done
	}
	for name, cfg := range map[string]Config{
		"no address": {Password: "x"}, "no password": {Addr: "h:1"}, "a line break": {Addr: "h:1", Password: "a\n\nexit"}, "user with a colon": {Addr: "h:1", Password: "x", User: "a:b"},
	} {
		if _, err := New(cfg, newRecorder()); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCommandsOnTheWire(t *testing.T) {
	s, r := esltest.New(t), newRecorder()
	s.Answer = func(_ *esltest.Conn, cmd esltest.Command) (kind, text string) {
		switch cmd.Line {
		case "api uuid_kill gone":
			return "api/response", "-ERR No such channel!\n"
		case "api nosuch":
			return "api/response", "-ERR nosuch Command not found!\n"
		}
		return "default", ""
	}
	c := start(t, config(s), r)
	r.until(t, "ready", func() bool { return r.ready == 1 })
	ctx := t.Context()
	if err := c.BgAPI(ctx, "job-7", "originate {a=b}sofia/x &park()"); err != nil {
		t.Error(err)
	}
	if err := c.SendMsg(ctx, "u-1", []Field{{"call-command", "execute"}, {"execute-app-name", "playback"}}, "/x.wav\nand more"); err != nil {
		t.Error(err)
	}
	sent := s.Commands()
	job, msg := sent[len(sent)-2], sent[len(sent)-1]
	if job.Line != "bgapi originate {a=b}sofia/x &park()" || job.Headers["job-uuid"] != "job-7" {
		t.Errorf("%+v", job)
	}
	if msg.Line != "sendmsg u-1" || msg.Headers["execute-app-name"] != "playback" || msg.Body != "/x.wav\nand more" || msg.Headers["content-type"] != "text/plain" {
		t.Errorf("%+v", msg)
	}
	if _, err := c.API(ctx, "uuid_kill gone"); !errors.Is(err, pbx.ErrRefused) || Refusal(err) != "No such channel!" {
		t.Errorf("%v", err)
	}
	if _, err := c.API(ctx, "nosuch"); err == nil || !strings.Contains(err.Error(), "allowlist") {
		t.Errorf("a command that is hidden: %v", err)
	}
	before := len(s.Commands())
	for name, err := range map[string]error{
		"api":          func() error { _, err := c.API(ctx, "status\n\nexit"); return err }(),
		"carriage":     func() error { _, err := c.API(ctx, "status\rexit"); return err }(),
		"zero":         func() error { _, err := c.API(ctx, "status\x00"); return err }(),
		"job":          c.BgAPI(ctx, "j\n", "status"),
		"field":        c.SendMsg(ctx, "u", []Field{{"a", "b\nc: d"}}, ""),
		"field's name": c.SendMsg(ctx, "u", []Field{{"a: b\n", "c"}}, ""),
		"channel":      c.SendMsg(ctx, "u\n", nil, ""),
	} {
		if !errors.Is(err, pbx.ErrRefused) {
			t.Errorf("%s with a line break: %v", name, err)
		}
	}
	if n := len(s.Commands()); n != before {
		t.Errorf("%d refused commands were sent", n-before)
	}
}

// Many callers at once: each gets its own answer.
func TestManyCallersGetTheirOwnAnswers(t *testing.T) {
	s, r := esltest.New(t), newRecorder()
	s.Answer = func(_ *esltest.Conn, cmd esltest.Command) (kind, text string) {
		if rest, ok := strings.CutPrefix(cmd.Line, "api echo "); ok {
			return "api/response", rest
		}
		return "default", ""
	}
	c := start(t, config(s), r)
	r.until(t, "ready", func() bool { return r.ready == 1 })
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for j := range 20 {
				want := fmt.Sprintf("%d-%d", i, j)
				if got, err := c.API(t.Context(), "echo "+want); err != nil || got != want {
					t.Errorf("asked %s, answered %q, %v", want, got, err)
				}
			}
		})
	}
	all.Wait()
}

func TestOutboundSocket(t *testing.T) {
	calls := make(chan *Call, 4)
	s, err := Listen(ServerConfig{Listen: "127.0.0.1:0", Call: func(c *Call) { calls <- c }, Timeout: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	hand := func(say string) net.Conn {
		nc, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 9)
		if _, err := nc.Read(buf); err != nil || string(buf) != "connect\n\n" {
			t.Fatalf("%q %v", buf, err)
		}
		_, _ = nc.Write([]byte(say))
		return nc
	}
	one := hand("Event-Name: CHANNEL_DATA\nUnique-ID: u-1\nCaller-Destination-Number: 95588\nvariable_rm_hook: a%20b\nReply-Text: %2BOK%0A\n\n")
	c := <-calls
	if c.Channel.Get("Unique-ID") != "u-1" || c.Channel.Get("variable_rm_hook") != "a b" {
		t.Errorf("%q", c.Channel.Get("Unique-ID"))
	}
	_ = one.Close()
	<-c.Done()
	// Who names no channel is let go.
	two := hand("Content-Type: auth/request\n\n")
	if _, err := two.Read(make([]byte, 1)); err == nil {
		t.Error("a stranger's connection is held")
	}
	_ = two.Close()
	three := hand("Unique-ID: u-3\n\n")
	c = <-calls
	cancel()
	<-done
	<-c.Done()
	_ = three.Close()
	if _, err := Listen(ServerConfig{Listen: "127.0.0.1:0"}); !errors.Is(err, ErrConfig) {
		t.Errorf("nobody to take calls: %v", err)
	}
}

func TestOutboundSocketKeepsStrangersOut(t *testing.T) {
	s, err := Listen(ServerConfig{Listen: "127.0.0.1:0", Call: func(*Call) { t.Error("a stranger handed a call over") }, Allow: func(netip.Addr) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	nc, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("a stranger was spoken to")
	}
	_ = nc.Close()
	cancel()
	<-done
}

// Frames without a Content-Length, blank lines between frames, text that is no
// frame: what they would have said is lost and counted, what follows is not, and
// each reply is still its own command's.
func TestWhatIsNoFrameIsPassedOver(t *testing.T) {
	s, r := esltest.New(t), newRecorder()
	s.Answer = func(c *esltest.Conn, cmd esltest.Command) (kind, text string) {
		switch cmd.Line {
		case "api lengthless":
			c.Raw("Content-Type: api/response\n\n+OK the body of an answer without a length\n\n\n\r\n\n")
			return "", ""
		case "api next":
			return "api/response", "its own"
		}
		return "default", ""
	}
	c := start(t, config(s), r)
	r.until(t, "ready", func() bool { return r.ready == 1 })
	if got, err := c.API(t.Context(), "lengthless"); err != nil || got != "" {
		t.Errorf("%q %v", got, err)
	}
	if got, err := c.API(t.Context(), "next"); err != nil || got != "its own" {
		t.Errorf("%q %v", got, err)
	}
	event := esltest.Event("CHANNEL_ANSWER", "Unique-ID", "x")
	for _, raw := range []string{
		"Content-Type: text/event-plain\n\n" + event, "\n\n\r\n\n", "no colon here\n\n", "Content-Type: log/data\nContent-Length: 3\n\nabc", "\x00\xff: \xd6\xd0\n\n",
		"Content-Type: text/event-plain\nContent-Length: 9\n\nnameless\n",
	} {
		s.SendRaw(raw)
	}
	s.Send(esltest.Event("DTMF", "Unique-ID", "last"))
	r.until(t, "what follows", func() bool { return len(r.events) > 0 && r.events[len(r.events)-1] == "DTMF last" })
	if len(r.events) != 1 || len(r.lost) != 0 {
		t.Errorf("%q, %v", r.events, r.lost)
	}
}
