// Package label makes and finds the labels that artificial voices carry. It is
// pure: samples in, verdicts out.
//
//   - Cue is the rhythm cue of GB 45438-2025 (5.2 b: 短长 短短, "AI" in Morse code)
//     and FindCue finds it in a recording.
//   - Print is the fingerprint of a spoken notice, made of the very samples that
//     are synthesized; it is found in a recording through G.711, another gain,
//     another sample rate and noise, and tells a notice that was cut short from
//     one that was heard to its end.
//   - Metadata is the implicit label of a file (GB 45438-2025, annex E: the AIGC
//     object with its producer and content number), as chunks of a WAV file.
package label
