package turn

import "ringmaster/internal/turn/lanes"

// judge compares what is not explained by echo with the noise. The evidence
// of a hop is how far its level stands above what noise and echo account for.
func (d *detector) judge(t *tables, e *spectrum, err *[bands]float32) activity {
	var level, floor float32
	for b, p := range err {
		level += p
		floor += max(d.noise[b], noiseFloor) + d.left.lambda[b]
	}
	learning := d.noiseAge < learnHops
	a := activity{
		Pos:   d.pos - hop,
		Level: t.db(level + 1e-9),
		Bar:   barBase + barUsual*d.usual,
	}
	if !learning && d.blind == 0 {
		a.Evidence = max(0, min(14, t.db(level/floor+1e-6)))
	}
	a.Tone, a.Hz = d.tone.observe(t, e, level)
	a.Narrow = d.tone.narrow > 0
	d.voting = a.Evidence > a.Bar
	a.Speech = d.voting && a.Tone == 0
	if a.Speech {
		a.Voiced = t.periodicity(e) > voicedAbove
	}
	if d.voting {
		d.voice -= 0.08 * d.voice
		if a.Voiced {
			d.voice += 0.08
		}
	}
	d.learn(err, a.Evidence, level, floor)
	return a
}

const (
	barBase     = 1.6  // dB of evidence for a vote
	barUsual    = 3.1  // and more where the noise itself often makes some
	learnHops   = 15   // before which nothing is known of the noise
	voicedAbove = 0.45 // periodicity of voices and of tones
)

// learn updates the noise: its mean power in each band over some 3 s, and how
// much evidence its own ups and downs usually make. While somebody speaks it
// almost stands still.
func (d *detector) learn(err *[bands]float32, evidence, level, floor float32) {
	if d.blind > 0 {
		return
	}
	d.noiseAge = min(d.noiseAge+1, 400)
	d.recent += 0.15 * (level - d.recent)
	pace := max(0.0035, 1/d.noiseAge)
	usual := max(0.004, 0.5/d.noiseAge)
	switch {
	case d.noiseAge <= 2*learnHops:
	case d.taken:
		pace, usual = 0.0001, 0
		if d.recent < 0.25*floor {
			pace = 0.03
		}
	case d.recent < 0.25*floor:
		pace = max(pace, 0.03) // the noise has stopped
	case d.voting && d.voice > 0.15:
		pace *= 0.1
	}
	known := d.locked || d.cold()
	for b, p := range err {
		if d.left.lambda[b] > 0.3*d.noise[b] && known {
			continue // what is heard may be echo
		}
		d.noise[b] += pace * (p - d.noise[b])
	}
	if d.noiseAge > learnHops {
		d.usual += usual * (min(evidence, 6) - d.usual)
	}
}

// periodicity is the highest normalised autocorrelation between 2.5 and 14 ms,
// the periods of human voices (400 to 71 Hz), of the amplitude spectrum.
func (t *tables) periodicity(e *spectrum) float32 {
	var p lanes.Values
	lanes.Power(e, &p)
	var x lanes.Block
	for k, a := range p[:bins] {
		x.Re[k+binLo], x.Re[fftSize-binLo-k] = a, a
	}
	lanes.Transform(&x)
	r0 := x.Re[t.lagAt[0]]
	if r0 <= 0 {
		return 0
	}
	var top float32
	for lag := 20; lag <= 112; lag++ {
		top = max(top, x.Re[t.lagAt[lag]]*t.lagGain[lag])
	}
	return top / r0
}
