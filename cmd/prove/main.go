// Command prove runs what is too long for one sitting, and goes on where it was interrupted. What has been done is kept in a folder
// (.local/prove), by commit for steps and by target for fuzzing.
//
//	prove step NAME NAME=VALUE... go test ...     runs a command once for this commit; one that has passed is not run again
//	prove report FILE                             writes what the steps of this commit printed: step, result, time, figures
//	prove fuzz -execs 10000000 -write FILE [PKG]  each fuzz target, the fastest first, until it has had so many executions
//
// A step that fails, and a target that finds something, end it with 1; what is done stays done.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

const folder = ".local/prove"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out, complaints io.Writer) int {
	var err error
	switch {
	case len(args) > 2 && args[0] == "step":
		err = step(ctx, folder, args[1], args[2:], out)
	case len(args) == 2 && args[0] == "report":
		err = report(ctx, folder, args[1])
	case len(args) > 0 && args[0] == "fuzz":
		err = fuzzing(ctx, args[1:], out)
	default:
		_, _ = fmt.Fprintln(complaints, "usage: prove step NAME command..., prove report FILE, or prove fuzz [-execs N] [-write FILE] [package...]")
		return 2
	}
	if err != nil {
		_, _ = fmt.Fprintln(complaints, "prove:", err)
		return 1
	}
	return 0
}

// commit is the commit of the tree, with + when there is more in it.
func commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if more, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output(); err != nil || len(more) > 0 {
		name += "+"
	}
	return name
}

// machine is what the figures were measured on.
func machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.SplitSeq(string(info), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d processors, %s, %s", model, runtime.NumCPU(), runtime.GOOS, runtime.Version())
}
