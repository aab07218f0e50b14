package call

import (
	"fmt"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
	"ringmaster/internal/pbx"
	"ringmaster/internal/turn"
)

// talk decides what follows from what is said, heard and understood.
func (r *rules) talk(s State, in Input) (State, []Effect) {
	switch in.Kind {
	case InLineStarted:
		if in.Line.Say != s.SayID || s.Phase != Talking {
			return s, nil
		}
		s.Line = in.Line.Index
		attend := Attend{MinBargeIn: s.Listen.MinBargeIn, Protected: s.protected()}
		s, fx := r.floor(s, turn.Input{Kind: turn.InPlaying, Length: time.Duration(in.Line.LengthMS) * time.Millisecond})
		return s, append([]Effect{attend}, fx...)
	case InLineEnded:
		return r.lineEnded(s, *in.Line)
	case InHeard:
		return r.heard(s, in)
	case InBridged:
		return r.bridged(s)
	case InUnbridged:
		return r.personLeft(s)
	case InTransferEnded:
		return r.transferEnded(s, in.Text)
	}
	if s.Phase != Talking {
		return s, nil
	}
	switch in.Kind {
	case InSound:
		return r.sound(s, *in.Sound)
	case InDeaf:
		s.Outcome.Degraded = appendOnce(s.Outcome.Degraded, "asr")
		if s.Deaf {
			return s, nil
		}
		s.Deaf = true
		return r.interruptWith(s, dialogue.Input{Kind: dialogue.Deaf, Reason: in.Text})
	case InUnderstood:
		return r.understood(s, in)
	case InWorded:
		return r.worded(s, in.ID, in.Draft, in.Text)
	case InKey:
		return r.key(s, in.Text)
	case InMachine:
		return r.machine(s, in.Machine)
	}
	return s, nil
}

func (r *rules) talkTimer(s State, name string) (State, []Effect) {
	if name == dlTransfer {
		return r.transferEnded(s, "no_answer")
	}
	if s.Phase != Talking {
		return s, nil
	}
	switch name {
	case dlResume:
		if s.Suspended {
			return r.resume(s)
		}
	case dlTurn:
		return r.floor(s, turn.Input{Kind: turn.InTick})
	case dlMachine:
		if s.Suspect && s.Turn.Talking {
			return r.isMachine(s, "greeting")
		}
		s.Suspect = false
	case dlWordless:
		return r.wordless(s)
	case dlUnderstand, dlComposeFill:
		return r.filler(s)
	case dlCompose:
		return r.worded(s, s.WordsID, nil, "no words in time")
	case dlGiveUp:
		if !s.Asking {
			return s, nil
		}
		s.Outcome.Degraded = appendOnce(s.Outcome.Degraded, "nlu")
		return r.understood(s, Input{Kind: InUnderstood, ID: s.AskID, Answer: &nlu.Answer{Reason: "understanding gave no answer in time"}})
	case dlKeys:
		return r.keysDone(s)
	}
	return s, nil
}

// perform carries a move of the dialogue out.
func (r *rules) perform(s State, mv dialogue.Move) (State, []Effect) {
	for _, a := range mv.Actions {
		s.act(a)
	}
	s, fx := r.words(s, mv)
	if mv.Compose != nil {
		return s, fx
	}
	s, more := r.carryOut(s, mv)
	return s, append(fx, more...)
}

func (r *rules) carryOut(s State, mv dialogue.Move) (State, []Effect) {
	if mv.Resume {
		return r.resume(s)
	}
	s.clear(dlKeys, dlResume)
	s.Listen, s.After = mv.Listen, mv
	s.Suspended, s.SaidAll = false, false
	if len(mv.Lines) == 0 {
		if s.Saying { // listening on while a line runs
			return s, nil
		}
		return r.afterSaid(s)
	}
	lines := r.bridge(&s, mv.Lines)
	s.SayID++
	s.StoppedID = 0
	s.Saying, s.Lines, s.Line, s.Spoken = true, lines, 0, mv.Lines
	return s, []Effect{Say{ID: s.SayID, Lines: lines, Fill: r.script.Filler(s.Dialogue)}}
}

