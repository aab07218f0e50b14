// Package cast gives every line to the provider that has its voice: a
// speech.Synthesizer over several, by the catalogue of voices
// (internal/speech/voices).
//
// When that provider fails, the next speaks with the voice of its own that is
// nearest: of the same dialect and gender where it has one. A provider without a
// voice for the line's language is asked too, refuses (speech.ErrUnsupported), and
// nothing is read in another language: the call then goes on in the script's.
// Every line that another voice speaks is counted, with what it does not share,
// and told in the log once a minute.
package cast
