package app

import (
	"context"
	_ "embed" // the closing script
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringmaster/config"
	"ringmaster/internal/campaign"
	"ringmaster/internal/label"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

//go:embed inbound_closing.yaml
var closingSource []byte

// closingScript is what callers hear of whom nothing is known, unless a script
// is configured for them.
const closingScript = "inbound_closing"

// importClosing makes the closing script a version like any other, so that its
// calls can be read and replayed.
func (l *library) importClosing(ctx context.Context, c config.Inbound) error {
	if c.Disabled {
		return nil
	}
	return l.add(ctx, closingScript+".yaml", closingSource, "shipped")
}

// Why a call that came in was not taken.
var (
	errNoLine  = errors.New("no line is free for it")
	errNoCalls = errors.New("inbound.disabled: no calls are taken")
)

// reception takes the calls that come in: the caller is looked up, and the same
// engine that makes calls answers them. It never dials.
type reception struct {
	app   *App
	cfg   config.Inbound
	came  *prometheus.CounterVec
	calls sync.WaitGroup

	mu   sync.Mutex
	live int
}

func newReception(a *App) *reception {
	return &reception{app: a, cfg: a.cfg.Inbound, came: prometheus.NewCounterVec(
		prometheus.CounterOpts{Name: "ringmaster_inbound_calls_total", Help: "Calls that came in, by what was done: taken, busy, failed, refused."}, []string{"result", "pbx"})}
}

// run takes calls from every exchange until ctx ends, and waits for its own.
func (r *reception) run(ctx context.Context) {
	defer r.calls.Wait()
	var exchanges sync.WaitGroup
	defer exchanges.Wait()
	for _, n := range r.app.fleet.nodes {
		exchanges.Go(func() { r.listen(ctx, n) })
	}
}

func (r *reception) listen(ctx context.Context, n *node) {
	for {
		in, err := n.sw.Accept(ctx)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, io.EOF) {
				return
			}
			r.app.log.Warn("calls that come in cannot be taken; it is tried again", "pbx", n.cfg.Name, "err", err)
			pause(ctx, time.Second)
			continue
		}
		r.calls.Go(func() { r.take(ctx, n, in) })
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// take stays with a call to its end.
func (r *reception) take(ctx context.Context, n *node, in pbx.Inbound) {
	result, cause := "taken", pbx.CauseNormal
	err := r.answer(ctx, n, in)
	switch {
	case err == nil:
	case errors.Is(err, errNoCalls):
		result, cause = "refused", pbx.CauseRejected
	case errors.Is(err, errNoLine), errors.Is(err, scheduler.ErrFull):
		result, cause = "busy", pbx.CauseBusy
	default:
		result, cause = "failed", pbx.CauseTemporary
	}
	r.came.WithLabelValues(result, n.cfg.Name).Inc()
	if err == nil {
		return
	}
	r.app.log.Warn("a call that came in was not taken", "pbx", n.cfg.Name, "leg", in.Leg.ID(), "result", result, "err", err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := in.Leg.Hangup(ctx, cause); err != nil && !errors.Is(err, pbx.ErrGone) {
		r.app.log.Warn("a call that came in could not be refused", "pbx", n.cfg.Name, "leg", in.Leg.ID(), "err", err)
	}
}

// answer looks the caller up and runs the call; an error says that it was not
// answered and nothing was written.
func (r *reception) answer(ctx context.Context, n *node, in pbx.Inbound) error {
	if r.cfg.Disabled {
		return errNoCalls
	}
	if !r.enter() {
		return fmt.Errorf("%w: inbound.lines is %d", errNoLine, r.cfg.Lines)
	}
	defer r.leave()
	a := r.app
	called := numberOf(in.Called, a.cfg.Tenant.Region)
	l := a.fleet.occupy(n, in, called)
	if l == nil {
		return errNoLine
	}
	defer a.fleet.release(l)
	from := in.From
	if l.trunk.cfg.Lab && !from.IsZero() {
		from, _ = phone.Lab(from.Dial()) // an odd one is a withheld one
	}
	arrival := scheduler.Arrival{Tenant: a.cfg.Tenant.ID, From: from, Called: called, Leg: string(in.Leg.ID()), PBX: n.cfg.Name, Trunk: l.trunk.cfg.Name}
	p := &prepared{caller: a.caller, line: l, inbound: in.Leg}
	look, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := r.choose(look, p, &arrival); err != nil {
		return err
	}
	return a.scheduler.Incoming(look, a.store, arrival, func(ctx context.Context, at campaign.Attempt, log scheduler.InputLog) campaign.Outcome {
		p.attempt = at
		r.greet(ctx, p)
		return p.Run(ctx, log)
	})
}

func (r *reception) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live >= r.cfg.Lines {
		return false
	}
	r.live++
	return true
}

func (r *reception) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live--
}

