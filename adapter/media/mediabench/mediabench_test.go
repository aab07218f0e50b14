package mediabench

import (
	"context"
	"io"
	"testing"
	"time"
)

func inProcess(ctx context.Context) (io.WriteCloser, io.Reader, func() error, error) {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Peer(ctx, inR, outW) }()
	return inW, outR, func() error { return <-done }, nil
}

// Every path carries a few calls and is measured. What a busy machine loses is
// not judged here.
func TestEveryPathIsMeasured(t *testing.T) {
	for _, path := range []string{SIP, WebSocket, Echo} {
		busy := time.Duration(0)
		r, err := Run(t.Context(), Config{Path: path, Calls: 3, Warm: 100 * time.Millisecond, For: 200 * time.Millisecond, Talk: 0.5, Ear: true, Peer: inProcess, CPU: func() time.Duration {
			busy += time.Millisecond
			return busy
		}})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if r.Frames == 0 || r.PerCore <= 0 || r.Calls != 3 || path == SIP && r.LostOut != 0 {
			t.Errorf("%s: %+v", path, r)
		}
	}
}
