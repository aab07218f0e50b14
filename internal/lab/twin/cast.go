package twin

import (
	"errors"
	"fmt"
	"hash/fnv"
	"path"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"ringmaster/internal/lab/twin/callee"
)

// Cast are the people behind the exchange. The first rule that fits counts.
type Cast struct{ Rules []Rule }

// Rule says who answers: exactly one of Number, Agent and Queue is set.
type Rule struct {
	Number string // what is dialled, or a pattern with * and ? (path.Match)
	Agent  string
	Queue  string
	Script callee.Script
	// Mix replaces Script by one of several, in proportion to their weights:
	// the choice depends on the seed, the number and how often it was rung.
	Mix []Share
	// Jitter is added to Script.Ring: up to so much, chosen like Mix.
	Jitter time.Duration
}

// Share is one of several behaviours.
type Share struct {
	Weight int
	Script callee.Script
}

// ForNumber is who answers at a number that is rung for the nth time; nobody
// is a 404.
func (c Cast) ForNumber(number string, seed uint64, nth int) callee.Script {
	for _, r := range c.Rules {
		if r.Number == "" {
			continue
		}
		if ok, err := path.Match(r.Number, number); (err != nil || !ok) && r.Number != number {
			continue
		}
		return r.pick(number, seed, nth)
	}
	return callee.Script{Silent: true, Reject: 404}
}

func (r Rule) pick(number string, seed uint64, nth int) callee.Script {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d/%s/%d", seed, number, nth)
	luck := h.Sum64()
	s := r.Script
	total := 0
	for _, m := range r.Mix {
		total += m.Weight
	}
	if total > 0 {
		at := int(luck % uint64(total))
		for _, m := range r.Mix {
			if at -= m.Weight; at < 0 {
				s = m.Script
				break
			}
		}
	}
	if r.Jitter > 0 {
		s.Ring += time.Duration(luck>>16) % r.Jitter
	}
	return s
}

// ForAgent is an agent's telephone, false when there is none.
func (c Cast) ForAgent(name string) (callee.Script, bool) {
	for _, r := range c.Rules {
		if r.Agent == name && name != "" {
			return r.Script, true
		}
	}
	return callee.Script{}, false
}

// ForQueue is whoever takes a queue's calls, false when there is no such queue.
func (c Cast) ForQueue(name string) (callee.Script, bool) {
	for _, r := range c.Rules {
		if r.Queue == name && name != "" {
			return r.Script, true
		}
	}
	return callee.Script{}, false
}

// Speak turns text into sound at callee.Rate: a tone alphabet, or a voice.
type Speak func(text string) ([]int16, error)

// ErrCast is a file of subscribers that cannot be used.
var ErrCast = errors.New("callees file")

// maxCast bounds a callees file.
const maxCast = 1 << 20

// The file's form. Everything unknown is an error.
type castYAML struct {
	Format  string       `yaml:"format"`
	Callees []calleeYAML `yaml:"callees"`
}

type calleeYAML struct {
	Number  string        `yaml:"number"`
	Agent   string        `yaml:"agent"`
	Queue   string        `yaml:"queue"`
	Name    string        `yaml:"name"`
	Trying  time.Duration `yaml:"trying"`
	Silent  bool          `yaml:"silent"`
	Ring    time.Duration `yaml:"ring"`
	Jitter  time.Duration `yaml:"jitter"`
	Busy    bool          `yaml:"busy"`
	Decline bool          `yaml:"decline"`
	Reject  int           `yaml:"reject"`
	Reason  int           `yaml:"reason"`
	Never   bool          `yaml:"never"`
	Early   []stepYAML    `yaml:"early"`
	Steps   []stepYAML    `yaml:"steps"`
	Limit   time.Duration `yaml:"limit"`
	Noise   int           `yaml:"noise"`
	Mix     []struct {
		Weight int    `yaml:"weight"`
		As     string `yaml:"as"`
	} `yaml:"mix"`
}

type stepYAML struct {
	Wait    time.Duration `yaml:"wait"`
	Say     string        `yaml:"say"`
	Tone    *toneYAML     `yaml:"tone"`
	Beep    bool          `yaml:"beep"`
	Listen  *listenYAML   `yaml:"listen"`
	BargeIn time.Duration `yaml:"barge_in"`
	DTMF    string        `yaml:"dtmf"`
	Hangup  *hangupYAML   `yaml:"hangup"`
	Again   bool          `yaml:"again"`
}

type toneYAML struct {
	Hz    float64       `yaml:"hz"`
	For   time.Duration `yaml:"for"`
	Level int           `yaml:"level"`
}

type listenYAML struct {
	Start   time.Duration `yaml:"start"`
	Silence time.Duration `yaml:"silence"`
	Max     time.Duration `yaml:"max"`
}

type hangupYAML struct {
	Cause int `yaml:"cause"`
}

