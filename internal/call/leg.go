package call

import (
	"context"
	"errors"
	"io"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/pbx"
)

// pumpLeg turns the leg's events into inputs until the leg is over.
func (c *call) pumpLeg(leg pbx.Leg) {
	hungup := false
	for {
		ev, err := leg.Next(c.ctx)
		if err != nil {
			if !hungup && c.ctx.Err() == nil {
				if errors.Is(err, io.EOF) {
					err = errors.New("the leg's events ended without its end")
				}
				c.post(Input{Kind: InLegLost, Text: err.Error()})
			}
			return
		}
		in, ok := inputOf(ev)
		if ok {
			c.post(in)
		}
		_, hungup = ev.(pbx.Hungup)
	}
}

// inputOf translates an event of the port; ok is false for what no decision
// depends on.
func inputOf(ev pbx.Event) (in Input, ok bool) {
	switch e := ev.(type) {
	case pbx.Ringing:
		return Input{Kind: InRinging, Up: e.EarlyMedia}, true
	case pbx.Answered:
		return Input{Kind: InAnswered}, true
	case pbx.DTMF:
		return Input{Kind: InKey, Text: string(rune(e.Digit))}, true
	case pbx.Bridged:
		return Input{Kind: InBridged, Text: string(e.Other)}, true
	case pbx.Unbridged:
		return Input{Kind: InUnbridged, Text: string(e.Other)}, true
	case pbx.TransferEnded:
		return Input{Kind: InTransferEnded, Text: e.Reason}, true
	case pbx.MediaLost:
		return Input{Kind: InMediaLost, Text: errText(e.Err)}, true
	case pbx.RecordingEnded:
		if e.Err != nil {
			return Input{Kind: InRecording, Text: errText(e.Err)}, true
		}
	case pbx.LinkLost:
		return Input{Kind: InLinkLost, Text: errText(e.Err)}, true
	case pbx.LinkRestored:
		return Input{Kind: InLinkRestored, Up: e.Up}, true
	case pbx.Hungup:
		return Input{Kind: InHungup, Hungup: &e}, true
	}
	return Input{}, false
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Abandoned ends the leg of an attempt whose controller died and says what is
// known about it. The exchange names the leg of a call that came in; that of
// any other is the attempt's ID. Before it is hung up, bye has an answered leg
// to itself; nil does without. Abandoned answers an error while the exchange
// cannot be asked.
func Abandoned(ctx context.Context, sw pbx.Switch, id pbx.LegID, a campaign.Attempt, bye func(context.Context, pbx.Leg)) (campaign.Outcome, error) {
	o := campaign.Outcome{StartedAt: a.PlacedAt, EndedAt: time.Now()}
	once, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	leg, err := sw.Attach(once, id)
	switch {
	case errors.Is(err, pbx.ErrGone):
		// It may have rung while nobody looked: the try is used.
		o.Disposition, o.Reason = campaign.Uncertain, ReasonDied
		return o, nil
	case err != nil:
		return o, err
	}
	if bye != nil {
		if e, err := leg.Next(once); err == nil {
			if there, ok := e.(pbx.LinkRestored); ok && there.Up {
				bye(ctx, leg)
			}
		}
	}
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	if err := leg.Hangup(last, pbx.CauseTemporary); err != nil && !errors.Is(err, pbx.ErrGone) {
		return o, err
	}
	o.EndedAt = time.Now()
	o.Disposition, o.Reason = campaign.Failed, ReasonDied
	for {
		ev, err := leg.Next(last)
		if err != nil {
			return o, nil // it is hung up; the rest is not known
		}
		if h, ok := ev.(pbx.Hungup); ok {
			o.SIP, o.Q850, o.ReasonQ850, o.By, o.Raw = h.SIP, int(h.Q850), int(h.ReasonQ850), string(h.By), h.Raw
			return o, nil
		}
	}
}
