// Package mailbox is an ordered queue whose overflow is loud: a reader that
// must never block puts into it, and a consumer that fell too far behind is
// told so instead of losing one message in silence.
package mailbox

import (
	"context"
	"errors"
	"io"
	"sync"
)

// ErrOverflow ends a mailbox whose consumer fell Limit messages behind.
var ErrOverflow = errors.New("mailbox overflow: the consumer fell too far behind; it has lost its place and must be ended or resynchronised")

// Mailbox is an unbounded FIFO up to Limit. The zero value is not usable.
type Mailbox[T any] struct {
	mu     sync.Mutex
	queue  []T
	head   int
	limit  int
	err    error         // set once; returned after the queue is empty
	signal chan struct{} // capacity 1: something changed
}

// New makes a mailbox that overflows at limit unread messages.
func New[T any](limit int) *Mailbox[T] {
	return &Mailbox[T]{limit: limit, signal: make(chan struct{}, 1)}
}

// Put appends v and never blocks. It returns ErrOverflow when the limit is
// reached: everything unread is dropped, the consumer sees ErrOverflow next.
// After Close it returns the closing error and drops v.
func (m *Mailbox[T]) Put(v T) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if len(m.queue)-m.head >= m.limit {
		m.err = ErrOverflow
		m.queue, m.head = nil, 0
		m.wake()
		return ErrOverflow
	}
	m.queue = append(m.queue, v)
	m.wake()
	return nil
}

// Close ends the mailbox: what is queued can still be read, then err follows
// (io.EOF when err is nil). Only the first Close counts.
func (m *Mailbox[T]) Close(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return
	}
	if err == nil {
		err = io.EOF
	}
	m.err = err
	m.wake()
}

// Next returns the oldest message, waiting for one if need be. One consumer.
func (m *Mailbox[T]) Next(ctx context.Context) (T, error) {
	for {
		v, ok, err := m.take()
		if ok || err != nil {
			return v, err
		}
		select {
		case <-m.signal:
		case <-ctx.Done():
			var zero T
			return zero, ctx.Err()
		}
	}
}

// Len is the number of unread messages: the lag of the consumer.
func (m *Mailbox[T]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.queue) - m.head
}

func (m *Mailbox[T]) take() (v T, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.head == len(m.queue) {
		return v, false, m.err
	}
	v = m.queue[m.head]
	var zero T
	m.queue[m.head] = zero
	m.head++
	if m.head == len(m.queue) {
		m.queue, m.head = m.queue[:0], 0
	} else if m.head > 64 && m.head*2 > len(m.queue) {
		m.queue = append(m.queue[:0], m.queue[m.head:]...)
		m.head = 0
	}
	return v, true, nil
}

func (m *Mailbox[T]) wake() {
	select {
	case m.signal <- struct{}{}:
	default:
	}
}
