// Package sound is the audio of an exchange twin: lines that move by 20 ms at
// the same moment, driven by one clock. It is what the ARI twin
// (internal/lab/twin) and the ESL twin (internal/lab/fstwin) share.
//
// A [Line] is a scripted telephone, a leg to somewhere outside (a [Source]) or
// a tap on another line. The [Clock] moves all of them in two phases: first
// every leg and tap says its frame, then every telephone hears and speaks. What
// a phase writes, only the other reads.
package sound
