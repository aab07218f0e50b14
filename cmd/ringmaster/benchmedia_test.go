package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"ringmaster/adapter/media/mediabench"
)

// The bench measures both kinds of media leg with and without the ear, beside
// a bare websocket, and says of every aim whether it is met. No frame is lost.
func TestBenchMediaPrintsItsTable(t *testing.T) {
	exchange := func(ctx context.Context) (io.WriteCloser, io.Reader, func() error, error) {
		inR, inW := io.Pipe()
		outR, outW := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- mediabench.Peer(ctx, inR, outW) }()
		return inW, outR, func() error { return <-done }, nil
	}
	var out strings.Builder
	o := benchMedia{calls: 2, each: 100 * time.Millisecond, warm: 50 * time.Millisecond, talk: 0.5, start: exchange}
	if err := o.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"machine ", "2 at once", "SIP/RTP, ear on", "websocket, ear on", "bare websocket echo", "calls a core over sip", "calls a core over websocket", "no frame lost by us: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	if err := (benchMedia{calls: 1, path: "smoke"}).run(t.Context(), &out); err == nil {
		t.Error("a path that does not exist was measured")
	}
}
