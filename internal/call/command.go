package call

import (
	"context"
	"errors"
	"time"

	"ringmaster/internal/nlu"
	"ringmaster/internal/pbx"
)

// originate is not cut off by the call's end: a leg that comes too late must be
// known to be hung up.
func (c *call) originate() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 15*time.Second)
	defer cancel()
	leg, err := c.deps.Switch.Originate(ctx, c.plan.Request)
	if err == nil {
		c.deliver(delivery{leg: leg})
		return
	}
	c.post(Input{Kind: InOriginateFailed, Class: classOf(err), Text: err.Error()})
}

func classOf(err error) string {
	switch {
	case errors.Is(err, pbx.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, pbx.ErrRefused):
		return "refused"
	case errors.Is(err, pbx.ErrGone):
		return "gone"
	}
	return "unknown"
}

// attach looks for a leg whose originate was never answered, until the
// exchange says yes or no.
func (c *call) attach() {
	ctx, cancel := context.WithTimeout(c.ctx, 30*time.Second)
	defer cancel()
	for {
		leg, err := c.deps.Switch.Attach(ctx, c.plan.Request.ID)
		switch {
		case err == nil:
			c.deliver(delivery{leg: leg})
			return
		case errors.Is(err, pbx.ErrGone), ctx.Err() != nil:
			c.post(Input{Kind: InOriginateFailed, Class: "gone", Text: err.Error()})
			return
		}
		timer := time.NewTimer(500 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// adopt takes the leg and pumps its events.
func (c *call) adopt(leg pbx.Leg) {
	c.leg = leg
	if c.wantHangup != 0 {
		c.hangup(c.wantHangup)
	}
	c.background(func() { c.pumpLeg(leg) })
}

func (c *call) hangup(cause pbx.Cause) {
	if c.leg == nil {
		c.wantHangup = cause
		return
	}
	leg := c.leg
	c.background(func() { c.release(leg, cause) })
}

func (c *call) release(leg pbx.Leg, cause pbx.Cause) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 5*time.Second)
	defer cancel()
	if err := leg.Hangup(ctx, cause); err != nil && !errors.Is(err, pbx.ErrGone) {
		c.log.Warn("hang-up was not accepted; the leg's own time limit will end it", "err", err)
	}
}

func (c *call) understand(id int64, q nlu.Question) {
	ctx, cancel := context.WithTimeout(c.ctx, c.plan.Limits.GiveUp)
	defer cancel()
	a, err := c.deps.Understander.Understand(ctx, q)
	in := Input{Kind: InUnderstood, ID: id, Answer: &a}
	if err != nil {
		in.Answer, in.Text = nil, err.Error()
	}
	c.post(in)
}

func (c *call) handOver(e HandOver) {
	target, ok := pbx.Target{}, false
	if c.plan.Target != nil {
		target, ok = c.plan.Target(e.To)
	}
	if !ok {
		c.post(Input{Kind: InTransferEnded, Text: "unreachable"})
		return
	}
	leg := c.leg
	c.background(func() {
		ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
		defer cancel()
		if err := leg.Transfer(ctx, target); err != nil {
			c.log.Warn("transfer was not accepted", "err", err)
			c.post(Input{Kind: InTransferEnded, Text: "unreachable"})
		}
	})
}

// HandoverRecording names what the exchange records of an attempt after its
// hand-over (pbx.Recording.Name).
func HandoverRecording(attempt string) string { return "handover/" + attempt }

// recordOn lets the exchange go on with the recording after a hand-over: the
// customer's audio no longer passes through us.
func (c *call) recordOn() {
	if c.deps.Recorder == nil {
		return
	}
	leg, name := c.leg, HandoverRecording(c.plan.Attempt.ID.String())
	c.background(func() {
		ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
		defer cancel()
		if err := leg.Record(ctx, pbx.Recording{ID: "handover", Name: name, Stereo: true}); err != nil {
			c.post(Input{Kind: InRecording, Text: err.Error()})
		}
	})
}
