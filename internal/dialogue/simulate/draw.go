package simulate

import (
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"

	"ringmaster/internal/campaign"
)

// String is the table.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d calls, seed %d\n\n%-32s %7s %7s\n", r.Script, r.Calls, r.Seed, "reached", "calls", "share")
	for _, s := range r.Funnel {
		fmt.Fprintf(&b, "%-32s %7d %6.1f%%\n", s.Name, s.Calls, r.share(s.Calls))
	}
	ends := slices.Sorted(maps.Keys(r.Dispositions))
	fmt.Fprintf(&b, "\n%-16s %7s", "persona", "calls")
	for _, d := range ends {
		fmt.Fprintf(&b, " %14s", d)
	}
	row := func(name string, n map[campaign.Disposition]int) {
		sum := 0
		for _, v := range n {
			sum += v
		}
		fmt.Fprintf(&b, "\n%-16s %7d", name, sum)
		for _, d := range ends {
			fmt.Fprintf(&b, " %14d", n[d])
		}
	}
	for _, p := range Personas() {
		if n := r.Personas[p]; n != nil {
			row(string(p), n)
		}
	}
	row("all", r.Dispositions)
	b.WriteString("\n")
	list(&b, "grades", r.Grades)
	list(&b, "hung up at", r.Lost)
	return b.String()
}

func list(b *strings.Builder, head string, m map[string]int) {
	if len(m) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:", head)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(b, " %s %d", k, m[k])
	}
	b.WriteString("\n")
}

func (r Report) share(n int) float64 {
	if r.Calls == 0 {
		return 0
	}
	return 100 * float64(n) / float64(r.Calls)
}

// SVG is the picture: the funnel, and below it how calls ended.
func (r Report) SVG() string {
	const left, width, line = 240, 480, 24
	type bar struct {
		name, fill string
		n          int
	}
	bars := make([]bar, 0, len(r.Funnel)+len(r.Dispositions))
	for _, s := range r.Funnel {
		bars = append(bars, bar{s.Name, "#3b73af", s.Calls})
	}
	for _, d := range slices.Sorted(maps.Keys(r.Dispositions)) {
		bars = append(bars, bar{string(d), "#8c6bb1", r.Dispositions[d]})
	}
	var b strings.Builder
	height := 60 + line*(len(bars)+1)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", left+width+120, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="12" y="26" font-size="16">%s: %d simulated calls, seed %d</text>`+"\n",
		html.EscapeString(r.Script), r.Calls, r.Seed)
	y := 44
	for i, x := range bars {
		if i == len(r.Funnel) {
			y += line / 2
		}
		w := int(r.share(x.n) * width / 100)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%d" height="%d" fill="%s"/><text x="%d" y="%d">%d (%.1f%%)</text>`+"\n",
			left-8, y+15, html.EscapeString(x.name), left, y+2, w, line-6, x.fill, left+w+6, y+15, x.n, r.share(x.n))
		y += line
	}
	b.WriteString("</svg>\n")
	return b.String()
}
