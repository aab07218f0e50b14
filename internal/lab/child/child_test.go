package child

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if base := os.Getenv("CHILD_TEST_OWNER"); base != "" {
		owner(base)
	}
	goleak.VerifyTestMain(m)
}

// owner is the part of a run that gets killed: it takes a slot, starts a child in it, says so and waits for its end.
func owner(base string) {
	s, err := TakeSlot(base, 2, nil)
	if err != nil {
		panic(err)
	}
	p, err := Start(Config{Path: "/bin/sleep", Args: []string{"600"}})
	if err != nil {
		panic(err)
	}
	if err := s.Adopt(p); err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString(strconv.Itoa(p.PID()) + "\n")
	select {}
}

func TestChildDiesWithItsOwner(t *testing.T) {
	base := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "CHILD_TEST_OWNER="+base)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 32)
	n, err := out.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		t.Fatal(err)
	}

	s, err := TakeSlot(base, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Number != 1 {
		t.Errorf("took slot %d while slot 0 is another's", s.Number)
	}
	if err := s.Release(); err != nil {
		t.Error(err)
	}

	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "the child of a killed owner is gone", func() bool { return gone(pid) })

	s, err = TakeSlot(base, 2, nil)
	if err != nil || s.Number != 0 {
		t.Fatalf("slot 0 was not given up: %+v, %v", s, err)
	}
	if err := s.Release(); err != nil {
		t.Error(err)
	}
}

func TestStaleChildIsKilledByTheNextOwner(t *testing.T) {
	base := t.TempDir()
	s, err := TakeSlot(base, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(Config{Path: "/bin/sleep", Args: []string{"600"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Adopt(p); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(s.Dir, "left")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_ = s.lock.Close() // as if the owner had died, and the kernel had not killed the child

	s, err = TakeSlot(base, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file of the earlier run is still there: %v", err)
	}
	if err := s.Release(); err != nil {
		t.Error(err)
	}
}

func TestForeignProcessIsNotKilled(t *testing.T) {
	base := t.TempDir()
	p, err := Start(Config{Path: "/bin/sleep", Args: []string{"600"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	// The number was used again by a process born at another time.
	if err := os.WriteFile(filepath.Join(base, "slot-00.pid"), []byte(strconv.Itoa(p.PID())+" 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := TakeSlot(base, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Release(); err != nil {
		t.Error(err)
	}
	if !p.Running() {
		t.Error("a process that is not ours was killed")
	}
}

func TestNoSlot(t *testing.T) {
	base := t.TempDir()
	s, err := TakeSlot(base, 2, func(n int) error {
		if n == 0 {
			return errors.New("port in use")
		}
		return nil
	})
	if err != nil || s.Number != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := TakeSlot(base, 1, func(int) error { return errors.New("port in use") }); !errors.Is(err, ErrNoSlot) || !strings.Contains(err.Error(), "port in use") {
		t.Errorf("got %v, want ErrNoSlot and the reason", err)
	}
	if err := s.Release(); err != nil {
		t.Error(err)
	}
}

func TestStopKillsWhoDoesNotListen(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	deaf, err := Start(Config{Path: "/bin/sh", Args: []string{"-c", `trap "" TERM; echo deaf; while :; do sleep 1; done`}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the program is deaf", func() bool { return strings.Contains(Tail(log, 100), "deaf") })
	if err := deaf.Stop(context.Background(), 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v, want an error that says killed", err)
	}
	if deaf.Running() {
		t.Error("still running after Stop")
	}
	if err := deaf.Stop(context.Background(), time.Second); err != nil {
		t.Errorf("second Stop: %v", err)
	}
}

func TestReadyTellsWhatTheProgramSaid(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	p, err := Start(Config{Path: "/bin/sh", Args: []string{"-c", "echo cannot bind port; exit 3"}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Ready(context.Background(), log, func(context.Context) error { return errors.New("no answer") })
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "cannot bind port") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	if _, err := Start(Config{Path: "/nonexistent/program"}); err == nil {
		t.Error("a program that does not exist was started")
	}
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not so within 10 s: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
