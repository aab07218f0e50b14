package check

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"ringmaster/internal/dialogue"
)

// Sizes of the picture, in pixels.
const (
	boxW, boxH = 190, 46
	gapX, gapY = 34, 74
	margin     = 30
)

// arrow is a way on in the picture.
type arrow struct {
	from, to string
	label    string
}

// Draw draws the flow of a script as SVG: nodes in layers from the notice
// down, ends and hand-overs as small boxes, and red what the path of a finding
// goes through.
func Draw(sc *dialogue.Script, path []Step) []byte {
	d := &drawing{m: sc.Model(), red: map[string]bool{}, redWay: map[[2]string]bool{}, at: map[string][2]int{}, title: map[string]string{}}
	before := ""
	for _, s := range path {
		if s.Node == "" || s.Node == before {
			continue
		}
		d.red[s.Node] = true
		d.redWay[[2]string{before, s.Node}] = true
		before = s.Node
	}
	d.collect()
	d.layers()
	return d.svg()
}

type drawing struct {
	m      dialogue.Model
	arrows []arrow
	order  []string
	title  map[string]string // second line of a box
	red    map[string]bool
	redWay map[[2]string]bool
	at     map[string][2]int
	w, h   int
}

const noticeBox = "disclosure"

func (d *drawing) collect() {
	d.box(noticeBox, first(&d.m.Disclosure))
	d.arrow(noticeBox, d.m.Start, "")
	for i := range d.m.Nodes {
		n := &d.m.Nodes[i]
		d.box(n.ID, first(n.Say))
		for _, list := range [][]dialogue.ReplyModel{n.Skip, n.Replies, n.Keys, n.Route} {
			for _, r := range list {
				d.target(n.ID, r.To, label(r))
			}
		}
		d.target(n.ID, n.NoMatch.Then, "no match")
		d.target(n.ID, n.Silence.Then, "silence")
	}
}

func first(s *dialogue.SayModel) string {
	if s == nil || len(s.Variants) == 0 {
		return ""
	}
	return s.Variants[0].Text
}

func label(r dialogue.ReplyModel) string {
	switch {
	case len(r.Intents) > 0:
		return string(r.Intents[0])
	case r.Slot != "":
		return r.Slot
	case r.When != "":
		return r.When
	case r.Any:
		return "any"
	}
	return ""
}

func (d *drawing) box(id, words string) {
	if _, ok := d.title[id]; !ok {
		d.order = append(d.order, id)
	}
	d.title[id] = words
}

func (d *drawing) target(from string, t dialogue.TargetModel, label string) {
	switch t.Goal {
	case "node":
		d.arrow(from, t.Node, label)
	case "end":
		id := "end: " + string(t.End.Disposition)
		if t.End.Reason != "" {
			id += " (" + t.End.Reason + ")"
		}
		d.box(id, "")
		d.arrow(from, id, label)
	case "transfer":
		d.box("transfer", "")
		d.arrow(from, "transfer", label)
		failed := t.Failed
		if t.Over == nil && d.m.Handover != nil {
			failed = d.m.Handover.Failed
		}
		if failed != nil && failed.Goal == "node" {
			d.arrow("transfer", failed.Node, "failed")
		}
	}
}

func (d *drawing) arrow(from, to, label string) {
	for i := range d.arrows {
		if a := &d.arrows[i]; a.from == from && a.to == to {
			if label != "" && !strings.Contains(a.label, label) && len(a.label) < 40 {
				a.label = strings.TrimPrefix(a.label+", "+label, ", ")
			}
			return
		}
	}
	d.arrows = append(d.arrows, arrow{from: from, to: to, label: label})
}

// layers puts every box one row below the first that leads to it, and orders
// each row by where its predecessors stand.
func (d *drawing) layers() {
	row := map[string]int{noticeBox: 0}
	queue := []string{noticeBox}
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		for _, a := range d.arrows {
			if _, ok := row[a.to]; a.from == id && !ok {
				row[a.to] = row[id] + 1
				queue = append(queue, a.to)
			}
		}
	}
	last := 0
	for _, r := range row {
		last = max(last, r)
	}
	rows := make([][]string, last+2)
	for _, id := range d.order {
		r, ok := row[id]
		if !ok {
			r = last + 1 // led to from everywhere, or from nowhere
		}
		rows[r] = append(rows[r], id)
	}
	for y, ids := range rows {
		d.sort(ids)
		for x, id := range ids {
			d.at[id] = [2]int{margin + x*(boxW+gapX), margin + y*(boxH+gapY)}
			d.w = max(d.w, margin*2+(x+1)*(boxW+gapX))
		}
		d.h = margin*2 + (y+1)*(boxH+gapY)
	}
}

