// Package pbxtest holds the contract of the pbx port twice: as a suite that
// every adapter passes (Run), and as an exchange in memory (Sim) that passes
// it too and serves as the other end in unit tests of a call.
//
// Sim uses package time and package sync only, so it works inside a
// testing/synctest bubble: a minute of conversation takes a millisecond.
// Subscribers are scripted by internal/lab/twin/callee.
package pbxtest
