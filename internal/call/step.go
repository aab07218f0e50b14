package call

import (
	"sort"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
	"ringmaster/internal/pbx"
	"ringmaster/internal/turn"
)

// rules is everything that a call's decisions depend on besides its inputs.
type rules struct {
	script   Script
	customer dialogue.Customer
	start    time.Time      // wall clock at At = 0; calendar rules need it
	zone     *time.Location // of the customer; nil = the machine's
	limits   Limits
}

// wall is what the customer's clock shows now: 明天, 今晚八点 and the hour that a
// script asks for are his, wherever the controller runs.
func (r *rules) wall(s State) time.Time {
	at := r.start.Add(s.Now)
	if r.zone != nil {
		at = at.In(r.zone)
	}
	return at
}

// zoneOf is nil for a zone that is empty, unknown or ambiguous.
func zoneOf(name string) *time.Location {
	if name == "" || name == "Local" {
		return nil
	}
	at, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return at
}

// Script is what the call needs of a compiled script (dialogue.Script).
type Script interface {
	Start(c dialogue.Customer, now time.Time) (dialogue.State, dialogue.Move)
	Next(st dialogue.State, in dialogue.Input, now time.Time) (dialogue.State, dialogue.Move)
	Question(st dialogue.State, said string) nlu.Question
	Filler(st dialogue.State) dialogue.Line
	Info() dialogue.Info
}

// Limits of a call. Zero values take the defaults of DefaultLimits.
type Limits struct {
	Ring        time.Duration // how long it may ring
	Duration    time.Duration // of the conversation
	Filler      time.Duration // understanding may take so long in silence
	GiveUp      time.Duration // and so long at all
	NoWords     time.Duration // sound without words, until it counts as nothing
	LinkAway    time.Duration // a live call survives so long without its link
	MediaOpen   time.Duration
	ReleaseWait time.Duration
	HandedOver  time.Duration // how long customer and person may talk
}

// DefaultLimits are what an operator gets without saying anything.
func DefaultLimits() Limits {
	return Limits{
		Ring: 30 * time.Second, Duration: 10 * time.Minute, Filler: 900 * time.Millisecond, GiveUp: 3 * time.Second,
		NoWords: 800 * time.Millisecond, LinkAway: 20 * time.Second,
		MediaOpen: 3 * time.Second, ReleaseWait: 5 * time.Second, HandedOver: 2 * time.Hour,
	}
}

// step makes every decision of a call. It is pure: the same state and input
// give the same state and effects.
func (r *rules) step(s State, in Input) (State, []Effect) {
	if in.At > s.Now { // inputs of several streams may be stamped out of order
		s.Now = in.At
	}
	if s.Phase == Over {
		return s, nil
	}
	switch in.Kind {
	case InStart, InOriginateFailed, InAnswerFailed, InRinging, InAnswered, InHungup, InLinkLost, InLinkRestored, InLegLost,
		InMediaOpen, InMediaLost, InMediaEnded, InShutdown, InOperator, InClosed, InRecording, InResumed:
		return r.leg(s, in)
	case InTimer:
		return r.timers(s)
	}
	return r.talk(s, in)
}

// timers acts on every deadline that has passed, in a fixed order.
func (r *rules) timers(s State) (State, []Effect) {
	var due []string
	for name, at := range s.Deadline {
		if at <= s.Now {
			due = append(due, name)
		}
	}
	sort.Strings(due)
	var all []Effect
	for _, name := range due {
		if at, ok := s.Deadline[name]; !ok || at > s.Now {
			continue // an earlier one cleared or moved it
		}
		s.clear(name)
		var fx []Effect
		s, fx = r.timer(s, name)
		all = append(all, fx...)
	}
	return s, all
}

func (r *rules) timer(s State, name string) (State, []Effect) {
	switch name {
	case dlRing:
		if s.Inbound {
			return r.hangup(s, pbx.CauseTemporary, campaign.Failed, "answer_timeout")
		}
		return r.hangup(s, pbx.CauseNoAnswer, campaign.NoAnswer, "ring_timeout")
	case dlLink:
		return r.hangup(s, pbx.CauseTemporary, campaign.Failed, "exchange_link_lost")
	case dlReopen:
		return r.reopen(s)
	case dlMedia:
		return r.mediaFailed(s, "media did not open in time")
	case dlHard:
		return r.hangup(s, pbx.CauseNormal, campaign.Completed, "maximum_duration")
	case dlRelease:
		// The exchange never confirmed: it is over for us, and the janitor
		// looks for what may be left.
		return r.ended(s, pbx.Hungup{By: pbx.ByUnknown, Answered: !s.Outcome.AnsweredAt.IsZero(), Raw: "no confirmation of our hang-up"})
	case dlDuration:
		if s.Phase != Talking { // the dialogue is not there to say goodbye: ask again
			s.set(dlDuration, 5*time.Second)
			return s, nil
		}
		s.set(dlHard, 20*time.Second)
		return r.converse(s, dialogue.Input{Kind: dialogue.TimeUp})
	}
	return r.talkTimer(s, name)
}

