// Package lanes holds the few loops in which the ear (package turn) spends
// nearly all of its time: the Fourier transform, and the echo canceller's work
// on every bin. Where the processor has AVX2 they do eight values at a time
// (lanes_amd64.s), elsewhere the Go code beside them does the same in the same
// order: on amd64 both give the same bits (a compiler that fuses
// multiplications with additions, as for arm64, rounds less often).
//
// Nothing here knows what the numbers mean. No function allocates.
package lanes
