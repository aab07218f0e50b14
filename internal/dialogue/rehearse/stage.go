package rehearse

import (
	"context"
	"time"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// Stage holds one conversation that somebody drives step by step: an author
// who types as the customer, or a persona. Our lines are heard to their end
// before the next step; time passes by a second each step.
type Stage struct {
	script *dialogue.Script
	u      nlu.Understander
	now    time.Time
	at     int64

	State    dialogue.State
	End      *dialogue.End      // set when the conversation is over
	Transfer *dialogue.Transfer // set when a person takes over: it is over too
	Actions  []dialogue.Action
}

// Open begins a conversation: the moves until the customer has the floor.
func Open(s *dialogue.Script, u nlu.Understander, c dialogue.Customer, now time.Time) (*Stage, []dialogue.Move) {
	st := &Stage{script: s, u: u, now: now}
	var mv dialogue.Move
	st.State, mv = s.Start(c, now)
	return st, st.floor(mv)
}

// Over reports that nothing more can happen.
func (s *Stage) Over() bool { return s.End != nil || s.Transfer != nil }

// Hear is what the customer says, with what was understood of it.
func (s *Stage) Hear(ctx context.Context, said string) (nlu.Answer, []dialogue.Move, error) {
	q := s.script.Question(s.State, said)
	q.Now = s.time()
	a, err := s.u.Understand(ctx, q)
	if err != nil {
		return a, nil, err
	}
	return a, s.Give(dialogue.Input{Kind: dialogue.Heard, Text: said, Answer: a}), nil
}

// Give is anything else that happens: silence, keys, a machine. A turn handed
// to a language model gets nothing from it, so the script's own line is said.
func (s *Stage) Give(in dialogue.Input) []dialogue.Move {
	if s.Over() {
		return nil
	}
	return s.floor(s.next(in))
}

func (s *Stage) time() time.Time { return s.now.Add(time.Duration(s.at) * time.Millisecond) }

func (s *Stage) next(in dialogue.Input) (mv dialogue.Move) {
	s.at += 1000
	in.At = s.at
	s.State, mv = s.script.Next(s.State, in, s.time())
	return mv
}

// floor lets everything be said until the customer has the floor or it is over.
func (s *Stage) floor(mv dialogue.Move) (moves []dialogue.Move) {
	for range 40 { // a script that talks on for ever is the checker's business
		moves = append(moves, mv)
		s.Actions = append(s.Actions, mv.Actions...)
		switch {
		case mv.End != nil:
			s.End = mv.End
			return moves
		case mv.Transfer != nil:
			s.Transfer = mv.Transfer
			return moves
		case mv.Compose != nil:
			mv = s.next(dialogue.Input{Kind: dialogue.Composed, Reason: "no model in a rehearsal"})
		case len(mv.Lines) > 0 || mv.Resume:
			mv = s.next(dialogue.Input{Kind: dialogue.Said})
		default:
			return moves
		}
	}
	return moves
}
