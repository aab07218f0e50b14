package turn

// feed takes one 8 kHz sample pair; done is true when a hop is complete.
func (d *detector) feed(mic, ref int16) (done bool) {
	if d.fill == 0 {
		copy(d.mic[:], d.mic[hop:])
	}
	d.mic[fftSize-hop+d.fill] = float32(mic) * (1.0 / 32768)
	d.ref[d.refAt] = ref
	d.refAt = (d.refAt + 1) & (refLen - 1)
	r := float32(ref) * (1.0 / 32768)
	d.hopEnergy += r * r
	d.fill++
	d.pos++
	if d.fill < hop {
		return false
	}
	if d.hopEnergy > refSilence*hop {
		d.sinceRef = 0
	} else {
		d.sinceRef = min(d.sinceRef+1, 1<<20)
	}
	d.blind = max(0, d.blind-1)
	d.fill, d.hopEnergy = 0, 0
	return true
}
