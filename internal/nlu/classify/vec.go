package classify

// padded rounds a row's length up, so that rows can be read eight at a time.
func padded(n int) int { return (n + 7) &^ 7 }

func addGo(a float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += a * v
	}
}

func dotGo(x, y []float32) float32 {
	y = y[:len(x)]
	var s float32
	for i, v := range x {
		s += v * y[i]
	}
	return s
}