// afterSaid does what a move wants once its lines have been heard.
func (r *rules) afterSaid(s State) (State, []Effect) {
	switch {
	case s.After.End != nil:
		end := *s.After.End
		return r.hangup(s, pbx.CauseNormal, end.Disposition, end.Reason)
	case s.After.Transfer != nil:
		s.Phase, s.Handing, s.MediaGone = Transferring, true, false
		s.clear(dlTurn, dlHard)
		s.set(dlTransfer, max(s.After.Transfer.Timeout, 30*time.Second)+15*time.Second)
		return s, []Effect{HandOver{To: *s.After.Transfer}}
	}
	if s.Turn.Phase != turn.Listening {
		s.listen()
	}
	return r.floorDeadline(s), nil
}

// converse gives the dialogue an input and performs its move.
func (r *rules) converse(s State, in dialogue.Input) (State, []Effect) {
	in.At = s.sinceAnswer()
	s.overtaken()
	if s.Asking { // overtaken: what was asked gets no answer, but it was said
		s.Asking = false
		s.clear(dlUnderstand, dlGiveUp)
		s.theyTurn(s.AskText, "", 0)
	}
	if s.LastHeard != nil && !s.LastHeard.Complete {
		in.HeardLine, in.HeardText = s.LastHeard.Line, s.LastHeard.Heard
	}
	s.LastHeard = nil
	var mv dialogue.Move
	s.Dialogue, mv = r.script.Next(s.Dialogue, in, r.wall(s))
	return r.perform(s, mv)
}

// interruptWith silences us for something that cannot wait, then converses.
func (r *rules) interruptWith(s State, in dialogue.Input) (State, []Effect) {
	var fx []Effect
	if s.Saying {
		s.Saying = false
		fx = append(fx, StopSaying{})
		s.listen()
	}
	s, more := r.converse(s, in)
	return s, append(fx, more...)
}

func (r *rules) resume(s State) (State, []Effect) {
	if !s.Suspended {
		s.listen()
		return r.floorDeadline(s), nil
	}
	s.clear(dlResume)
	s.Suspended = false
	if s.SaidAll { // nothing is left of it: what follows it is due
		s.SaidAll = false
		s.listen()
		if s.SayID == s.FillerSay {
			return r.floorDeadline(s), nil
		}
		return r.said(s)
	}
	s.StoppedID = s.SayID
	s.SayID++
	if s.FillerSay == s.StoppedID {
		s.FillerSay = s.SayID
	}
	s.Saying = true
	return s, []Effect{ResumeSaying{ID: s.SayID, Stopped: s.StoppedID, Lines: s.Lines, From: s.Line}}
}

func (r *rules) lineEnded(s State, l LineReport) (State, []Effect) {
	line, known := s.line(l)
	if l.Heard != "" {
		s.weTurn(l, line)
	}
	if known && line.Disclosure && s.Outcome.Disclosure == nil && l.Complete {
		s.Outcome.Disclosure = r.evidence(&s, l, line)
	}
	if l.Say != s.SayID || s.Phase != Talking {
		return s, nil
	}
	s.LastHeard = &l
	switch {
	case l.Fault != "" && line.ID == bridgeID && !l.Last: // what follows it matters
		return s, nil
	case l.Fault != "":
		return r.mute(s, l)
	case !l.Complete:
		// Stopped by us; or so early that the stop was not ours to decide.
		if s.Saying {
			s.Saying, s.Suspended = false, true
			s.set(dlResume, resumeAlone)
		}
		return s, nil
	case !l.Last:
		return s, nil
	}
	if !s.Saying { // it ended in the moment in which it was interrupted
		s.SaidAll = s.Suspended
		return s, nil
	}
	s.Saying = false
	s, fx := r.floor(s, turn.Input{Kind: turn.InPlayed})
	if l.Say == s.FillerSay || s.Phase != Talking || s.Saying {
		return s, fx
	}
	s, more := r.said(s)
	return s, append(fx, more...)
}

// resumeAlone is how long we stay silent in mid-line when the leg threw our
// voice away and nobody says why.
const resumeAlone = time.Second

// said tells the dialogue that its lines were heard, and does what follows.
func (r *rules) said(s State) (State, []Effect) {
	done := s.After
	s.LastHeard = nil
	var mv dialogue.Move
	s.Dialogue, mv = r.script.Next(s.Dialogue, dialogue.Input{Kind: dialogue.Said, At: s.sinceAnswer()}, r.wall(s))
	if len(mv.Lines) > 0 || mv.End != nil || mv.Transfer != nil {
		return r.perform(s, mv)
	}
	for _, a := range mv.Actions {
		s.act(a)
	}
	if mv.Listen.Silence > 0 {
		s.Listen = mv.Listen
	}
	s.After = done
	return r.afterSaid(s)
}

