package check

import (
	"slices"
	"strings"
)

// pathTo is the conversation that leads into the decision r, and what has
// been said in it so far.
func (m *machine) pathTo(r *run) []Step {
	out := m.pathOf(r.from)
	return append(out, m.exchange(r.from, r.via, r.said)...)
}

// pathOf is the conversation that leads to a state.
func (m *machine) pathOf(s *state) []Step {
	var chain []*state
	for ; s != nil && s.id >= 0; s = s.from {
		chain = append(chain, s)
	}
	slices.Reverse(chain)
	out := []Step{m.notice.step(m)}
	for _, s := range chain {
		out = append(out, m.exchange(s.from, s.via, s.said)...)
	}
	return out
}

// exchange is what the customer does and what is said to it, with the rounds
// that must have gone before.
func (m *machine) exchange(from *state, via *edge, list []said) []Step {
	var out []Step
	if via != nil {
		for _, e := range via.prior {
			out = append(out, m.them(from, e))
			out = append(out, m.us(saidBy(e, from.node))...)
		}
		out = append(out, m.them(from, via))
	}
	return append(out, m.us(list)...)
}

func (m *machine) them(from *state, e *edge) Step {
	st := Step{Who: "them", Text: e.them, Reply: e.id}
	if e.at.line > 0 {
		st.File, st.Line, st.Column = e.at.file, e.at.line, e.at.col
	}
	if from != nil && from.node >= 0 {
		st.Node = m.nodes[from.node].id
	}
	return st
}

func (m *machine) us(list []said) []Step {
	var out []Step
	for _, s := range list {
		if s.u == nil {
			out = append(out, Step{Who: "note", Text: "nobody takes the call over"})
			continue
		}
		st := s.u.step(m)
		if s.v != nil {
			st.Text, st.File, st.Line, st.Column = clip(s.v.text, 120), s.v.at.file, s.v.at.line, s.v.at.col
		}
		if s.node >= 0 {
			st.Node = m.nodes[s.node].id
		}
		out = append(out, st)
	}
	return out
}

func (u *utter) step(m *machine) Step {
	st := Step{Who: "us", Node: u.node, Text: u.words(m)}
	if u.at.line > 0 {
		st.File, st.Line, st.Column = u.at.file, u.at.line, u.at.col
	}
	return st
}

// words are the first wording in the script's language.
func (u *utter) words(m *machine) string {
	for i, l := range m.langs {
		if l == m.own && len(u.langs[i]) > 0 {
			return clip(u.langs[i][0].text, 120)
		}
	}
	for _, v := range u.langs {
		if len(v) > 0 {
			return clip(v[0].text, 120)
		}
	}
	return u.id
}

// whom is for whom the decision happens.
func (m *machine) whom(r *run, f facts) string {
	g := slices.Clone(f)
	for i, v := range m.tab.vars {
		if v.kind == ofCall {
			if k := r.from.known[i] & f[i]; k != 0 {
				g[i] = k
			}
		}
	}
	return m.tab.whom(g, m.own)
}

func clip(s string, n int) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n]) + "..."
}
