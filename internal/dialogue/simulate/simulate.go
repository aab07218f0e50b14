package simulate

import (
	"context"
	"math/rand/v2"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/rehearse"
	"ringmaster/internal/nlu"
)

// Unfinished: neither side came to an end within maxTurns.
const Unfinished campaign.Disposition = "(unfinished)"

// maxTurns of one conversation; a script that passes its check ends earlier.
const maxTurns = 80

// Options of a simulation. The same options give the same report.
type Options struct {
	Calls   int
	Seed    uint64
	Weights map[Persona]int // nil = Weights()
	// Customer is called every time; Now is when.
	Customer dialogue.Customer
	Now      time.Time
	// Spare are further sentences, such as those of the conversations beside
	// the script.
	Spare []string
	// Goal is the node that the script is for; empty = an end as completed.
	Goal string
}

// Report is what came of it.
type Report struct {
	Script  string `json:"script"`
	Version string `json:"version"`
	Calls   int    `json:"calls"`
	Seed    uint64 `json:"seed"`
	Funnel  []Step `json:"funnel"`
	Goal    string `json:"goal"`

	Dispositions map[campaign.Disposition]int             `json:"dispositions"`
	Grades       map[string]int                           `json:"grades,omitempty"`
	Personas     map[Persona]map[campaign.Disposition]int `json:"personas"`
	// Lost counts where customers hung up.
	Lost map[string]int `json:"lost_at,omitempty"`
}

// Step of the funnel: how many calls have come there, in the order of the file.
type Step struct {
	Name  string `json:"name"`
	Calls int    `json:"calls"`
}

// Run makes the calls. What is said is understood by u.
func Run(ctx context.Context, s *dialogue.Script, u nlu.Understander, o Options) (Report, error) {
	info := s.Info()
	rep := Report{Script: info.ID, Version: info.Version, Calls: o.Calls, Seed: o.Seed, Goal: o.Goal, Dispositions: map[campaign.Disposition]int{},
		Grades: map[string]int{}, Personas: map[Persona]map[campaign.Disposition]int{}, Lost: map[string]int{}}
	if rep.Goal == "" {
		rep.Goal = string(campaign.Completed)
	}
	if o.Weights == nil {
		o.Weights = Weights()
	}
	disclosed, goal, reached := 0, 0, map[string]int{}
	for i := range o.Calls {
		if err := ctx.Err(); err != nil {
			return rep, err
		}
		r := rand.New(rand.NewPCG(o.Seed, uint64(i))) //nolint:gosec // reproducible on purpose
		c := &customer{persona: draw(r, o.Weights), r: r, spare: o.Spare}
		t, err := talk(ctx, s, u, c, o)
		if err != nil {
			return rep, err
		}
		if t.disclosed {
			disclosed++
		}
		for n := range t.visits {
			reached[n]++
		}
		if o.Goal == "" && t.end == campaign.Completed || o.Goal != "" && t.visits[o.Goal] > 0 {
			goal++
		}
		rep.Dispositions[t.end]++
		if t.grade != "" {
			rep.Grades[t.grade]++
		}
		if t.end == campaign.HungUp {
			rep.Lost[t.last]++
		}
		if rep.Personas[c.persona] == nil {
			rep.Personas[c.persona] = map[campaign.Disposition]int{}
		}
		rep.Personas[c.persona][t.end]++
	}
	rep.Funnel = append(rep.Funnel, Step{"dialled", o.Calls}, Step{"disclosed", disclosed})
	for _, n := range info.Nodes {
		rep.Funnel = append(rep.Funnel, Step{n, reached[n]})
	}
	rep.Funnel = append(rep.Funnel, Step{"goal: " + rep.Goal, goal})
	return rep, nil
}

func draw(r *rand.Rand, weights map[Persona]int) Persona {
	sum := 0
	for _, p := range Personas() {
		sum += max(weights[p], 0)
	}
	if sum == 0 {
		return Cooperative
	}
	n := r.IntN(sum)
	for _, p := range Personas() {
		if n -= max(weights[p], 0); n < 0 {
			return p
		}
	}
	return Cooperative
}

// talked is one conversation.
type talked struct {
	visits    map[string]int
	last      string // node at which it ended
	disclosed bool
	end       campaign.Disposition
	grade     string
}

func talk(ctx context.Context, s *dialogue.Script, u nlu.Understander, c *customer, o Options) (talked, error) {
	t := talked{end: Unfinished}
	see := func(moves []dialogue.Move) {
		for _, m := range moves {
			if m.Node != "" {
				t.last = m.Node
			}
		}
	}
	stage, moves := rehearse.Open(s, u, o.Customer, o.Now)
	see(moves)
	for n := 0; !stage.Over() && n < maxTurns; n++ {
		d := c.answer(s.Question(stage.State, ""))
		if d.gone {
			t.end = campaign.HungUp
			break
		}
		if d.silent {
			moves = stage.Give(silence())
		} else {
			var err error
			if _, moves, err = stage.Hear(ctx, d.say); err != nil {
				return t, err
			}
		}
		see(moves)
	}
	switch {
	case stage.Transfer != nil:
		t.end = campaign.Transferred
	case stage.End != nil:
		t.end = stage.End.Disposition
	}
	t.disclosed, t.grade, t.visits = stage.State.Disclosed, stage.State.Grade, stage.State.Visits
	return t, nil
}
