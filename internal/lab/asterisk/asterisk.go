package asterisk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"ringmaster/internal/lab/child"
	"ringmaster/internal/lab/env"
)

// Ports of the slots lie below 32768, where Linux begins to hand out ports for port 0, so nobody gets one of them by chance.
const (
	slots     = 20
	firstPort = 18000 // HTTP of slot 0; SIP is the next; ten ports a slot
	firstRTP  = 20000
	rtpPorts  = 600
	homes     = "/srv/ringmaster" // inside the chroot
)

// Asterisk is a private, running Asterisk. Its methods may be called from any goroutine.
type Asterisk struct {
	o    Options
	root string // the chroot
	slot *child.Slot
	v    values

	mu   sync.Mutex // held while the process is started or ended
	proc *child.Process
}

// Start starts an Asterisk and returns when it takes calls and ARI requests (about a second). ctx bounds the start only; the
// caller has to Stop it. An error wraps env.ErrMissing where Asterisk is not installed.
func Start(ctx context.Context, o Options) (*Asterisk, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	root, err := env.Find(env.Asterisk)
	if err != nil {
		return nil, err
	}
	modules, err := moduleDir(root)
	if err != nil {
		return nil, err
	}
	slot, err := child.TakeSlot(filepath.Join(root, homes), slots, func(n int) error {
		return errors.Join(free("tcp", "127.0.0.1", httpPort(o, n)), free("udp", o.Bind, sipPort(o, n)))
	})
	if err != nil {
		return nil, err
	}
	o.HTTPPort, o.SIPPort = httpPort(o, slot.Number), sipPort(o, slot.Number)
	if o.RTPStart == 0 {
		o.RTPStart = firstRTP + rtpPorts*slot.Number
		o.RTPEnd = o.RTPStart + rtpPorts - 1
	}
	a := &Asterisk{o: o, root: root, slot: slot}
	a.v = values{Options: o, Modules: modules, Inside: homes + "/" + filepath.Base(slot.Dir),
		Name: fmt.Sprintf("ringmaster-lab-%d-%d", os.Getpid(), slot.Number)}
	if err := a.v.write(slot.Dir); err != nil {
		return nil, errors.Join(err, slot.Release())
	}
	if err := a.start(ctx); err != nil {
		return nil, errors.Join(err, slot.Release())
	}
	return a, nil
}

func httpPort(o Options, slot int) int {
	if o.HTTPPort != 0 {
		return o.HTTPPort
	}
	return firstPort + 10*slot
}

func sipPort(o Options, slot int) int {
	if o.SIPPort != 0 {
		return o.SIPPort
	}
	return firstPort + 10*slot + 1
}

// free returns an error that names the port when somebody else has it.
func free(network, host string, port int) error {
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	var c io.Closer
	var err error
	if network == "udp" {
		c, err = net.ListenPacket(network, addr)
	} else {
		c, err = net.Listen(network, addr)
	}
	if err != nil {
		return fmt.Errorf("port in use: %w", err)
	}
	return c.Close()
}

// start runs the program and waits until it is fully booted; on error nothing runs.
func (a *Asterisk) start(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.proc != nil && a.proc.Running() {
		return fmt.Errorf("asterisk runs already as process %d", a.proc.PID())
	}
	p, err := child.Start(a.config(a.consolePath(), "-f"))
	if err != nil {
		return err
	}
	a.proc = p
	if err := a.slot.Adopt(p); err != nil {
		p.Kill()
		return err
	}
	if err := p.Ready(ctx, a.consolePath(), a.probe); err != nil {
		p.Kill()
		return err
	}
	// ARI answers before the last modules are there.
	if _, err := a.CLI(ctx, "core waitfullybooted"); err != nil {
		p.Kill()
		return err
	}
	return nil
}

func (a *Asterisk) config(log string, args ...string) child.Config {
	return child.Config{Path: "/usr/sbin/asterisk", Args: append(args, "-C", a.v.Inside+"/etc/asterisk.conf"), Root: a.root, Log: log}
}

