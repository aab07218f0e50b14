package esl

import (
	"bytes"
	"testing"

	"ringmaster/adapter/freeswitch/esl/recorded"
)

// BenchmarkEvents reads a recorded stream with what a call needs of each event.
func BenchmarkEvents(b *testing.B) {
	stream, err := recorded.Stream()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n := 0
	for n < b.N {
		f := NewFramer(bytes.NewReader(stream))
		for n < b.N {
			m, err := f.Next()
			if err != nil {
				break
			}
			e, err := ParseEvent(m.Body)
			if err != nil {
				b.Fatal(err)
			}
			for _, name := range []string{"Unique-ID", "Channel-Presence-Data", "Answer-State", "Hangup-Cause", "Application-UUID", "Bridge-B-Unique-ID"} {
				_ = e.Get(name)
			}
			n++
		}
	}
}
