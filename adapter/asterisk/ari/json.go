package ari

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxDepth bounds the nesting of foreign JSON; Asterisk's own events need 6.
const maxDepth = 32

// decode reads foreign JSON into out. A field of a wrong type is left zero and
// reported as tolerated, so that one odd field never costs a whole event.
func decode(data []byte, out any) (tolerated bool, err error) {
	if err := checkDepth(data); err != nil {
		return false, err
	}
	err = json.Unmarshal(data, out)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("exchange sent what is no JSON: %w", err)
	}
	return false, nil
}

// checkDepth walks the bytes once, before any decoder recurses over them.
func checkDepth(data []byte) error {
	depth, inString, escaped := 0, false, false
	for _, b := range data {
		switch {
		case escaped:
			escaped = false
		case inString:
			switch b {
			case '\\':
				escaped = true
			case '"':
				inString = false
			}
		case b == '"':
			inString = true
		case b == '{' || b == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("%w: nested deeper than %d", ErrHostile, maxDepth)
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return nil
}
