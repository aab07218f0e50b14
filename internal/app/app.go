package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"ringmaster/adapter/archive/local"
	"ringmaster/adapter/speech/cache"
	"ringmaster/adapter/speech/cast"
	"ringmaster/adapter/store"
	"ringmaster/adapter/webhook"
	"ringmaster/config"
	"ringmaster/internal/api"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/nlu"
	"ringmaster/internal/outbox"
	"ringmaster/internal/pacing"
	"ringmaster/internal/pbx"
	"ringmaster/internal/scheduler"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/voices"
)

// Options of an App. What is nil is made from the configuration.
type Options struct {
	Config config.Config
	Log    *slog.Logger
	// Switches, Recognizer, Synthesizer and Understander replace what the
	// configuration names (demo, tests).
	Switches     map[string]pbx.Switch
	Recognizer   speech.Recognizer
	Synthesizer  speech.Synthesizer
	Understander nlu.Understander
	// Watch sees every call while it runs and its outcome.
	Watch func(Sight)
}

// Sight is one thing to see of a call: a note while it runs, or its outcome.
type Sight struct {
	Attempt campaign.Attempt
	Note    *call.Note
	Outcome *campaign.Outcome
}

// App is the whole controller.
type App struct {
	cfg       config.Config
	log       *slog.Logger
	store     *store.Store
	archive   *local.Archive
	cast      *cast.Cast // nil: the synthesizer was given
	catalogue *voices.Catalogue
	prompts   *cache.Cache
	library   *library
	fleet     *fleet
	caller    *caller
	scheduler *scheduler.Scheduler
	outbox    *outbox.Worker
	api       *api.Server
	metrics   *metrics
	janitor   *janitor
	examiner  *examiner
	drains    *drains
	reception *reception
	law       *compliance.Set
	rules     compliance.Rules

	understanding *understanding
}

// New wires everything and migrates the database; nothing runs yet. On error
// whatever was opened is closed again.
func New(ctx context.Context, o Options) (a *App, err error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	a = &App{cfg: o.Config, log: o.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
			a = nil
		}
	}()
	if err = a.readLaw(); err != nil {
		return
	}
	if err = a.connectStore(ctx); err != nil {
		return
	}
	if _, err = a.store.Migrate(ctx, store.Latest); err != nil {
		return
	}
	if !o.Config.Recordings.Disabled {
		if a.archive, err = local.New(o.Config.Recordings.Dir); err != nil {
			return
		}
	}
	if a.catalogue, err = o.Config.Speech.Catalogue(); err != nil {
		return
	}
	if a.library, err = newLibrary(ctx, a.store, o.Config.Tenant.ID, o.Config.Scripts, a.catalogue, o.Log); err != nil {
		return
	}
	if err = a.library.importClosing(ctx, o.Config.Inbound); err != nil {
		return
	}
	if a.fleet, err = newFleet(o); err != nil {
		return
	}
	recognizer, err := newRecognizer(o)
	if err != nil {
		return
	}
	if a.prompts, a.cast, err = newVoice(ctx, o); err != nil {
		return
	}
	if a.understanding, err = newUnderstanding(o, a.library.examples); err != nil {
		return
	}
	a.caller = &caller{archive: a.archive, law: a.law, ears: newEars(), ahead: make(chan foreseen, 1024), cfg: o.Config, log: o.Log, fleet: a.fleet, library: a.library, prompts: a.prompts, watch: o.Watch,
		deps: call.Deps{Recognizer: recognizer, Synthesizer: a.prompts, Understander: a.understanding, Log: o.Log}}
	a.understanding.words.join(&a.caller.deps)
	if a.archive != nil {
		a.caller.deps.Recorder = a.archive
	}
	if err = a.furnish(); err != nil {
		return
	}
	if err = a.wire(); err != nil {
		return
	}
	for _, p := range a.library.fresh {
		a.understanding.publish(p)
	}
	a.library.learn = a.understanding.publish
	return a, nil
}

func (a *App) connectStore(ctx context.Context) error {
	d := a.cfg.Database
	number, err := d.NumberKey.Key()
	if err != nil {
		return err
	}
	crypt, err := d.CryptKey.Key()
	if err != nil {
		return err
	}
	var old [][]byte
	for _, s := range d.OldCryptKeys {
		k, err := s.Key()
		if err != nil {
			return err
		}
		old = append(old, k)
	}
	var sign []byte
	if !d.LedgerKey.IsZero() {
		if sign, err = d.LedgerKey.Key(); err != nil {
			return err
		}
	}
	a.store, err = store.Open(ctx, store.Config{Dialect: d.Dialect, DSN: d.DSN.Reveal(), NumberKey: number, Crypt: crypt, OldCrypt: old, LedgerKey: sign, Log: a.log})
	return err
}

