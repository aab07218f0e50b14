package rehearse

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// Run plays every conversation with the understander.
func (s *Suite) Run(ctx context.Context, script *dialogue.Script, u nlu.Understander) Report {
	rep := Report{File: s.file, Nodes: map[string]int{}, Replies: map[string]int{}}
	for _, c := range s.Conversations {
		p := &play{ctx: ctx, script: script, u: u, now: s.now, seen: map[string]bool{}, took: map[string]bool{}}
		p.run(s.customer(c), c)
		for id := range p.seen {
			rep.Nodes[id]++
		}
		for id := range p.took {
			rep.Replies[id]++
		}
		rep.Results = append(rep.Results, Result{Name: c.Name, Problems: p.problems, Transcript: p.transcript})
	}
	return rep
}

type play struct {
	ctx    context.Context
	script *dialogue.Script
	u      nlu.Understander
	now    time.Time
	at     int64

	st    dialogue.State
	mv    dialogue.Move
	lines []dialogue.Line // said since the customer's last words
	whys  []string        // the reason of the move that said each
	next  int             // of lines, for the next us:
	said  bool            // the last move's lines have been Said
	ended *dialogue.Move
	over  *dialogue.Transfer

	actions    []dialogue.Action
	problems   []string
	transcript []string
	seen, took map[string]bool
}

func (p *play) fail(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

func (p *play) run(c dialogue.Customer, conv Conversation) {
	p.st, p.mv = p.script.Start(c, p.now)
	p.take()
	for i, step := range conv.Talk {
		before := len(p.problems)
		p.step(step)
		for j := before; j < len(p.problems); j++ {
			p.problems[j] = fmt.Sprintf("step %d: %s", i+1, p.problems[j])
		}
	}
	p.finishLines()
	p.outcome(conv.Expect)
}

// take notes what the last move says and does.
func (p *play) take() {
	p.seen[p.mv.Node] = true
	if p.mv.Reply != "" {
		p.took[p.mv.Reply] = true
	}
	for id := range p.st.Visits {
		p.seen[id] = true
	}
	for _, l := range p.mv.Lines {
		p.transcript = append(p.transcript, fmt.Sprintf("us   [%s] %s", l.ID, l.Text))
	}
	if len(p.mv.Lines) > 0 {
		p.lines = append(p.lines, p.mv.Lines...)
		for range p.mv.Lines {
			p.whys = append(p.whys, p.mv.Reason)
		}
		p.said = false
	}
	p.actions = append(p.actions, p.mv.Actions...)
	if p.mv.Transfer != nil {
		p.over = p.mv.Transfer
	}
	if p.mv.End != nil {
		mv := p.mv
		p.ended = &mv
	}
	p.roundTrip()
}

// roundTrip: a state that does not survive JSON would be lost in a crash.
func (p *play) roundTrip() {
	b, err := json.Marshal(p.st)
	if err != nil {
		p.fail("the state cannot be written: %v", err)
		return
	}
	var back dialogue.State
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, p.st) {
		p.fail("the state changed in a JSON round trip (%v): %s", err, b)
	}
	p.st = back
}

func (p *play) give(in dialogue.Input) {
	p.at += 1000
	in.At = p.at
	p.st, p.mv = p.script.Next(p.st, in, p.now.Add(time.Duration(p.at)*time.Millisecond))
	p.take()
}

// finishLines says everything that is pending to its end.
func (p *play) finishLines() {
	for range 20 {
		if p.said || p.ended != nil && len(p.mv.Lines) == 0 {
			return
		}
		p.said = true
		if p.mv.End != nil {
			return
		}
		p.give(dialogue.Input{Kind: dialogue.Said})
	}
}

func (p *play) step(s Step) {
	switch {
	case s.Us != "":
		for range 20 {
			for p.next < len(p.lines) {
				p.next++
				if strings.Contains(p.lines[p.next-1].Text, s.Us) {
					p.because(s, p.whys[p.next-1])
					return
				}
			}
			if p.said || p.mv.End != nil { // more comes only when this has been said
				break
			}
			p.said = true
			p.give(dialogue.Input{Kind: dialogue.Said})
		}
		p.fail("we should say %q; said: %s", s.Us, p.saidLines())
		return
	case s.Not != "":
		p.finishLines()
		for _, l := range p.lines {
			if strings.Contains(l.Text, s.Not) {
				p.fail("we should not say %q; said: %s", s.Not, l.Text)
			}
		}
		return
	}
	if p.ended != nil && s.Them == "" && s.Barge == "" {
		p.fail("the conversation has already ended: %+v", *p.ended.End)
		return
	}
	p.customer(s)
	p.after(s)
}

func (p *play) saidLines() string {
	var out []string
	for _, l := range p.lines {
		out = append(out, l.Text)
	}
	return strings.Join(out, " / ")
}

