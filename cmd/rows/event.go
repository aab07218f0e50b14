package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is one line of `go test -json` (see go doc test2json).
type event struct {
	Action     string // run, output, pass, fail, skip, start, pause, cont, bench, build-output, build-fail
	Package    string
	ImportPath string // instead of Package, in build events
	Test       string // empty: the event is the package's
	Output     string
	Elapsed    float64 // seconds
}

// name is the test's full name.
func (e event) name() string { return e.Package + "." + e.Test }

// events calls each with every event, and other with lines that are not events (go itself writes some).
func events(in io.Reader, each func(event), other func(line string)) error {
	r := bufio.NewReader(in)
	for {
		line, err := r.ReadString('\n')
		if line != "" {
			var e event
			if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil {
				other(line)
			} else {
				each(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the test output: %w", err)
		}
	}
}
