package esl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/internal/pbx"
)

// Config of a Client. Addr and Password are required.
type Config struct {
	// Addr is host:port of mod_event_socket.
	Addr string
	// User logs in as "user@domain" of the directory (userauth); empty uses the
	// one password of event_socket.conf.xml.
	User, Password string
	// Events are the names after "event plain"; CUSTOM and its subclasses have
	// to be last. Empty subscribes to nothing.
	Events string

	RequestTimeout time.Duration // of one command; 5 s if zero
	PingPeriod     time.Duration // 5 s if zero; three of silence end a connection
	BackoffMin     time.Duration // between connection attempts; 100 ms if zero
	BackoffMax     time.Duration // 10 s if zero
	// MaxUnread is how many events may wait for the handler before we close the
	// connection (ErrBehind); 50000 if zero, half of what FreeSWITCH queues.
	MaxUnread int
	Log       *slog.Logger // nil discards
}

func (c Config) withDefaults() (Config, error) {
	for _, d := range []struct {
		v  *time.Duration
		to time.Duration
	}{{&c.RequestTimeout, 5 * time.Second}, {&c.PingPeriod, 5 * time.Second}, {&c.BackoffMin, 100 * time.Millisecond}, {&c.BackoffMax, 10 * time.Second}} {
		if *d.v <= 0 {
			*d.v = d.to
		}
	}
	if c.MaxUnread <= 0 {
		c.MaxUnread = 50000
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return c, fmt.Errorf("%w: the address is host:port, such as 127.0.0.1:8021", ErrConfig)
	}
	if c.Password == "" || !oneLine(c.Password) || !oneLine(c.User) || strings.Contains(c.User, ":") || !oneLine(c.Events) {
		return c, fmt.Errorf("%w: password, user and events are one line each, the password is not empty", ErrConfig)
	}
	return c, nil
}

// Info is what an exchange says of itself.
type Info struct {
	Version   string
	CoreUUID  string    // of this run of FreeSWITCH
	StartedAt time.Time // counted back from its uptime
}

// Handler receives what happens. Event and Lost are called by one goroutine
// each and must not block for long, nor send commands.
type Handler interface {
	// Event is one event, in the order of the connection (FreeSWITCH itself may
	// have changed it).
	Event(e *Event)
	// Lost: a connection went down, or could not be made.
	Lost(err error)
	// Restored: both connections are up and events flow. It runs on its own
	// goroutine and may send commands (resync). An error ends the connections,
	// and the next ones are tried.
	Restored(ctx context.Context, info Info, restarted bool) error
	// Ready: resync is done, dialling is allowed.
	Ready()
}

// Client keeps two connections to one FreeSWITCH.
type Client struct {
	cfg      Config
	handler  Handler
	commands atomic.Pointer[conn]
	events   atomic.Pointer[conn]
	core     string // Core-UUID of the last connection; of Run alone
	started  time.Time
}

// New makes a Client; nothing is sent before Run.
func New(cfg Config, h Handler) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, handler: h}, nil
}

// Run keeps the connections until ctx ends; it returns nil then. It may run
// once.
func (c *Client) Run(ctx context.Context) error {
	wait := c.cfg.BackoffMin
	for {
		began := time.Now()
		err := c.session(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end
		}
		c.handler.Lost(err)
		if time.Since(began) > 2*c.cfg.BackoffMax {
			wait = c.cfg.BackoffMin
		}
		c.cfg.Log.Warn("esl: link down", "err", err, "retry_in", wait)
		t := time.NewTimer(wait/2 + rand.N(wait)) //nolint:gosec // spreads load, guards nothing
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		wait = min(2*wait, c.cfg.BackoffMax)
	}
}

