//go:build race

package ledger

// The race detector makes this some ten times as slow: a quarter is run with it, and all of them without (make prove).
const permitsVerified = 25_000
