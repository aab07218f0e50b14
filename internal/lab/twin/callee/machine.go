package callee

import "time"

// frame is the time of one Tick.
const frame = 20 * time.Millisecond

// Key timing: how long a key is held and the pause after it.
const (
	keyOn  = 100 * time.Millisecond
	keyOff = 100 * time.Millisecond
	comma  = 500 * time.Millisecond
)

// pause shorter than this does not end a run of speech.
const pause = 200 * time.Millisecond

// Action is what the subscriber does beside speaking.
type Action struct {
	DTMF   byte // a key that was released now, 0 for none
	Hangup bool
	Cause  int // Q.850 of the BYE's Reason header, 0 for none
}

// Machine is one subscriber in one call. Not safe for concurrent use.
type Machine struct {
	script Script
	steps  []Step
	at     int           // index of the present step
	spent  time.Duration // in the present step
	now    time.Duration // since the machine started, at the start of this tick
	done   bool

	// hearing
	run     time.Duration // how long the caller has been audible, short pauses included
	quiet   time.Duration // how long the caller has been inaudible
	turned  bool          // Listen: something was heard
	gap     int           // frames without a packet in a row
	barging bool          // a BargeIn step was just fulfilled
	open    bool          // an interruption is being measured

	noise uint32
	out   [FrameSamples]int16
	rec   Record
}

// New makes the subscriber of an answered call.
func New(s Script) *Machine {
	return &Machine{script: s, steps: s.Steps, noise: 1, rec: Record{FirstAudible: -1, Keep: s.Keep}}
}

// NewEarly makes the network's announcement before an answer: it follows
// s.Early and never hangs up by Limit.
func NewEarly(s Script) *Machine {
	s.Limit = 0
	return &Machine{script: s, steps: s.Early, noise: 1, rec: Record{FirstAudible: -1}}
}

// Tick advances the call by 20 ms. heard is what arrived from the caller in
// them (FrameSamples of it), nil when no packet came at all. The samples that
// the subscriber says are valid until the next Tick.
func (m *Machine) Tick(heard []int16) ([]int16, Action) {
	m.hear(heard)
	m.hiss()
	act := m.follow()
	m.now += frame
	m.rec.Elapsed = m.now
	if m.script.Limit > 0 && m.now >= m.script.Limit && !m.done {
		m.done = true
		act.Hangup = true
	}
	return m.out[:], act
}

// Key tells the subscriber that the caller pressed a key.
func (m *Machine) Key(digit byte) { m.rec.Digits += string(rune(digit)) }

// Idle reports that every step has been followed.
func (m *Machine) Idle() bool { return m.done || m.at >= len(m.steps) }

// Record is what the subscriber noticed so far. It shares memory with the
// machine: Clone it before the next Tick.
func (m *Machine) Record() *Record { return &m.rec }

func (m *Machine) hear(heard []int16) {
	loud := Audible(heard)
	if heard == nil {
		m.gap++
		m.rec.Missing++
		m.rec.LongestGap = max(m.rec.LongestGap, time.Duration(m.gap)*frame)
	} else {
		m.gap = 0
	}
	if loud {
		m.run += frame
		if m.quiet < pause {
			m.run += m.quiet
		}
		m.quiet = 0
	} else {
		m.quiet += frame
		if m.quiet >= pause {
			m.run = 0
		}
	}
	m.rec.hear(m.now, heard, loud)
	if m.open && m.quiet >= 300*time.Millisecond {
		m.open = false
	}
	if m.open && loud {
		m.rec.BargeIns[len(m.rec.BargeIns)-1].LastAudible = m.now + frame
	}
}

func (m *Machine) hiss() {
	if m.script.Noise == 0 {
		m.out = [FrameSamples]int16{}
		return
	}
	span := uint32(2*m.script.Noise + 1)
	for i := range m.out {
		m.noise = m.noise*1664525 + 1013904223
		m.out[i] = int16(int((m.noise>>16)%span) - m.script.Noise)
	}
}

// follow carries out the present step for one frame. A step that ends at once
// lets the next one begin in the same frame.
func (m *Machine) follow() Action {
	for !m.done && m.at < len(m.steps) {
		st := m.steps[m.at]
		switch {
		case st.Hangup:
			m.done = true
			return Action{Hangup: true, Cause: st.Cause}
		case st.Again:
			m.at, m.spent = 0, 0
			continue
		case st.Wait > 0:
			if m.spent >= st.Wait {
				m.next()
				continue
			}
		case st.Listen != nil:
			if m.turnOver(*st.Listen) {
				m.next()
				continue
			}
		case st.BargeIn > 0:
			if m.run >= st.BargeIn {
				m.barging = true
				m.next()
				continue
			}
		case st.DTMF != "":
			digit, over := key(st.DTMF, m.spent)
			if over {
				m.next()
				continue
			}
			m.spent += frame
			return Action{DTMF: digit}
		default:
			if m.say(st) {
				m.next()
				continue
			}
		}
		m.spent += frame
		return Action{}
	}
	return Action{}
}

func (m *Machine) next() { m.at, m.spent, m.turned = m.at+1, 0, false }

func (m *Machine) turnOver(l Listen) bool {
	silence := l.Silence
	if silence == 0 {
		silence = 700 * time.Millisecond
	}
	if m.quiet == 0 {
		m.turned = true
	}
	switch {
	case m.turned && m.quiet >= silence:
		return true
	case l.Max > 0 && m.spent >= l.Max:
		return true
	}
	return !m.turned && l.Start > 0 && m.spent >= l.Start
}

// say puts the next 20 ms of a Say step into the frame; true when it is over.
func (m *Machine) say(st Step) bool {
	from := int(m.spent/frame) * FrameSamples
	if from >= len(st.Say) {
		m.rec.Said[len(m.rec.Said)-1].End = m.now
		return true
	}
	if from == 0 {
		m.rec.Said = append(m.rec.Said, Utterance{Text: st.Text, Start: m.now})
		if m.barging {
			m.rec.BargeIns = append(m.rec.BargeIns, BargeIn{Onset: m.now, LastAudible: m.now})
			m.barging, m.open = false, true
		}
	}
	for i, v := range st.Say[from:min(from+FrameSamples, len(st.Say))] {
		m.out[i] = clip(int(m.out[i]) + int(v))
	}
	m.rec.Said[len(m.rec.Said)-1].End = m.now + frame
	return false
}

// key says which key is released in the frame that starts spent after the
// first was pressed, and whether all keys are over.
func key(keys string, spent time.Duration) (digit byte, over bool) {
	var at time.Duration
	for i := range len(keys) {
		if keys[i] == ',' {
			at += comma
			continue
		}
		if at+keyOn-frame <= spent && spent < at+keyOn {
			return keys[i], false
		}
		at += keyOn + keyOff
	}
	return 0, spent >= at
}

func clip(v int) int16 { return int16(max(-32768, min(32767, v))) }
