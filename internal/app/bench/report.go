package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// heading names the machine, the commit and the moment: a figure without them
// is none.
func heading(ctx context.Context, out io.Writer, title string) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	p("%s\n\n", title)
	p("machine  %s, %d cores, %s, %s/%s, %s\n", processor(), runtime.NumCPU(), memory(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	p("load     %s before the start (1, 5 and 15 minutes)\n", load())
	p("commit   %s, %s\n", commit(ctx), time.Now().UTC().Format("2006-01-02 15:04 UTC"))
}

// processor is what the machine calls itself.
func processor() string {
	if name := lineOf("/proc/cpuinfo", "model name"); name != "" {
		return name
	}
	return runtime.GOARCH
}

func memory() string {
	var kib int64
	if _, err := fmt.Sscan(lineOf("/proc/meminfo", "MemTotal"), &kib); err != nil {
		return "memory not known"
	}
	return fmt.Sprintf("%d GiB", (kib+1<<19)>>20)
}

// lineOf is the value behind a name in a file of "name : value" lines.
func lineOf(file, name string) string {
	raw, err := os.ReadFile(file) //nolint:gosec // files of the kernel, named above
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(raw)); err == nil && len(f) >= 3 {
		return strings.Join(f[:3], " ")
	}
	return "not known"
}

func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "not known (no git here)"
	}
	name := strings.TrimSpace(string(out))
	if changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(changed) > 0 {
		name += " with changes"
	}
	return name
}

// table prints rows of cells; the first is the head.
func table(out io.Writer, rows [][]string) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	_ = w.Flush()
}

// Aim is a figure that was promised beside the one that was measured.
type Aim struct {
	What string // with the aim
	Got  string
	Met  bool
}

func aims(out io.Writer, all []Aim) {
	rows := [][]string{{"aim", "measured", ""}}
	for _, a := range all {
		rows = append(rows, []string{a.What, a.Got, map[bool]string{true: "met", false: "missed"}[a.Met]})
	}
	table(out, rows)
}

// median of some figures; 0 when there are none.
func median[T int | int64 | float64 | time.Duration](v []T) T {
	if len(v) == 0 {
		return 0
	}
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}

// cpuOf is the processor time that another process has used, in steps of 10 ms;
// 0 when it cannot be known.
func cpuOf(pid int) time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ") // its name may hold anything
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// quantile of durations that are in order: within it lie so many of a thousand.
func quantile(sorted []time.Duration, perMille int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*perMille/1000)]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }

// coreWait is how long the threads of this process were ready to run and had no
// core; 0 where the kernel does not tell.
func coreWait() (sum time.Duration) {
	files, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, f := range files {
		raw, err := os.ReadFile(f) //nolint:gosec // of the kernel
		if err != nil {
			continue
		}
		var ran, waited int64
		if _, err := fmt.Sscan(string(raw), &ran, &waited); err == nil {
			sum += time.Duration(waited)
		}
	}
	return sum
}