// probe asks for /asterisk/info and makes sure that it is this very instance that answers.
func (a *Asterisk) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.ARIURL()+"/asterisk/info", nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(a.o.User, a.o.Password)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /asterisk/info: %s", resp.Status)
	}
	var info struct {
		Config struct{ Name string } `json:"config"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&info); err != nil {
		return err
	}
	if info.Config.Name != a.v.Name {
		return fmt.Errorf("port %d is answered by an Asterisk named %q", a.o.HTTPPort, info.Config.Name)
	}
	return nil
}

// Stop ends Asterisk, within 5 seconds or less if ctx says so, and gives its ports and its folder back. It can be called again.
func (a *Asterisk) Stop(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.slot == nil {
		return nil
	}
	err := a.proc.Stop(ctx, 5*time.Second)
	if a.o.KeepDir {
		kept := a.slot.Dir + ".kept"
		err = errors.Join(err, os.RemoveAll(kept), os.Rename(a.slot.Dir, kept))
	}
	err = errors.Join(err, a.slot.Release())
	a.slot = nil
	return err
}

// Kill ends Asterisk as a crash would (SIGKILL). Its ports and folder stay ours: Restart starts it again, Stop gives them back.
func (a *Asterisk) Kill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.proc.Kill()
}

// Restart ends Asterisk if it runs (every call is lost) and starts it again with the same ports and credentials.
func (a *Asterisk) Restart(ctx context.Context) error {
	a.mu.Lock()
	if a.slot == nil {
		a.mu.Unlock()
		return errors.New("asterisk was stopped for good: use Start")
	}
	err := a.proc.Stop(ctx, 5*time.Second)
	a.mu.Unlock()
	return errors.Join(err, a.start(ctx))
}

// CLI runs a command of Asterisk's own command line, such as "pjsip show contacts", and returns what it prints.
func (a *Asterisk) CLI(ctx context.Context, command string) (string, error) {
	if strings.ContainsAny(command, "\r\n\x00") {
		return "", fmt.Errorf("a command is one line: %q", command)
	}
	out, err := child.Command(ctx, a.config("", "-rx", command)).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("asterisk -rx %q: %w: %s", command, err, out)
	}
	return string(out), nil
}

// ARIURL is the base of the REST interface, http://127.0.0.1:<port>/ari, without a slash at the end.
func (a *Asterisk) ARIURL() string { return "http://" + a.HTTPAddr() + "/ari" }

// HTTPAddr is host:port of ARI and of the media websockets.
func (a *Asterisk) HTTPAddr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(a.o.HTTPPort))
}

// Credentials are the user and the password of ARI.
func (a *Asterisk) Credentials() (user, password string) { return a.o.User, a.o.Password }

// SIPAddr is host:port (UDP) where phones send to and register at, on this machine.
func (a *Asterisk) SIPAddr() string {
	host := a.o.Bind
	if host == "0.0.0.0" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(a.o.SIPPort))
}

// Endpoint is the dial string of a phone at addr (host:port) behind the trunk lab; user is what stands before the @ of its SIP
// URI, and has to be free of what a dial string gives a meaning to.
func (a *Asterisk) Endpoint(user, addr string) string { return "PJSIP/lab/sip:" + user + "@" + addr }

// PID is the process number of the Asterisk that was started last.
func (a *Asterisk) PID() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.proc.PID()
}

// Dir is the folder of the instance as seen from outside the chroot; recordings are under spool/recording.
func (a *Asterisk) Dir() string { return filepath.Join(a.root, a.v.Inside) }

// AddSound stores a sound file (name with its extension, such as hello.wav, 8 kHz 16-bit mono) and returns its media URI for ARI.
func (a *Asterisk) AddSound(name string, content []byte) (mediaURI string, err error) {
	if !nameForm.MatchString(name) {
		return "", fmt.Errorf("%w: sound name %q", ErrOptions, name)
	}
	if err := os.WriteFile(filepath.Join(a.Dir(), "sounds", name), content, 0o644); err != nil {
		return "", err
	}
	return "sound:" + a.v.Inside + "/sounds/" + strings.TrimSuffix(name, filepath.Ext(name)), nil
}

// Log returns the last 256 KiB of Asterisk's own log.
func (a *Asterisk) Log() string { return child.Tail(a.LogPath(), 256<<10) }

// LogPath is the file of Asterisk's own log.
func (a *Asterisk) LogPath() string { return filepath.Join(a.Dir(), "log", "messages") }

func (a *Asterisk) consolePath() string { return filepath.Join(a.Dir(), "log", "console") }
