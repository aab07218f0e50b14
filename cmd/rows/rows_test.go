package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// lines makes the stream of `go test -json` out of short events: package, test, action, output.
func lines(t *testing.T, list ...[4]string) string {
	t.Helper()
	var b strings.Builder
	for _, l := range list {
		j, err := json.Marshal(event{Package: l[0], Test: l[1], Action: l[2], Output: l[3], Elapsed: 0.25})
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(j, '\n'))
	}
	return b.String()
}

func TestWatch(t *testing.T) {
	const p = "ringmaster/x"
	tests := []struct {
		name, in   string
		code       int
		want, lack []string
	}{
		{
			name: "all passed", in: lines(t, [4]string{p, "", "start"}, [4]string{p, "TestA", "run"},
				[4]string{p, "TestA", "output", "=== RUN   TestA\n"}, [4]string{p, "TestA", "output", "    a_test.go:1: chatter\n"},
				[4]string{p, "TestA", "pass"}, [4]string{p, "", "output", "PASS\n"}, [4]string{p, "", "output", "ok  \tringmaster/x\t0.1s\n"}, [4]string{p, "", "pass"}),
			want: []string{"ok  \tringmaster/x\t0.1s\n", "tests: 1 passed, 0 failed, 0 skipped, in 1 packages", "\ncould not be run: nothing\n"},
			lack: []string{"chatter", "=== RUN", "PASS"},
		},
		{
			name: "skipped is named in the last line", in: lines(t, [4]string{p, "", "start"}, [4]string{p, "TestA/mysql", "run"},
				[4]string{p, "TestA/mysql", "output", "    need.go:40: TestA/mysql needs mysql: sid has: none\n"},
				[4]string{p, "TestA/mysql", "output", "--- SKIP: TestA/mysql (0.00s)\n"}, [4]string{p, "TestA/mysql", "skip"},
				[4]string{p, "TestA", "pass"}, [4]string{p, "", "pass"}),
			want: []string{"\ncould not be run: ringmaster/x.TestA/mysql (TestA/mysql needs mysql: sid has: none)\n"},
		},
		{
			name: "tests for a system of the reader's own are named apart", in: lines(t, [4]string{p, "", "start"}, [4]string{p, "TestReal", "run"},
				[4]string{p, "TestReal", "output", "    a_test.go:4: on yours: a real one, named by ADDR=host:port\n"},
				[4]string{p, "TestReal", "skip"}, [4]string{p, "TestMore", "output", "    a_test.go:4: on yours: a real one, named by ADDR=host:port\n"}, [4]string{p, "TestMore", "skip"},
				[4]string{p, "TestA", "pass"}, [4]string{p, "", "pass"}),
			want: []string{"\nonly on a system of yours: ringmaster/x.TestMore, ringmaster/x.TestReal (a real one, named by ADDR=host:port)\ncould not be run: nothing\n"},
		},
		{
			name: "failed", code: 1, in: lines(t, [4]string{p, "", "start"}, [4]string{p, "TestA", "output", "    a_test.go:1: 1 is not 2\n"},
				[4]string{p, "TestA", "output", "--- FAIL: TestA (0.00s)\n"}, [4]string{p, "TestA", "fail"},
				[4]string{p, "", "output", "FAIL\tringmaster/x\t0.1s\n"}, [4]string{p, "", "fail"}),
			want: []string{"1 is not 2", "--- FAIL: TestA", "FAIL\tringmaster/x\t0.1s\n", "\nfailed: ringmaster/x.TestA\n", "0 passed, 1 failed"},
		},
		{
			name: "the process ended under a test", code: 1, in: lines(t, [4]string{p, "", "start"}, [4]string{p, "TestA", "run"},
				[4]string{p, "TestA", "output", "fatal error: all goroutines are asleep\n"}, [4]string{p, "", "fail"}),
			want: []string{"all goroutines are asleep"},
		},
		{
			name: "cut off by the time limit", code: 1, in: lines(t, [4]string{p, "", "start"}, [4]string{p, "TestA", "run"}, [4]string{p, "TestA", "output", "hanging here\n"}),
			want: []string{"hanging here", "FAIL\tringmaster/x\tdid not end"},
		},
		{
			name: "does not build", code: 1, in: `{"ImportPath":"ringmaster/x","Action":"build-output","Output":"x.go:1: syntax error\n"}` + "\n" +
				`{"ImportPath":"ringmaster/x","Action":"build-fail"}` + "\n" + "go: something else\n",
			want: []string{"x.go:1: syntax error", "go: something else"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if code := run([]string{"watch"}, strings.NewReader(tt.in), &out, &out); code != tt.code {
				t.Errorf("ended with %d, want %d", code, tt.code)
			}
			check(t, out.String(), tt.want, tt.lack)
		})
	}
}

