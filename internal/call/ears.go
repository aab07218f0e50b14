package call

import (
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/turn"
)

// ears is the detector of a real call: turn's echo-aware activity detector.
type ears struct {
	taker  *turn.Taker
	events []turn.Event
	heard  []Heard
	policy turn.Policy
	active bool
}

// NewEars makes the detector of one call.
func NewEars(f audio.Format) (Ears, error) {
	t, err := turn.New(turn.Config{Rate: f.Rate})
	if err != nil {
		return nil, err
	}
	return &ears{taker: t}, nil
}

// Attend takes over what the present line permits.
func (e *ears) Attend(minBargeIn time.Duration, protected bool) {
	p := turn.Policy{Protected: protected, MinSpeech: minBargeIn}
	if p.Protected != e.policy.Protected || p.MinSpeech != e.policy.MinSpeech {
		e.policy = p
		e.taker.Set(p)
	}
}

// Active reports that the customer is speaking.
func (e *ears) Active() bool { return e.active }

// Frame feeds both sides and translates what was noticed.
func (e *ears) Frame(mic, ref []int16, pos int64, speaking bool) []Heard {
	e.events = e.taker.Frame(turn.Frame{Pos: pos, Mic: mic, Ref: ref, Speaking: speaking}, e.events[:0])
	e.heard = e.heard[:0]
	for _, ev := range e.events {
		switch ev.Kind {
		case turn.SpeechStart:
			e.active = true
			e.heard = append(e.heard, Heard{Sound: SpeechStart, Pos: ev.At})
		case turn.BargeIn:
			e.heard = append(e.heard, Heard{Sound: LongSpeech, Pos: ev.At})
		case turn.SpeechEnd:
			e.active = false
			e.heard = append(e.heard, Heard{Sound: SpeechEnd, Pos: ev.At})
		}
	}
	return e.heard
}
