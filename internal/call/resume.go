package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/pbx"
	"ringmaster/internal/speech"
)

// A controller that dies leaves calls behind that the exchange keeps. The next
// life tells each of them again from its log, takes its leg, and goes on where
// the conversation stood: with a few words about the gap, and with what was cut.

// ClassGone of an InResumed says that the exchange has no such leg any more.
const ClassGone = "gone"

// ClassLate of an InResumed says that the customer has sat in silence for longer
// than resumeWithin: the script says goodbye.
const ClassLate = "late"

// resumeWithin is how long after the last thing known of a call it still goes
// on where it stood. Another controller takes a dead one's calls after 15 to 20 s.
const resumeWithin = 30 * time.Second

// ReasonDied is the reason of an attempt that ended with its controller.
const ReasonDied = "controller_died"

// DegradedController marks the outcome of a call whose controller died while
// it ran (campaign.Outcome.Degraded).
const DegradedController = "controller"

// bridgeID is the line that covers the gap.
const bridgeID = "resumed"

// bridgeWords cover the gap in each language; others get none.
func bridgeWords() map[speech.Language]string {
	return map[speech.Language]string{
		"cmn": "不好意思，刚才信号不太好。",
		"yue": "唔好意思，头先讯号唔系几好。",
		"en":  "Sorry, the line was bad for a moment.",
	}
}

// BridgeLine is what is said first after a gap, in the voice of another line;
// without text when there are no such words in its language.
func BridgeLine(like dialogue.Line) dialogue.Line {
	return dialogue.Line{ID: bridgeID, Text: bridgeWords()[like.Language], Language: like.Language, Voice: like.Voice, Fixed: true}
}

// Resumption is a call, told again as far as its log goes.
type Resumption struct{ call *call }

// Rebuild tells a call of an earlier life again from its log. ErrNotWhole: what
// was decided cannot be known from it, be it cut, of an older version, or
// because what the customer said was masked in it.
func Rebuild(p Plan, d Deps, inputs []Logged) (*Resumption, error) {
	if len(inputs) == 0 {
		return nil, ErrNotWhole
	}
	c := newCall(p, d)
	for i, l := range inputs {
		var in Input
		if err := json.Unmarshal(l.Data, &in); err != nil {
			c.cancel()
			return nil, fmt.Errorf("%w: input %d: %w", ErrNotWhole, i, err)
		}
		switch {
		case in.Kind != l.Kind || lacks(in), i == 0 && (in.Kind != InStart || in.Began.IsZero()):
			c.cancel()
			return nil, fmt.Errorf("%w: input %d says %q and lacks what belongs to it", ErrNotWhole, i, l.Kind)
		case in.Masked:
			c.cancel()
			return nil, fmt.Errorf("%w: what input %d (%s) said is masked", ErrNotWhole, i, l.Kind)
		case i == 0:
			c.rules.start = in.Began.Local()
		}
		c.retell(in)
	}
	// Clocks of two machines differ; the call's own never runs backwards.
	c.start = time.Now().Add(-max(time.Since(c.rules.start), c.state.Now+time.Millisecond))
	return &Resumption{c}, nil
}

// retell takes an input that was taken before: nothing is done, and what is
// known of it beside the state is known again.
func (c *call) retell(in Input) {
	c.masks.input(in, c.state)
	before := len(c.state.Outcome.Turns)
	c.state, _ = c.rules.step(c.state, in)
	c.watchSlots()
	for i := before; i < len(c.state.Outcome.Turns); i++ {
		c.masks.turn(c.state, i)
	}
}

// Phase is where the call stood.
func (r *Resumption) Phase() Phase { return r.call.state.Phase }

// Started is when the call began.
func (r *Resumption) Started() time.Time { return r.call.state.Outcome.StartedAt }

// Queued reports that the exchange itself looks for a person: the hand-over
// that was under way goes to one of its queues.
func (r *Resumption) Queued() bool {
	s := &r.call.state
	if s.Phase != Transferring || s.After.Transfer == nil || r.call.plan.Target == nil {
		return false
	}
	t, ok := r.call.plan.Target(*s.After.Transfer)
	return ok && t.Queue != ""
}

