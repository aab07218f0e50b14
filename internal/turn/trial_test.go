package turn

import (
	"fmt"
	"math/rand/v2"

	. "ringmaster/internal/turn/turntest"
)

// condition is what a call sounds like, apart from what is said.
type condition struct {
	noise  string  // quiet, street, babble, music
	snr    float64 // of the caller over the noise, dB
	echo   float64 // return level of our own voice, dB; 0 for none
	delay  int     // of the echo, ms
	caller float64 // active level, dBFS
	ours   float64 // active level, dBFS
}

func (c condition) String() string {
	return fmt.Sprintf("%s snr %.0f echo %.0f dB %d ms caller %.0f ours %.0f", c.noise, c.snr, c.echo, c.delay, c.caller, c.ours)
}

// scene is one call: what the far side sends, what we play, and what happens.
type scene struct {
	mic, ref []int16
	ours     [][2]int // our utterances, samples
	onset    int      // of the caller's interruption, -1 for none
	end      int
	turn     int // the utterance that is interrupted
}

func drawCondition(r *rand.Rand) condition {
	c := condition{
		noise:  []string{"quiet", "street", "babble", "music"}[r.IntN(4)],
		snr:    []float64{10, 15, 20}[r.IntN(3)],
		echo:   []float64{0, -12, -15, -18, -24, -30}[r.IntN(6)],
		delay:  20 + r.IntN(231),
		caller: []float64{-26, -21, -16}[r.IntN(3)],
		ours:   []float64{-22, -18, -15}[r.IntN(3)],
	}
	return c
}

// play makes a call of several of our utterances, with or without one
// interruption, over a telephone line with G.711 both ways.
func play(r *rand.Rand, c condition, agents, callers [][]float64, interrupt bool) scene {
	const gap = Rate
	var s scene
	s.onset = -1
	at := Rate * 6 / 10
	var ours [][]float64
	for range 3 {
		a := AtLevel(agents[r.IntN(len(agents))], c.ours)
		a = a[:min(len(a), 6*Rate)]
		ours = append(ours, a)
		s.ours = append(s.ours, [2]int{at, at + len(a)})
		at += len(a) + gap
	}
	n := at + Rate
	played := make([]float64, n)
	for i, a := range ours {
		Add(played, a, s.ours[i][0])
	}
	s.ref = Int16(played)
	mic := Noise(r, n, -66)
	level := c.caller - c.snr
	switch c.noise {
	case "street":
		Add(mic, Noise(r, n, level), 0)
	case "babble":
		voices := make([][]float64, 6+r.IntN(3))
		for i := range voices {
			voices[i] = append(append([]float64{}, callers[r.IntN(len(callers))]...), callers[r.IntN(len(callers))]...)
		}
		Add(mic, Babble(r, n, level, voices), 0)
	case "music":
		Add(mic, Music(r, n, level), 0)
	}
	if c.echo < 0 {
		Add(mic, NewPath(r, c.delay*Rate/1000, c.echo).Apply(Float(G711(s.ref))), 0)
	}
	if interrupt {
		said := AtLevel(callers[r.IntN(len(callers))], c.caller)
		first, last := Edges(said)
		s.turn = r.IntN(3)
		u := s.ours[s.turn]
		begin := u[0] + Rate*3/10 + r.IntN(max(1, u[1]-u[0]-Rate))
		s.onset, s.end = begin+first, begin+last
		Add(mic, said, begin)
	}
	s.mic = G711(Int16(mic))
	return s
}
