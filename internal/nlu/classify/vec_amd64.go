package classify

import "golang.org/x/sys/cpu"

// fast: the processor has AVX2 and fused multiply-add.
//
//nolint:gochecknoglobals // a fact of the machine, read only
var fast = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// addAVX adds a*x to y; lengths are equal and a multiple of 8.
//
//go:noescape
func addAVX(a float32, x, y []float32)

// dotAVX is the inner product; lengths are equal and a multiple of 8.
//
//go:noescape
func dotAVX(x, y []float32) float32

// add adds a*x to y. Rows are as long as a multiple of 8.
func add(a float32, x, y []float32) {
	if fast && len(x) == len(y) && len(x)%8 == 0 {
		addAVX(a, x, y)
		return
	}
	addGo(a, x, y)
}

func dot(x, y []float32) float32 {
	if fast && len(x) == len(y) && len(x)%8 == 0 {
		return dotAVX(x, y)
	}
	return dotGo(x, y)
}

// addSmallAVX adds a*x to y; lengths are equal and a multiple of 8.
//
//go:noescape
func addSmallAVX(a float32, x []int8, y []float32)

// addSmall adds a*x to y, for rows of small integers.
func addSmall(a float32, x []int8, y []float32) {
	if fast && len(x) == len(y) && len(x)%8 == 0 {
		addSmallAVX(a, x, y)
		return
	}
	addSmallGo(a, x, y)
}