// wire connects scheduler, outbox and API to what was opened.
func (a *App) wire() error {
	var endpoints []webhook.Endpoint
	var names []string
	for _, w := range a.cfg.Webhooks {
		endpoints = append(endpoints, webhook.Endpoint{Name: w.Name, URL: w.URL, Secret: []byte(w.Secret.Reveal()), Idempotent: w.Idempotent, AllowPrivate: w.AllowPrivate})
		names = append(names, w.Name)
	}
	sender, err := webhook.New(endpoints)
	if err != nil {
		return err
	}
	desk := &texts{Sender: sender, store: a.store, rules: func() compliance.Rules { return a.rules }, dests: names, log: a.log}
	if c := a.cfg.Compliance.SMSCallerID; c != "" {
		if desk.caller, err = config.ParseCallerID(c); err != nil {
			return err
		}
	}
	a.outbox = outbox.New(outbox.Config{Owner: a.cfg.Controller.ID}, a.store.Outbox(), desk, a.log)
	d := a.cfg.Dialling
	a.scheduler = scheduler.New(scheduler.Config{
		Owner: a.cfg.Controller.ID, Concurrency: d.Concurrency, CPS: pacing.CPS{Rate: d.CPS, Burst: max(1, int(d.CPS))},
		Rules: a.rules,
	}, a.store, a.caller, messages(a.cfg.Tenant.ID, names), a.log)
	a.janitor = &janitor{app: a, every: 30 * time.Second, age: time.Minute}
	a.examiner = newExaminer(a, names)
	a.drains = newDrains(a)
	a.reception = newReception(a)
	a.metrics = newMetrics(a)
	a.metrics.registry.MustRegister(a.understanding, a.caller.ears.corrected, a.reception.came)
	deps := api.Deps{
		Store: a.store, Log: a.log, Script: a.library.info, Desk: a.library,
		Hours: a.judgeHours, TenantZone: a.cfg.Tenant.Zone, TenantRegion: a.cfg.Tenant.Region,
		Lab: a.fleet.lab(), Task: a.standingTask, Wake: a.scheduler.Wake, Cancel: a.scheduler.Cancel,
		Rules: a.rules, Act: a.act, HangUp: a.scheduler.HangUp, Fleet: a.drains,
		Accepted: a.caller.foresee, Ready: a.Ready, Metrics: a.metrics.handler(),
	}
	if a.archive != nil { // a nil *Archive in the interface would not be nil
		deps.Archive = a.archive
	}
	a.api = api.New(deps)
	return nil
}

// readLaw loads the jurisdictions and makes the rules of them.
func (a *App) readLaw() (err error) {
	if a.law, err = a.cfg.Compliance.Set(); err != nil {
		return err
	}
	caps, err := a.cfg.Compliance.OwnCaps()
	if err != nil {
		return err
	}
	regions := a.cfg.Dialling.Regions
	if len(regions) == 0 {
		regions = []string{a.cfg.Tenant.Region}
	}
	var own []compliance.OwnCallerID
	for _, p := range a.cfg.PBX {
		for _, t := range p.Trunks {
			if n, err := config.ParseCallerID(t.CallerID); err == nil && t.CallerID != "" {
				own = append(own, compliance.OwnCallerID{Number: n, Trunk: t.Name, Voice: t.CallerIDVoice, Licence: t.CallerIDLicence})
			}
		}
	}
	if n, err := config.ParseCallerID(a.cfg.Compliance.SMSCallerID); err == nil && a.cfg.Compliance.SMSCallerID != "" {
		own = append(own, compliance.OwnCallerID{Number: n, Trunk: smsTrunk})
	}
	a.rules = compliance.New(a.law, compliance.Options{Regions: regions, Late: a.cfg.Dialling.Late, Basis: a.cfg.Compliance.LegalBasis, Caps: caps, CallerIDs: own})
	return nil
}

func (a *App) judgeHours(at time.Time, p campaign.Person, purpose campaign.Purpose) compliance.Verdict {
	act := compliance.Act{Channel: compliance.Voice, Number: p.Number, Purpose: purpose, Lab: p.Number.IsLab(), DueAt: at}
	return compliance.Hours{Set: a.law}.Check(at, act, compliance.Facts{Zone: p.Zone})
}

