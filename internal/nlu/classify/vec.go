package classify

// Functions that are marked norace work on numbers of one goroutine; watched by
// the race detector they would only make tests ten times slower. What
// goroutines share (a trained model, which nobody writes) is watched by the
// functions around them.

// padded rounds a row's length up, so that rows can be read eight at a time.
func padded(n int) int { return (n + 7) &^ 7 }

//go:norace
func addGo(a float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += a * v
	}
}

//go:norace
func dotGo(x, y []float32) float32 {
	y = y[:len(x)]
	var s float32
	for i, v := range x {
		s += v * y[i]
	}
	return s
}

//go:norace
func addSmallGo(a float32, x []int8, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += a * float32(v)
	}
}