// choose finds the script: of the last call to the caller from the number that
// they call, or the one that is configured for others, or the closing.
func (r *reception) choose(ctx context.Context, p *prepared, in *scheduler.Arrival) error {
	a := r.app
	last, known, err := a.store.LastCall(ctx, *in)
	if err != nil {
		return err
	}
	if known {
		if err = r.fits(ctx, p, last.Task.Script, last); err == nil {
			in.Contact = last.Contact.ID
			in.ScriptVersion = p.script.Info().Version
			return nil
		}
		a.log.Warn("the script of the last call cannot answer its callback", "script", last.Task.Script, "attempt", last.ID, "err", err)
	}
	stranger := campaign.Attempt{Tenant: in.Tenant, Person: campaign.Person{Tenant: in.Tenant, Number: in.From}}
	scripts := []string{closingScript}
	if r.cfg.Script != "" {
		scripts = []string{r.cfg.Script, closingScript}
	}
	for _, id := range scripts {
		if err = r.fits(ctx, p, id, stranger); err == nil {
			break
		}
		a.log.Error("a script cannot answer calls", "script", id, "err", err)
	}
	if err != nil {
		return err
	}
	info := p.script.Info()
	in.ScriptVersion = info.Version
	task, err := a.store.EnsureTask(ctx, a.standingTask(in.Tenant, info.ID, info.Purpose))
	in.Task = task.ID
	return err
}

// fits readies a script for a person; it must be published, lack no variable,
// and say first that an AI speaks and records. What else the law demands of
// notices it demands of who calls.
func (r *reception) fits(ctx context.Context, p *prepared, script string, at campaign.Attempt) error {
	sc, err := r.app.library.current(ctx, at.Tenant, script)
	if err != nil {
		return err
	}
	p.script, p.attempt, p.customer = sc, at, r.app.library.customer(at.Person, sc)
	if missing := sc.Missing(p.customer); len(missing) > 0 {
		return fmt.Errorf("contact lacks variables of the script: %v", missing)
	}
	return p.lacks(label.PartAI, label.PartRecording)
}

// greet readies what is said while it rings: history and prompts. What is
// missing costs a filler and not the call.
func (r *reception) greet(ctx context.Context, p *prepared) {
	a := r.app
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	p.customer = a.library.customer(p.attempt.Person, p.script)
	past, err := a.library.history(ctx, p.attempt.Person, p.script)
	if err != nil {
		a.log.Error("history of a caller could not be read: the script runs without it", "attempt", p.attempt.ID, "err", err)
	}
	p.customer.History = past
	if err := a.caller.warm(ctx, p.script, p.customer, p.line.node.format); err != nil {
		a.log.Warn("prompts of a call that came in were not ready", "attempt", p.attempt.ID, "err", err)
	}
}

// numberOf reads the number that was called, as the exchange gave it.
func numberOf(raw, region string) phone.Number {
	if n, err := phone.Parse(raw, region); err == nil {
		return n
	}
	n, _ := phone.Short(raw) // zero if it is none
	return n
}

// occupy takes a line of the trunk that a call came in over: the one that the
// exchange names, else the one whose caller ID was called, else the only one or
// the first. Nil when it has none left. A drained trunk takes calls: they are
// there.
func (f *fleet) occupy(n *node, in pbx.Inbound, called phone.Number) *line {
	f.mu.Lock()
	defer f.mu.Unlock()
	var best *trunk
	rank := 0
	for _, t := range n.trunks {
		r := 1
		switch {
		case len(in.Args) > 0 && cameOver(t.cfg.Endpoint, in.Args[0]):
			r = 3
		case !called.IsZero() && t.callerID == called:
			r = 2
		}
		if r > rank {
			best, rank = t, r
		}
	}
	if best == nil || best.way.Busy >= best.way.Lines || n.state.Lines > 0 && n.state.Busy >= n.state.Lines {
		return nil
	}
	best.way.Busy++
	n.state.Busy++
	return &line{node: n, trunk: best}
}

// channelTail is what an exchange puts behind an endpoint's name to name a channel.
var channelTail = regexp.MustCompile(`-[0-9a-f]{8}$`)

// cameOver reports that a channel (PJSIP/carrier-0000002a, or the bare name of a
// gateway) belongs to the endpoint that a trunk dials.
func cameOver(endpoint, channel string) bool {
	_, name, ok := strings.Cut(channelTail.ReplaceAllString(channel, ""), "/")
	if !ok {
		name = channel
	}
	if m := pjsipTrunk.FindStringSubmatch(endpoint); m != nil {
		return name != "" && name == m[1]+m[2]
	}
	for _, part := range strings.Split(endpoint, "/") {
		if part == name && name != "" {
			return true
		}
	}
	return false
}
