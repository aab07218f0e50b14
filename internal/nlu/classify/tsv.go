package classify

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// ErrTSV is a file that is not label, tab, text.
var ErrTSV = errors.New("not a table of examples: every line is a label, a tab and a text, in UTF-8")

// Bounds of a line.
const (
	maxLabelBytes = 256
	maxLineBytes  = 64 << 10
)

// ReadTSV reads examples, one a line: label, tab, text, in UTF-8. Empty lines
// are passed over. An error names the line.
func ReadTSV(r io.Reader) ([]Example, error) {
	var out []Example
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 4096), maxLineBytes)
	n := 0
	for in.Scan() {
		n++
		line := strings.TrimSuffix(in.Text(), "\r")
		if n == 1 {
			line = strings.TrimPrefix(line, "\uFEFF")
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		label, text, ok := strings.Cut(line, "\t")
		label, text = strings.TrimSpace(label), strings.TrimSpace(text)
		switch {
		case !utf8.ValidString(line):
			return nil, fmt.Errorf("line %d: %w: it is not UTF-8", n, ErrTSV)
		case !ok:
			return nil, fmt.Errorf("line %d: %w: there is no tab", n, ErrTSV)
		case label == "":
			return nil, fmt.Errorf("line %d: %w: the label is empty", n, ErrTSV)
		case len(label) > maxLabelBytes:
			return nil, fmt.Errorf("line %d: %w: the label is longer than %d bytes", n, ErrTSV, maxLabelBytes)
		case text == "":
			return nil, fmt.Errorf("line %d: %w: the text is empty", n, ErrTSV)
		case len(out) >= MaxExamples:
			return nil, fmt.Errorf("line %d: %w: the limit is %d examples", n, ErrTooMany, MaxExamples)
		}
		out = append(out, Example{label, text})
	}
	if err := in.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, fmt.Errorf("line %d: %w: it is longer than %d bytes", n+1, ErrTSV, maxLineBytes)
		}
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	if n == 0 || len(out) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrTSV)
	}
	return out, nil
}
