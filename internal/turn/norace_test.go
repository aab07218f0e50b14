//go:build !race

package turn

// calls, turns and stories are how much the corpus tests try.
const calls, turns, stories = 600, 120, 20
