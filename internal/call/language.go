package call

import (
	"errors"

	"ringmaster/internal/audio"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/speech"
)

// A person is heard and spoken to in his own language where the providers
// offer it. Where one does not, that part falls back to the script's language
// and the conversation goes on where it stands.

// recognize opens the recognizer in the person's language, or else in the
// script's.
func (c *call) recognize(f audio.Format) (speech.Recognition, error) {
	o := speech.RecognizeOptions{Format: f, Language: c.plan.Customer.Language, Hotwords: c.plan.Hotwords}
	asr, err := c.deps.Recognizer.Recognize(c.ctx, o)
	script := c.plan.Script.Info().Language
	if errors.Is(err, speech.ErrUnsupported) && o.Language != script {
		c.log.Warn("the recognizer does not offer the person's language; it hears the script's", "err", err)
		o.Language = script
		return c.deps.Recognizer.Recognize(c.ctx, o)
	}
	return asr, err
}

// unspoken: no voice offers the language of the line. The same is said in the
// script's language; false when it was that already.
func (r *rules) unspoken(s State, l LineReport) (State, []Effect, bool) {
	if !l.Unsupported || s.Dialogue.Language == r.script.Info().Language {
		return s, nil, false
	}
	s.Saying = false
	s, fx := r.converse(s, dialogue.Input{Kind: dialogue.Unspoken, Reason: l.Fault})
	return s, fx, true
}
