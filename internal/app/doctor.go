package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"slices"
	"time"

	"ringmaster/adapter/archive/local"
	"ringmaster/adapter/store"
	"ringmaster/config"
	"ringmaster/dialplan"
	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
	"ringmaster/internal/speech"
)

// Finding is what the doctor says of one part.
type Finding struct {
	Part   string
	OK     bool
	Detail string
	Fix    string // what to do
}

// ConnectStore opens the database of a configuration as it is.
func ConnectStore(ctx context.Context, c config.Config, log *slog.Logger) (*store.Store, error) {
	a := &App{cfg: c, log: log}
	if err := a.connectStore(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a.store, nil
}

// OpenStore opens the database and brings its schema up to date.
func OpenStore(ctx context.Context, c config.Config, log *slog.Logger) (*store.Store, error) {
	st, err := ConnectStore(ctx, c, log)
	if err != nil {
		return nil, err
	}
	if _, err := st.Migrate(ctx, store.Latest); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

// Prober is an exchange that can try its media path without calling anybody.
type Prober interface {
	// ProbeMedia opens an audio leg that belongs to no call and closes it.
	ProbeMedia(ctx context.Context, f audio.Format) error
}

// Doctor checks one part after the other; each has its own time limit, and a
// part that fails does not keep the next from being checked.
func Doctor(ctx context.Context, c config.Config) iter.Seq[Finding] {
	return func(yield func(Finding) bool) {
		log := slog.New(slog.DiscardHandler)
		checks := []func(context.Context, config.Config, *slog.Logger, func(Finding) bool) bool{
			checkDatabase, checkPBX, checkVoice, checkCatalogue, checkRecognizers, checkUnderstanding, checkComposer, checkArchive,
		}
		for _, check := range checks {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
			more := check(ctx, c, log, yield)
			cancel()
			if !more {
				return
			}
		}
	}
}

func checkDatabase(ctx context.Context, c config.Config, log *slog.Logger, yield func(Finding) bool) bool {
	st, err := ConnectStore(ctx, c, log)
	if err != nil {
		return yield(Finding{Part: "database", Detail: err.Error(), Fix: "check database.dsn: host, port, user, password, and that the database exists (CREATE DATABASE ringmaster CHARACTER SET utf8mb4)"})
	}
	defer func() { _ = st.Close() }()
	have, newest, err := st.Version(ctx)
	switch {
	case err != nil:
		return yield(Finding{Part: "database", Detail: err.Error(), Fix: "the user needs SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES on the database"})
	case have < newest:
		return yield(Finding{Part: "database", OK: true, Detail: fmt.Sprintf("%s answers; schema version %d, newest is %d: `ringmaster serve` or `migrate` brings it up", c.Database.Dialect, have, newest)})
	}
	return yield(Finding{Part: "database", OK: true, Detail: fmt.Sprintf("%s answers; schema version %d", c.Database.Dialect, have)})
}

func checkPBX(ctx context.Context, c config.Config, log *slog.Logger, yield func(Finding) bool) bool {
	probe := c
	probe.Controller.ID += "-doctor" // never take the event socket from a running controller
	probe.PBX = slices.Clone(c.PBX)
	for i := range probe.PBX {
		probe.PBX[i].Inbound = "" // nor the port where it is handed calls
	}
	f, err := newFleet(Options{Config: probe, Log: log})
	if err != nil {
		return yield(Finding{Part: "pbx", Detail: err.Error(), Fix: "mend the pbx section of the configuration"})
	}
	for _, n := range f.nodes {
		if !checkNode(ctx, n, yield) {
			return false
		}
	}
	return true
}

func checkNode(ctx context.Context, n *node, yield func(Finding) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	done := make(chan struct{})
	runCtx, stop := context.WithCancel(ctx)
	go func() { defer close(done); _ = n.sw.Run(runCtx) }()
	defer func() { stop(); <-done }()
	h := waitUp(ctx, n.sw)
	part := "pbx " + n.cfg.Name
	if !h.Up {
		fix := "is Asterisk running, http.conf and ari.conf enabled, the URL, user and password right? docs/asterisk.md has the lines"
		if n.cfg.Kind == config.FreeSWITCH {
			fix = "is FreeSWITCH running, mod_event_socket loaded, the address and password right, our address in its ACL? docs/freeswitch.md has the lines"
		}
		return yield(Finding{Part: part, Detail: h.Reason, Fix: fix})
	}
	if !yield(Finding{Part: part, OK: true, Detail: "commands and events work; version " + h.Version}) {
		return false
	}
	if !checkParts(ctx, n, part, yield) || !checkDialplan(ctx, n, part, yield) {
		return false
	}
	p, ok := n.sw.(Prober)
	if !ok {
		return true
	}
	if err := p.ProbeMedia(ctx, n.format); err != nil {
		fix := "load chan_websocket and res_http_websocket (Asterisk 22.8 or later), or set media.transport: rtp"
		if n.cfg.Kind == config.FreeSWITCH {
			fix = "does the exchange reach media.advertise (SIP and rtp_ports), is its address in media.allow, and is media.profile one of its sofia profiles?"
		}
		return yield(Finding{Part: part + " media", Detail: err.Error(), Fix: fix})
	}
	return yield(Finding{Part: part + " media", OK: true, Detail: "an audio leg opens and closes in " + n.format.String()})
}

// checkParts asks an exchange that can tell for what of it is missing.
func checkParts(ctx context.Context, n *node, part string, yield func(Finding) bool) bool {
	l, ok := n.sw.(interface {
		Lacks(context.Context) ([]string, error)
	})
	if !ok {
		return true
	}
	lacks, err := l.Lacks(ctx)
	if err != nil {
		return yield(Finding{Part: part + " parts", Detail: err.Error(), Fix: "docs/freeswitch.md says what a FreeSWITCH needs"})
	}
	for _, what := range lacks {
		if !yield(Finding{Part: part + " parts", Detail: what, Fix: "docs/freeswitch.md says what a FreeSWITCH needs"}) {
			return false
		}
	}
	return len(lacks) > 0 || yield(Finding{Part: part + " parts", OK: true, Detail: "its modules, sofia profiles and gateways are there"})
}

// Dialplan is an exchange that can say which contexts its dialplan lacks.
type Dialplan interface {
	// MissingContexts takes contexts, each with an extension in it.
	MissingContexts(ctx context.Context, want map[string]string) ([]string, error)
}

// checkDialplan tells what of the rendered hooks an exchange lacks. Without a
// queue's context transfers to it fail; calls that come in may have a way of the
// user's own.
func checkDialplan(ctx context.Context, n *node, part string, yield func(Finding) bool) bool {
	d, ok := n.sw.(Dialplan)
	if !ok {
		return true
	}
	part += " dialplan"
	const fix = "`ringmaster dialplan render` writes it; dialplan/README.md says where it goes"
	menu := "s"
	if n.cfg.Kind == config.FreeSWITCH {
		menu = "menu"
	}
	var found []Finding
	missing, err := d.MissingContexts(ctx, map[string]string{dialplan.InboundContext: "10", dialplan.FallbackContext: menu})
	for _, name := range missing {
		f := Finding{Part: part, OK: true, Detail: "no context " + name + ": calls that come in reach Ringmaster only by a dialplan of yours"}
		if name == dialplan.FallbackContext {
			f.Detail = "no context " + name + ": while Ringmaster is away nobody answers who calls"
		}
		found = append(found, f)
	}
	for _, q := range n.cfg.Queues {
		if q.Context == "" || err != nil {
			continue
		}
		if missing, err = d.MissingContexts(ctx, map[string]string{q.Context: cmp.Or(q.Extension, q.Name)}); len(missing) > 0 {
			found = append(found, Finding{Part: part, Detail: "no context " + q.Context + " with the extension of queue " + q.Name + ": nobody can be handed over to it", Fix: fix})
		}
	}
	switch {
	case err != nil: // no fault of any call
		found = append(found, Finding{Part: part, OK: true, Detail: "cannot be told: " + err.Error()})
	case len(found) == 0:
		found = append(found, Finding{Part: part, OK: true, Detail: "the contexts for calls that come in, for the menu and for queues are there"})
	}
	for _, f := range found {
		if !yield(f) {
			return false
		}
	}
	return true
}

func waitUp(ctx context.Context, sw pbx.Switch) pbx.Health {
	for {
		h := sw.Health()
		if h.Up {
			return h
		}
		timer := time.NewTimer(50 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return h
		}
	}
}

func checkRecognizers(ctx context.Context, c config.Config, log *slog.Logger, yield func(Finding) bool) bool {
	for _, r := range c.Speech.Recognizers {
		f := Finding{Part: "recognizer " + r.Name}
		start := time.Now()
		rec, err := recognizer(Options{Config: c, Log: log}, r)
		if err == nil {
			err = hearOnce(ctx, rec)
		}
		if err != nil {
			f.Detail, f.Fix = err.Error(), "is the recognition server running at "+r.URL+"? docs/speech.md says how to start one"
			if r.Kind == "dashscope" {
				f.Fix = "is the API key right, paid for and allowed to use " + r.Model + ", and is the vocabulary in the same account? docs/speech.md"
			}
		} else {
			f.OK, f.Detail = true, fmt.Sprintf("opened a stream in %d ms%s", time.Since(start).Milliseconds(), hotwordsOf(r))
		}
		if !yield(f) {
			return false
		}
	}
	return true
}

// hotwordsOf says what becomes of hotwords where a call's are not sent.
func hotwordsOf(r config.Recognizer) string {
	switch {
	case r.Kind != "dashscope":
		return ""
	case r.Vocabulary != "":
		return "; hotwords are those of " + r.Vocabulary + ", not those of scripts and contacts: the correction dictionary knows these"
	}
	return "; no hotwords are sent (vocabulary is not set): the correction dictionary alone puts terms right"
}

func hearOnce(ctx context.Context, r speech.Recognizer) error {
	rec, err := r.Recognize(ctx, speech.RecognizeOptions{Format: audio.FormatSlin, Language: "cmn"})
	if err != nil {
		return err
	}
	defer func() { _ = rec.Close() }()
	return rec.Write(audio.Frame{Samples: make([]int16, 160)})
}

func checkArchive(_ context.Context, c config.Config, _ *slog.Logger, yield func(Finding) bool) bool {
	if c.Recordings.Disabled {
		return yield(Finding{Part: "recordings", OK: true, Detail: "disabled by configuration"})
	}
	if _, err := local.New(c.Recordings.Dir); err != nil {
		return yield(Finding{Part: "recordings", Detail: err.Error(), Fix: "make recordings.dir a folder that this user may write"})
	}
	if st, err := os.Stat(c.Recordings.Dir); err == nil && st.Mode().Perm()&0o007 != 0 {
		return yield(Finding{Part: "recordings", Detail: "the folder is open to every user of this machine", Fix: "chmod 750 " + c.Recordings.Dir})
	}
	return yield(Finding{Part: "recordings", OK: true, Detail: c.Recordings.Dir + " can be written"})
}
