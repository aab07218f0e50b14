package call

import (
	"context"
	"errors"
	"time"

	"ringmaster/internal/pbx"
)

// ClassInbound of an InStart says that the call came in and rings.
const ClassInbound = "inbound"

// answerWait is how long an exchange may take to carry out our answer.
const answerWait = 15 * time.Second

func starting(p Plan) Input {
	if p.Inbound != nil {
		return Input{Kind: InStart, Class: ClassInbound}
	}
	return Input{Kind: InStart}
}

// arrived answers a call that came in. What follows is as after any answer:
// the notice first.
func (r *rules) arrived(s State) (State, []Effect) {
	s.Phase, s.Inbound, s.RingingAt = Alerting, true, s.Now
	s.Outcome.StartedAt = r.start.Add(s.Now)
	s.Outcome.RingingAt = s.Outcome.StartedAt
	s.set(dlRing, answerWait)
	return s, []Effect{Answer{}}
}

// answer takes hold of the leg and picks up.
func (c *call) answer() {
	leg := c.plan.Inbound
	c.adopt(leg)
	c.background(func() {
		ctx, cancel := context.WithTimeout(c.ctx, answerWait)
		defer cancel()
		// Of a caller who has gone the leg's own end tells.
		if err := leg.Answer(ctx); err != nil && !errors.Is(err, pbx.ErrGone) && c.ctx.Err() == nil {
			c.post(Input{Kind: InAnswerFailed, Text: err.Error()})
		}
	})
}
