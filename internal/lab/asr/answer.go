package asr

import (
	"time"

	"ringmaster/internal/lab/tone"
)

// partial sends the piece of text that was heard since the last one.
func (c *session) partial() error {
	piece := c.said.String()
	if c.fault.Endless && c.everSaid != "" {
		piece = c.everSaid
	}
	if piece == "" || c.mode == "offline" {
		return nil
	}
	c.said.Reset()
	c.server.partials.Add(1)
	r := response{Mode: "2pass-online", Text: c.write(piece), WavName: c.wavName}
	if c.server.config.Dialect == Python {
		if c.mode == "online" {
			r.Mode = "online"
		}
		return c.answer(r)
	}
	slice, index := 1, c.index
	if !c.started {
		slice, c.started = 0, true
	}
	r.SliceType, r.Index, r.Timestamp = &slice, &index, c.opened.UnixMilli()
	return c.answer(r)
}

// final closes an utterance.
func (c *session) final(u tone.Utterance) error {
	c.waiting = nil
	if c.mode == "online" {
		return c.endOnline()
	}
	c.said.Reset()
	c.everSaid = ""
	if c.fault.PartialOnly || c.fault.Endless {
		c.everSaid = u.Text
		return nil
	}
	c.server.finals.Add(1)
	return c.answer(c.finalMessage(u, false))
}

// endOnline ends an utterance of a client that asked for no second pass: what is
// left is sent as a last piece.
func (c *session) endOnline() error {
	err := c.partial()
	c.everSaid = ""
	c.index, c.started = c.index+1, false
	return err
}

func (c *session) finalMessage(u tone.Utterance, last bool) response {
	u = c.mishear(u)
	r := response{Mode: "2pass-offline", Text: u.Text, WavName: c.wavName, IsFinal: last}
	if c.server.config.Dialect == Python {
		if c.mode == "offline" {
			r.Mode = "offline"
		}
		score := 0.0
		list, _ := stamps(Tokens(u.Chars, func(at int64) int64 { return c.ms(at - u.Start) }))
		r.IsFinal, r.Timestamp, r.SpeakerName, r.SpeakerScore = true, list, "unknown", &score
		return r
	}
	ts := Tokens(u.Chars, c.ms)
	list, sents := stamps(ts)
	slice, index := 2, c.index
	start, end := c.ms(u.Start), c.ms(u.End)
	r.SliceType, r.Index, r.StartTime, r.EndTime = &slice, &index, &start, &end
	r.Timestamp, r.StampSents = stampString(list), sents
	c.index, c.started = c.index+1, false
	return r
}

func (c *session) ms(samples int64) int64 {
	return int64(time.Duration(samples) * time.Second / time.Duration(c.rate) / time.Millisecond)
}

// finish answers the client's end of input. The stream may go on afterwards; its
// clock then starts anew, as the C++ server's does.
func (c *session) finish(acknowledge bool) error {
	var last *tone.Utterance
	if c.ears != nil {
		for _, e := range c.ears.Flush() {
			if c.waiting != nil && e.Kind == tone.Begin {
				if err := c.final(*c.waiting); err != nil {
					return err
				}
			}
			if e.Kind == tone.Text {
				c.said.WriteString(e.NewText())
			}
			if e.Kind == tone.End && e.Utterance.Text != "" {
				u := e.Utterance
				c.waiting = &u
			}
		}
	}
	last, c.waiting, c.ears, c.odd = c.waiting, nil, nil, nil
	c.everSaid = ""
	if c.fault.PartialOnly || c.fault.Endless {
		return nil
	}
	if c.server.config.Dialect == Python {
		return c.finishPython(last, acknowledge)
	}
	r := response{WavName: c.wavName, IsFinal: true, Timestamp: c.opened.UnixMilli()}
	switch {
	case c.format != "pcm" && c.format != "PCM":
		r = response{Text: "ERROR. Real-time transcription service ONLY SUPPORT PCM stream.", WavName: c.wavName, IsFinal: true}
	case c.mode == "online" && c.said.Len() > 0:
		slice, index := 1, c.index
		r.Mode, r.Text, r.SliceType, r.Index = "2pass-online", c.said.String(), &slice, &index
	case c.mode != "online" && last != nil:
		c.server.finals.Add(1)
		r = c.finalMessage(*last, true)
	}
	c.said.Reset()
	return c.answer(r)
}

func (c *session) finishPython(last *tone.Utterance, acknowledge bool) error {
	switch {
	case c.mode == "online" && c.said.Len() > 0:
		if err := c.answer(response{Mode: "online", Text: c.said.String(), WavName: c.wavName, IsFinal: true}); err != nil {
			return err
		}
	case c.mode != "online" && last != nil:
		c.server.finals.Add(1)
		if err := c.answer(c.finalMessage(*last, true)); err != nil {
			return err
		}
	}
	c.said.Reset()
	if !acknowledge {
		return nil
	}
	return c.answer(acknowledgement{Mode: c.mode, WavName: c.wavName, IsFinal: true, IsEnd: true})
}
