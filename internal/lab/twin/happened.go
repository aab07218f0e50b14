package twin

import "ringmaster/internal/lab/twin/sound"

// happened carries out what frames brought about.
func (ex *Exchange) happened(what []sound.Done) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	for _, d := range what {
		ch, ok := d.Line.Owner.(*channel)
		switch {
		case !ok || ch.gone:
		case d.Finished != nil:
			ex.finish(playbackOf(d.Finished), "done")
		case d.Act.DTMF != 0:
			ex.pressed(ch, d.Act.DTMF)
		case d.Act.Hangup:
			ch.bye(d.Act.Cause)
		}
	}
	for _, b := range ex.bridges {
		if len(b.plays) > 0 && b.plays[0].clip.Given() {
			ex.finish(b.plays[0], "done")
		}
	}
}

// pressed is a key that a subscriber pressed.
func (ex *Exchange) pressed(ch *channel, digit byte) {
	if ch.stasis {
		ch.emit(event{Type: "ChannelDtmfReceived", Digit: string(rune(digit)), DurationMS: 100})
	}
	if ch.bridge == nil {
		return
	}
	for _, m := range ch.bridge.members {
		if m == ch {
			continue
		}
		m.line.Key(digit)
		if m.media != nil {
			m.media.tell("DTMF_END", "digit", string(rune(digit)))
		}
	}
}
