package ari

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Handler receives what happens. Event and Lost are called by the reader and
// must not block, nor call the Client.
type Handler interface {
	// Event is one event, in order.
	Event(e *Event)
	// Lost: the event socket went down. Not called before the first Restored
	// was tried.
	Lost(err error)
	// Restored: the socket is up and the filter set; events flow already. It
	// runs on its own goroutine and may make requests (resync). An error ends
	// the connection, and the next one is tried.
	Restored(ctx context.Context, info Info, restarted bool) error
	// Ready: resync is done, dialling is allowed.
	Ready()
}

// maxEvent bounds one event; Asterisk's own are below 2 KB, plus channelvars.
const maxEvent = 256 << 10

// Run keeps the event socket until ctx ends (nil) or another controller takes
// our place (ErrReplaced). It may run once.
func (c *Client) Run(ctx context.Context) error {
	defer c.http.CloseIdleConnections()
	wait := c.cfg.BackoffMin
	for {
		began := time.Now()
		err := c.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c.handler.Lost(err)
		if errors.Is(err, ErrReplaced) {
			c.cfg.Log.Error("ari: stopped for good", "app", c.cfg.App, "err", err)
			return err
		}
		if time.Since(began) > 2*c.cfg.BackoffMax {
			wait = c.cfg.BackoffMin
		}
		c.cfg.Log.Warn("ari: link down", "app", c.cfg.App, "err", err, "retry_in", wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(jitter(wait)):
		}
		wait = min(2*wait, c.cfg.BackoffMax)
	}
}

// jitter spreads d over [d/2, 3d/2), so that controllers do not return as one.
func jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d))) //nolint:gosec // spreads load, guards nothing
}

// session is one connection from its beginning to its end.
func (c *Client) session(ctx context.Context) error {
	info, err := c.Info(ctx)
	if err != nil {
		return err
	}
	if old, ok := olderThan(info.Version, 22, 10, 1); ok && old {
		c.cfg.Log.Warn("ari: this Asterisk is older than 22.10.1: read-only users may write, and faults that were measured since are unknown to us",
			"version", info.Version)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	conn.SetReadLimit(maxEvent)
	read, alive, resync := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	var heard atomic.Int64 // unix nanoseconds
	heard.Store(time.Now().UnixNano())
	go func() { read <- c.readEvents(ctx, conn, &heard) }()
	go func() { alive <- c.keepAlive(ctx, conn, &heard) }()
	go func() { resync <- c.restore(ctx, info) }()
	var first error
	for range 3 {
		var err error
		select {
		case err = <-read:
			read = nil
		case err = <-alive:
			alive = nil
		case err = <-resync:
			resync = nil
			if err == nil {
				continue
			}
		}
		if first == nil {
			first = err
			cancel()
			_ = conn.CloseNow()
		}
		if errors.Is(err, ErrReplaced) {
			first = err
		}
	}
	return first
}

func (c *Client) dial(ctx context.Context) (*websocket.Conn, error) {
	u := c.endpoint([]string{"events"}, url.Values{"app": {c.cfg.App}, "subscribeAll": {"false"}})
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	header := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(c.cfg.User+":"+c.cfg.Password))}}
	//nolint:bodyclose // the library owns the body of a handshake that succeeded and has read the other's
	conn, resp, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: header})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, &Error{Op: "open the event socket", Status: resp.StatusCode}
		}
		return nil, fmt.Errorf("event socket: %w", err)
	}
	return conn, nil
}

// readEvents is the one reader: parse, hand over, never block.
func (c *Client) readEvents(ctx context.Context, conn *websocket.Conn, heard *atomic.Int64) error {
	for {
		_, r, err := conn.Reader(ctx)
		if err != nil {
			return fmt.Errorf("event socket: %w", err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("event socket: %w", err)
		}
		heard.Store(time.Now().UnixNano())
		e, tolerated, err := ParseEvent(data)
		if err != nil || tolerated {
			c.malformed.Add(1)
		}
		if err != nil {
			c.cfg.Log.Warn("ari: unreadable event dropped", "bytes", len(data), "err", err)
			continue
		}
		if e.Type == TypeReplaced && (e.Application == c.cfg.App || e.Application == "") {
			return ErrReplaced
		}
		c.handler.Event(&e)
	}
}

// keepAlive pings; three periods in which nothing was heard end the connection.
func (c *Client) keepAlive(ctx context.Context, conn *websocket.Conn, heard *atomic.Int64) error {
	tick := time.NewTicker(c.cfg.PingPeriod)
	defer tick.Stop()
	for {
		pctx, cancel := context.WithTimeout(ctx, c.cfg.PingPeriod)
		err := conn.Ping(pctx)
		cancel()
		if err == nil {
			heard.Store(time.Now().UnixNano())
		} else if ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("event socket: %w", err)
		}
		if silence := time.Since(time.Unix(0, heard.Load())); silence > 3*c.cfg.PingPeriod {
			return fmt.Errorf("event socket: nothing heard for %s, not even an answer to a ping", silence.Round(time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// restore sets the filter and lets the handler resynchronise.
func (c *Client) restore(ctx context.Context, info Info) error {
	if err := c.setFilter(ctx); err != nil {
		return err
	}
	before := c.lastStart.Swap(&info.StartedAt)
	restarted := before != nil && !before.Equal(info.StartedAt)
	if err := c.handler.Restored(ctx, info, restarted); err != nil {
		return err
	}
	c.handler.Ready()
	return nil
}

// olderThan compares a version such as "22.10.1" or "22.5.2~dfsg"; ok is false
// for one that has no numbers (a build from git).
func olderThan(version string, want ...int) (older, ok bool) {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "certified/"), "~")
	version, _, _ = strings.Cut(version, "+")
	version, _, _ = strings.Cut(version, "-")
	parts := strings.Split(version, ".")
	for i, w := range want {
		if i >= len(parts) {
			return true, i > 0
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return false, false
		}
		if n != w {
			return n < w, true
		}
	}
	return false, true
}
