//go:build !race

package turn

// calls is how many calls the corpus test makes.
const calls = 600
