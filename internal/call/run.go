package call

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/mailbox"
	"ringmaster/internal/nlu"
	"ringmaster/internal/pbx"
	"ringmaster/internal/redact"
	"ringmaster/internal/speech"
)

// maxInputs is how far a call may fall behind its own inputs. A call that is
// so far behind cannot be in a conversation any more.
const maxInputs = 8192

// Plan is a call to be made.
type Plan struct {
	Attempt  campaign.Attempt
	Script   Script
	Customer dialogue.Customer
	Request  pbx.OriginateRequest
	// Inbound is the leg of a call that came in and rings: it is answered, and
	// nothing is dialled. Of Request only the ID is used then, for the log.
	Inbound pbx.Leg
	Format  audio.Format
	Limits  Limits
	// Hotwords are all of this call, for a recognizer that takes them once.
	// Everywhere are those that a node's own are added to, for one that can be
	// told of each node.
	Hotwords, Everywhere map[string]int
	// Target turns a transfer of the script into a configured target; ok is
	// false when there is none.
	Target func(dialogue.Transfer) (t pbx.Target, ok bool)
}

// Deps are the ports that a call uses.
type Deps struct {
	Switch       pbx.Switch
	Recognizer   speech.Recognizer
	Synthesizer  speech.Synthesizer
	Understander nlu.Understander
	Composer     nlu.Composer        // words turns that a script hands over; nil: the script's own lines
	Composed     func(result string) // counts them (dialogue.Move.Composed); may be nil
	Recorder     Recorder            // nil = no recording
	// Masker knows the tenant's own patterns; nil = redact.New().
	Masker *redact.Masker
	// Ears makes a fresh detector; nil = NewEars.
	Ears    func(audio.Format) (Ears, error)
	Log     *slog.Logger //
	Input   func(Logged) // every input, for the log; may be nil
	Observe func(Note)   // what happens, for people to watch; may be nil
	// Silence is told of every silence before a turn of ours, by the goroutine
	// that carries the call's sound; may be nil.
	Silence func(Silence)
}

// Logged is an input as it is kept.
type Logged struct {
	At   time.Duration
	Kind Kind
	Data []byte // JSON of Input
}

// Note is something to look at while the call runs.
type Note struct {
	Attempt string
	At      time.Duration // since the call's start
	Phase   Phase
	Turn    *campaign.Turn // a turn that has just been said
}

// delivery is an input with the things that cannot be logged.
type delivery struct {
	Input
	leg     pbx.Leg
	media   pbx.Media
	opening int
}

// call is the shell of one attempt.
type call struct {
	plan  Plan
	deps  Deps
	rules rules
	start time.Time
	box   *mailbox.Mailbox[delivery]
	log   *slog.Logger

	ctx    context.Context // of every command and pump; outlives the caller's ctx
	cancel context.CancelFunc
	pumps  sync.WaitGroup

	state      State
	leg        pbx.Leg
	wantHangup pbx.Cause // asked for before the leg existed
	audio      *audioPath
	biased     speech.Recognition // the one that knows the hotwords of this node
	opening    int                // how often media was asked for: only the last one counts
	waiting    []Say              // asked for while no media was open
	takes      []*take            // recordings, to be published at the end
	slots      []openSlot         // when numbers were expected
	masks      masks
}

// Run makes the call, or takes the one that came in, and returns its one outcome. It waits for every
// goroutine that it started, and hangs up first when ctx ends.
func Run(ctx context.Context, p Plan, d Deps) campaign.Outcome {
	c := newCall(p, d)
	in := starting(p)
	in.Began = c.rules.start
	return c.run(ctx, in)
}

// run takes inputs from the first one on until the call is over.
func (c *call) run(ctx context.Context, first Input) campaign.Outcome {
	defer c.cancel()
	stop := context.AfterFunc(ctx, func() { c.post(shutdown(ctx)) })
	defer stop()
	c.post(first)
	for c.state.Phase != Over {
		in, err := c.next()
		if err != nil {
			c.overwhelmed(err)
			break
		}
		c.take(in)
	}
	c.cancel()
	c.box.Close(io.EOF)
	c.pumps.Wait()
	c.drain()
	recordings := c.publish()
	o := c.masks.outcome(c.state)
	o.Recordings = append(o.Recordings, recordings...)
	return o
}

// ClassStop of an InShutdown says that the controller stops. Anything else
// that ends Run's ctx is a cancellation of this one call.
const ClassStop = "stop"

func shutdown(ctx context.Context) Input {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return Input{Kind: InShutdown, Class: ClassStop, Text: cause.Error()}
	}
	return Input{Kind: InShutdown, Text: "cancelled"}
}

// drain lets go of what came too late for the call to take it.
func (c *call) drain() {
	for {
		d, err := c.box.Next(context.Background())
		if err != nil {
			return
		}
		c.dispose(d)
	}
}

// dispose ends a leg and a media leg that nobody will take.
func (c *call) dispose(d delivery) {
	if d.media != nil {
		_ = d.media.Close()
	}
	if d.leg != nil {
		c.release(d.leg, pbx.CauseNormal)
	}
}

