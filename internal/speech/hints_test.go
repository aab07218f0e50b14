package speech

import (
	"slices"
	"testing"
	"time"
)

// Hints move with what is left of a text; one that is cut in two is left out.
func TestHintsFrom(t *testing.T) {
	hints := []Hint{{Start: 0, End: 6, Reading: "chong2 qing4"}, {Start: 6, End: 6, Pause: time.Second}, {Start: 9, End: 12, Reading: "hang2"}}
	for from, want := range map[int][]Hint{
		0:  hints,
		3:  {{Start: 3, End: 3, Pause: time.Second}, {Start: 6, End: 9, Reading: "hang2"}},
		6:  {{Start: 0, End: 0, Pause: time.Second}, {Start: 3, End: 6, Reading: "hang2"}},
		10: nil,
	} {
		if got := HintsFrom(hints, from); !slices.Equal(got, want) {
			t.Errorf("from %d: %+v", from, got)
		}
	}
	if hints[1].Start != 6 {
		t.Error("the hints of the whole text were changed")
	}
}
