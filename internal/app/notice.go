package app

import (
	"fmt"
	"slices"
	"time"

	"ringmaster/internal/compliance"
	"ringmaster/internal/label"
)

// unsaid names what the law that applies to a call demands of its notice and
// the script's notice does not say. Emotion recognition is not used, so nothing
// has to be said of it; the AI part may be the rhythm cue where the law takes
// that form.
func (p *prepared) unsaid(set *compliance.Set) error {
	if set == nil {
		return nil
	}
	var want []string
	for _, d := range set.Law(p.Act()).Disclosures() {
		if d.What == label.PartEmotion || d.What == label.PartAI && p.caller.cfg.Recordings.Label.Cue && slices.Contains(d.Forms, "rhythm") {
			continue
		}
		want = append(want, d.What)
	}
	return p.lacks(want...)
}

// lacks names what the script's notice has to say and does not.
func (p *prepared) lacks(want ...string) error {
	if len(want) == 0 {
		return nil
	}
	line, ok := notice(p.script, p.customer, time.Now())
	if !ok {
		return fmt.Errorf("script %s has no notice: %s must be said at the start (docs/disclosure.md)", p.script.Info().ID, want)
	}
	text := line.Text
	switch line.Language { // the phrase tables know these; any other is judged by the script's own language
	case "cmn", "yue", "hak", "en":
	default:
		text = p.script.Info().Disclosure
	}
	if missing := label.Missing(text, want...); len(missing) > 0 {
		return fmt.Errorf("the notice of script %s does not say %s, as the law that applies to this call demands (docs/disclosure.md)", p.script.Info().ID, missing)
	}
	return nil
}
