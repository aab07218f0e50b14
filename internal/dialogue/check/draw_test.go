package check

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// The picture is well formed, holds every node, and marks the path.
func TestDraw(t *testing.T) {
	for path, sc := range shipped(t) {
		r := newChecker(sc, Options{File: path})
		r.run()
		last := r.x.states[len(r.x.states)-1]
		svg := Draw(sc, r.m.pathOf(last))
		for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
		for _, id := range sc.Info().Nodes {
			if !strings.Contains(string(svg), ">"+clip(id, 26)+"<") {
				t.Errorf("%s: node %s is not drawn", path, id)
			}
		}
		if !strings.Contains(string(svg), `stroke="#d12f2f" stroke-width="3"`) {
			t.Errorf("%s: no path", path)
		}
	}
}
