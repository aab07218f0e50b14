// Command labasr is a laboratory instrument: a recognition server that speaks
// the FunASR websocket protocol and hears tone text only (internal/lab/tone).
//
//	labasr [-listen 127.0.0.1:10095] [-dialect cpp|python] [fault flags]
//	labasr -say TEXT -rate 8000 -o file.wav
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"ringmaster/internal/lab/asr"
	"ringmaster/internal/lab/tone"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "labasr:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	f := flag.NewFlagSet("labasr", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintf(stderr, "labasr is a %s.\nIt speaks the FunASR websocket protocol, so that a whole audio path can be proven by the text that arrives.\n\nFlags:\n", asr.Instrument)
		f.PrintDefaults()
	}
	var c asr.Config
	listen := f.String("listen", "127.0.0.1:10095", "`address` to serve on; port 0 for any")
	dialect := f.String("dialect", string(asr.CPP), "whose server to imitate where they differ: cpp or python")
	f.DurationVar(&c.EndSilence, "end-silence", 0, "silence that ends a text that broke off (default 800ms)")
	f.IntVar(&c.Fault.Refuse, "refuse", 0, "fault: answer the handshake with this HTTP `status`")
	f.BoolVar(&c.Fault.Silent, "silent", false, "fault: never answer")
	f.BoolVar(&c.Fault.PartialOnly, "partial-only", false, "fault: never send a final")
	f.BoolVar(&c.Fault.Endless, "endless", false, "fault: send the same partial for ever")
	f.DurationVar(&c.Fault.DropAfter, "drop-after", 0, "fault: cut the connection after so much audio")
	f.BoolVar(&c.Fault.Garbage, "garbage", false, "fault: answer with garbage")
	f.DurationVar(&c.Fault.Slow, "slow", 0, "fault: every answer is so late")
	f.BoolVar(&c.Fault.Stall, "stall", false, "fault: stop reading after the first message")
	capture := f.String("capture", "", "append every message to this `file` as JSON lines (audio by its size)")
	say := f.String("say", "", "do not serve: write `text` as tones into the file of -o and stop")
	rate := f.Int("rate", 8000, "samples a second of -say")
	out := f.String("o", "", "WAV `file` of -say")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *say != "" {
		return writeWAV(*out, tone.Encode(*say, *rate), *rate)
	}
	switch c.Dialect = asr.Dialect(*dialect); c.Dialect {
	case asr.CPP, asr.Python:
	default:
		return fmt.Errorf("-dialect %s: use cpp or python", *dialect)
	}
	c.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	if *capture != "" {
		file, err := os.OpenFile(*capture, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("-capture: %w", err)
		}
		defer func() { _ = file.Close() }()
		c.Tap = tapTo(file)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	return asr.New(c).Serve(ctx, l)
}

// tapTo writes each message as one line of JSON.
func tapTo(w io.Writer) func(asr.Frame) {
	var mu sync.Mutex
	type line struct {
		Conn  int64  `json:"conn"`
		MS    int64  `json:"ms"`
		From  string `json:"from"`
		Audio int    `json:"audio_bytes,omitempty"`
		Text  string `json:"text,omitempty"`
	}
	return func(f asr.Frame) {
		l := line{Conn: f.Conn, MS: f.At.Milliseconds(), From: "server"}
		if f.FromClient {
			l.From = "client"
		}
		if f.Binary {
			l.Audio = len(f.Data)
		} else {
			l.Text = string(f.Data)
		}
		mu.Lock()
		defer mu.Unlock()
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		_ = e.Encode(l)
	}
}

// writeWAV writes 16-bit mono.
func writeWAV(path string, pcm []int16, rate int) error {
	if path == "" {
		return fmt.Errorf("-say needs -o file.wav")
	}
	h := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	binary.LittleEndian.PutUint32(h[4:], uint32(36+2*len(pcm)))
	h = binary.LittleEndian.AppendUint32(h, uint32(rate))
	h = binary.LittleEndian.AppendUint32(h, uint32(2*rate))
	h = append(h, 2, 0, 16, 0, 'd', 'a', 't', 'a')
	h = binary.LittleEndian.AppendUint32(h, uint32(2*len(pcm)))
	for _, s := range pcm {
		h = binary.LittleEndian.AppendUint16(h, uint16(s))
	}
	return os.WriteFile(path, h, 0o600)
}
