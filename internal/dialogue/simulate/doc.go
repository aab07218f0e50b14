// Package simulate calls imaginary customers with a script: each has a persona
// that decides what he says, in words of the script's own examples, and what he
// says is understood as in a call. It shows where a script loses people; it
// does not foretell how many.
package simulate
