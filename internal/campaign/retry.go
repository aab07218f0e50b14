package campaign

import "time"

// RetryPolicy says when a contact is tried again: per disposition a delay,
// under one shared cap (row T5).
type RetryPolicy struct {
	MaxTries int                           `json:"max_tries"`
	Delay    map[Disposition]time.Duration `json:"delay"`
}

// DefaultRetry tries three times in all: soon after a busy line, later after
// silence, and never again after a conversation or a refusal.
func DefaultRetry() RetryPolicy {
	return RetryPolicy{MaxTries: 3, Delay: map[Disposition]time.Duration{
		Busy: 10 * time.Minute, NoAnswer: time.Hour, Voicemail: 4 * time.Hour, Unreachable: 2 * time.Hour,
		Congestion: 2 * time.Minute, Failed: 2 * time.Minute, Uncertain: 2 * time.Hour,
	}}
}

// Next is when the contact is due again after its try number ended with d at
// end; zero when it is not.
func (p RetryPolicy) Next(d Disposition, try int, end time.Time) time.Time {
	delay, ok := p.Delay[d]
	if !ok || try >= p.MaxTries {
		return time.Time{}
	}
	return end.Add(delay)
}
