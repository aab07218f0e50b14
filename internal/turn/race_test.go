//go:build race

package turn

// calls is how many calls the corpus test makes; the race detector makes each
// of them some ten times slower and finds nothing in single-threaded code.
const calls = 160
