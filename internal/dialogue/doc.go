// Package dialogue decides what is said and what follows from an answer. It is
// pure: a compiled Script, a serialisable State and an Input give the next
// State and a Move. It knows no audio, no exchange and no clock.
package dialogue
