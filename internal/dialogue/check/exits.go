package check

import (
	"slices"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
)

// exit is a wish that every customer may have at any time.
type exit struct {
	kind  string // stop, complaint, human
	words string
	what  string
}

func exitsOf() []exit {
	return []exit{
		{"stop", "别打了，以后不要再打了", "to stop the calls"},
		{"complaint", "我要投诉", "to complain"},
		{"human", "转人工", "to reach a person"},
	}
}

// exits tries, at every node that is reached, the engine itself: does it stop,
// take the complaint, hand over? Then the text: where keys are offered, keys
// must lead out as well, because whoever presses keys may not be able to speak
// or not be heard.
func (c *checker) exits() {
	for i, n := range c.m.nodes {
		if !n.listens || len(c.x.at[i]) == 0 {
			continue
		}
		for _, e := range exitsOf() {
			if why := c.refusesExit(n.id, e); why != "" {
				c.noExit(c.x.at[i][0], n.at, e, why, "this is a fault of the engine: report it")
			}
		}
	}
	c.exitsElsewhere()
	c.keyExits()
	c.shadowedExits()
}

// exitsElsewhere: while the notice is being said, and while a person is waited
// for, stop and complaint work too.
func (c *checker) exitsElsewhere() {
	now := time.UnixMilli(0).UTC()
	for _, phase := range []dialogue.Phase{dialogue.Disclosing, dialogue.Transferring} {
		for _, e := range exitsOf() {
			if e.kind == "human" {
				continue
			}
			st := c.stand(dialogue.State{Phase: phase, Notices: 1, Disclosed: phase != dialogue.Disclosing, Over: &dialogue.Transfer{}})
			if _, mv := c.next(st, dialogue.Input{Kind: dialogue.Heard, Text: e.words}, now); !leaves(mv, e.kind) {
				f := Finding{Rule: Exit, File: c.m.file, Line: 1, Column: 1, Text: "no way " + e.what + " while " + string(phase) + ": " + mv.Reason, Suggest: "this is a fault of the engine: report it",
					Path: []Step{c.m.notice.step(c.m), {Who: "them", Text: e.words}}}
				c.out.add(f, f.Text)
			}
		}
	}
}

// stand completes a state of this script.
func (c *checker) stand(st dialogue.State) dialogue.State {
	st.Script, st.Version, st.Customer, st.Language = c.b.script.Info.ID, c.b.script.Info.Version, "check", c.b.script.Info.Language
	return st
}

// refusesExit tries one exit at one node, in the pause, into a protected
// line and while a language model is waited for; empty when it works.
func (c *checker) refusesExit(node string, e exit) string {
	now := time.UnixMilli(0).UTC()
	for _, guarded := range []bool{false, true} {
		st := c.stand(dialogue.State{Phase: dialogue.Talking, Node: node, Main: node, Disclosed: true, Notices: 1, Visits: map[string]int{node: 1},
			Pending: guarded, Guarded: guarded, Composing: guarded})
		in := dialogue.Input{Kind: dialogue.Heard, Text: e.words}
		_, mv := c.next(st, in, now)
		if !leaves(mv, e.kind) {
			return "“" + e.words + "” is answered with: " + mv.Reason
		}
	}
	return ""
}

// leaves: the move does what the customer wished.
func leaves(mv dialogue.Move, kind string) bool {
	did := func(kind, value string) bool {
		return slices.ContainsFunc(mv.Actions, func(a dialogue.Action) bool { return a.Kind == kind && (value == "" || a.Value == value) })
	}
	switch kind {
	case "stop":
		return mv.End != nil && mv.End.Disposition == campaign.OptedOut && did("opt_out", "")
	case "complaint":
		return mv.End != nil && mv.End.Disposition == campaign.Complaint && did("opt_out", "") && did("ticket", "complaint")
	}
	return mv.Transfer != nil || mv.End != nil && did("ticket", "human_wanted")
}

func (c *checker) noExit(s *state, at place, e exit, why, suggest string) {
	n := c.m.nodes[s.node]
	f := Finding{Rule: Exit, File: at.file, Line: at.line, Column: at.col, Node: n.id, Suggest: suggest, Text: "node \"" + n.id + "\" gives no way " + e.what + ": " + why}
	if f.Line == 0 {
		f.File, f.Line, f.Column = c.m.file, 1, 1
	}
	f.Path = append(c.m.pathOf(s), Step{Who: "them", Text: e.words, Node: n.id})
	c.out.add(f, f.Text)
}

// keyExits: a node that is answered by keys needs keys for stop and for a
// person, its own or the script's.
func (c *checker) keyExits() {
	all := map[string]bool{}
	for _, r := range c.b.script.Keys {
		for _, i := range r.Intents {
			all[string(i)] = true
		}
	}
	for i := range c.b.script.Nodes {
		x := &c.b.script.Nodes[i]
		if len(c.x.at[i]) == 0 || !x.Listens || x.Engine {
			continue
		}
		if x.KeysSay == nil && len(x.Keys) == 0 && len(c.b.script.Keys) == 0 {
			continue
		}
		own := map[string]bool{}
		for _, r := range x.Keys {
			for _, i := range r.Intents {
				own[string(i)] = true
			}
		}
		at := c.m.nodes[i].at
		if len(c.b.script.Keys) > 0 {
			at = c.b.place(c.b.script.Keys[0].At)
		}
		for _, e := range exitsOf() {
			if e.kind == "complaint" || all[e.kind] || own[e.kind] {
				continue
			}
			c.noExit(c.x.at[i][0], at, exit{e.kind, "（只能按键）", e.what}, "keys are offered here, and none of them is for it",
				"add `keys: {\""+map[string]string{"stop": "9", "human": "0"}[e.kind]+"\": "+e.kind+"}` to the script")
			if len(c.b.script.Keys) > 0 {
				all[e.kind] = true // once is enough: it is the script's
			}
		}
	}
}

// shadowedExits: words of urgency keep their meaning; a reply that wants them
// for itself is never taken by them.
func (c *checker) shadowedExits() {
	look := func(node int, at place, owner string, words []string) {
		for _, w := range words {
			stop, _ := dialogue.FindStop(w, c.b.script.Info.Language)
			if stop == dialogue.StopNone {
				continue
			}
			f := Finding{Rule: Exit, File: at.file, Line: at.line, Column: at.col, Reply: owner, Suggest: "remove it; the engine answers it",
				Text: quoted(clip(w, 30)) + " at " + owner + " always means \"" + string(stop) + "\", at every node: this reply would never be taken"}
			if node >= 0 && len(c.x.at[node]) > 0 {
				f.Node = c.m.nodes[node].id
				f.Path = append(c.m.pathOf(c.x.at[node][0]), Step{Who: "them", Text: w, Node: f.Node}, Step{Who: "note", Text: "taken as " + string(stop) + ", not by " + owner, Node: f.Node})
			}
			c.out.add(f, f.Text)
		}
	}
	for i, n := range c.b.script.Nodes {
		for _, r := range n.Replies {
			look(i, c.b.place(r.At), r.ID, append(slices.Clone(r.Keywords), r.Examples...))
		}
	}
	for i := range c.b.script.Objections {
		o := &c.b.script.Objections[i]
		look(c.m.start, c.b.objectionAt(o), "objection."+o.Name, append(slices.Clone(o.Keywords), o.Examples...))
	}
	for _, g := range c.b.script.Globals {
		if c.b.written.Globals[string(g.Intents[0])] {
			look(c.m.start, c.b.place(g.At), g.ID, append(slices.Clone(g.Keywords), g.Examples...))
		}
	}
}
