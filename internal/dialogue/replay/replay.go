package replay

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// Step is what a dialogue was given, and when (the customer's wall clock).
type Step struct {
	At time.Time
	In dialogue.Input
}

// Talk is a conversation that took place.
type Talk struct {
	Opened time.Time
	Steps  []Step
	// Disposition of the call: it stands where the dialogue itself did not end,
	// because the customer hung up or the line broke.
	Disposition campaign.Disposition
}

// Unfinished is the disposition of a conversation that a changed script wants
// to go on with when the stored one has nothing more to give.
const Unfinished campaign.Disposition = "(unfinished)"

// Path is the way that one version takes through a conversation.
type Path struct {
	Nodes       []string // in order; one that is stayed at is named once
	Replies     []string // taken, in order
	Texts       []string // what is said, in order
	Disposition campaign.Disposition
	Grade       string
	Tags        []string
}

// Change is a conversation in which two versions differ.
type Change struct {
	Before, After Path
	// Elsewhere: nodes or replies differ. Ends: the disposition, grade or tags
	// do. Worded: the same way with other words, and nothing else.
	Elsewhere, Ends, Worded bool
}

// Same reports that there is no difference.
func (c Change) Same() bool { return !c.Elsewhere && !c.Ends && !c.Worded }

// Understand gives what is to be understood of a sentence; nil = what was
// understood in the call.
type Understand func(nlu.Question) (nlu.Answer, error)

// Compare plays one conversation by the version that it took place with and by
// another.
//
// As long as both decide alike, the other is given exactly what the dialogue
// was given. From the first decision on that differs, our lines are taken as
// heard to their end, and what the customer said next stands for what he would
// have said: how he would have answered other words, nobody knows.
func Compare(before, after *dialogue.Script, c dialogue.Customer, t Talk, u Understand) (Change, error) {
	a := &player{script: before, u: nil}
	a.exact(c, t)
	b := &player{script: after, u: u}
	if err := b.follow(c, t, a.moves); err != nil {
		return Change{}, err
	}
	out := Change{Before: a.path(t), After: b.path(t)}
	x, y := out.Before, out.After
	out.Elsewhere = !slices.Equal(x.Nodes, y.Nodes) || !slices.Equal(x.Replies, y.Replies)
	out.Ends = x.Disposition != y.Disposition || x.Grade != y.Grade || !slices.Equal(x.Tags, y.Tags)
	out.Worded = !out.Elsewhere && !out.Ends && !slices.Equal(x.Texts, y.Texts)
	return out, nil
}

type player struct {
	script *dialogue.Script
	u      Understand
	st     dialogue.State
	moves  []dialogue.Move
	end    *dialogue.End
	handed bool // the last thing wanted is a hand-over
	left   bool // the way of the call was left
}

func (p *player) took(mv dialogue.Move) dialogue.Move {
	p.moves = append(p.moves, mv)
	if mv.End != nil {
		p.end = mv.End
	}
	p.handed = mv.Transfer != nil
	return mv
}

func (p *player) start(c dialogue.Customer, t Talk) dialogue.Move {
	var mv dialogue.Move
	p.st, mv = p.script.Start(c, t.Opened)
	return p.took(mv)
}

func (p *player) next(in dialogue.Input, at time.Time) dialogue.Move {
	var mv dialogue.Move
	p.st, mv = p.script.Next(p.st, in, at)
	return p.took(mv)
}

func (p *player) exact(c dialogue.Customer, t Talk) {
	p.start(c, t)
	for _, s := range t.Steps {
		p.next(s.In, s.At)
	}
}

// follow gives the steps of a talk as long as the moves are those of was, and
// then what the customer did.
func (p *player) follow(c dialogue.Customer, t Talk, was []dialogue.Move) error {
	mv := p.start(c, t)
	at := t.Opened
	if !alike(mv, was[0]) {
		p.leave(mv, at)
	}
	for i, s := range t.Steps {
		at = s.At
		in := s.In
		if p.left {
			if p.end != nil {
				return nil
			}
			switch in.Kind {
			case dialogue.Said, dialogue.Composed:
				continue // ours: floor says them
			case dialogue.TransferFailed:
				if !p.handed {
					continue
				}
			}
			in.HeardLine, in.HeardText = "", ""
		}
		if in.Kind == dialogue.Heard && p.u != nil {
			q := p.script.Question(p.st, in.Text)
			q.Now = s.At
			a, err := p.u(q)
			if err != nil {
				return fmt.Errorf("understanding: %w", err)
			}
			in.Answer = a
		}
		mv = p.next(in, at)
		if p.left {
			p.floor(mv, at)
		} else if !alike(mv, was[i+1]) {
			p.leave(mv, at)
		}
	}
	return nil
}

