package check

import "ringmaster/internal/dialogue"

// eachCondition of a script, except those of grades, which lead nowhere.
func eachCondition(m dialogue.Model, f func(string)) {
	say := func(list ...*dialogue.SayModel) {
		for _, s := range list {
			if s != nil {
				for _, v := range s.Variants {
					f(v.When)
				}
			}
		}
	}
	says := func(list []dialogue.SayModel) {
		for i := range list {
			say(&list[i])
		}
	}
	replies := func(list []dialogue.ReplyModel) {
		for _, r := range list {
			f(r.When)
			say(r.Say)
		}
	}
	for _, n := range m.Nodes {
		say(n.Say, n.Again, n.KeysSay)
		replies(n.Skip)
		replies(n.Route)
		replies(n.Replies)
		replies(n.Keys)
		says(n.NoMatch.Say)
		says(n.Silence.Say)
	}
	replies(m.Globals)
	replies(m.Keys)
	for _, o := range m.Objections {
		says(o.Rounds)
		say(o.WornSay)
	}
	for i := range m.Advice {
		f(m.Advice[i].For)
		say(&m.Advice[i].Say)
	}
	says(m.Lines)
	say(m.Voicemail)
	for _, k := range sortedKeys(m.Unlocks) {
		f(m.Unlocks[k])
	}
}