func TestTable(t *testing.T) {
	const p = "ringmaster/x"
	one := lines(t, [4]string{p, "TestRow_S2_Prompt", "run"}, [4]string{p, "TestRow_S2_Prompt/sub", "run"},
		[4]string{p, "TestRow_S2_Prompt/sub", "pass"}, [4]string{p, "TestRow_S2_Prompt", "pass"})
	tests := []struct {
		name, list, in string
		code           int
		want, lack     []string
	}{
		{name: "proven", list: "# landed\nS2 a prompt\n\n", in: one, want: []string{"S2   x.TestRow_S2_Prompt  pass    0.2", "rows: 1 listed, all proven"}, lack: []string{"/sub"}},
		{name: "row without a test", list: "S2\nT14\n", in: one, code: 1, want: []string{"no test named TestRow_T14_...", "NOT all proven"}},
		{name: "one of two tests failed", list: "S2\n", in: one + lines(t, [4]string{p, "TestRow_S2_B", "run"}, [4]string{p, "TestRow_S2_B", "fail"}), code: 1, want: []string{"TestRow_S2_B       FAIL"}},
		{name: "skipped is not proven", list: "S2\n", in: lines(t, [4]string{p, "TestRow_S2_B", "run"}, [4]string{p, "TestRow_S2_B", "skip"}), code: 1, want: []string{"NOT RUN"}},
		{name: "never ended", list: "S2\n", in: lines(t, [4]string{p, "TestRow_S2_B", "run"}), code: 1, want: []string{"DID NOT END"}},
		{name: "S2 is not S20", list: "S20\n", in: one, code: 1, want: []string{"no test named TestRow_S20_", "pass (not in the list)"}},
		{name: "a package that does not build", list: "S2\n", in: one + `{"ImportPath":"y","Action":"build-fail"}` + "\n", code: 1},
		{name: "bad ID", list: "S2\nhello\n", code: 1, want: []string{`:2: "hello" is not the ID of a row`}},
		{name: "twice", list: "S2\nS2\n", code: 1, want: []string{"row S2 stands there twice"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list := filepath.Join(t.TempDir(), "rows.txt")
			if err := os.WriteFile(list, []byte(tt.list), 0o600); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if code := run([]string{"table", list}, strings.NewReader(tt.in), &out, &out); code != tt.code {
				t.Errorf("ended with %d, want %d", code, tt.code)
			}
			check(t, out.String(), tt.want, tt.lack)
		})
	}
	var out strings.Builder
	if code := run([]string{"nonsense"}, strings.NewReader(""), &out, &out); code != 2 || !strings.Contains(out.String(), "usage") {
		t.Errorf("%d %q, want 2 and the usage", code, &out)
	}
}

// TestOnRealGo runs the real tool chain, whose format is not ours.
func TestOnRealGo(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module ringmaster\n\ngo 1.25\n",
		"a_test.go": "package a\n\nimport \"testing\"\n\nfunc TestRow_S2_A(t *testing.T) {}\nfunc TestRow_S11_B(t *testing.T) { t.Skip(\"no phone\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-json", "./...")
	cmd.Dir = dir
	in, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if code := run([]string{"watch"}, strings.NewReader(string(in)), &out, &out); code != 0 {
		t.Errorf("watch ended with %d", code)
	}
	check(t, out.String(), []string{"ok  \tringmaster\t", "1 passed, 0 failed, 1 skipped, in 1 packages", "could not be run: ringmaster.TestRow_S11_B (no phone)\n"}, nil)
}

func check(t *testing.T, out string, want, lack []string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("no %q in\n%s", w, out)
		}
	}
	for _, l := range lack {
		if strings.Contains(out, l) {
			t.Errorf("%q in\n%s", l, out)
		}
	}
}
