//go:build !linux

package bench

// Elsewhere the two processes share the cores as the system pleases.
func cores() []int { return nil }

func pin(int) error { return nil }

func unpin([]int) {}
