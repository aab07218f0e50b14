package mailbox

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
)

func TestOrderAndClose(t *testing.T) {
	m := New[int](1000)
	for i := range 500 {
		if err := m.Put(i); err != nil {
			t.Fatal(err)
		}
	}
	m.Close(nil)
	if err := m.Put(501); !errors.Is(err, io.EOF) {
		t.Fatalf("put after close: %v", err)
	}
	for i := range 500 {
		if v, err := m.Next(t.Context()); err != nil || v != i {
			t.Fatalf("message %d: got %d, %v", i, v, err)
		}
	}
	if _, err := m.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last: %v", err)
	}
}

func TestOverflowIsLoud(t *testing.T) {
	m := New[int](3)
	for i := range 3 {
		_ = m.Put(i)
	}
	if err := m.Put(3); !errors.Is(err, ErrOverflow) {
		t.Fatalf("fourth put into three places: %v", err)
	}
	if _, err := m.Next(t.Context()); !errors.Is(err, ErrOverflow) {
		t.Fatalf("consumer after overflow: %v", err)
	}
}

func TestNextWaitsAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New[int](10)
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error, 1)
		go func() {
			if v, err := m.Next(ctx); v != 7 || err != nil {
				got <- errors.New("wrong first message")
				return
			}
			_, err := m.Next(ctx)
			got <- err
		}()
		synctest.Wait()
		_ = m.Put(7)
		synctest.Wait()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func TestCompactionKeepsOrder(t *testing.T) {
	m := New[int](1 << 20)
	next, want := 0, 0
	for round := range 200 {
		for range round {
			_ = m.Put(next)
			next++
		}
		for range round / 2 {
			if v, _ := m.Next(t.Context()); v != want {
				t.Fatalf("got %d, want %d", v, want)
			}
			want++
		}
	}
	if m.Len() != next-want {
		t.Fatalf("lag %d, want %d", m.Len(), next-want)
	}
}
