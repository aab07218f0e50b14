//go:build race

package turn

// calls and turns are how many calls and turns the corpus tests make; the race
// detector makes each of them some ten times slower and finds nothing in
// single-threaded code.
const calls, turns = 120, 24
