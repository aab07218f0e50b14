// Package check proves a compiled script before it is published. It explores
// every path of the script as a transition system (node x what is known of
// customer, slots, tags and visits) and refuses with a counter-example: the
// shortest conversation, written as "us:" and "them:" lines with node, reply
// and place, at whose end the mistake is made.
//
// The package is pure: no I/O, no clock, no randomness; the same script gives
// the same report. docs/script-check.md says what is proven and what is not.
package check