func (r *rules) leg(s State, in Input) (State, []Effect) {
	switch in.Kind {
	case InStart:
		if in.Class == ClassInbound {
			return r.arrived(s)
		}
		s.Phase = Placing
		s.Outcome.StartedAt = r.start.Add(s.Now)
		s.set(dlRing, r.limits.Ring+15*time.Second)
		return s, []Effect{Originate{}}
	case InOriginateFailed:
		return r.originateFailed(s, in)
	case InAnswerFailed:
		return r.hangup(s, pbx.CauseTemporary, campaign.Failed, "answer_failed: "+in.Text)
	case InRinging:
		if s.Phase == Placing {
			s.Phase, s.RingingAt = Alerting, s.Now
			s.Outcome.RingingAt = r.start.Add(s.Now)
		}
	case InAnswered:
		return r.answered(s)
	case InMediaOpen:
		return r.mediaOpen(s)
	case InMediaLost:
		s.MediaGone = s.MediaGone || s.Phase == Transferring
		return r.mediaFailed(s, in.Text)
	case InMediaEnded:
		s.MediaGone = s.MediaGone || s.Phase == Transferring
	case InLinkLost:
		// A person and the customer talk without us: they need no link.
		if s.Phase != Closing && s.Phase != HandedOver && s.Phase != Releasing {
			s.set(dlLink, r.limits.LinkAway)
		}
	case InLinkRestored:
		s.clear(dlLink)
		if in.Up && (s.Phase == Placing || s.Phase == Alerting) {
			return r.answered(s) // it was answered while we could not see
		}
	case InHungup:
		return r.ended(s, *in.Hungup)
	case InLegLost:
		s.Outcome.Degraded = appendOnce(s.Outcome.Degraded, "exchange")
		return r.hangup(s, pbx.CauseTemporary, campaign.Failed, "leg_events_lost: "+in.Text)
	case InShutdown, InOperator:
		if s.Phase == HandedOver && in.Class == ClassStop {
			return r.leave(s)
		}
		return r.hangup(s, pbx.CauseNormal, campaign.Withdrawn, in.Text)
	case InResumed:
		return r.resumed(s, in)
	case InRecording:
		s.Outcome.Degraded = appendOnce(s.Outcome.Degraded, "recording")
	case InClosed:
		s.Phase = Over
		s.Deadline = nil
		s = r.conclude(s)
	}
	return s, nil
}

// ReasonLeft is the reason of a call whose conversation with a person went on
// when the controller stopped.
const ReasonLeft = "handed_over: the controller stopped before the conversation ended"

// leave lets a customer and a person talk on when the controller stops: the
// exchange holds both, and its own time limit ends them.
func (r *rules) leave(s State) (State, []Effect) {
	s.Outcome.Reason = ReasonLeft
	s.Phase, s.Deadline = Closing, nil
	return s, []Effect{Close{}}
}

func (r *rules) originateFailed(s State, in Input) (State, []Effect) {
	if s.Phase == Closing {
		return s, nil
	}
	s.Outcome.Raw = in.Text
	switch in.Class {
	case "unknown":
		return s, []Effect{Attach{}}
	case "gone": // sent, unanswered, and not to be found: it may have rung
		s.Outcome.Disposition, s.Outcome.Reason = campaign.Uncertain, "originate_unanswered"
	case "refused":
		s.Outcome.NeverSent = "exchange_refused: " + in.Text
		s.Outcome.NextTry = r.start.Add(s.Now + 30*time.Second)
	default:
		s.Outcome.NeverSent = "exchange_unavailable: " + in.Text
		s.Outcome.NextTry = r.start.Add(s.Now + 2*time.Second)
	}
	s.Phase = Closing
	return s, []Effect{Close{}}
}

func (r *rules) answered(s State) (State, []Effect) {
	if s.Phase != Placing && s.Phase != Alerting {
		return s, nil
	}
	s.Phase, s.AnsweredAt = Opening, s.Now
	s.Outcome.AnsweredAt = r.start.Add(s.Now)
	s.clear(dlRing)
	s.set(dlMedia, r.limits.MediaOpen)
	s.set(dlDuration, r.limits.Duration)
	return s, []Effect{OpenMedia{}}
}

