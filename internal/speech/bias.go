package speech

// Biaser is a Recognition whose hotwords can change while it runs: a node of a
// script favours its own. Bias replaces those of RecognizeOptions from the next
// words on; it never blocks and it is not an error when the provider took its
// hotwords for good at the beginning.
type Biaser interface {
	Bias(hotwords map[string]int)
}
