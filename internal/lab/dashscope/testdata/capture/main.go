// Capture drives the vendor's own client against the instrument and writes down
// every message of the wire: see ../README.md.
//
//	go run ./internal/lab/dashscope/testdata/capture PYTHON OUT
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"ringmaster/internal/lab/dashscope"
	"ringmaster/internal/lab/tone"
)

type line struct {
	Conn  int64  `json:"conn"`
	From  string `json:"from"`
	Agent string `json:"agent,omitempty"`
	Text  string `json:"text,omitempty"`
	Audio int    `json:"audio_bytes,omitempty"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: capture PYTHON OUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(python, out string) error {
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	var mu sync.Mutex
	enc := json.NewEncoder(file)
	enc.SetEscapeHTML(false)
	seen := map[int64]bool{}
	s := dashscope.New(dashscope.Config{
		Token: "sk-lab", Models: []string{"paraformer-realtime-v2", "paraformer-realtime-8k-v2"},
		Vocabularies: map[string][]string{"vocab-lab-1": {"贷款"}},
		Tap: func(f dashscope.Frame) {
			mu.Lock()
			defer mu.Unlock()
			l := line{Conn: f.Conn, From: "server"}
			if f.FromClient {
				l.From = "client"
			}
			if !seen[f.Conn] {
				seen[f.Conn] = true
				l.Agent, _, _ = strings.Cut(f.Agent, "; platform") // which machine it was is nobody's business
			}
			if f.Binary {
				l.Audio = len(f.Data)
			} else {
				l.Text = string(f.Data)
			}
			_ = enc.Encode(l)
		},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h := &http.Server{Handler: s}
	go func() { _ = h.Serve(l) }()
	defer func() { _ = h.Shutdown(context.Background()); s.Wait() }()
	dir, err := os.MkdirTemp("", "capture")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, rate := range []int{16000, 8000} {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%d.pcm", rate)))
		if err != nil {
			return err
		}
		if err := binary.Write(f, binary.LittleEndian, scene(rate)); err != nil {
			return err
		}
		_ = f.Close()
	}
	cmd := exec.Command(python, "internal/lab/dashscope/testdata/capture/client.py", "ws://"+l.Addr().String()+"/api-ws/v1/inference", dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// scene is what the client says; the test of the fixtures makes the same.
func scene(rate int) []int16 {
	quiet := func(ms int) []int16 { return make([]int16, rate*ms/1000) }
	pcm := append(quiet(500), tone.Encode("您好，我想问一下贷款的事情。", rate)...)
	pcm = append(append(pcm, quiet(900)...), tone.Encode("别打了，谢谢 bye", rate)...)
	return append(pcm, quiet(1200)...)
}
