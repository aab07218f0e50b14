package call

import (
	"maps"

	"ringmaster/internal/speech"
)

// bias tells the recognizer which words this node waits for, if it can be told
// in mid-stream.
func (c *call) bias(before State) {
	if c.audio == nil || c.audio.asr == c.biased && maps.Equal(before.Listen.Hotwords, c.state.Listen.Hotwords) {
		return
	}
	c.biased = c.audio.asr
	if b, ok := c.biased.(speech.Biaser); ok {
		b.Bias(c.hotwords())
	}
}

// hotwords are those of the node, and those that hold at every node.
func (c *call) hotwords() map[string]int {
	out := maps.Clone(c.plan.Everywhere)
	if out == nil {
		out = map[string]int{}
	}
	for w, weight := range c.state.Listen.Hotwords {
		out[w] = max(out[w], weight)
	}
	return out
}
