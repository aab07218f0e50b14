package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
)

// shelf keeps inputs; it refuses one call, or fails on every batch with a call.
type shelf struct {
	Store
	mu       sync.Mutex
	kept     map[uuid.UUID][]InputRecord
	writes   int
	stale    uuid.UUID
	poison   uuid.UUID
	hold     chan struct{}
	holding  bool
	together int // calls of the largest batch
}

func (s *shelf) Checkpoint(ctx context.Context, batch []Inputs) ([]error, error) {
	s.mu.Lock()
	hold := s.holding
	s.mu.Unlock()
	if hold {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.together = max(s.together, len(batch))
	for _, in := range batch {
		if in.Fence.Attempt == s.poison {
			return nil, errors.New("a value does not fit its column")
		}
	}
	refused := make([]error, len(batch))
	for i, in := range batch {
		if in.Fence.Attempt == s.stale {
			refused[i] = fmt.Errorf("%w (test)", ErrFenced)
			continue
		}
		have := s.kept[in.Fence.Attempt]
		if in.Seq != int64(len(have)) {
			return nil, fmt.Errorf("inputs from %d on, want %d", in.Seq, len(have))
		}
		s.kept[in.Fence.Attempt] = append(have, in.Records...)
	}
	return refused, nil
}

// Many calls share few writes; order and numbers are each call's own, and one that cannot be written costs no other its inputs.
func TestInputsOfManyCallsShareWrites(t *testing.T) {
	const calls, each = 100, 50
	s := &shelf{kept: map[uuid.UUID][]InputRecord{}}
	w := newInputWriter(s)
	var said strings.Builder
	var logs []*inputLog
	for range calls {
		id := uuid.New()
		logs = append(logs, w.open(Inputs{Fence: campaign.Fence{Attempt: id}}, slog.New(slog.NewTextHandler(&said, nil)).With("attempt", id)))
	}
	s.stale, s.poison = logs[3].next.Fence.Attempt, logs[7].next.Fence.Attempt
	var wg sync.WaitGroup
	for _, l := range logs {
		wg.Go(func() {
			for i := range each {
				l.Append(InputRecord{Kind: fmt.Sprint(i)})
				if i%10 == 9 {
					time.Sleep(30 * time.Millisecond)
				}
			}
			l.close()
		})
	}
	wg.Wait()
	for i, l := range logs {
		kept := s.kept[l.next.Fence.Attempt]
		want := each
		if i == 3 || i == 7 {
			want = 0
		}
		if len(kept) != want || l.lost != each-want {
			t.Errorf("call %d: %d inputs kept, %d lost", i, len(kept), l.lost)
		}
		for n, r := range kept {
			if r.Kind != fmt.Sprint(n) || r.Seq != int64(n) {
				t.Fatalf("call %d: input %d is %+v", i, n, r)
			}
		}
	}
	if s.together < calls/2 {
		t.Errorf("%d writes for %d inputs, %d calls together at most", s.writes, calls*each, s.together)
	}
	if n := strings.Count(said.String(), "cannot be replayed"); n != 2 {
		t.Errorf("%d calls were said to have gaps, want 2:\n%s", n, said.String())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running && len(w.due) > 0 {
		t.Error("something is still due")
	}
}

// A database that stands still does not hold up Append, whatever comes, and close waits for what was taken.
func TestInputsWaitForADatabaseThatStandsStill(t *testing.T) {
	s := &shelf{kept: map[uuid.UUID][]InputRecord{}, hold: make(chan struct{}), holding: true}
	w := newInputWriter(s)
	l := w.open(Inputs{Fence: campaign.Fence{Attempt: uuid.New()}, Seq: 0}, slog.New(slog.DiscardHandler))
	for range maxQueuedInputs + 100 {
		l.Append(InputRecord{})
	}
	closed := make(chan struct{})
	go func() {
		l.close()
		close(closed)
	}()
	select {
	case <-closed:
		t.Fatal("closed with inputs that are not written")
	case <-time.After(50 * time.Millisecond):
	}
	close(s.hold)
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("close did not return")
	}
	if n := len(s.kept[l.next.Fence.Attempt]); n != maxQueuedInputs || l.lost != 100 {
		t.Errorf("%d kept, %d lost", n, l.lost)
	}
}
