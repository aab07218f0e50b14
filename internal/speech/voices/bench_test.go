package voices

import (
	"fmt"
	"testing"

	"ringmaster/internal/speech"
)

// BenchmarkPick is a line's choice among 50 voices, three wishes passed over.
func BenchmarkPick(b *testing.B) {
	var list []Voice
	for i := range 50 {
		list = append(list, Voice{Name: fmt.Sprint("v", i), Provider: "p", Gender: Male, Languages: []speech.Language{"cmn"}})
	}
	c, err := New(list)
	if err != nil {
		b.Fatal(err)
	}
	asks := []Ask{{Contact, Wish{Gender: Female}}, {Node, Wish{Name: "nobody"}}, {Segment, Wish{Industry: "x"}}, {Script, Wish{Name: "v49"}}}
	for b.Loop() {
		c.Pick("cmn", "finance", asks...)
	}
}
