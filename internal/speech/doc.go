// Package speech is the port to recognizers (ASR) and synthesizers (TTS).
// Adapters live under adapter/speech; the contract that each of them passes is
// internal/speech/speechtest.
package speech
