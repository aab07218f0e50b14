package speech

// HintsFrom are the hints of what is left of a text when its first from bytes
// are cut off, at their places there. A reading that is cut in two is left out.
func HintsFrom(hints []Hint, from int) []Hint {
	if from == 0 {
		return hints
	}
	var out []Hint
	for _, h := range hints {
		if h.Start >= from {
			h.Start, h.End = h.Start-from, h.End-from
			out = append(out, h)
		}
	}
	return out
}
