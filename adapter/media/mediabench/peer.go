package mediabench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Peer plays the exchange: it takes one order from in, carries it out until in
// has another, and reports to out.
func Peer(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	var o order
	if err := dec.Decode(&o); err != nil {
		return fmt.Errorf("%w: %w", ErrPeer, err)
	}
	var x exchange
	var err error
	if o.Path == SIP {
		x, err = newSIPExchange(o)
	} else {
		x, err = newSocketExchange(o)
	}
	if err == nil {
		defer x.close()
		err = enc.Encode(report{Addr: x.addr()})
	}
	if err == nil {
		err = x.ready(ctx)
	}
	if err != nil {
		return enc.Encode(report{Error: err.Error()})
	}
	if err := enc.Encode(report{Ready: true}); err != nil {
		return err
	}
	stop := make(chan struct{})
	go func() {
		_ = dec.Decode(&order{})
		close(stop)
	}()
	beat(ctx, stop, x.send)
	<-time.After(o.Settle) // what is under way arrives
	if err := enc.Encode(x.result()); err != nil {
		return err
	}
	_ = dec.Decode(&order{}) // until in ends
	return nil
}

// exchange is one kind of peer.
type exchange interface {
	addr() string
	ready(ctx context.Context) error // every call stands
	send(slot int, round int64)      // the frames of a slot's calls
	result() report
	close()
}

// A beat of 20 ms has slots: calls are not all served at once, as in a real
// exchange.
const (
	slots    = 10
	slotTime = 20 * time.Millisecond / slots
)

func beat(ctx context.Context, stop <-chan struct{}, send func(slot int, round int64)) {
	next, n := time.Now(), int64(0)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		for !next.After(time.Now()) {
			send(int(n%slots), n/slots)
			n, next = n+1, next.Add(slotTime)
		}
		timer.Reset(time.Until(next))
	}
}

// arrivals judges frames of one call by the 20 ms beat on which they were
// sent, counted from the earliest.
type arrivals struct {
	base time.Time
	n    int64
}

func (a *arrivals) late(now time.Time, position time.Duration) time.Duration {
	start := now.Add(-position)
	if a.n++; a.n == 1 || start.Before(a.base) {
		a.base = start
	}
	return start.Sub(a.base)
}
