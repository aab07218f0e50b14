package callee

import (
	"fmt"
	"strings"
	"time"
)

// Rate is the sample rate of every callee, in samples per second (G.711).
const Rate = 8000

// FrameSamples is the number of samples in one 20 ms frame.
const FrameSamples = Rate / 50

// Script is what a subscriber does with one call. The zero Script answers at
// once, says nothing and stays on the line until the caller hangs up.
type Script struct {
	// Name is a label for records and logs.
	Name string
	// Trying is how long the network needs before the telephone rings.
	Trying time.Duration
	// Silent leaves out the 180: nothing is heard of the call until its end.
	Silent bool
	// Ring is the time between the 180 and the final answer.
	Ring time.Duration
	// Reject is the SIP status that ends the call in place of an answer
	// (486 busy, 603 declined, 404, 503, ...); 0 answers.
	Reject int
	// Reason is the Q.850 cause of a Reason header sent with Reject, 0 for none.
	Reason int
	// Never rings until the caller gives up.
	Never bool
	// Early is what the network says before the answer (183 with SDP), if any.
	Early []Step
	// Steps are followed after the answer; after the last one the subscriber
	// is silent and stays on the line.
	Steps []Step
	// Limit hangs up so long after the answer, whatever the steps say; 0 never.
	Limit time.Duration
	// Noise is the peak level of the line's background noise, 0 to 1000.
	Noise int
	// Keep keeps everything that was heard as samples (16 kB a second).
	Keep bool
}

// Step is one thing that the subscriber does. Exactly one field, beside Text
// and Cause, is set.
type Step struct {
	// Wait is silence for so long.
	Wait time.Duration
	// Say is played to the caller (linear, Rate); Text is what it means.
	Say  []int16
	Text string
	// Listen waits until the caller has spoken and has come to an end.
	Listen *Listen
	// BargeIn waits until the caller has been speaking for so long; the next
	// Say is then measured as an interruption.
	BargeIn time.Duration
	// DTMF are keys pressed one after the other: 0-9 * # A-D, a comma is 500 ms.
	DTMF string
	// Hangup ends the call; Cause is the Q.850 value of a Reason header on the
	// BYE, 0 for none.
	Hangup bool
	Cause  int
	// Again goes back to the first step.
	Again bool
}

// Listen says when the caller's turn is over.
type Listen struct {
	Start   time.Duration // give up when nothing is heard for so long; 0 waits for ever
	Silence time.Duration // the pause that ends a turn; 0 means 700 ms
	Max     time.Duration // longest turn; 0 has no limit
}

// Validate reports the first mistake of a script by its place.
func (s Script) Validate() error {
	if s.Reject != 0 && (s.Reject < 300 || s.Reject > 699) {
		return fmt.Errorf("reject %d: a SIP status between 300 and 699 ends a call", s.Reject)
	}
	if s.Reason < 0 || s.Reason > 127 {
		return fmt.Errorf("reason %d: a Q.850 cause is 1 to 127", s.Reason)
	}
	for _, d := range []time.Duration{s.Trying, s.Ring, s.Limit} {
		if d < 0 {
			return fmt.Errorf("a time of %v: times are not negative", d)
		}
	}
	if s.Noise < 0 || s.Noise > 1000 {
		return fmt.Errorf("noise %d: the peak level is 0 to 1000", s.Noise)
	}
	if err := validate("early", s.Early); err != nil {
		return err
	}
	return validate("steps", s.Steps)
}

func validate(list string, steps []Step) error {
	moves := false
	for i, st := range steps {
		if err := st.validate(); err != nil {
			return fmt.Errorf("%s[%d]: %w", list, i, err)
		}
		moves = moves || st.Wait >= 20*time.Millisecond || len(st.Say) >= FrameSamples || st.DTMF != ""
		if st.Again && !moves {
			return fmt.Errorf("%s[%d]: again without a wait, words or keys before it would loop in no time", list, i)
		}
	}
	return nil
}

func (st Step) validate() error {
	set := 0
	for _, is := range []bool{st.Wait != 0, len(st.Say) > 0, st.Listen != nil, st.BargeIn != 0, st.DTMF != "", st.Hangup, st.Again} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return fmt.Errorf("a step does exactly one thing, this one does %d", set)
	case st.Wait < 0 || st.BargeIn < 0:
		return fmt.Errorf("times are not negative")
	case strings.Trim(st.DTMF, "0123456789*#ABCD,") != "":
		return fmt.Errorf("dtmf: keys are 0-9 * # A-D and a comma for a pause")
	case st.Cause < 0 || st.Cause > 127:
		return fmt.Errorf("cause %d: a Q.850 cause is 1 to 127", st.Cause)
	case st.Listen != nil && (st.Listen.Start < 0 || st.Listen.Silence < 0 || st.Listen.Max < 0):
		return fmt.Errorf("listen: times are not negative")
	}
	return nil
}
