// Package level makes every voice equally loud, so that prompts of different
// providers join without a step: active speech at -19 dB of full scale, peaks
// below -1 dB, at most 20 ms of silence at either end.
//
// Synthesizer stands in front of one provider and levels what comes while it
// comes; Whole levels a prompt that is complete.
package level
