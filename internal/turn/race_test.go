//go:build race

package turn

// calls, turns and stories are how much the corpus tests try; the race
// detector makes each of them some ten times slower and finds nothing in
// single-threaded code.
const calls, turns, stories = 80, 12, 8