func (d *drawing) sort(ids []string) {
	mean := map[string]float64{}
	for _, id := range ids {
		sum, n := 0.0, 0
		for _, a := range d.arrows {
			if p, ok := d.at[a.from]; ok && a.to == id {
				sum, n = sum+float64(p[0]), n+1
			}
		}
		if n > 0 {
			mean[id] = sum / float64(n)
		}
	}
	slices.SortStableFunc(ids, func(a, b string) int {
		switch {
		case mean[a] < mean[b]:
			return -1
		case mean[a] > mean[b]:
			return 1
		}
		return 0
	})
}

func (d *drawing) svg() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="Noto Sans CJK SC, PingFang SC, Microsoft YaHei, sans-serif" font-size="12">`+"\n", d.w, d.h)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n" + `<defs>`)
	for _, c := range []struct{ id, colour string }{{"a", "#8a94a6"}, {"r", "#d12f2f"}} {
		fmt.Fprintf(&b, `<marker id="%s" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="%s"/></marker>`, c.id, c.colour)
	}
	b.WriteString("</defs>\n")
	for _, a := range d.arrows {
		d.line(&b, a)
	}
	for _, id := range d.order {
		d.rect(&b, id)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (d *drawing) line(b *bytes.Buffer, a arrow) {
	from, ok1 := d.at[a.from]
	to, ok2 := d.at[a.to]
	if !ok1 || !ok2 {
		return
	}
	colour, mark, width := "#8a94a6", "a", 1.2
	if d.redWay[[2]string{a.from, a.to}] {
		colour, mark, width = "#d12f2f", "r", 2.6
	}
	x1, y1, x2, y2 := from[0]+boxW/2, from[1]+boxH, to[0]+boxW/2, to[1]
	lx, ly := (x1+x2)/2, (y1+y2)/2
	way := fmt.Sprintf("M%d,%d C%d,%d %d,%d %d,%d", x1, y1, x1, y1+gapY/2, x2, y2-gapY/2, x2, y2)
	if to[1] <= from[1] { // back, or beside: around the right
		x1, y1, x2, y2 = from[0]+boxW, from[1]+boxH/2, to[0]+boxW, to[1]+boxH/2
		out := max(x1, x2) + gapX
		lx, ly = out-gapX/4, (y1+y2)/2
		way = fmt.Sprintf("M%d,%d C%d,%d %d,%d %d,%d", x1, y1, out, y1, out, y2, x2, y2)
	}
	fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="%.1f" marker-end="url(#%s)"/>`+"\n", way, colour, width, mark)
	if a.label != "" {
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s" font-size="10" text-anchor="middle" stroke="white" stroke-width="3" paint-order="stroke">%s</text>`+"\n", lx, ly, colour, escape(clip(a.label, 28)))
	}
}

func (d *drawing) rect(b *bytes.Buffer, id string) {
	p := d.at[id]
	fill, stroke, width := "#eef3fb", "#5b7db1", 1
	switch {
	case id == noticeBox:
		fill = "#fdf4dc"
	case strings.HasPrefix(id, "end: ") || id == "transfer":
		fill = "#eeeeee"
	case strings.HasPrefix(id, "_"):
		fill = "#f7f7f7"
	}
	if d.red[id] {
		stroke, width = "#d12f2f", 3
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" rx="6" fill="%s" stroke="%s" stroke-width="%d"/>`, p[0], p[1], boxW, boxH, fill, stroke, width)
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`, p[0]+8, p[1]+18, escape(clip(id, 26)))
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#555">%s</text>`+"\n", p[0]+8, p[1]+36, escape(clip(d.title[id], 14)))
}

func escape(s string) string {
	var b bytes.Buffer
	if xml.EscapeText(&b, []byte(s)) != nil {
		return ""
	}
	return b.String()
}
