package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringmaster/internal/lab/asr"
	"ringmaster/internal/lab/tone"
)

func TestSaysWhatItIs(t *testing.T) {
	var out bytes.Buffer
	_ = run(t.Context(), []string{"-h"}, &out)
	if !strings.Contains(out.String(), asr.Instrument) {
		t.Errorf("help: %s", out.String())
	}
	if err := run(t.Context(), []string{"-dialect", "x"}, &out); err == nil {
		t.Error("dialect x accepted")
	}
}

func TestSay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.wav")
	if err := run(t.Context(), []string{"-say", "你好", "-rate", "16000", "-o", file}, os.Stderr); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, (len(b)-44)/2)
	for i := range pcm {
		pcm[i] = int16(uint16(b[44+2*i]) | uint16(b[45+2*i])<<8)
	}
	all, err := tone.DecodeAll(pcm, 16000)
	if err != nil || len(all) != 1 || all[0].Text != "你好" || string(b[:4]) != "RIFF" || string(b[36:40]) != "data" {
		t.Errorf("%v, %v, header %q", all, err, b[:44])
	}
	if err := run(t.Context(), []string{"-say", "x"}, os.Stderr); err == nil {
		t.Error("-say without -o accepted")
	}
}
