// Package turntest makes the sounds that turn taking and AMD are tested with:
// espeak-ng voices, babble of several of them, synthesised music and noise, an
// acoustic echo path, call-progress tones, and the two trips through G.711
// that every telephone call makes. It is an instrument for tests and is linked
// into no product binary.
//
// Signals are float64 slices at 8 kHz with full scale +-1; levels are RMS in
// dB relative to full scale (dBFS), speech levels are active levels in the
// sense of ITU-T P.56 (see Level). Everything but the voices is computed from
// a seed, so that a run can be repeated exactly.
package turntest
