package call

import (
	"context"
	"errors"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// A turn that the script hands to a language model. Its words come back as an
// input and are judged by the dialogue; while they are awaited, silence is
// filled as it is while understanding is slow, and the wait has an end.

const (
	dlCompose     = "compose"      // the model is too late: the author's line
	dlComposeFill = "compose_fill" // it is late: say a filler
)

// Effects.
type (
	// Words asks a language model for the words of this turn.
	Words struct {
		ID      int64
		Prompt  nlu.Prompt
		Timeout time.Duration
	}
	// Worded counts what became of them: dialogue.Move.Composed.
	Worded struct{ Result string }
)

func (Words) effect()  {}
func (Worded) effect() {}

// words begins to wait for the model, and counts what has come of it.
func (r *rules) words(s State, mv dialogue.Move) (State, []Effect) {
	var fx []Effect
	if mv.Composed != "" {
		fx = append(fx, Worded{mv.Composed})
		if mv.Composed == dialogue.ComposedFailed {
			s.Outcome.Degraded = appendOnce(s.Outcome.Degraded, "model")
		}
	}
	if mv.Compose == nil {
		return s, fx
	}
	s.clear(dlKeys, dlResume)
	s.Listen, s.After = mv.Listen, mv
	s.Suspended, s.SaidAll = false, false
	s.WordsID++
	s.Wording = true
	s.set(dlComposeFill, r.limits.Filler)
	s.set(dlCompose, mv.Compose.Timeout)
	s.listen()
	return r.floorDeadline(s), append(fx, Words{ID: s.WordsID, Prompt: mv.Compose.Prompt, Timeout: mv.Compose.Timeout})
}

// worded takes the model's words, or that there are none.
func (r *rules) worded(s State, id int64, d *nlu.Draft, why string) (State, []Effect) {
	if !s.Wording || id != s.WordsID || s.Asking { // overtaken by more words of theirs
		return s, nil
	}
	return r.interruptWith(s, dialogue.Input{Kind: dialogue.Composed, Draft: d, Reason: why})
}

// overtaken: something else is answered now.
func (s *State) overtaken() {
	s.Wording = false
	s.clear(dlCompose, dlComposeFill)
}

// compose asks the model beside the call's loop. What it is told is masked.
func (c *call) compose(e Words) {
	p := c.maskPrompt(e.Prompt)
	c.background(func() {
		in := Input{Kind: InWorded, ID: e.ID}
		ctx, cancel := context.WithTimeout(c.ctx, e.Timeout)
		defer cancel()
		d, err := nlu.Draft{}, errNoModel
		if c.deps.Composer != nil {
			d, err = c.deps.Composer.Compose(ctx, p)
		}
		if err != nil {
			in.Text = err.Error()
			c.log.Warn("the language model gave no words; the script's own are said", "err", err)
		} else {
			in.Draft = &d
		}
		c.post(in)
	})
}

var errNoModel = errors.New("no language model is configured: set understanding.composer")

const promptTurns = 6

// maskPrompt takes every person's number out of what a model is told, and adds
// what was said before.
func (c *call) maskPrompt(p nlu.Prompt) nlu.Prompt {
	base := c.masks.notes
	facts := make([]string, 0, len(p.Facts))
	for _, f := range p.Facts {
		facts = append(facts, maskAlone(base, f))
	}
	p.Facts = facts
	p.Task = maskAlone(base, p.Task)
	p.Said = maskIn(base, p.Said, expectsNumber(c.state.Listen))
	fresh := base.Fork()
	var turns []campaign.Turn
	for _, t := range c.state.Outcome.Turns {
		turns = append(turns, maskTurn(fresh, base, t, c.state.wanted(t.Seq)))
	}
	if n := len(turns); n > 0 && turns[n-1].Side == campaign.Them { // what is asked now
		p.Said = turns[n-1].Text
		turns = turns[:n-1]
	}
	for _, t := range turns[max(0, len(turns)-promptTurns):] {
		h := nlu.Turn{Node: t.Node}
		if t.Side == campaign.Us {
			h.Bot = t.Text
		} else {
			h.Caller = t.Text
		}
		p.History = append(p.History, h)
	}
	return p
}
