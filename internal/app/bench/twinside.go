package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"ringmaster/internal/lab/tone"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
)

// twinPassword is of a twin that listens on this machine only, while the
// measurement lasts.
const twinPassword = "bench"

// seen is what the twin's process tells on request: everything since the last.
type seen struct {
	Reactions []time.Duration `json:"reactions"`
	CPU       time.Duration   `json:"cpu"` // since its start
	Talking   int             `json:"talking"`
	Stats     twin.Stats      `json:"stats"`
}

// subscriber talks for ever: when we have fallen silent it says something, is
// silent for longer than a turn's end is waited for, and then sends one marked
// frame, on which a recognizer of zero latency gives its final.
func subscriber(wait time.Duration) callee.Script {
	marker := make([]int16, callee.FrameSamples)
	marker[0], marker[1] = twin.Marker+700, -twin.Marker
	return callee.Script{Steps: []callee.Step{
		{Listen: &callee.Listen{Start: 20 * time.Second, Silence: 400 * time.Millisecond}},
		{Wait: wait}, {Say: tone.Encode("好的", callee.Rate), Text: "好的"}, {Wait: 700 * time.Millisecond}, {Say: marker, Text: "marker"},
		{Again: true},
	}}
}

// Twin is the exchange's process: it prints its address, answers each line of
// in with a line of JSON, and ends with in. cpu pins it; negative = nowhere.
func Twin(ctx context.Context, cpu int, in io.Reader, out io.Writer) error {
	if err := pin(cpu); err != nil {
		return err
	}
	var mu sync.Mutex
	var reactions []time.Duration
	var rules []twin.Rule
	for i := range 16 { // sixteen paces, so that not all speak at once
		rules = append(rules, twin.Rule{Number: fmt.Sprintf("p%x*", i), Script: subscriber(time.Duration(60+i*120) * time.Millisecond)})
	}
	ex, err := twin.Start(twin.Config{User: "ringmaster", Password: twinPassword, Cast: twin.Cast{Rules: rules}, Log: slog.New(slog.DiscardHandler), MaxCalls: 10,
		Reacted: func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			reactions = append(reactions, d)
		}}, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer ex.Close()
	if _, err := fmt.Fprintln(out, ex.URL()); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() && ctx.Err() == nil {
		st := ex.Stats()
		mu.Lock()
		s := seen{Reactions: reactions, CPU: cpuTime(), Talking: st.MediaLegs, Stats: st}
		reactions = nil
		mu.Unlock()
		if err := json.NewEncoder(out).Encode(s); err != nil {
			return err
		}
	}
	return lines.Err()
}

// twinProcess is that process, seen from the controller.
type twinProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	url string
}

// startTwin starts it by command, which must end in Twin.
func startTwin(ctx context.Context, command []string) (*twinProcess, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &twinProcess{cmd: cmd, in: in, out: bufio.NewReaderSize(out, 1<<20)}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the exchange's process did not start: %w", err), p.stop())
	}
	p.url = strings.TrimSpace(line)
	return p, nil
}

func (p *twinProcess) look() (s seen, err error) {
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		return s, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(line, &s)
}

func (p *twinProcess) stop() error {
	_ = p.in.Close()
	return p.cmd.Wait()
}
