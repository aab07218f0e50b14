// Package callee is a scripted telephone subscriber as a pure machine: it is
// fed what the caller says, 20 ms at a time, and returns what the subscriber
// says and does. It has no clock, no goroutine and no I/O, so the same script
// drives the in-memory exchange (internal/pbx/pbxtest), the exchange twin
// (internal/lab/twin) and a real SIP phone.
//
// A subscriber does not understand speech: it follows its steps in order and
// knows only whether the caller is audible. That is enough to talk in turns,
// to interrupt, to hang up in mid-sentence and to be a voicemail, and it
// measures what matters: what was heard, when it began after the answer, and
// how long it went on after an interruption.
package callee
