package cast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"ringmaster/adapter/speech/cache"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/voices"
)

// Provider is one synthesizer under its configured name.
type Provider struct {
	Name        string
	Synthesizer speech.Synthesizer
	// FirstAudio is how long its first sample may take before the next provider
	// speaks; 0 means 1.5 s.
	FirstAudio time.Duration
	// Speaks are the languages that it offers; nil means any. One that does not
	// offer the language of a line is asked for it last.
	Speaks []speech.Language
	// Key is what shapes its sound beside the voice: model, default voices. See
	// Cast.Identity.
	Key string
}

// Config of a Cast.
type Config struct {
	Providers []Provider // first ones first
	Catalogue *voices.Catalogue
	Log       *slog.Logger
}

// ErrNoProvider means that there is nobody to speak.
var ErrNoProvider = errors.New("cast: no provider of voices: configure speech.synthesizers")

// Substitution is a line that was to be spoken by the provider From and was
// spoken by To, without what Lost names ("gender dialect").
type Substitution struct{ From, To, Lost string }

// Cast is a speech.Synthesizer; safe for concurrent use.
type Cast struct {
	cfg Config

	mu     sync.Mutex
	counts map[Substitution]int64
	told   map[Substitution]time.Time
}

// New casts by a catalogue; nil or empty: the first provider takes the voice's
// name as its own, the next ones speak with their default.
func New(c Config) (*Cast, error) {
	if len(c.Providers) == 0 {
		return nil, ErrNoProvider
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Cast{cfg: c, counts: map[Substitution]int64{}, told: map[Substitution]time.Time{}}, nil
}

// part is what one provider would be asked for.
type part struct {
	p     *Provider
	voice string
	speed float64
	lost  string
}

// parts are the providers in the order in which they are asked for a line.
func (c *Cast) parts(u speech.Utterance) []part {
	v, ok := c.cfg.Catalogue.Voice(u.Voice)
	if ok = ok && v.Speaks(u.Language); !ok {
		out := make([]part, 0, len(c.cfg.Providers))
		for i := range c.cfg.Providers {
			out = append(out, part{p: &c.cfg.Providers[i]})
		}
		speaking(out, u.Language)
		if c.cfg.Catalogue.Empty() && out[0].p == &c.cfg.Providers[0] {
			out[0].voice = u.Voice
		}
		return out
	}
	var first, rest []part
	for i := range c.cfg.Providers {
		p := &c.cfg.Providers[i]
		if p.Name == v.Provider {
			first = append(first, part{p: p, voice: v.Own, speed: v.Speed})
			continue
		}
		s, lost, _ := c.cfg.Catalogue.Substitute(v, u.Language, p.Name)
		rest = append(rest, part{p: p, voice: s.Own, speed: s.Speed, lost: strings.Join(lost, " ")})
	}
	speaking(rest, u.Language)
	return append(first, rest...)
}

// speaking puts those first that offer a language.
func speaking(list []part, l speech.Language) {
	mute := func(p part) int {
		if p.p.Speaks == nil || slices.Contains(p.p.Speaks, l) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b part) int { return mute(a) - mute(b) })
}

// Synthesize implements speech.Synthesizer.
func (c *Cast) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	list := c.parts(u)
	last := len(list) - 1
	chain := speech.Synthesizer(&speaker{c, list[last], u.Voice, list[0].p.Name})
	for i := last - 1; i >= 0; i-- {
		chain = cache.Fallback(&speaker{c, list[i], u.Voice, list[0].p.Name}, chain, cache.SynthesisTimeouts{FirstAudio: list[i].p.FirstAudio})
	}
	return chain.Synthesize(ctx, u)
}

// Identity stands for the voice of an utterance in the key of a kept prompt:
// who speaks it with which settings. A catalogue that is changed makes the
// prompts of the voices that it changes anew.
func (c *Cast) Identity(u speech.Utterance) string {
	first := c.parts(u)[0]
	if v, ok := c.cfg.Catalogue.Voice(u.Voice); ok {
		u.Voice = fmt.Sprintf("%s\x00%s\x00%s\x00%g", v.Name, first.p.Name, first.voice, first.speed)
	}
	if first.p.Key != "" {
		u.Voice += "\x00" + first.p.Key
	}
	return u.Voice
}

// times multiplies speeds, of which 0 means 1.
func times(a, b float64) float64 {
	if a == 0 {
		return b
	}
	if b == 0 {
		return a
	}
	return a * b
}

// speaker is one provider in the part of one line.
type speaker struct {
	c     *Cast
	part  part
	voice string // as it was asked for
	first string // the provider that was to speak
}

// Synthesize implements speech.Synthesizer.
func (s *speaker) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	u.Voice, u.Speed = s.part.voice, times(u.Speed, s.part.speed)
	syn, err := s.part.p.Synthesizer.Synthesize(ctx, u)
	if err == nil && s.part.p.Name != s.first {
		s.c.substituted(Substitution{s.first, s.part.p.Name, s.part.lost}, s.voice, u.Language)
	}
	return syn, err
}

// substituted counts a line that another provider speaks.
func (c *Cast) substituted(s Substitution, voice string, l speech.Language) {
	c.mu.Lock()
	c.counts[s]++
	now := time.Now()
	quiet := now.Sub(c.told[s]) < time.Minute
	if !quiet {
		c.told[s] = now
	}
	c.mu.Unlock()
	if !quiet {
		c.cfg.Log.Warn("another provider speaks: the first one failed", "voice", voice, "language", l, "provider", s.From, "instead", s.To, "without_the_same", s.Lost)
	}
}

// Substitutions are the lines so far that another provider spoke.
func (c *Cast) Substitutions() map[Substitution]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[Substitution]int64, len(c.counts))
	for k, n := range c.counts {
		out[k] = n
	}
	return out
}

var _ speech.Synthesizer = (*Cast)(nil)