// session is both connections from their beginning to the end of either.
func (c *Client) session(ctx context.Context) error {
	commands, cf, err := dial(ctx, c.cfg)
	if err != nil {
		return err
	}
	events, ef, err := dial(ctx, c.cfg)
	if err != nil {
		_ = commands.nc.Close()
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	over := make(chan error, 8)
	task := func(f func() error) {
		all.Go(func() {
			if err := f(); err != nil {
				over <- err
			}
		})
	}
	task(func() error { return commands.read(cf) })
	task(func() error { return events.read(ef) })
	task(func() error { return commands.keepAlive(ctx) })
	task(func() error { return events.keepAlive(ctx) })
	task(func() error { return c.dispatch(events) })
	task(func() error { return c.restore(ctx, commands, events) })
	select {
	case err = <-over:
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.commands.Store(nil)
	c.events.Store(nil)
	cancel()
	commands.close(err)
	events.close(err)
	all.Wait()
	return err
}

// dispatch hands the events over, in order.
func (c *Client) dispatch(events *conn) error {
	for {
		e, err := events.events.Next(context.Background())
		if err != nil {
			return nil //nolint:nilerr // closed, or overflowed: the reader says which
		}
		c.handler.Event(e)
	}
}

// restore subscribes, asks who is there and lets the handler resynchronise.
func (c *Client) restore(ctx context.Context, commands, events *conn) error {
	if c.cfg.Events != "" {
		reply, err := events.do(ctx, []byte("event plain "+c.cfg.Events+"\n\n"))
		if err == nil {
			_, err = outcome("subscribe to events", reply)
		}
		if err != nil {
			return err
		}
	}
	info, err := c.info(ctx, commands)
	if err != nil {
		return err
	}
	restarted := c.core != "" && c.core != info.CoreUUID
	if c.core == info.CoreUUID {
		info.StartedAt = c.started // counting back twice gives two times
	}
	c.core, c.started = info.CoreUUID, info.StartedAt
	c.events.Store(events)
	c.commands.Store(commands)
	if err := c.handler.Restored(ctx, info, restarted); err != nil {
		return err
	}
	if ctx.Err() == nil {
		c.handler.Ready()
	}
	return nil
}

func (c *Client) info(ctx context.Context, commands *conn) (Info, error) {
	var i Info
	for _, q := range []struct {
		api string
		set func(string) error
	}{
		{"version", func(s string) error { i.Version = Clean(s, 80); return nil }},
		{"global_getvar core_uuid", func(s string) error {
			if i.CoreUUID = Clean(s, 64); i.CoreUUID == "" {
				return errors.New("FreeSWITCH does not name its core_uuid")
			}
			return nil
		}},
		{"uptime ms", func(s string) error {
			ms, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			if err != nil || ms < 0 || ms > int64(100*365*24*time.Hour/time.Millisecond) {
				return errors.New("FreeSWITCH does not tell its uptime")
			}
			i.StartedAt = time.Now().Add(-time.Duration(ms) * time.Millisecond)
			return nil
		}},
	} {
		reply, err := commands.do(ctx, []byte("api "+q.api+"\n\n"))
		if err == nil {
			reply, err = outcome(q.api, reply)
		}
		if err == nil {
			err = q.set(reply)
		}
		if err != nil {
			return i, err
		}
	}
	return i, nil
}

// Lag is how many events wait for the handler.
func (c *Client) Lag() int {
	if e := c.events.Load(); e != nil {
		return e.events.Len()
	}
	return 0
}

func (c *Client) send(ctx context.Context, op string, cmd []byte) (string, error) {
	conn := c.commands.Load()
	if conn == nil {
		return "", pbx.ErrUnavailable
	}
	reply, err := conn.do(ctx, cmd)
	if err != nil {
		return "", err
	}
	return outcome(op, reply)
}

// API runs an api command that answers at once (uuid_kill, uuid_break); one that
// may block belongs to BgAPI. The answer is FreeSWITCH's text.
func (c *Client) API(ctx context.Context, cmd string) (string, error) {
	b, err := apiCommand(cmd)
	if err != nil {
		return "", err
	}
	op, _, _ := strings.Cut(cmd, " ")
	return c.send(ctx, op, b)
}

// BgAPI starts an api command in a thread of its own; its outcome is the event
// BACKGROUND_JOB of that job. The job is named by us, so that the event cannot
// come before we know it.
func (c *Client) BgAPI(ctx context.Context, job, cmd string) error {
	b, err := bgapiCommand(job, cmd)
	if err != nil {
		return err
	}
	op, _, _ := strings.Cut(cmd, " ")
	_, err = c.send(ctx, op, b)
	return err
}

// SendMsg sends a message to a channel. Taken is not done: what comes of it is
// an event.
func (c *Client) SendMsg(ctx context.Context, uuid string, fields []Field, body string) error {
	b, err := sendmsgCommand(uuid, fields, body)
	if err != nil {
		return err
	}
	op := "sendmsg"
	for _, f := range fields {
		if f.Name == "execute-app-name" {
			op = "execute " + f.Value
		}
	}
	_, err = c.send(ctx, op, b)
	return err
}
