package turn

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestHoweverTheFramesAreCut: a stream in frames of 20 ms, in one piece, or cut
// at random gives the same events, at both rates, over gaps too.
func TestHoweverTheFramesAreCut(t *testing.T) {
	mic, ref := pair()
	mic, ref = mic[:6*8000], ref[:6*8000]
	for _, rate := range []int{8000, 16000} {
		r := rand.New(rand.NewPCG(7, uint64(rate)))
		gap := 8000 + r.IntN(3000) // into the stream; 331 samples are lost there
		hear := func(cut func() int) (out []Event) {
			k, err := New(Config{Rate: rate})
			if err != nil {
				t.Fatal(err)
			}
			for at := 0; at < len(mic); {
				n := min(cut(), len(mic)-at)
				if at < gap {
					n = min(n, gap-at)
				}
				f := Frame{Pos: int64(at), Mic: mic[at : at+n], Ref: ref[at : at+n], Speaking: true}
				out = k.Frame(f, out)
				if at += n; at == gap {
					at += 331
				}
			}
			return out
		}
		want := hear(func() int { return rate / 50 })
		if len(want) < 2 {
			t.Fatalf("%d Hz: only %d events: nothing is compared", rate, len(want))
		}
		for range 5 {
			if got := hear(func() int { return 1 + r.IntN(500) }); !reflect.DeepEqual(got, want) {
				t.Fatalf("%d Hz: %+v, in frames of 20 ms %+v", rate, got, want)
			}
		}
		if got := hear(func() int { return len(mic) }); !reflect.DeepEqual(got, want) {
			t.Fatalf("%d Hz, in one piece: %+v, want %+v", rate, got, want)
		}
	}
}
