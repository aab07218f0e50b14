// Package mediabench measures media legs: how many calls of either kind one
// core carries, with the ear of internal/turn listening on every one of them.
//
// Two processes: the one that is measured plays the controller, and a second
// one, which costs what it costs, plays the exchange (Peer). They exchange
// JSON lines over the second one's standard input and output, and sound over
// the loopback interface. The exchange writes the time of sending into every
// frame, so the delay until the controller's reader has it is measured frame
// by frame; frames in the other direction are judged by how far they are off
// the 20 ms beat.
package mediabench
