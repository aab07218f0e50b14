package classify

// dict numbers features by hash: open addressing, at most half full. The zero
// hash stands for an empty place.
type dict struct {
	keys []uint64
	vals []int32
	n    int
}

func newDict(capacity int) *dict {
	size := 64
	for size < 2*capacity {
		size *= 2
	}
	return &dict{keys: make([]uint64, size), vals: make([]int32, size)}
}

//go:norace
func (d *dict) find(h uint64) int32 {
	if h == 0 {
		h = 1
	}
	mask := uint64(len(d.keys) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch d.keys[i] {
		case h:
			return d.vals[i]
		case 0:
			return -1
		}
	}
}

// add gives the number of a feature, a new one when it is new.
//
//go:norace
func (d *dict) add(h uint64) int32 {
	if h == 0 {
		h = 1
	}
	if 2*d.n >= len(d.keys) {
		d.grow()
	}
	mask := uint64(len(d.keys) - 1)
	i := h & mask
	for ; d.keys[i] != 0; i = (i + 1) & mask {
		if d.keys[i] == h {
			return d.vals[i]
		}
	}
	d.keys[i], d.vals[i] = h, int32(d.n)
	d.n++
	return d.vals[i]
}

func (d *dict) grow() {
	old := *d
	*d = dict{keys: make([]uint64, 2*len(old.keys)), vals: make([]int32, 2*len(old.keys)), n: old.n}
	mask := uint64(len(d.keys) - 1)
	for j, h := range old.keys {
		if h == 0 {
			continue
		}
		i := h & mask
		for d.keys[i] != 0 {
			i = (i + 1) & mask
		}
		d.keys[i], d.vals[i] = h, old.vals[j]
	}
}
