package pacing

import (
	"testing"
	"time"
)

func TestCPSNeverExceedsItsRate(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := CPS{Rate: 7.5, Burst: 3}
	started := 0
	for ms := 0; ms < 60_000; ms += 13 {
		started += c.Take(start.Add(time.Duration(ms)*time.Millisecond), 100)
	}
	if limit := 3 + int(7.5*60); started > limit || started < limit-3 {
		t.Fatalf("%d set-ups in 60 s at 7.5 CPS", started)
	}
}

func TestCPSSurvivesAClockThatJumps(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := CPS{Rate: 1, Burst: 1}
	if c.Take(now, 5) != 1 || c.Take(now.Add(-time.Hour), 5) != 0 || c.Take(now.Add(-time.Hour+time.Second), 5) != 1 {
		t.Fatal("a clock that jumped back changed the rate")
	}
	if w := c.Wait(now.Add(-time.Hour + 1500*time.Millisecond)); w != 500*time.Millisecond {
		t.Fatalf("wait %v", w)
	}
	c.Return(1)
	if c.Take(now.Add(-time.Hour+1500*time.Millisecond), 1) != 1 {
		t.Fatal("a returned set-up was lost")
	}
}