// mute deals with a line that could not be said.
func (r *rules) mute(s State, l LineReport) (State, []Effect) {
	if s, fx, ok := r.unspoken(s, l); ok {
		return s, fx
	}
	s.Outcome.Degraded = appendOnce(s.Outcome.Degraded, "tts")
	s.Saying = false
	if s.Mute { // not even the closing words: leave
		return r.hangup(s, pbx.CauseNormal, campaign.Failed, "voice_failed: "+l.Fault)
	}
	s.Mute = true
	return r.converse(s, dialogue.Input{Kind: dialogue.Mute, Reason: l.Fault})
}

func (r *rules) evidence(s *State, l LineReport, line dialogue.Line) *campaign.Disclosure {
	info := r.script.Info()
	return &campaign.Disclosure{
		Text: line.Text, Line: line.ID, Script: info.ID, Version: info.Version,
		PlayedAt: s.Outcome.AnsweredAt.Add(time.Duration(l.EndMS) * time.Millisecond),
		StartMS:  l.StartMS, EndMS: l.EndMS, Complete: true,
	}
}

func (s *State) line(l LineReport) (dialogue.Line, bool) {
	if (l.Say == s.SayID || l.Say == s.StoppedID && l.Say != 0) && l.Index < len(s.Lines) {
		return s.Lines[l.Index], true
	}
	return dialogue.Line{ID: l.Line}, false
}

// act books an action of the dialogue.
func (s *State) act(a dialogue.Action) {
	o := &s.Outcome
	switch a.Kind {
	case "tag":
		o.Tags = appendOnce(o.Tags, a.Value)
	case "opt_out":
		o.OptOut = &campaign.OptOut{Reason: a.Value, Words: a.Data["words"]}
	case "ticket":
		o.Tickets = append(o.Tickets[:len(o.Tickets):len(o.Tickets)], campaign.Ticket{Kind: a.Value, Words: a.Data["words"]})
	case "unlock":
		o.Unlocks = appendOnce(o.Unlocks, a.Value)
	case "sms":
		o.SMS = appendOnce(o.SMS, a.Value)
	case "callback":
		o.CallbackAt = a.At
	case "grade":
		o.Grade = a.Value
	case "slot":
		slots := map[string]string{}
		for k, v := range o.Slots {
			slots[k] = v
		}
		slots[a.Data["name"]] = a.Value
		o.Slots = slots
	default:
		o.Tags = appendOnce(o.Tags, fmt.Sprintf("%s:%s", a.Kind, a.Value))
	}
}

func (s *State) weTurn(l LineReport, line dialogue.Line) {
	turns := s.Outcome.Turns
	if l.Resumed && len(turns) > 0 { // the rest of an interrupted line
		for i := len(turns) - 1; i >= 0; i-- {
			if t := turns[i]; t.Side == campaign.Us && t.Interrupted && t.Planned == line.Text {
				turns = append([]campaign.Turn(nil), turns...)
				turns[i].Text, turns[i].EndMS = l.Heard, l.EndMS
				turns[i].Interrupted = !l.Complete
				if l.Complete {
					turns[i].Planned = ""
				}
				s.Outcome.Turns = turns
				return
			}
		}
	}
	t := campaign.Turn{Seq: len(turns) + 1, Side: campaign.Us, Text: l.Heard, StartMS: l.StartMS, EndMS: l.EndMS, Node: s.After.Node}
	if !l.Complete {
		t.Interrupted, t.Planned = true, line.Text
	}
	s.Outcome.Turns = append(turns[:len(turns):len(turns)], t)
}

func (s *State) theyTurn(text string, intent nlu.Intent, confidence float64) {
	turns := s.Outcome.Turns
	s.Outcome.Turns = append(turns[:len(turns):len(turns)], campaign.Turn{
		Seq: len(turns) + 1, Side: campaign.Them, Text: text, StartMS: s.WordsMS[0], EndMS: s.WordsMS[1],
		Node: s.After.Node, Intent: string(intent), Confidence: confidence,
	})
	s.expected(len(turns) + 1)
	s.TakenMS, s.TakenText = s.WordsMS[1], text
	s.WordsMS, s.Stop = [2]int64{}, dialogue.StopNone
}
