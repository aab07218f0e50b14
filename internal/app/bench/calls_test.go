package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"
)

// exchangeArgument makes this test program the exchange's process.
const exchangeArgument = "bench-exchange"

func TestMain(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != exchangeArgument {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	cpu := -1
	_, err := fmt.Sscan(os.Args[len(os.Args)-1], &cpu)
	if err == nil {
		err = Twin(ctx, cpu, os.Stdin, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Live dialogues over the exchange twin in a process of its own, answered at
// the wire; what the controller adds to a turn is printed beside its aim. 30 of
// them always, 500 with RINGMASTER_PROVE=1. No call may fail. The aim of row S8
// is not asserted: on two cores that the exchange shares it is not met yet
// (docs/measured/README.md).
func TestLiveDialoguesAreAnsweredAndWhatTheControllerAddsIsPrinted(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := Calls{Steps: []int{30}, Hold: time.Millisecond, Settle: time.Millisecond, Turns: 30, Command: []string{self, exchangeArgument}, Unpinned: true, Out: &out}
	if os.Getenv("RINGMASTER_PROVE") != "" {
		c.Steps, c.Hold, c.Settle, c.Turns = []int{500}, 30*time.Second, 10*time.Second, 2000
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	steps, err := c.Run(ctx)
	t.Log("\n" + out.String())
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) != 1 || len(steps[0].Errors) > 0 || len(steps[0].Added) < c.Turns {
		t.Fatalf("%d steps: %+v", len(steps), steps)
	}
	for _, want := range []string{"machine ", "commit ", "added p50", "p99 of what is added at most 20ms at 500 live dialogues", "128 KiB"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q", want)
		}
	}
}
