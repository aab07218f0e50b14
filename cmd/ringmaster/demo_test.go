package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/internal/lab/env"
)

// demoCall is a call in the JSON of `demo --json`.
type demoCall struct {
	Attempt, Contact, PBX, Disposition, Reason string
	Tags                                       []string
	OptOut                                     bool `json:"opt_out"`
	Disclosure                                 *struct {
		EndMS    int64 `json:"end_ms"`
		Complete bool
	}
	Recordings []struct{ SHA256 string }
	Turns      []struct {
		Side, Text  string
		StartMS     int64 `json:"start_ms"`
		EndMS       int64 `json:"end_ms"`
		Interrupted bool
	}
}

// The demonstration in JSON, over the Asterisk twin, over the FreeSWITCH twin,
// and over both: six calls each time, each with the end that its callee is
// there for, and nothing of business before the notice was heard. The three go
// side by side, because a conversation takes its time.
func TestDemoOnceJSON(t *testing.T) {
	t.Parallel()
	env.Need(t, env.Espeak)
	bin := binary(t, "")
	ways := map[string][]string{"ari": {"asterisk-twin"}, "esl": {"freeswitch-twin"}, "both": {"asterisk-twin", "freeswitch-twin"}}
	type end struct {
		out, complaints bytes.Buffer
		err             error
	}
	ends := map[string]*end{}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var running sync.WaitGroup
	for pbx := range ways {
		e := &end{}
		ends[pbx] = e
		cmd := exec.CommandContext(ctx, bin, "demo", "--once", "--json", "--pbx", pbx)
		cmd.Stdout, cmd.Stderr = &e.out, &e.complaints
		running.Go(func() { e.err = cmd.Run() })
	}
	running.Wait()
	for pbx, exchanges := range ways {
		t.Run(pbx, func(t *testing.T) {
			e := ends[pbx]
			if e.err != nil {
				t.Fatalf("%v: %s", e.err, e.complaints.String())
			}
			calls := demoCalls(t, e.out.String())
			carried := map[string]int{}
			for _, c := range calls {
				judgeDemoCall(t, c)
				carried[c.PBX]++
			}
			for _, x := range exchanges {
				if carried[x] != len(calls)/len(exchanges) {
					t.Errorf("calls by exchange: %v, want an equal share of %v", carried, exchanges)
				}
			}
		})
	}
}

// What the demonstration cannot dial over is refused with what there is.
func TestDemoOverNoSuchExchange(t *testing.T) {
	_, complaints, code := run(t, binary(t, ""), "demo", "--once", "--pbx", "carrier-pigeon")
	if code == 0 || !strings.Contains(complaints, "use ari, esl, both") {
		t.Errorf("exit %d: %s", code, complaints)
	}
}

var demoEnds = map[string]string{"talks": "completed hung_up", "interrupts": "completed hung_up", "busy": "busy", "silent": "no_answer", "voicemail": "voicemail", "stop": "opted_out"}

// demoCalls reads one JSON object with the six calls.
func demoCalls(t *testing.T, out string) []demoCall {
	t.Helper()
	var result struct{ Calls []demoCall }
	dec := json.NewDecoder(strings.NewReader(out))
	err := dec.Decode(&result)
	if _, more := dec.Token(); err != nil || !errors.Is(more, io.EOF) {
		t.Fatalf("not one JSON object: %v\n%s", err, out)
	}
	seen := map[string]bool{}
	for _, c := range result.Calls {
		seen[c.Contact] = true
	}
	if len(result.Calls) != len(demoEnds) || len(seen) != len(demoEnds) {
		t.Errorf("%d calls of %d customers", len(result.Calls), len(seen))
	}
	return result.Calls
}

func judgeDemoCall(t *testing.T, c demoCall) {
	t.Helper()
	if want := demoEnds[c.Contact]; !strings.Contains(" "+want+" ", " "+c.Disposition+" ") {
		t.Errorf("%s: %s (%s), want %s", c.Contact, c.Disposition, c.Reason, want)
	}
	if c.Attempt == "" || (c.Contact == "stop") != c.OptOut {
		t.Errorf("%s: attempt %q, opt-out %v", c.Contact, c.Attempt, c.OptOut)
	}
	heard, interrupted := false, false
	for i, u := range c.Turns {
		heard = heard || u.Side == "them"
		interrupted = interrupted || u.Interrupted
		if u.Text == "" || u.EndMS < u.StartMS || (u.Side != "us" && u.Side != "them") {
			t.Errorf("%s: turn %d is %+v", c.Contact, i, u)
		}
	}
	switch c.Contact {
	case "busy", "silent":
		if len(c.Turns) != 0 || c.Disclosure != nil {
			t.Errorf("%s: %d turns of a call that nobody took", c.Contact, len(c.Turns))
		}
	case "talks":
		if !heard || c.Disclosure == nil || !c.Disclosure.Complete || len(c.Recordings) != 1 {
			t.Errorf("talks: %+v", c)
		}
	case "interrupts":
		if !interrupted {
			t.Errorf("interrupts: no turn of ours was interrupted: %+v", c.Turns)
		}
	}
}
