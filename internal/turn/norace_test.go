//go:build !race

package turn

// calls and turns are how many calls and turns the corpus tests make.
const calls, turns = 600, 120
