package turn

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	. "ringmaster/internal/turn/turntest"
)

// pair is ten seconds of what is heard and played, without any voice program:
// the tone alphabet on both sides.
func pair() (mic, ref []int16) {
	r := rand.New(rand.NewPCG(1, 2))
	ours := ToneAlphabet(r, 10*Rate, -18)
	x := Noise(r, 10*Rate, -55)
	Add(x, NewPath(r, 800, -15).Apply(ours), 0)
	for at := Rate; at < len(x); at += 3 * Rate {
		Add(x, ToneAlphabet(r, Rate, -20), at)
	}
	return G711(Int16(x)), Int16(ours)
}

// BenchmarkFrame is the cost of one 20 ms frame at 8 kHz: with our voice
// playing (echo handling at work), and while we are silent.
func BenchmarkFrame(b *testing.B) {
	mic, ref := pair()
	for _, c := range []struct {
		name string
		ref  []int16
	}{{"speaking", ref}, {"listening", make([]int16, len(ref))}} {
		b.Run(c.name, func(b *testing.B) {
			k, err := New(Config{})
			if err != nil {
				b.Fatal(err)
			}
			out := make([]Event, 0, 16)
			b.ReportAllocs()
			pos, at := int64(0), 0
			for b.Loop() {
				out = k.Frame(Frame{Pos: pos, Mic: mic[at : at+160], Ref: c.ref[at : at+160], Speaking: true}, out[:0])
				pos += 160
				if at += 160; at+160 > len(mic) {
					at = 0
				}
			}
		})
	}
}

func TestFrameDoesNotAllocateAndIsSmall(t *testing.T) {
	mic, ref := pair()
	k, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]Event, 0, 64)
	pos, at := int64(0), 0
	if n := testing.AllocsPerRun(400, func() {
		out = k.Frame(Frame{Pos: pos, Mic: mic[at : at+160], Ref: ref[at : at+160], Speaking: true}, out[:0])
		pos, at = pos+160, at+160
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
	size := unsafe.Sizeof(*k)
	t.Logf("a Taker is %d bytes", size)
	if size > 40<<10 {
		t.Errorf("a Taker is %d bytes, want at most 40 KiB", size)
	}
}
