package call

import (
	"time"

	"ringmaster/internal/amd"
	"ringmaster/internal/audio"
	"ringmaster/internal/turn"
)

// ears is the detector of a real call: turn's echo-aware activity detector and
// AMD over what it hears.
type ears struct {
	rate   int
	taker  *turn.Taker
	amd    amd.State
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
	return &ears{taker: t, rate: f.Rate}, nil
}

// Attend takes over what the present line permits.
func (e *ears) Attend(minBargeIn time.Duration, protected bool) {
	if protected != e.policy.Protected || minBargeIn != e.policy.MinSpeech {
		e.policy = turn.Policy{Protected: protected, MinSpeech: minBargeIn}
		e.taker.Set(e.policy)
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
		e.judge(turn.InputOf(ev, e.rate))
	}
	now := time.Duration(pos+int64(len(mic))) * time.Second / time.Duration(e.rate)
	if at, ok := e.amd.Deadline(amd.Config{}); ok && now >= at {
		e.judge(turn.Input{Kind: turn.InTick, Now: now})
	}
	return e.heard
}

// judge folds one event into AMD and passes a new verdict on.
func (e *ears) judge(in turn.Input) {
	var r amd.Result
	var ok bool
	if e.amd, r, ok = amd.Step(e.amd, amd.Config{}, in); !ok {
		return
	}
	h := Heard{Why: string(r.Reason), Pos: int64(r.At) * int64(e.rate) / int64(time.Second)}
	switch {
	case r.Reason == amd.Beep:
		h.Machine = "beep"
	case r.Verdict == amd.Voicemail:
		h.Machine = "greeting"
	default:
		h.Machine = string(r.Verdict)
	}
	e.heard = append(e.heard, h)
}
