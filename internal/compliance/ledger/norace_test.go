//go:build !race

package ledger

const permitsVerified = 100_000
