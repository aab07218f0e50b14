package call

import (
	"reflect"
	"testing"

	"ringmaster/internal/speech"
)

// biasable is a recognition that takes hotwords in mid-stream.
type biasable struct {
	speech.Recognition
	told []map[string]int
}

func (b *biasable) Bias(h map[string]int) { b.told = append(b.told, h) }

// The recognizer is told of each node's hotwords beside those that hold
// everywhere: once a node, and again when the stream is another one.
func TestRow_S9_EachNodeTellsTheRecognizerItsHotwords(t *testing.T) {
	first, second := &biasable{}, &biasable{}
	c := &call{plan: Plan{Everywhere: map[string]int{"处方药": 10, "CT检查": 10}}}
	enter := func(node map[string]int) {
		before := c.state
		c.state.Listen.Hotwords = node
		c.bias(before)
	}
	enter(map[string]int{"复诊": 20}) // no audio yet
	c.audio = &audioPath{asr: first}
	enter(c.state.Listen.Hotwords)
	enter(c.state.Listen.Hotwords)
	enter(map[string]int{"CT检查": 40})
	want := []map[string]int{{"处方药": 10, "CT检查": 10, "复诊": 20}, {"处方药": 10, "CT检查": 40}}
	if !reflect.DeepEqual(first.told, want) {
		t.Errorf("told %v, want %v", first.told, want)
	}
	c.audio = &audioPath{asr: second} // the media leg was opened again
	enter(c.state.Listen.Hotwords)
	if !reflect.DeepEqual(second.told, want[1:]) {
		t.Errorf("told %v, want %v", second.told, want[1:])
	}
	c.audio = &audioPath{} // deaf
	enter(map[string]int{"x": 1})
	if len(c.plan.Everywhere) != 2 {
		t.Error("the plan was changed")
	}
}