// customer gives the engine what the customer does.
func (p *play) customer(s Step) {
	in := dialogue.Input{}
	if s.Barge != "" {
		if n := len(p.lines); n > 0 && !p.said {
			l, heard := p.lines[n-1], s.Heard
			if heard == 0 {
				heard = 0.5
			}
			r := []rune(l.Text)
			in.HeardLine, in.HeardText = l.ID, string(r[:int(float64(len(r))*min(heard, 1))])
		} else {
			p.fail("nothing is being said that could be interrupted")
		}
	} else {
		p.finishLines()
	}
	before, whys, next := p.lines, p.whys, p.next
	p.lines, p.whys, p.next = nil, nil, 0
	switch {
	case s.Them != "" || s.Barge != "":
		in.Kind, in.Text = dialogue.Heard, s.Them+s.Barge
		q := p.script.Question(p.st, in.Text)
		q.Now = p.now.Add(time.Duration(p.at) * time.Millisecond)
		a, err := p.u.Understand(p.ctx, q)
		if err != nil {
			p.fail("understanding: %v", err)
		}
		in.Answer = a
		p.transcript = append(p.transcript, fmt.Sprintf("them [%s %.2f] %s", a.Intent, a.Confidence, in.Text))
		if s.Intent != "" && string(a.Intent) != s.Intent {
			p.fail("%q should mean %s; understood %q (%s)", in.Text, s.Intent, a.Intent, a.Reason)
		}
	case s.Silence:
		in.Kind = dialogue.Silence
		p.transcript = append(p.transcript, "them (silence)")
	case s.Keys != "":
		in.Kind, in.Digits = dialogue.KeysPressed, s.Keys
		p.transcript = append(p.transcript, "them (keys "+s.Keys+")")
	default:
		in = event(s.Event)
		p.transcript = append(p.transcript, "     ("+s.Event+")")
	}
	if in.Kind == "" {
		p.fail("unknown event %q: write deaf, mute, greeting, beep, transfer_failed or time_up", s.Event)
		return
	}
	p.said = true
	p.give(in)
	p.compose(s)
	if p.mv.Resume { // the interrupted line goes on
		p.said, p.lines, p.whys, p.next = false, before, whys, next
	}
}

// compose answers for the language model.
func (p *play) compose(s Step) {
	if p.mv.Compose == nil {
		if s.Model != nil {
			p.fail("the turn is not handed to a model (%s)", p.mv.Reason)
		}
		return
	}
	in := dialogue.Input{Kind: dialogue.Composed, Reason: "no model in a rehearsal"}
	if m := s.Model; m != nil {
		in.Draft, in.Reason = &nlu.Draft{Say: m.Say, Intent: nlu.Intent(m.Intent), Done: m.Done}, ""
	}
	p.transcript = append(p.transcript, "     (the model answers)")
	p.give(in)
}

func event(name string) dialogue.Input {
	switch name {
	case "deaf", "mute", "transfer_failed", "time_up":
		return dialogue.Input{Kind: dialogue.InputKind(name), Reason: "rehearsed"}
	case "greeting", "beep":
		return dialogue.Input{Kind: dialogue.Machine, Reason: name}
	}
	return dialogue.Input{}
}

// after holds the move against what the step expects.
func (p *play) after(s Step) {
	if s.Node != "" && p.mv.Node != s.Node {
		p.fail("should lead to node %s; is at %s (%s)", s.Node, p.mv.Node, p.mv.Reason)
	}
	if s.Resume != p.mv.Resume {
		p.fail("resume should be %v (%s)", s.Resume, p.mv.Reason)
	}
	p.because(s, p.mv.Reason)
	for k, v := range s.Slots {
		if p.st.Slots[k] != v {
			p.fail("slot %s should be %q; is %q", k, v, p.st.Slots[k])
		}
	}
}

func (p *play) because(s Step, reason string) {
	if s.Why != "" && !strings.Contains(reason, s.Why) {
		p.fail("the reason should hold %q; it is %q", s.Why, reason)
	}
}

func (p *play) outcome(e Expect) {
	check := func(what, want, got string) {
		if want != "" && want != got {
			p.fail("%s should be %q; is %q", what, want, got)
		}
	}
	end := dialogue.End{}
	if p.ended != nil {
		end = *p.ended.End
	}
	check("disposition", e.Disposition, string(end.Disposition))
	check("reason", e.Reason, end.Reason)
	check("node", e.Node, p.st.Node)
	check("grade", e.Grade, p.st.Grade)
	if e.Transfer != "" {
		if p.over == nil {
			p.fail("there should be a transfer to %s", e.Transfer)
		} else if p.over.Queue != e.Transfer && p.over.Agent != e.Transfer {
			p.fail("transfer should go to %s; goes to %+v", e.Transfer, *p.over)
		}
	}
	for _, tag := range e.Tags {
		if !slices.Contains(p.st.Tags, tag) {
			p.fail("tag %s is missing; has %v", tag, p.st.Tags)
		}
	}
	for k, v := range e.Slots {
		check("slot "+k, v, p.st.Slots[k])
	}
	for _, want := range e.Actions {
		kind, value, _ := strings.Cut(want, ": ")
		if !slices.ContainsFunc(p.actions, func(a dialogue.Action) bool { return a.Kind == kind && (value == "" || a.Value == value) }) {
			p.fail("action %q is missing; has %+v", want, p.actions)
		}
	}
	if e.Callback != "" {
		i := slices.IndexFunc(p.actions, func(a dialogue.Action) bool { return a.Kind == "callback" })
		if i < 0 || p.actions[i].At.Format("2006-01-02T15:04") != e.Callback {
			p.fail("callback should be at %s; actions %+v", e.Callback, p.actions)
		}
	}
}
