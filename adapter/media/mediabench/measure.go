package mediabench

import (
	"sync/atomic"
	"time"
)

// histogram counts delays in steps of 50 µs up to a second.
type histogram struct {
	count [buckets]atomic.Uint64
	worst atomic.Int64
}

const (
	bucket  = 50 * time.Microsecond
	buckets = 20001
)

func (h *histogram) add(d time.Duration) {
	h.count[min(max(int(d/bucket), 0), buckets-1)].Add(1)
	for was := h.worst.Load(); int64(d) > was && !h.worst.CompareAndSwap(was, int64(d)); was = h.worst.Load() {
	}
}

func (h *histogram) reset() {
	for i := range h.count {
		h.count[i].Store(0)
	}
	h.worst.Store(0)
}

func (h *histogram) counts() []uint64 {
	out := make([]uint64, buckets)
	last := 0
	for i := range h.count {
		if out[i] = h.count[i].Load(); out[i] > 0 {
			last = i
		}
	}
	return out[:last+1]
}

func (h *histogram) spread() Spread {
	s := spreadOf(h.counts())
	s.Worst = time.Duration(h.worst.Load())
	return s
}

// spreadOf is the upper bound of the step in which a share of the counted lies.
func spreadOf(counts []uint64) Spread {
	var all uint64
	for _, n := range counts {
		all += n
	}
	at := func(perMille uint64) time.Duration {
		var sum uint64
		for i, n := range counts {
			if sum += n; n > 0 && sum*1000 >= all*perMille {
				return time.Duration(i+1) * bucket
			}
		}
		return 0
	}
	return Spread{P50: at(500), P99: at(990), Worst: at(1000)}
}

// The time of sending stands in the first samples of a frame, four bits in
// each, as codes of mu-law that survive decoding and encoding.
const stampSamples = 16

func writeStamp(dst []byte, t time.Time) {
	v := uint64(t.UnixNano()) //nolint:gosec // after 1970
	for i := range stampSamples {
		dst[i] = 0xc0 | byte(v>>(60-4*i)&15)
	}
}

func readStamp(code []byte) (time.Time, bool) {
	var v uint64
	if len(code) < stampSamples {
		return time.Time{}, false
	}
	for i := range stampSamples {
		if code[i]&0xf0 != 0xc0 {
			return time.Time{}, false
		}
		v = v<<4 | uint64(code[i]&15)
	}
	return time.Unix(0, int64(v)), true //nolint:gosec // written by writeStamp
}
