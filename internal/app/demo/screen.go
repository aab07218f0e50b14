package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"ringmaster/internal/app"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
)

// screen shows the calls while they run, in words or at the end in JSON.
type screen struct {
	out   io.Writer
	quiet bool // JSON only
	mu    sync.Mutex
	start time.Time
	about map[string]string
	done  []finished
	over  chan struct{}
}

type finished struct {
	customer string
	attempt  campaign.Attempt
	outcome  campaign.Outcome
}

func newScreen(o Options) *screen {
	return &screen{out: o.Out, quiet: o.JSON, start: time.Now(), about: map[string]string{}, over: make(chan struct{}, 1000)}
}

func (s *screen) print(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

func (s *screen) line(format string, args ...any) {
	if s.quiet {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *screen) begin(pbx string) {
	where := map[string]string{
		"esl": "the FreeSWITCH twin, over its event socket, media by SIP and RTP", "both": "both twins at once, Asterisk by ARI and FreeSWITCH by ESL",
		"asterisk": "a real Asterisk 22, SIP phones as callees",
	}[pbx]
	if where == "" {
		where = "the exchange twin, over its ARI socket"
	}
	s.line("\nRingmaster demo on %s. Callees speak a tone alphabet, heard by a laboratory recognition server.", where)
	s.line("Times are seconds since the answer; 我方 = Ringmaster, 客户 = callee.\n")
}

func (s *screen) expect(customer, about string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.about[customer] = about
}

// watch is called from the goroutines of calls.
func (s *screen) watch(sight app.Sight) {
	who := sight.Attempt.Person.ExternalID
	switch {
	case sight.Outcome != nil:
		o := *sight.Outcome
		if o.NeverSent != "" {
			return
		}
		s.line("%s ■ %s  %s", tag(who), o.Disposition, ending(o))
		s.mu.Lock()
		s.done = append(s.done, finished{who, sight.Attempt, o})
		s.mu.Unlock()
		s.over <- struct{}{}
	case sight.Note.Turn != nil:
		s.line("%s   %s", tag(who), turnLine(*sight.Note.Turn))
	default:
		if text := phaseText(sight.Note.Phase); text != "" {
			s.line("%s · %s (%.1f s)", tag(who), text, sight.Note.At.Seconds())
		}
	}
}

func tag(who string) string { return fmt.Sprintf("%-11s", who) }

func turnLine(t campaign.Turn) string {
	side := "我方"
	if t.Side == campaign.Them {
		side = "客户"
	}
	line := fmt.Sprintf("%6.2f-%6.2f %s  %s", float64(t.StartMS)/1000, float64(t.EndMS)/1000, side, t.Text)
	if t.Interrupted {
		line += " ⟨打断⟩"
	}
	if t.Intent != "" {
		line += fmt.Sprintf("   [%s %.2f]", t.Intent, t.Confidence)
	}
	return line
}

func phaseText(p call.Phase) string {
	switch p {
	case call.Placing:
		return "dialling"
	case call.Alerting:
		return "ringing"
	case call.Talking:
		return "answered"
	case call.Transferring:
		return "fetching a person"
	case call.HandedOver:
		return "talking to a person"
	}
	return ""
}

func ending(o campaign.Outcome) string {
	parts := []string{o.Disposition.Label("zh")}
	if o.Answered() {
		parts = append(parts, fmt.Sprintf("%.1f s", o.EndedAt.Sub(o.AnsweredAt).Seconds()))
	}
	if o.SIP != 0 {
		parts = append(parts, fmt.Sprintf("SIP %d", o.SIP))
	}
	if o.Reason != "" {
		parts = append(parts, o.Reason)
	}
	return strings.Join(parts, ", ")
}

// wait returns when n calls are over.
func (s *screen) wait(ctx context.Context, n int) error {
	for range n {
		select {
		case <-s.over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// callView is a call in the JSON of `demo --json`.
type callView struct {
	Attempt     string               `json:"attempt"`
	Contact     string               `json:"contact"`
	PBX         string               `json:"pbx,omitempty"`
	Disposition campaign.Disposition `json:"disposition"`
	Reason      string               `json:"reason,omitempty"`
	SIP         int                  `json:"sip,omitempty"`
	Q850        int                  `json:"q850,omitempty"`
	EndedBy     string               `json:"ended_by,omitempty"`
	AMD         string               `json:"amd,omitempty"`
	StartedAt   time.Time            `json:"started_at"`
	AnsweredAt  *time.Time           `json:"answered_at,omitempty"`
	EndedAt     time.Time            `json:"ended_at"`
	Tags        []string             `json:"tags,omitempty"`
	OptOut      bool                 `json:"opt_out,omitempty"`
	Disclosure  *campaign.Disclosure `json:"disclosure,omitempty"`
	Recordings  []campaign.Recording `json:"recordings,omitempty"`
	Turns       []campaign.Turn      `json:"turns"`
}

func (s *screen) summary(api, key string, o Options) {
	s.mu.Lock()
	done := append([]finished(nil), s.done...)
	s.mu.Unlock()
	if o.JSON {
		views := make([]callView, 0, len(done))
		for _, f := range done {
			views = append(views, f.view())
		}
		s.print(map[string]any{"calls": views})
		return
	}
	s.line("\n%-12s %-22s %-15s %8s %6s  %s", "customer", "who", "disposition", "talk", "turns", "notice heard at")
	for _, f := range done {
		talk, notice := "-", "-"
		if f.outcome.Answered() {
			talk = fmt.Sprintf("%.1f s", f.outcome.EndedAt.Sub(f.outcome.AnsweredAt).Seconds())
		}
		if n := f.outcome.Disclosure; n != nil {
			notice = fmt.Sprintf("%.2f s", float64(n.EndMS)/1000)
		}
		s.line("%-12s %-22s %-15s %8s %6d  %s", f.customer, s.about[f.customer], f.outcome.Disposition, talk, len(f.outcome.Turns), notice)
	}
	s.line("\n%d calls in %.1f s.", len(done), time.Since(s.start).Seconds())
	if !o.Once {
		s.line("\nThe API stays up at %s (document: %s/openapi.json). The next call:\n", api, api)
		s.line("  curl -s %s/api/v1/call/task -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \\\n    -d '{\"customer_id\":\"%s\",\"script_id\":\"%s\"}'\n\nCtrl-C ends it.", api, key, next(o), script)
	}
}

func (f finished) view() callView {
	o := f.outcome
	v := callView{Attempt: f.attempt.ID.String(), Contact: f.customer, PBX: f.attempt.Placed.PBX, Disposition: o.Disposition, Reason: o.Reason, SIP: o.SIP, Q850: o.Q850, EndedBy: o.By,
		AMD: o.AMD, StartedAt: o.StartedAt, EndedAt: o.EndedAt, Tags: o.Tags, OptOut: o.OptOut != nil, Disclosure: o.Disclosure, Recordings: o.Recordings, Turns: o.Turns}
	if o.Answered() {
		v.AnsweredAt = &o.AnsweredAt
	}
	if v.Turns == nil {
		v.Turns = []campaign.Turn{}
	}
	return v
}

// next is the customer of the printed curl line: on a real Asterisk the
// reader's own softphone.
func next(o Options) string {
	if o.PBX == "asterisk" {
		return softphone
	}
	return "12345"
}