// ParseCast reads a callees file (format pbxsim/1) and turns its words into
// sound with speak.
func ParseCast(data []byte, speak Speak) (Cast, error) {
	if len(data) > maxCast {
		return Cast{}, fmt.Errorf("%w: larger than %d bytes", ErrCast, maxCast)
	}
	var f castYAML
	if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict(), yaml.DisallowUnknownField()); err != nil {
		return Cast{}, fmt.Errorf("%w: %w", ErrCast, err)
	}
	if f.Format != "pbxsim/1" {
		return Cast{}, fmt.Errorf("%w: format is %q, this program reads pbxsim/1", ErrCast, f.Format)
	}
	var c Cast
	named := map[string]callee.Script{}
	for i, y := range f.Callees {
		r, err := y.rule(speak)
		if err != nil {
			return Cast{}, fmt.Errorf("%w: callees[%d] %s: %w", ErrCast, i, y.Name, err)
		}
		for _, m := range y.Mix {
			s, ok := named[m.As]
			if !ok || m.Weight < 1 {
				return Cast{}, fmt.Errorf("%w: callees[%d] %s: mix: %q must name a callee above, with a weight of 1 or more", ErrCast, i, y.Name, m.As)
			}
			r.Mix = append(r.Mix, Share{m.Weight, s})
		}
		if y.Name != "" {
			named[y.Name] = r.Script
		}
		c.Rules = append(c.Rules, r)
	}
	return c, nil
}

func (y calleeYAML) rule(speak Speak) (Rule, error) {
	set := 0
	for _, s := range []string{y.Number, y.Agent, y.Queue} {
		if s != "" {
			set++
		}
	}
	if set != 1 {
		return Rule{}, errors.New("exactly one of number, agent and queue says who this is")
	}
	if _, err := path.Match(y.Number, ""); err != nil {
		return Rule{}, fmt.Errorf("number %q: %w", y.Number, err)
	}
	if y.Jitter < 0 {
		return Rule{}, errors.New("jitter: times are not negative")
	}
	s := callee.Script{
		Name: y.Name, Trying: y.Trying, Silent: y.Silent, Ring: y.Ring, Reject: y.Reject, Reason: y.Reason,
		Never: y.Never, Limit: y.Limit, Noise: y.Noise,
	}
	switch {
	case y.Busy && y.Reject == 0 && !y.Decline:
		s.Reject = 486
	case y.Decline && y.Reject == 0 && !y.Busy:
		s.Reject = 603
	case y.Busy || y.Decline:
		return Rule{}, errors.New("busy, decline and reject exclude each other")
	}
	var err error
	if s.Early, err = steps("early", y.Early, speak); err != nil {
		return Rule{}, err
	}
	if s.Steps, err = steps("steps", y.Steps, speak); err != nil {
		return Rule{}, err
	}
	return Rule{Number: y.Number, Agent: y.Agent, Queue: y.Queue, Script: s, Jitter: y.Jitter}, s.Validate()
}

func steps(list string, ys []stepYAML, speak Speak) ([]callee.Step, error) {
	var out []callee.Step
	for i, y := range ys {
		st, err := y.step(speak)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", list, i, err)
		}
		out = append(out, st)
	}
	return out, nil
}

func (y stepYAML) step(speak Speak) (callee.Step, error) {
	st := callee.Step{Wait: y.Wait, BargeIn: y.BargeIn, DTMF: y.DTMF, Again: y.Again}
	sounds := 0
	if y.Say != "" {
		sounds++
		pcm, err := speak(y.Say)
		if err != nil {
			return st, fmt.Errorf("say: %w", err)
		}
		st.Say, st.Text = pcm, y.Say
	}
	if y.Beep {
		sounds++
		st.Say, st.Text = callee.Tone(1000, 500*time.Millisecond, 12000), "(beep)"
	}
	if t := y.Tone; t != nil {
		sounds++
		level := t.Level
		if level == 0 {
			level = 8000
		}
		if t.Hz < 50 || t.Hz > 3900 || t.For < 20*time.Millisecond || t.For > time.Minute || level < 1 || level > 32000 {
			return st, errors.New("tone: hz 50 to 3900, for 20ms to 1m, level 1 to 32000")
		}
		st.Say, st.Text = callee.Tone(t.Hz, t.For, level), "(tone)"
	}
	if sounds > 1 {
		return st, errors.New("a step does exactly one thing: say, beep or tone")
	}
	if y.Listen != nil {
		st.Listen = &callee.Listen{Start: y.Listen.Start, Silence: y.Listen.Silence, Max: y.Listen.Max}
	}
	if y.Hangup != nil {
		st.Hangup, st.Cause = true, y.Hangup.Cause
	}
	st.DTMF = strings.ReplaceAll(st.DTMF, " ", "")
	return st, nil
}
