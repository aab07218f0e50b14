package classify

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"
)

// shade of a cell: white for none, then deeper with its share of the row; the
// diagonal is green, what is off it red.
func (m Matrix) shade(truth, answer int) color.RGBA {
	total := 0
	for _, n := range m.Counts[truth] {
		total += n
	}
	n := m.Counts[truth][answer]
	if n == 0 || total == 0 {
		return color.RGBA{255, 255, 255, 255}
	}
	share := float64(n) / float64(total)
	if truth == answer {
		return color.RGBA{uint8(210 - 190*share), uint8(240 - 110*share), uint8(210 - 170*share), 255}
	}
	share = min(1, 0.15+2*share) // few are to be seen as well
	return color.RGBA{uint8(255 - 55*share), uint8(225 - 205*share), uint8(215 - 195*share), 255}
}

// cell is the side of a cell in pixels: smaller when there are many.
func (m Matrix) cell() int { return min(max(1200/max(len(m.Labels), 1), 4), 32) }

// WritePNG draws the matrix: a row a truth, a column an answer, in the order of
// Labels.
func (m Matrix) WritePNG(w io.Writer) error {
	n, side := len(m.Labels), m.cell()
	img := image.NewRGBA(image.Rect(0, 0, n*side+1, n*side+1))
	grid := color.RGBA{225, 225, 225, 255}
	for y := range n*side + 1 {
		for x := range n*side + 1 {
			if x%side == 0 || y%side == 0 {
				img.SetRGBA(x, y, grid)
				continue
			}
			img.SetRGBA(x, y, m.shade(y/side, x/side))
		}
	}
	return png.Encode(w, img)
}

// WriteSVG draws the same with the names of labels and, under the pointer, the
// count of each cell.
func (m Matrix) WriteSVG(w io.Writer) error {
	n, side := len(m.Labels), m.cell()
	margin := 200
	b := bufio.NewWriter(w)
	size := margin + n*side + 10
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="%d">`+"\n", size, size, min(side, 12))
	fmt.Fprintf(b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	for i, l := range m.Labels {
		at := margin + i*side + side/2
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" dominant-baseline="middle">%s</text>`+"\n", margin-4, at, escape(l))
		fmt.Fprintf(b, `<text transform="translate(%d %d) rotate(-90)" dominant-baseline="middle">%s</text>`+"\n", at, margin-4, escape(l))
		for j, c := range m.Counts[i] {
			if c == 0 {
				continue
			}
			s := m.shade(i, j)
			fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="#%02x%02x%02x"><title>%s → %s: %d</title></rect>`+"\n",
				margin+j*side, margin+i*side, side-1, side-1, s.R, s.G, s.B, escape(l), escape(m.Labels[j]), c)
		}
	}
	fmt.Fprintln(b, `</svg>`)
	return b.Flush()
}

func escape(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:39]) + "…"
	}
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
