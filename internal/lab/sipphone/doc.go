// Package sipphone is a scripted SIP telephone for tests and demonstrations:
// one UDP port on which thousands of callees answer, ring, refuse, talk, listen,
// interrupt, press keys and hang up as a [Script] tells them, and which can
// also register and place calls.
//
// It is a measuring instrument. Every packet carries the time at which the
// kernel took it from the wire (on Linux; elsewhere the time of the read), so
// [Record] can tell when a call was offered, rung, answered and acknowledged,
// when the first audible sample arrived, and how long the other side went on
// talking after an interruption. What was heard lies on a true timeline: lost
// packets are silence of the right length and are counted.
//
// Signalling follows RFC 3261 over UDP (transactions are kept here, on one
// socket and in order of arrival; parsing is emiago/sipgo's), session
// description RFC 4566 and RFC 3264, media RFC 3550 and RFC 3551 (PCMU, PCMA,
// 20 ms), keys RFC 4733, causes RFC 3326.
package sipphone