func newCall(p Plan, d Deps) *call {
	if p.Limits == (Limits{}) {
		p.Limits = DefaultLimits()
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Ears == nil {
		d.Ears = NewEars
	}
	now := time.Now()
	c := &call{masks: newMasks(d.Masker), plan: p, deps: d, start: now, box: mailbox.New[delivery](maxInputs),
		rules: rules{script: p.Script, customer: p.Customer, start: now, zone: zoneOf(p.Attempt.Zone), limits: p.Limits},
		log:   d.Log.With("attempt", p.Attempt.ID, "leg", p.Request.ID)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// post stamps an input and puts it into the mailbox; it never blocks.
func (c *call) post(in Input) { c.deliver(delivery{Input: in}) }

func (c *call) deliver(d delivery) {
	d.At = time.Since(c.start)
	if c.box.Put(d) != nil { // over, or an overflow, which the reader of the box sees
		c.dispose(d)
	}
}

// next waits for an input or the earliest deadline.
func (c *call) next() (delivery, error) {
	at, ok := c.state.next()
	if !ok {
		return c.box.Next(context.Background())
	}
	ctx, cancel := context.WithDeadline(context.Background(), c.start.Add(at))
	defer cancel()
	in, err := c.box.Next(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return delivery{Input: Input{Kind: InTimer, At: max(at, time.Since(c.start))}}, nil
	}
	return in, err
}

func (c *call) take(d delivery) {
	switch {
	case d.leg != nil:
		c.adopt(d.leg)
		return
	case d.opening != 0 && d.opening != c.opening:
		c.dispose(d) // another opening has been asked for since
		return
	case d.media != nil && !c.openPath(d.media):
		return
	}
	c.record(d.Input)
	before := c.state
	var fx []Effect
	c.state, fx = c.rules.step(c.state, d.Input)
	c.watchSlots()
	c.bias(before)
	c.observe(before)
	for _, e := range fx {
		c.do(e)
	}
}

func (c *call) record(in Input) {
	if c.deps.Input == nil {
		return
	}
	data, err := json.Marshal(c.masks.input(in, c.state))
	if err != nil {
		c.log.Error("input of a call cannot be kept", "kind", in.Kind, "err", err)
		return
	}
	c.deps.Input(Logged{At: in.At, Kind: in.Kind, Data: data})
}

func (c *call) observe(before State) {
	if c.deps.Observe == nil {
		return
	}
	note := Note{Attempt: c.plan.Attempt.ID.String(), At: c.state.Now, Phase: c.state.Phase}
	if before.Phase != c.state.Phase {
		c.deps.Observe(note)
	}
	for i := len(before.Outcome.Turns); i < len(c.state.Outcome.Turns); i++ {
		t := c.masks.turn(c.state, i)
		note.Turn = &t
		c.deps.Observe(note)
	}
}

// overwhelmed ends a call whose inputs came faster than it could take them.
func (c *call) overwhelmed(err error) {
	c.log.Error("call fell behind its own inputs and is ended", "err", err)
	o := &c.state.Outcome
	o.Disposition, o.Reason, o.EndedAt = campaign.Failed, "overwhelmed", time.Now()
	c.closePath()
	if c.leg != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = c.leg.Hangup(ctx, pbx.CauseTemporary)
	}
	c.state.Phase = Over
}

// do carries out one effect. Nothing here blocks on the outside: commands run
// beside the loop and their results come back as inputs.
func (c *call) do(e Effect) {
	switch e := e.(type) {
	case Originate:
		c.background(func() { c.originate() })
	case Attach:
		c.background(func() { c.attach() })
	case Answer:
		c.answer()
	case OpenMedia:
		leg := c.leg
		c.closePath()
		c.opening++
		n := c.opening
		c.background(func() { c.openMedia(leg, n) })
	case Say:
		if c.audio == nil || c.audio.media == nil {
			c.waiting = []Say{e}
			return
		}
		c.audio.speaker.say(e)
	case StopSaying:
		c.waiting = nil
		c.withPath(func(a *audioPath) { a.speaker.stop() })
	case ResumeSaying:
		if c.audio == nil || c.audio.media == nil {
			c.waiting = []Say{{ID: e.ID, Lines: e.Lines, From: e.From}}
			return
		}
		c.audio.speaker.resume(e)
	case Attend:
		c.withPath(func(a *audioPath) { a.attend(e) })
	case Understand:
		c.withPath(func(a *audioPath) { a.silence.taken() })
		q := c.plan.Script.Question(c.state.Dialogue, e.Text)
		q.Tenant = c.plan.Attempt.Tenant // models belong to a tenant's script version
		q.Masked = c.masks.question(e.Text, c.state)
		c.background(func() { c.understand(e.ID, q) })
	case Words:
		c.compose(e)
	case Worded:
		if c.deps.Composed != nil {
			c.deps.Composed(e.Result)
		}
	case HandOver:
		c.handOver(e)
	case RecordOn:
		c.recordOn()
	case Hangup:
		c.hangup(e.Cause)
	case Close:
		c.closePath()
		c.post(Input{Kind: InClosed})
	}
}

func (c *call) withPath(f func(*audioPath)) {
	if c.audio != nil {
		f(c.audio)
	}
}

func (c *call) background(f func()) { c.pumps.Go(f) }
