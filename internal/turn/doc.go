// Package turn decides whose turn it is to speak.
//
// It has two halves. The Taker is the ear: it is fed with the caller's side
// and with what we play, sample by sample in step, and reports as Events when
// the caller began to speak, fell silent, or has spoken into our utterance for
// long enough to interrupt it. It tells the caller from the echo of our own
// voice (0 to 400 ms late), from stationary noise, babble and music, and from
// call-progress tones. It runs in the goroutine that carries the frames, takes
// no lock, knows no clock but the sample position, and allocates nothing once
// made.
//
// Step is the judgement: a pure function over plain values (State, Policy,
// Input) that combines those events with the recognizer's words and with what
// the script expects, and decides to yield, to resume after a false
// interruption, or that the caller has finished. A call logs the Inputs; Step
// over the log gives the same Decisions again.
//
// docs/turn.md has the state chart, the signal path, the measurements and
// their limits.
package turn
