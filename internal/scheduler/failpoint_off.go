//go:build !failpoint

package scheduler

// failpoint is where the crash test kills the process (build tag failpoint).
func failpoint(string) {}
