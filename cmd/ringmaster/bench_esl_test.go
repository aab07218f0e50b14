package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/adapter/freeswitch/esl/recorded"
	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
)

// The table has our client and a program beside it, both in processes of their
// own; commands and calls are measured on an exchange, up to the first error.
func TestBenchESLPrintsItsTable(t *testing.T) {
	ex, err := fstwin.Start(fstwin.Config{Password: "x", Cast: twin.Cast{Rules: []twin.Rule{{Number: "*"}, {Number: "busy", Script: callee.Script{Reject: 486}}}}}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ex.Close)
	self := binary(t, "")
	o := benchESL{each: 40 * time.Millisecond, address: ex.Addr(), password: "x", endpoint: "sofia/gateway/bench/1001", pace: 40, self: []string{self}, beside: []string{self + " bench esl reader", self + " version"}}
	var out strings.Builder
	if err := o.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"machine ", "800 events, 2053 bytes each", "what a call needs", "every header decoded", "over TCP, the whole client, in order", "  ringmaster  ", "aim  60000 events/s",
		"aim  3 x the fastest beside it: ", "missed", "version\" read nothing: ", "api    1 at once ", "bgapi 64 at once ", "set-up rate  ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	if s := out.String(); !strings.Contains(s, "  25/s  p50 ") && !strings.Contains(s, "the pace was not kept") { // on a starved machine
		t.Errorf("no call was made:\n%s", s)
	}
	ex.Callee("1001", callee.Script{Reject: 486})
	out.Reset()
	if err := o.calls(t.Context(), &out); err != nil || !strings.Contains(out.String(), "set-up rate  0 calls/s") || !strings.Contains(out.String(), "first error  at 25/s: 1 x ") {
		t.Errorf("%v:\n%s", err, out.String())
	}
	if n := ex.Stats().Live; n != 0 {
		t.Errorf("%d calls are left", n)
	}
	for _, bad := range []string{"", self + " version", self + " no-such-command"} {
		stream, err := recorded.Stream()
		if err != nil {
			t.Fatal(err)
		}
		if r, err := o.read(t.Context(), stream, strings.Fields(bad)); err == nil {
			t.Errorf("%q: %+v", bad, r)
		}
	}
}

func TestTheLineOfAProgramBeside(t *testing.T) {
	if r, err := readLine("a/b@v1 100 7 9000\nmore\n"); err != nil || r.name != "a/b@v1" || r.events != 100 || r.wrong != 7 || r.allocs != 9000 {
		t.Errorf("%+v %v", r, err)
	}
	for _, bad := range []string{"", "a 1 2", "a 1 2 3 4", "a -1 2 3", "a x 2 3", "a 1 2 99999999999999999999"} {
		if r, err := readLine(bad); err == nil {
			t.Errorf("%q: %+v", bad, r)
		}
	}
}

// The stream is numbered anew each time, and is otherwise what was recorded.
func TestTheStreamIsNumbered(t *testing.T) {
	stream, err := recorded.Stream()
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNumbered(stream)
	if err != nil {
		t.Fatal(err)
	}
	var sent bytes.Buffer
	for range 2 {
		if err := n.write(&sent); err != nil {
			t.Fatal(err)
		}
	}
	want := uint64(0)
	tk := &taker{begun: make(chan struct{})}
	count, err := readEvents(&sent, func(e *esl.Event) { want++; tk.Event(e) })
	if err != nil || count != 1600 || tk.wrong != 0 || tk.last != 1600 {
		t.Errorf("%d events, %d in a wrong place, the last is %d: %v", count, tk.wrong, tk.last, err)
	}
	if err := (&numbered{}).write(&sent); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "Content-Length: -1\n\n", "Content-Length: 14\n\nEvent-Name: X\n"} {
		if _, err := newNumbered([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
