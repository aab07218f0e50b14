package media

import (
	"context"
	"fmt"
	"sync"
	"time"

	"ringmaster/internal/pbx"
)

// Expected is a call that an exchange is about to make to us.
type Expected struct {
	e      *Endpoint
	o      Options
	token  string
	expiry *time.Timer
	came   chan *Call    // the call, once it can be heard
	gone   chan struct{} // nobody waits for it any more

	mu   sync.Mutex
	call *Call
	over bool
	kept bool   // Await has handed it out
	why  string // it is over
}

// URI is what the exchange has to call: "sip:<token>@host:port". Whoever knows
// it gets the sound of the call: it belongs into no log.
func (x *Expected) URI() string {
	return fmt.Sprintf("sip:%s@%s", x.token, x.e.public)
}

// Await waits until the exchange has called and the sound flows. ErrGone after
// Cancel, or when nobody called in time.
func (x *Expected) Await(ctx context.Context) (pbx.Media, error) {
	select {
	case c := <-x.came:
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.over {
			return nil, x.missed()
		}
		x.kept = true
		return c, nil
	case <-x.gone:
		return nil, x.missed()
	case <-ctx.Done():
		return nil, fmt.Errorf("media endpoint: the exchange has not called: %w", ctx.Err())
	}
}

// missed needs no lock: why is written before gone is closed.
func (x *Expected) missed() error { return fmt.Errorf("%w: %s", pbx.ErrGone, x.why) }

// Cancel takes the token back and ends a call that came and was not yet handed
// out by Await. After Await it does nothing.
func (x *Expected) Cancel() { x.giveUp("it was cancelled") }

func (x *Expected) expire() {
	x.giveUp(fmt.Sprintf("nobody called the media endpoint within %v; check that the exchange reaches %s and stands in its allow-list", x.e.cfg.Patience, x.e.public))
}

func (x *Expected) giveUp(why string) {
	x.e.forget(x)
	x.expiry.Stop()
	x.mu.Lock()
	c := x.call
	if x.over || x.kept {
		x.mu.Unlock()
		return
	}
	x.over, x.why = true, why
	close(x.gone)
	x.mu.Unlock()
	if c != nil {
		_ = c.Close()
	}
}

// take hands the token to its one call; false when it came too late.
func (x *Expected) take(c *Call) bool {
	x.e.forget(x)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over || x.call != nil {
		return false
	}
	x.call = c
	return true
}

// ready says that the call can be heard. Its patience goes on until then.
func (x *Expected) ready(c *Call) {
	x.expiry.Stop()
	select {
	case x.came <- c:
	default:
	}
}

func (e *Endpoint) forget(x *Expected) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.expected, x.token)
}

func (e *Endpoint) lookup(token string) *Expected {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.expected[token]
}