// Outcome is what is known without asking anybody: of a call that was over
// (Over), or of one that is left to the exchange.
func (r *Resumption) Outcome() campaign.Outcome {
	r.call.cancel()
	o := r.call.masks.outcome(r.call.state)
	o.Degraded = appendOnce(o.Degraded, DegradedController)
	return o
}

// Left is the outcome of a call in which a person has taken over, or is looked
// for by the exchange: it goes on without us.
func (r *Resumption) Left() campaign.Outcome {
	o := r.Outcome()
	o.Disposition, o.Reason, o.EndedAt = campaign.Transferred, ReasonLeft, time.Now()
	return o
}

// Run takes the leg and goes on; a nil leg is gone. It returns like Run.
func (r *Resumption) Run(ctx context.Context, leg pbx.Leg) campaign.Outcome {
	in := Input{Kind: InResumed, Class: ClassGone}
	if leg != nil {
		in.Class, in.Up = "", r.up(ctx, leg)
		if time.Since(r.call.start)-r.call.state.Now > resumeWithin {
			in.Class = ClassLate
		}
		r.call.adopt(leg)
	}
	return r.call.run(ctx, in)
}

// up reads the first event of a leg that was attached to.
func (r *Resumption) up(ctx context.Context, leg pbx.Leg) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		ev, err := leg.Next(ctx)
		switch e := ev.(type) {
		case pbx.LinkRestored:
			return e.Up
		case pbx.Answered:
			return true
		case pbx.Hungup:
			r.call.post(Input{Kind: InHungup, Hungup: &e})
			return !r.call.state.Outcome.AnsweredAt.IsZero()
		}
		if err != nil { // the call finds out
			return !r.call.state.Outcome.AnsweredAt.IsZero()
		}
	}
}

// resumed goes on with a call whose controller died.
func (r *rules) resumed(s State, in Input) (State, []Effect) {
	s.Outcome.Degraded = appendOnce(s.Outcome.Degraded, DegradedController)
	s.Resumed++
	for name := range s.Deadline {
		if name != dlDuration && name != dlHard {
			delete(s.Deadline, name)
		}
	}
	if s.Phase == Closing { // it was over
		return s, []Effect{Close{}}
	}
	if in.Class == ClassGone {
		if s.Outcome.Disposition == "" { // it may have rung while nobody looked: the try is used
			s.Outcome.Disposition, s.Outcome.Reason = campaign.Uncertain, ReasonDied
		}
		s.Phase, s.Deadline = Closing, nil
		return s, []Effect{Close{}}
	}
	switch s.Phase {
	case Placing, Alerting:
		if !in.Up {
			return r.hangup(s, pbx.CauseTemporary, campaign.Failed, ReasonDied)
		}
		return r.answered(s) // while nobody looked
	case Opening:
		return r.reopen(s)
	case Talking, Transferring:
		return r.goOn(s, in.Class == ClassLate)
	case Releasing:
		s.set(dlRelease, r.limits.ReleaseWait)
		return s, []Effect{Hangup{Cause: pbx.CauseNormal}}
	}
	return s, nil // a person has it: only its end is waited for
}

