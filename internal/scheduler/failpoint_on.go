//go:build failpoint

package scheduler

import (
	"os"
	"strings"
)

// failpoint kills this process as kill -9 does when the environment's
// RINGMASTER_FAILPOINT names the step and the file behind it does not exist
// yet: "placed:/tmp/once". For the crash test only.
func failpoint(step string) {
	name, once, _ := strings.Cut(os.Getenv("RINGMASTER_FAILPOINT"), ":")
	if name != step {
		return
	}
	if f, err := os.OpenFile(once, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil {
		_ = f.Close()
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
		select {}
	}
}