func (r *rules) mediaOpen(s State) (State, []Effect) {
	s.clear(dlMedia)
	if s.Phase == Opening {
		s.Phase = Talking
		var mv dialogue.Move
		s.Dialogue, mv = r.script.Start(r.customer, r.wall(s))
		return r.perform(s, mv)
	}
	if s.Phase == Talking && s.Suspended { // it was lost in mid-utterance
		return r.resume(s)
	}
	return s, nil
}

func (r *rules) mediaFailed(s State, why string) (State, []Effect) {
	if s.Phase != Opening && s.Phase != Talking {
		return s, nil
	}
	s.clear(dlResume)
	if s.MediaTries++; s.MediaTries <= mediaTries {
		if s.Saying {
			s.Saying, s.Suspended = false, true
		}
		if s.MediaTries > 1 { // give an exchange that is away a moment to come back
			s.clear(dlMedia)
			s.set(dlReopen, time.Duration(s.MediaTries)*400*time.Millisecond)
			return s, []Effect{StopSaying{}}
		}
		return r.reopen(s)
	}
	s.Outcome.Degraded = appendOnce(s.Outcome.Degraded, "media")
	return r.hangup(s, pbx.CauseTemporary, campaign.Failed, "media_failed: "+why)
}

func (r *rules) reopen(s State) (State, []Effect) {
	if s.Phase != Opening && s.Phase != Talking {
		return s, nil
	}
	s.set(dlMedia, r.limits.MediaOpen)
	return s, []Effect{OpenMedia{}}
}

// mediaTries is how often a media leg is opened anew within one call.
const mediaTries = 4

// hangup ends the leg for a reason of ours. The first reason counts.
func (r *rules) hangup(s State, cause pbx.Cause, d campaign.Disposition, why string) (State, []Effect) {
	if s.Phase == Releasing || s.Phase == Closing {
		return s, nil
	}
	if s.Outcome.Disposition == "" {
		s.Outcome.Disposition, s.Outcome.Reason = d, why
	}
	s.Phase, s.WhyHangup = Releasing, why
	s.Deadline = nil
	s.set(dlRelease, r.limits.ReleaseWait)
	return s, []Effect{StopSaying{}, Hangup{Cause: cause}}
}

// ended takes the leg's end; media and providers are closed before the
// outcome is drawn, so that their last reports count.
func (r *rules) ended(s State, h pbx.Hungup) (State, []Effect) {
	if s.Phase == Closing {
		return s, nil
	}
	s.Hungup = &h
	s.Outcome.SIP, s.Outcome.Q850, s.Outcome.ReasonQ850 = h.SIP, int(h.Q850), int(h.ReasonQ850)
	s.Outcome.By, s.Outcome.Raw = string(h.By), h.Raw
	s.Phase, s.Deadline = Closing, nil
	return s, []Effect{Close{}}
}

// conclude draws the outcome when everything has been said.
func (r *rules) conclude(s State) State {
	o := &s.Outcome
	o.EndedAt = r.start.Add(s.Now)
	if s.Asking { // their last words, never answered
		s.theyTurn(s.AskText, "", 0)
	} else if text := s.Turn.Said(); text != "" && s.Turn.Phase != turn.Idle {
		s.theyTurn(text, "", 0)
	}
	switch {
	case o.NeverSent != "" || o.Disposition != "":
	case o.AnsweredAt.IsZero():
		h := pbx.Hungup{}
		if s.Hungup != nil {
			h = *s.Hungup
		}
		if h.By == pbx.ByUnknown {
			o.Disposition, o.Reason = campaign.Uncertain, "ended_unseen"
			break
		}
		if s.Inbound {
			o.Disposition, o.Reason = campaign.HungUp, "caller_gave_up"
			break
		}
		o.Disposition = campaign.Unanswered(h.SIP, int(h.Q850), int(h.ReasonQ850), h.By == pbx.ByTimer)
	case s.Phase == Over && s.Hungup != nil && (s.Hungup.By == pbx.ByNetwork || s.Hungup.By == pbx.ByUnknown):
		o.Disposition, o.Reason = campaign.Failed, "line_lost"
	case s.Inbound:
		o.Disposition, o.Reason = campaign.HungUp, "caller_hung_up"
	default:
		o.Disposition, o.Reason = campaign.HungUp, "callee_hung_up"
	}
	r.callback(o)
	return s
}

// callback makes the contact due at the time that the customer asked for, past
// the retry policy: they want it. The gates judge that call like any other.
func (r *rules) callback(o *campaign.Outcome) {
	if o.OptOut == nil && o.NeverSent == "" && o.CallbackAt.After(o.EndedAt) {
		o.NextTry = o.CallbackAt
	}
}

func appendOnce(list []string, v string) []string {
	for _, x := range list {
		if x == v {
			return list
		}
	}
	return append(list[:len(list):len(list)], v)
}
