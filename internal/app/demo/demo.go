package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ringmaster/config"
	"ringmaster/internal/app"
	"ringmaster/internal/lab/asr"
)

// Options of a demonstration.
type Options struct {
	Once   bool   // end after the scripted calls
	JSON   bool   // print one JSON object in place of the conversation
	Listen string // address of the API; empty = a free port of 127.0.0.1
	PBX    string // ari (default), esl, both: the twins; asterisk: a real one
	Bind   string // asterisk: where SIP listens; 0.0.0.0 lets other machines' softphones in
	Out    io.Writer
	Log    *slog.Logger
}

// customers of the demonstration: who is called, and what they are like.
var customers = []struct{ id, extension, name, about string }{
	{"talks", "talks", "王芳", "talks to the end"},
	{"interrupts", "interrupts", "李强", "interrupts"},
	{"busy", "busy", "赵敏", "is busy"},
	{"silent", "silent", "孙丽", "never answers"},
	{"voicemail", "voicemail", "周杰", "is a voicemail"},
	{"stop", "stop", "吴刚", "says 别打了"},
}

const script = "promotion_001"

// Run runs the demonstration until its calls are over (Once) or ctx ends.
func Run(ctx context.Context, o Options) error {
	if o.Out == nil {
		o.Out = os.Stdout
	}
	dir, err := os.MkdirTemp("", "ringmaster-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d := &demo{o: o, dir: dir, screen: newScreen(o)}
	defer d.stop()
	return d.run(ctx)
}

type demo struct {
	o      Options
	dir    string
	screen *screen
	stops  []func()
	app    *app.App
	api    string
	key    string
	client http.Client
}

func (d *demo) stop() {
	for i := len(d.stops) - 1; i >= 0; i-- {
		d.stops[i]()
	}
	d.stops = nil
}

func (d *demo) run(ctx context.Context) error {
	exchanges, err := d.exchanges(ctx)
	if err != nil {
		return err
	}
	ears := asr.New(asr.Config{Logger: slog.New(slog.DiscardHandler)})
	url, stopEars, err := ears.Start("127.0.0.1:0")
	if err != nil {
		return err
	}
	d.stops = append(d.stops, stopEars)
	if d.app, err = app.New(ctx, app.Options{Config: d.config(exchanges, url), Log: d.o.Log, Watch: d.screen.watch}); err != nil {
		return err
	}
	d.stops = append(d.stops, func() { _ = d.app.Close() })
	if err := d.serve(); err != nil {
		return err
	}
	if d.key, err = d.app.CreateKey(ctx, "demo", []string{"*"}, time.Time{}); err != nil {
		return err
	}
	runCtx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	var runErr error
	running.Go(func() { runErr = d.app.Run(runCtx); cancel() })
	err = d.conduct(runCtx)
	if err == nil && !d.o.Once {
		<-runCtx.Done()
	}
	cancel()
	running.Wait()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, runErr)
}

// conduct creates the customers, orders the calls through the API as anyone
// would, and waits for their ends.
func (d *demo) conduct(ctx context.Context) error {
	if d.o.Listen != "" {
		d.screen.print(map[string]string{"api": d.api, "key": d.key})
	}
	if err := d.ready(ctx); err != nil {
		return err
	}
	if err := d.contact(ctx, "12345", "张三", "talks"); err != nil {
		return err
	}
	if d.o.PBX == "asterisk" {
		if err := d.contact(ctx, softphone, "您", softphone); err != nil {
			return err
		}
	}
	d.screen.begin(d.o.PBX)
	for _, c := range customers {
		if err := d.contact(ctx, c.id, c.name, c.extension); err != nil {
			return err
		}
		d.screen.expect(c.id, c.about)
		var task struct {
			TaskID string `json:"task_id"`
			State  string `json:"state"`
		}
		if err := d.ask(ctx, http.MethodPost, "/api/v1/call/task", map[string]any{"customer_id": c.id, "script_id": script}, &task); err != nil {
			return err
		}
	}
	if err := d.screen.wait(ctx, len(customers)); err != nil {
		return err
	}
	d.screen.summary(d.api, d.key, d.o)
	return nil
}

// ready waits for every exchange, so that each has its share of the calls.
func (d *demo) ready(ctx context.Context) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		why := ""
		for _, c := range d.app.Ready(ctx) {
			if !c.OK {
				why = c.Name + ": " + c.Why
			}
		}
		var seen struct {
			Exchanges []struct {
				Name, Reason string
				Up           bool
			} `json:"exchanges"`
		}
		if err := d.ask(ctx, http.MethodGet, "/api/v1/exchanges", nil, &seen); err != nil {
			return err
		}
		for _, e := range seen.Exchanges {
			if !e.Up {
				why = e.Name + ": " + e.Reason
			}
		}
		if why == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the exchange did not become ready: %s", why)
		}
		timer := time.NewTimer(50 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

func (d *demo) contact(ctx context.Context, id, name, extension string) error {
	return d.ask(ctx, http.MethodPost, "/api/v1/contacts", map[string]any{"customer_id": id, "name": name, "phone": "lab:" + extension, "language": "cmn",
		"variables": map[string]any{"discount": 8, "ends": time.Now().AddDate(0, 0, 10).Format("2006-01-02")}}, nil)
}

// ask is one request to the API; body and into may be nil.
func (d *demo) ask(ctx context.Context, method, path string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, d.api+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+d.key)
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, strings.TrimSpace(string(answer)))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

func (d *demo) serve() error {
	addr := d.o.Listen
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("the API cannot listen: %w", err)
	}
	d.api = "http://" + l.Addr().String()
	srv := &http.Server{Handler: d.app.Handler(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	d.stops = append(d.stops, func() { _ = srv.Close(); <-done })
	return nil
}

func (d *demo) config(exchanges []config.PBX, asrURL string) config.Config {
	c := config.Default()
	c.Controller.ID, c.Controller.Grace = "demo", 2*time.Second
	c.Database = config.Database{Dialect: "sqlite", DSN: config.NewSecret(filepath.Join(d.dir, "ringmaster.db")),
		NumberKey: config.NewSecret(strings.Repeat("1f", 32)), CryptKey: config.NewSecret(strings.Repeat("2e", 32))}
	c.PBX = exchanges
	c.Speech.Recognizers = []config.Recognizer{{Name: "lab", Kind: "funasr", URL: asrURL}}
	c.Speech.Synthesizers = []config.Synthesizer{{Name: "espeak", Kind: "espeak"}}
	c.Speech.Cache.Dir = promptDir(d.dir)
	c.Recordings.Dir = filepath.Join(d.dir, "recordings")
	c.Dialling.Concurrency, c.Dialling.CPS = 20, 10
	c.Dialling.RingTimeout = 8 * time.Second
	c.Compliance.Caps = []config.Cap{{ID: "person_24h", Subject: "person", Per: "24h", AtMost: 100}}
	c.Dialling.Retry = config.Retry{MaxTries: 1}
	c.Understanding.Reports = "" // nothing is left behind
	return c
}

// promptDir keeps prompts between demonstrations where the system keeps
// caches, so that the second one starts at once.
func promptDir(fallback string) string {
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "ringmaster", "prompts")
	}
	return filepath.Join(fallback, "prompts")
}