func (p *player) leave(mv dialogue.Move, at time.Time) {
	p.left = true
	p.floor(mv, at)
}

// floor lets everything be said until the customer has the floor.
func (p *player) floor(mv dialogue.Move, at time.Time) {
	for range 40 {
		switch {
		case mv.End != nil || mv.Transfer != nil:
			return
		case mv.Compose != nil:
			mv = p.next(dialogue.Input{Kind: dialogue.Composed, Reason: "no model in a replay"}, at)
		case len(mv.Lines) > 0 || mv.Resume:
			mv = p.next(dialogue.Input{Kind: dialogue.Said}, at)
		default:
			return
		}
	}
}

// alike reports that what comes after two moves is the same: their words may
// differ.
func alike(a, b dialogue.Move) bool {
	if a.Node != b.Node || a.Reply != b.Reply || a.Resume != b.Resume || len(a.Lines) != len(b.Lines) ||
		(a.Compose == nil) != (b.Compose == nil) || (a.Transfer == nil) != (b.Transfer == nil) || (a.End == nil) != (b.End == nil) {
		return false
	}
	for i := range a.Lines {
		if a.Lines[i].ID != b.Lines[i].ID {
			return false
		}
	}
	return a.End == nil || *a.End == *b.End
}

func (p *player) path(t Talk) Path {
	out := Path{Grade: p.st.Grade, Tags: p.st.Tags}
	for _, mv := range p.moves {
		if mv.Node != "" && (len(out.Nodes) == 0 || out.Nodes[len(out.Nodes)-1] != mv.Node) {
			out.Nodes = append(out.Nodes, mv.Node)
		}
		if mv.Reply != "" {
			out.Replies = append(out.Replies, mv.Reply)
		}
		for _, l := range mv.Lines {
			out.Texts = append(out.Texts, l.Text)
		}
	}
	switch {
	case p.end != nil:
		out.Disposition = p.end.Disposition
	case !p.left:
		out.Disposition = t.Disposition
	case p.handed:
		out.Disposition = campaign.Transferred
	case t.Disposition == campaign.HungUp || t.Disposition == campaign.Failed || t.Disposition == campaign.Withdrawn:
		out.Disposition = t.Disposition
	default:
		out.Disposition = Unfinished
	}
	return out
}

// Summary is what became of many conversations.
type Summary struct {
	Calls, Same, Elsewhere, Ends, Worded int
	// Moved counts dispositions: before -> after, only where they differ.
	Moved map[[2]campaign.Disposition]int
	// Forks counts the places where paths part: the last node in common, with
	// the node before and the node after.
	Forks map[[3]string]int
}

// Add counts a conversation.
func (s *Summary) Add(c Change) {
	if s.Moved == nil {
		s.Moved, s.Forks = map[[2]campaign.Disposition]int{}, map[[3]string]int{}
	}
	s.Calls++
	if c.Same() {
		s.Same++
		return
	}
	if c.Elsewhere {
		s.Elsewhere++
		s.Forks[fork(c.Before.Nodes, c.After.Nodes)]++
	}
	if c.Ends {
		s.Ends++
	}
	if c.Worded {
		s.Worded++
	}
	if c.Before.Disposition != c.After.Disposition {
		s.Moved[[2]campaign.Disposition{c.Before.Disposition, c.After.Disposition}]++
	}
}

// fork is where two ways part: the last place in common, and the next of each.
func fork(a, b []string) (f [3]string) {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		f[0] = a[i]
		i++
	}
	f[1], f[2] = "(end)", "(end)"
	if i < len(a) {
		f[1] = a[i]
	}
	if i < len(b) {
		f[2] = b[i]
	}
	return f
}

// String is the table that an author reads.
func (s Summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d calls: %d alike, %d take another way, %d end otherwise, %d only in other words\n", s.Calls, s.Same, s.Elsewhere, s.Ends, s.Worded)
	var rows []string
	for k, n := range s.Moved {
		rows = append(rows, fmt.Sprintf("%8d  %-16s %s", n, k[0], k[1]))
	}
	table(&b, "   calls  disposition      becomes", rows)
	rows = nil
	for k, n := range s.Forks {
		rows = append(rows, fmt.Sprintf("%8d  %-20s %-20s %s", n, k[0], k[1], k[2]))
	}
	table(&b, "   calls  after                went to              goes to", rows)
	return b.String()
}

func table(b *strings.Builder, head string, rows []string) {
	if len(rows) == 0 {
		return
	}
	slices.SortFunc(rows, func(x, y string) int { // most first: the count is right-aligned
		if c := strings.Compare(y[:8], x[:8]); c != 0 {
			return c
		}
		return strings.Compare(x, y)
	})
	fmt.Fprintf(b, "\n%s\n%s\n", head, strings.Join(rows, "\n"))
}
