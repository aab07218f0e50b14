// Package remote is what understanders behind HTTP have in common: one bounded
// request with a deadline, failures by name, a rest after repeated failures,
// counts, and the embedded understander in reserve.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/opinion"
)

// Bounds of a conversation with a provider.
const (
	DefaultTimeout = 800 * time.Millisecond // a caller waits no longer for an answer
	maxAnswer      = 1 << 20
	maxSaid        = 4000 // bytes of what was said that leave the house
	restAfter      = 5    // failures in a row
	restFor        = 5 * time.Second
)

// Stats counts since the start.
type Stats struct {
	Asked, Answered                 uint64
	TimedOut, Unavailable, Protocol uint64
	Rested                          uint64 // not asked, after failures in a row
	FellBack                        uint64 // answered by the embedded understander in its place
}

// Options of a provider.
type Options struct {
	Name    string // in Answer.Provider and errors
	URL     string
	Token   string        // sent as a bearer token when not empty
	Timeout time.Duration // for one answer; 0: DefaultTimeout
	Client  *http.Client  // nil: one of its own, without redirects
	// Embedded answers when the provider does not, and adds its keywords and
	// slots when it does.
	Embedded nlu.Understander
	// Failed is told of every failure (nil: nobody is).
	Failed func(err error)
}

// Understander asks a provider and merges its opinion with the embedded one.
type Understander struct {
	o     Options
	speak Speak
	stats struct {
		asked, answered, timedOut, unavailable, protocol, rested, fellBack atomic.Uint64
	}
	mu       sync.Mutex
	failures int
	restEnd  time.Time
}

// Speak is one provider's protocol: what to send, and what an answer means.
// Parse sees foreign bytes.
type Speak struct {
	Body  func(q nlu.Question, said string) (any, error)
	Parse func(q nlu.Question, body []byte) ([]nlu.Candidate, string, error)
}

// New checks the options.
func New(o Options, speak Speak) (*Understander, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("understanding provider %s: its URL must be http:// or https:// with a host", o.Name)
	}
	if o.Embedded == nil {
		return nil, fmt.Errorf("understanding provider %s: it needs the embedded understander in reserve", o.Name)
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Client == nil {
		o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Understander{o: o, speak: speak}, nil
}

// Stats gives the counts.
func (u *Understander) Stats() Stats {
	s := &u.stats
	return Stats{s.asked.Load(), s.answered.Load(), s.timedOut.Load(), s.unavailable.Load(), s.protocol.Load(), s.rested.Load(), s.fellBack.Load()}
}

// Understand asks the provider; its only error is that of a context that has
// ended, because the embedded understander answers in every other case.
func (u *Understander) Understand(ctx context.Context, q nlu.Question) (nlu.Answer, error) {
	words, err := u.o.Embedded.Understand(ctx, q)
	if err != nil {
		return words, err
	}
	said := Clean(q.Said)
	if q.Masked != "" { // no person's number leaves the house
		said = Clean(q.Masked)
	}
	if said == "" || words.Intent != "" && words.Confidence >= 0.97 {
		return words, nil // silence, or a word of urgency: nothing to ask
	}
	if !u.ready() {
		u.stats.rested.Add(1)
		return u.fallBack(words), nil
	}
	u.stats.asked.Add(1)
	candidates, reason, err := u.ask(ctx, q, said)
	u.outcome(ctx, err)
	if err != nil {
		if u.o.Failed != nil {
			u.o.Failed(err)
		}
		return u.fallBack(words), nil
	}
	u.stats.answered.Add(1)
	return opinion.Merge(q, words, opinion.Model{Provider: u.o.Name, Reason: Line(reason), Candidates: candidates}), nil
}

func (u *Understander) fallBack(words nlu.Answer) nlu.Answer {
	u.stats.fellBack.Add(1)
	return words
}

func (u *Understander) ready() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.failures < restAfter || !time.Now().Before(u.restEnd)
}

// outcome counts; after failures in a row the provider is left alone a while,
// then tried by one question at a time.
func (u *Understander) outcome(ctx context.Context, err error) {
	if err != nil && ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return // the call has ended: it says nothing about the provider
	}
	switch {
	case errors.Is(err, nlu.ErrTimeout):
		u.stats.timedOut.Add(1)
	case errors.Is(err, nlu.ErrProtocol):
		u.stats.protocol.Add(1)
	case err != nil:
		u.stats.unavailable.Add(1)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		u.failures = 0
		return
	}
	u.failures++
	if u.failures >= restAfter {
		u.restEnd = time.Now().Add(restFor)
	}
}

func (u *Understander) ask(ctx context.Context, q nlu.Question, said string) ([]nlu.Candidate, string, error) {
	ctx, cancel := context.WithTimeout(ctx, u.o.Timeout)
	defer cancel()
	payload, err := u.speak.Body(q, said)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", nlu.ErrProtocol, err)
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", nlu.ErrProtocol, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.o.URL, bytes.NewReader(body))
	if err != nil {
		return nil, "", fmt.Errorf("%w: the URL is not usable", nlu.ErrUnavailable)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if u.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+u.o.Token)
	}
	res, err := u.o.Client.Do(req)
	if err != nil {
		return nil, "", u.failure(err)
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, "", u.failure(err)
	case res.StatusCode/100 != 2:
		return nil, "", fmt.Errorf("%w: %s answers HTTP %d", nlu.ErrUnavailable, u.o.Name, res.StatusCode)
	case len(got) > maxAnswer:
		return nil, "", fmt.Errorf("%w: %s answers more than %d bytes", nlu.ErrProtocol, u.o.Name, maxAnswer)
	}
	cs, reason, err := u.speak.Parse(q, got)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %s: %w", nlu.ErrProtocol, u.o.Name, err)
	}
	return cs, reason, nil
}

// failure names what the client met, without the URL, which may hold a secret.
func (u *Understander) failure(err error) error {
	var late net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &late) && late.Timeout() {
		return fmt.Errorf("%w: %s", nlu.ErrTimeout, u.o.Name)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("%w: %s: %w", nlu.ErrUnavailable, u.o.Name, err)
}

// Clean is what was said, as valid UTF-8 without control characters and of
// bounded length.
func Clean(s string) string {
	if len(s) > maxSaid {
		s = s[:maxSaid]
	}
	out := make([]rune, 0, len(s))
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n <= 1 {
				continue
			}
		}
		if r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			r = ' '
		}
		out = append(out, r)
	}
	return string(bytes.TrimSpace([]byte(string(out))))
}

// Line makes one short line of foreign words.
func Line(s string) string {
	s = Clean(s)
	if r := []rune(s); len(r) > 120 {
		s = string(r[:120]) + "..."
	}
	return s
}