// standingTask is the task that single POSTs of a script join.
func (a *App) standingTask(tenant, script string, purpose campaign.Purpose) campaign.Task {
	retry := campaign.DefaultRetry()
	if r := a.cfg.Dialling.Retry; r.MaxTries > 0 {
		retry.MaxTries = r.MaxTries
	}
	if r := a.cfg.Dialling.Retry; len(r.Delay) > 0 {
		retry.Delay = map[campaign.Disposition]time.Duration{}
		for d, delay := range r.Delay {
			retry.Delay[campaign.Disposition(d)] = delay
		}
	}
	return campaign.Task{ID: uuid.Must(uuid.NewV7()), Tenant: tenant, Name: script, Script: script, Purpose: purpose, Standing: true,
		State: campaign.TaskRunning, Pool: "default", Retry: retry, CreatedAt: time.Now()}
}

// Handler is the REST API.
func (a *App) Handler() http.Handler { return a.api }

// Store is for commands that work on the database alone.
func (a *App) Store() *store.Store { return a.store }

// CreateKey makes an API key and returns it; only its hash is kept.
func (a *App) CreateKey(ctx context.Context, name string, scopes []string, expires time.Time) (string, error) {
	return CreateKey(ctx, a.store, api.APIKey{Tenant: a.cfg.Tenant.ID, Name: name, Scopes: scopes, ExpiresAt: expires})
}

// CreateKey makes an API key in a store.
func CreateKey(ctx context.Context, st api.Store, k api.APIKey) (string, error) {
	if err := api.CheckKey(k); err != nil {
		return "", err
	}
	key, err := api.NewKey()
	if err != nil {
		return "", err
	}
	k.ID, k.Hash, k.CreatedAt = uuid.Must(uuid.NewV7()), api.HashKey(key), time.Now()
	return key, st.SaveAPIKey(ctx, k)
}

// Run works until ctx ends: then no call is started any more, live calls may
// finish within the grace, and what is left is hung up.
func (a *App) Run(ctx context.Context) error {
	linkCtx, stopLinks := context.WithCancel(context.WithoutCancel(ctx))
	callCtx, stopCalls := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopCalls(nil)
	outboxCtx, stopOutbox := context.WithCancel(context.WithoutCancel(ctx))
	var links, deliveries sync.WaitGroup
	var once sync.Once
	var failure error
	fail := func(err error) {
		if err != nil && !errors.Is(err, context.Canceled) {
			once.Do(func() { failure = err })
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.drains.read(ctx) // before the first call
	for name, sw := range a.fleet.switches() {
		links.Go(func() {
			if err := sw.Run(linkCtx); err != nil && linkCtx.Err() == nil {
				fail(fmt.Errorf("exchange %s: %w", name, err))
				cancel()
			}
		})
	}
	links.Go(func() { a.janitor.run(linkCtx) })
	links.Go(func() { a.examiner.run(linkCtx) })
	links.Go(func() { a.drains.run(linkCtx) })
	links.Go(func() { a.reception.run(linkCtx) })
	links.Go(func() { a.caller.warmAhead(linkCtx) })
	deliveries.Go(func() { fail(a.outbox.Run(outboxCtx)) })
	stopGrace := context.AfterFunc(ctx, func() {
		if live := a.scheduler.Stats().Live; live > 0 {
			a.log.Info("stopping: live calls may finish", "live", live, "grace", a.cfg.Controller.Grace)
		}
		time.AfterFunc(a.cfg.Controller.Grace, func() { stopCalls(errors.New("controller stops")) })
	})
	fail(a.scheduler.Run(ctx, callCtx))
	cancel()
	stopGrace()
	a.outbox.Wake()
	stopOutbox()
	deliveries.Wait()
	stopLinks()
	links.Wait()
	return failure
}

// Close closes what New opened.
func (a *App) Close() error {
	var errs []error
	if a.understanding != nil {
		a.understanding.close()
	}
	if a.prompts != nil {
		errs = append(errs, a.prompts.Close())
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}

// Ready says what must be well for calls to be made.
func (a *App) Ready(ctx context.Context) []api.Check {
	checks := []api.Check{{Name: "database", OK: true}}
	if err := a.store.Ping(ctx); err != nil {
		checks[0] = api.Check{Name: "database", Why: err.Error()}
	}
	any, why := false, ""
	for name, sw := range a.fleet.switches() {
		h := sw.Health()
		any = any || h.Up
		if !h.Up {
			why += name + ": " + h.Reason + " "
		}
	}
	return append(checks, api.Check{Name: "pbx", OK: any, Why: why}, a.understanding.check())
}

// Metrics registers further collectors (the demo's, tests').
func (a *App) Metrics() prometheus.Registerer { return a.metrics.registry }
