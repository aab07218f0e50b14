package asterisk

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"ringmaster/internal/lab/env"
)

func TestMain(m *testing.M) {
	if os.Getenv("ASTERISK_TEST_OWNER") != "" {
		owner()
	}
	http.DefaultTransport.(*http.Transport).DisableKeepAlives = true
	goleak.VerifyTestMain(m)
}

// owner is a run that gets killed: it starts an Asterisk, tells its process number and folder, and waits for its end.
func owner() {
	a, err := Start(context.Background(), Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(a.PID(), a.Dir())
	select {}
}

func TestStartRestartStop(t *testing.T) {
	env.Need(t, env.Asterisk)
	a := run(t, Options{Verbose: 3})

	var info struct {
		System struct{ Version string }
		Status struct {
			Startup string `json:"startup_time"`
		}
	}
	ask(t, a, http.MethodGet, "/asterisk/info", &info)
	if !strings.HasPrefix(info.System.Version, "22.") {
		t.Errorf("version %q, want 22.x", info.System.Version)
	}
	if log := a.Log(); strings.Contains(log, "ERROR") || strings.Contains(log, "WARNING") {
		t.Errorf("not a clean start:\n%s", log)
	}
	first := a.PID()

	if err := a.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.PID() == first {
		t.Error("the same process after a restart")
	}
	ask(t, a, http.MethodGet, "/asterisk/info", &info)

	a.Kill()
	if _, err := a.CLI(t.Context(), "core show uptime"); err == nil {
		t.Error("a killed Asterisk answers")
	}
	if err := a.Restart(t.Context()); err != nil {
		t.Fatalf("restart after a kill: %v", err)
	}
	last, dir, o := a.PID(), a.Dir(), a.o
	if err := a.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if err := a.Restart(t.Context()); err == nil {
		t.Error("restarted after Stop")
	}
	nothingLeft(t, last, dir)
	if err := errors.Join(free("tcp", "127.0.0.1", o.HTTPPort), free("udp", o.Bind, o.SIPPort)); err != nil {
		t.Error(err)
	}
}

func TestSeveralAtOnce(t *testing.T) {
	env.Need(t, env.Asterisk)
	a, b := run(t, Options{}), run(t, Options{})
	if a.ARIURL() == b.ARIURL() || a.SIPAddr() == b.SIPAddr() || a.Dir() == b.Dir() || a.o.RTPStart <= b.o.RTPEnd && b.o.RTPStart <= a.o.RTPEnd {
		t.Errorf("two instances share something: %+v, %+v", a.o, b.o)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	ask(t, b, http.MethodGet, "/asterisk/info", nil)
}

func TestDiesWithItsOwner(t *testing.T) {
	env.Need(t, env.Asterisk)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "ASTERISK_TEST_OWNER=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for !errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
		if time.Now().After(deadline) {
			t.Fatal("Asterisk lives 10 s longer than its owner")
		}
		time.Sleep(10 * time.Millisecond)
	}
	next := run(t, Options{})
	if next.Dir() != dir {
		nothingLeft(t, n, dir)
	}
}

func TestPortInUse(t *testing.T) {
	env.Need(t, env.Asterisk)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	a, err := Start(t.Context(), Options{HTTPPort: port})
	if err == nil {
		_ = a.Stop(context.Background())
		t.Fatal("started on a port of somebody else")
	}
	if !strings.Contains(err.Error(), strconv.Itoa(port)) {
		t.Errorf("the error does not name port %d: %v", port, err)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{User: "a\n[b]"}, {Password: "x;y"}, {Password: "x y"}, {App: "a,b"}, {Bind: "here there"}, {Trunk: "x\nevil=1"},
		{Agents: []Agent{{Name: "lab"}}}, {Accounts: []Account{{"1001", "a"}, {"1001", "b"}}}, {Accounts: []Account{{"1001", ""}}},
		{RTPStart: 10}, {RTPStart: 20, RTPEnd: 10}, {HTTPPort: 70000}, {Include: []string{"#exec rm"}}, {Verbose: 10},
	} {
		if _, err := Start(t.Context(), o); !errors.Is(err, ErrOptions) {
			t.Errorf("%+v: got %v, want ErrOptions", o, err)
		}
	}
}

// TestMediaChannel holds the one thing that the product's media leg stands on: Asterisk as server of a media websocket.
func TestMediaChannel(t *testing.T) {
	env.Need(t, env.Asterisk)
	a := run(t, Options{})
	events := listen(t, a, "probe")
	var channel struct {
		Vars map[string]string `json:"channelvars"`
	}
	ask(t, a, http.MethodPost, "/channels/externalMedia?app=probe&channelId=m1&format=slin16&external_host=INCOMING"+
		"&encapsulation=none&transport=websocket&connection_type=server&transport_data=f(json)", &channel)
	if got := channel.Vars["MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE"]; got != "640" {
		t.Errorf("frame size %q, want 640", got)
	}
	ws, _, err := websocket.Dial(t.Context(), "ws://"+a.HTTPAddr()+"/media/"+channel.Vars["MEDIA_WEBSOCKET_CONNECTION_ID"],
		&websocket.DialOptions{Subprotocols: []string{"media"}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	_, b, err := ws.Read(t.Context())
	if err != nil || !strings.Contains(string(b), `"MEDIA_START"`) {
		t.Errorf("first message %s, %v", b, err)
	}
	if e := events.next(t, "StasisStart"); e.Channel.ID != "m1" {
		t.Errorf("StasisStart of %q", e.Channel.ID)
	}
}

// TestTrunk rings a phone in each of the two ways and sees what it is told about the caller.
func TestTrunk(t *testing.T) {
	env.Need(t, env.Asterisk)
	phone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer phone.Close()
	a := run(t, Options{Trunk: phone.LocalAddr().String()})
	events := listen(t, a, "probe")
	for id, endpoint := range map[string]string{"c1": a.Endpoint("busy", phone.LocalAddr().String()), "c2": "PJSIP/busy@lab"} {
		q := url.Values{"endpoint": {endpoint}, "app": {"probe"}, "channelId": {id}, "callerId": {`"ACME" <0215551000>`}}
		ask(t, a, http.MethodPost, "/channels?"+q.Encode(), nil)
		invite := answer(t, phone, "486 Busy Here")
		for _, want := range []string{"INVITE sip:busy@" + phone.LocalAddr().String(), "<sip:0215551000@lab.invalid>", "P-Asserted-Identity:"} {
			if !strings.Contains(invite, want) {
				t.Errorf("%s: no %q in\n%s", endpoint, want, invite)
			}
		}
		if e := events.next(t, "ChannelDestroyed"); e.Channel.ID != id || e.Cause != 17 {
			t.Errorf("%s: ended with %+v, want cause 17", endpoint, e)
		}
	}
}

// TestInbound calls in from a phone and expects the application to be told the number and the caller.
func TestInbound(t *testing.T) {
	env.Need(t, env.Asterisk)
	a := run(t, Options{App: "house"})
	events := listen(t, a, "house")
	phone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer phone.Close()
	send(t, phone, a.SIPAddr(), request("INVITE", "4008001234", "13800000001", a.SIPAddr(), phone.LocalAddr().String(), ""))
	e := events.next(t, "StasisStart")
	if want := []string{"inbound", "4008001234", "13800000001"}; !slices.Equal(e.Args, want) {
		t.Errorf("args %q, want %q", e.Args, want)
	}
}

// TestAccount registers a softphone: refused with a wrong password, found by PJSIP/1001 with the right one.
func TestAccount(t *testing.T) {
	env.Need(t, env.Asterisk)
	a := run(t, Options{Accounts: []Account{{Name: "1001", Password: "seven-seas"}}})
	phone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer phone.Close()
	if got := register(t, phone, a.SIPAddr(), "1001", "wrong"); got != 401 {
		t.Errorf("wrong password: %d, want 401", got)
	}
	if got := register(t, phone, a.SIPAddr(), "1001", "seven-seas"); got != 200 {
		t.Errorf("right password: %d, want 200", got)
	}
	out, err := a.CLI(t.Context(), "pjsip show contacts")
	if err != nil || !strings.Contains(out, "sip:1001@"+phone.LocalAddr().String()) {
		t.Errorf("contacts: %s, %v", out, err)
	}
}

func TestSoundAndInclude(t *testing.T) {
	env.Need(t, env.Asterisk)
	a := run(t, Options{Include: []string{"[extra]\nexten => 1,1,NoOp()"}})
	media, err := a.AddSound("hello.sln", make([]byte, 1600))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(a.root, strings.TrimPrefix(media, "sound:")+".sln")); err != nil {
		t.Error(err)
	}
	if _, err := a.AddSound("../x.sln", nil); !errors.Is(err, ErrOptions) {
		t.Errorf("a name that leaves the folder: %v", err)
	}
	if out, err := a.CLI(t.Context(), "dialplan show extra"); err != nil || !strings.Contains(out, "NoOp()") {
		t.Errorf("%s, %v", out, err)
	}
}

func run(t *testing.T, o Options) *Asterisk {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Asterisk said:\n%s", a.Log())
		}
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a
}

func nothingLeft(t *testing.T, pid int, dir string) {
	t.Helper()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is left: %v", pid, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder %s is left: %v", dir, err)
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), dir) {
		t.Errorf("a mount in %s is left", dir)
	}
}

func ask(t *testing.T, a *Asterisk, method, path string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, a.ARIURL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(a.Credentials())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, b, err)
	}
	if into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
	}
}

type event struct {
	Type    string
	Args    []string
	Cause   int
	Channel struct{ ID string }
}

type events struct{ ws *websocket.Conn }

func listen(t *testing.T, a *Asterisk, app string) events {
	t.Helper()
	user, password := a.Credentials()
	ws, _, err := websocket.Dial(t.Context(), "ws://"+a.HTTPAddr()+"/ari/events?app="+app+"&api_key="+user+":"+password, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return events{ws}
}

// next reads on to the next event of a type.
func (e events) next(t *testing.T, typ string) event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, b, err := e.ws.Read(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", typ, err)
		}
		var got event
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if got.Type == typ {
			return got
		}
	}
}
