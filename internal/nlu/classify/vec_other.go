//go:build !amd64

package classify

func add(a float32, x, y []float32) { addGo(a, x, y) }

func dot(x, y []float32) float32 { return dotGo(x, y) }

func addSmall(a float32, x []int8, y []float32) { addSmallGo(a, x, y) }
