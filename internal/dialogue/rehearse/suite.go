package rehearse

import (
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/speech"
)

// Suite is a conversation file.
type Suite struct {
	Script        string         `yaml:"script"` // the script's ID
	Now           string         `yaml:"now"`    // RFC 3339; when the calls are answered
	Customer      Customer       `yaml:"customer"`
	Conversations []Conversation `yaml:"conversations"`

	file string
	now  time.Time
}

// Customer of a conversation; what it leaves out comes from the suite's.
type Customer struct {
	ID       string         `yaml:"id"`
	Name     string         `yaml:"name"`
	Language string         `yaml:"language"`
	Segment  string         `yaml:"segment"`
	Vars     map[string]any `yaml:"vars"`
	History  []Past         `yaml:"history"` // newest first
}

// Past is an earlier call of the customer.
type Past struct {
	Days        int               `yaml:"days"` // ago
	Script      string            `yaml:"script"`
	Disposition string            `yaml:"disposition"`
	Tags        []string          `yaml:"tags"`
	Slots       map[string]string `yaml:"slots"`
}

// Conversation is one call.
type Conversation struct {
	Name     string   `yaml:"name"`
	Customer Customer `yaml:"customer"`
	Talk     []Step   `yaml:"talk"`
	Expect   Expect   `yaml:"expect"`
}

// Step is one thing that happens. Exactly one of Us, Them, Barge, Silence,
// Keys and Event is set.
type Step struct {
	// Us: a line that holds these words is said next (others may stand before it).
	Us string `yaml:"us"`
	// Not: no line said since the customer's last words holds these words.
	Not string `yaml:"not"`
	// Them: the customer says it, after everything of ours has been said.
	Them string `yaml:"them"`
	// Barge: the customer says it into the last of our lines, of which Heard
	// (0 to 1, default 0.5) has been heard.
	Barge   string  `yaml:"barge"`
	Heard   float64 `yaml:"heard"`
	Silence bool    `yaml:"silence"`
	Keys    string  `yaml:"keys"`
	// Event: deaf, mute, greeting, beep, transfer_failed, time_up.
	Event string `yaml:"event"`

	// Model is what a language model answers when this turn is handed to it;
	// without it the model gives nothing.
	Model *Draft `yaml:"model"`

	// What must follow from the customer's words.
	Intent string            `yaml:"intent"`
	Node   string            `yaml:"node"`
	Slots  map[string]string `yaml:"slots"`
	Resume bool              `yaml:"resume"`
	// Why: the reason of the move holds these words. Beside Us it is the reason
	// of the move that said the line.
	Why string `yaml:"why"`
}

// Draft is what a language model proposes.
type Draft struct {
	Say    string `yaml:"say"`
	Intent string `yaml:"intent"`
	Done   bool   `yaml:"done"`
}

// Expect is what must have come of the conversation.
type Expect struct {
	Disposition string            `yaml:"disposition"`
	Reason      string            `yaml:"reason"`
	Node        string            `yaml:"node"`
	Tags        []string          `yaml:"tags"`
	Slots       map[string]string `yaml:"slots"`
	Grade       string            `yaml:"grade"`
	Actions     []string          `yaml:"actions"` // "kind" or "kind: value"
	Transfer    string            `yaml:"transfer"`
	Callback    string            `yaml:"callback"` // 2026-10-02T15:00
}

const maxFile = 1 << 20

// Load reads a conversation file strictly.
func Load(file string, src []byte) (*Suite, error) {
	if len(src) > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes: split it", file, maxFile)
	}
	s := &Suite{file: file}
	if err := yaml.UnmarshalWithOptions(src, s, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(s.Conversations) == 0 {
		return nil, fmt.Errorf("%s: no conversations: add at least one", file)
	}
	s.now = time.Date(2026, 10, 1, 14, 0, 0, 0, time.FixedZone("", 8*3600))
	if s.Now != "" {
		now, err := time.Parse(time.RFC3339, s.Now)
		if err != nil {
			return nil, fmt.Errorf("%s: now: %q is not a time such as 2026-10-01T14:00:00+08:00", file, s.Now)
		}
		s.now = now
	}
	for _, c := range s.Conversations {
		for i, st := range c.Talk {
			if n := st.kinds(); n != 1 {
				return nil, fmt.Errorf("%s: %s: step %d has %d of us, not, them, barge, silence, keys and event: write exactly one", file, c.Name, i+1, n)
			}
		}
	}
	return s, nil
}

func (st Step) kinds() int {
	n := 0
	for _, set := range []bool{st.Us != "", st.Not != "", st.Them != "", st.Barge != "", st.Silence, st.Keys != "", st.Event != ""} {
		if set {
			n++
		}
	}
	return n
}

// Whom is the customer of a conversation.
func (s *Suite) Whom(c Conversation) dialogue.Customer { return s.customer(c) }

func (s *Suite) customer(c Conversation) dialogue.Customer {
	base, own := s.Customer, c.Customer
	pick := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	vars := map[string]any{}
	for k, v := range base.Vars {
		vars[k] = v
	}
	for k, v := range own.Vars {
		if v == nil {
			delete(vars, k)
			continue
		}
		vars[k] = v
	}
	history := own.History
	if history == nil {
		history = base.History
	}
	return dialogue.Customer{ID: pick(own.ID, pick(base.ID, "12345")), Name: pick(own.Name, base.Name),
		Language: speech.Language(pick(own.Language, base.Language)), Segment: pick(own.Segment, base.Segment), Vars: vars, History: s.history(history)}
}

func (s *Suite) history(list []Past) []dialogue.Past {
	var out []dialogue.Past
	for _, h := range list {
		out = append(out, dialogue.Past{At: s.now.AddDate(0, 0, -h.Days), Script: h.Script, Disposition: campaign.Disposition(h.Disposition), Tags: h.Tags, Slots: h.Slots})
	}
	return out
}

// Result is what became of one conversation.
type Result struct {
	Name       string
	Problems   []string // empty: passed
	Transcript []string
}

// Report is what became of a suite, with what it has touched of the script.
type Report struct {
	File    string
	Results []Result
	Nodes   map[string]int // node -> conversations that reached it
	Replies map[string]int
}

// Failed counts the conversations with problems.
func (r Report) Failed() int {
	n := 0
	for _, res := range r.Results {
		if len(res.Problems) > 0 {
			n++
		}
	}
	return n
}

// Untouched names what no conversation reached, of nodes or replies.
func Untouched(all []string, touched map[string]int) []string {
	var out []string
	for _, id := range all {
		if touched[id] == 0 {
			out = append(out, id)
		}
	}
	return out
}

// String is the transcript and the problems, for people.
func (r Result) String() string {
	return r.Name + "\n  " + strings.Join(r.Transcript, "\n  ") + "\n  ! " + strings.Join(r.Problems, "\n  ! ")
}