// goOn opens media anew and takes the conversation up where it stood. What the
// customer said and nobody answered is answered; else what was cut, or what the
// customer was to answer, is said again.
func (r *rules) goOn(s State, late bool) (State, []Effect) {
	fetching := s.Phase == Transferring
	s.Phase = Talking
	s.MediaTries, s.MediaGone, s.Handing, s.Suspect, s.Keys = 0, false, false, false, ""
	s.Bridge = true
	s.set(dlMedia, r.limits.MediaOpen)
	said := s.Turn.Said()
	var more []Effect
	switch {
	case late && !s.Asking && (s.Saying || s.Suspended || letters(said) == ""):
		s.Wording, s.Saying, s.Suspended = false, false, false
		s.listenAnew()
		s.set(dlHard, 20*time.Second)
		s, more = r.converse(s, dialogue.Input{Kind: dialogue.TimeUp})
	case fetching: // the person who was being called is let go
		if _, ok := s.Deadline[dlDuration]; !ok {
			s.set(dlHard, 30*time.Second)
		}
		s.listenAnew()
		s, more = r.converse(s, dialogue.Input{Kind: dialogue.TransferFailed, Reason: "unreachable"})
	case s.Asking:
		text := s.AskText
		s.Asking, s.Saying, s.Suspended = false, false, false
		s.listenAnew()
		s, more = r.ask(s, text)
	case s.Wording:
		s.Saying = false
		s, more = r.worded(s, s.WordsID, nil, ReasonDied)
	case !s.Saying && !s.Suspended && letters(said) != "":
		s.listenAnew()
		s, more = r.ask(s, said)
	default:
		s, more = r.again(s)
	}
	if late && s.Phase == Talking { // their words are answered, and then it is time
		s.set(dlDuration, 5*time.Second)
	}
	fx := append([]Effect{OpenMedia{}}, more...)
	if s.Phase == Talking && s.Bridge && !s.Saying && !s.Asking && !s.Wording { // nothing else is said
		s, more = r.sayFiller(s)
		fx = append(fx, more...)
	}
	return s, fx
}

// listenAnew gives the floor to a customer who is taken to be silent.
func (s *State) listenAnew() {
	s.Turn.Talking = false
	s.listen()
}

// again says what was cut, from the line on at which it was, and a protected
// one from the beginning; or, when it was our customer's turn, what they were to
// answer, of which the dialogue does not hear a second time.
func (r *rules) again(s State) (State, []Effect) {
	lines, cut := s.Lines, s.Saying || s.Suspended
	if s.SayID == s.FillerSay || len(lines) == 0 {
		lines, cut = s.Spoken, false
	} else if cut && s.Line < len(lines) && !lines[s.Line].Protected && !lines[s.Line].Disclosure {
		lines = lines[s.Line:]
	}
	s.listenAnew()
	s.Saying, s.Suspended, s.SaidAll = false, false, false
	if len(lines) == 0 {
		return s, nil
	}
	lines = r.bridge(&s, lines)
	s.SayID++
	s.StoppedID = 0
	if !cut {
		s.FillerSay = s.SayID
	}
	s.Saying, s.Lines, s.Line = true, lines, 0
	return s, []Effect{Say{ID: s.SayID, Lines: lines, Fill: r.script.Filler(s.Dialogue)}}
}

// bridge puts the words about the gap before the first thing that is said
// after it.
func (r *rules) bridge(s *State, lines []dialogue.Line) []dialogue.Line {
	if !s.Bridge || len(lines) == 0 {
		return lines
	}
	s.Bridge = false
	b := BridgeLine(lines[0])
	if b.Text == "" {
		return lines
	}
	return append([]dialogue.Line{b}, lines...)
}

// Farewell says one line on a leg whose conversation cannot be told again. It
// never takes longer than limit; an error says that not all of it was heard.
func Farewell(ctx context.Context, leg pbx.Leg, p Plan, synth speech.Synthesizer, line dialogue.Line, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m, err := leg.OpenMedia(ctx, p.Format)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	began, last := time.Now(), make(chan LineReport, 1)
	sp := newSpeaker(m, synth, newReference(m.Format()), func() int64 { return time.Since(began).Milliseconds() }, func(k Kind, l LineReport) {
		if k == InLineEnded && l.Last {
			select {
			case last <- l:
			default:
			}
		}
	})
	defer sp.close()
	sp.say(Say{ID: 1, Lines: []dialogue.Line{line}})
	select {
	case l := <-last:
		if !l.Complete {
			return errors.New("a goodbye was cut: " + l.Fault)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// FarewellLine says goodbye where nothing is known of what was talked of;
// languages without such words hear English.
func FarewellLine(l speech.Language) dialogue.Line {
	words := map[speech.Language]string{
		"cmn": "不好意思，线路出了一点问题，先不打扰您了，再见。",
		"yue": "唔好意思，条线有啲问题，唔阻你喇，再见。",
		"en":  "Sorry, there is a problem with the line. Goodbye.",
	}
	if words[l] == "" {
		l = "en"
	}
	return dialogue.Line{ID: "farewell", Text: words[l], Language: l, Fixed: true}
}
