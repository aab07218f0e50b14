package turn

// feed takes 8 kHz samples of both sides, as many of each, up to the end of the
// hop; done is true when the hop is complete. It returns how many it took.
func (d *detector) feed(mic, ref []int16) (n int, done bool) {
	if d.fill == 0 {
		copy(d.mic[:], d.mic[hop:])
	}
	n = copy(d.mic[fftSize-hop+d.fill:], mic)
	ref = ref[:n]
	copy(d.ref[:], ref[copy(d.ref[d.refAt:], ref):])
	d.refAt = (d.refAt + n) & (refLen - 1)
	for _, r := range ref {
		d.hopEnergy += int64(r) * int64(r)
	}
	d.fill += n
	d.pos += int64(n)
	if d.fill < hop {
		return n, false
	}
	if d.hopEnergy > refSilence*hop {
		d.sinceRef = 0
	} else {
		d.sinceRef = min(d.sinceRef+1, 1<<20)
	}
	d.blind = max(0, d.blind-1)
	d.fill, d.hopEnergy = 0, 0
	return n, true
}
