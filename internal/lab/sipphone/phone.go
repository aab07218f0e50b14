package sipphone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"ringmaster/internal/audio"
)

// Config of a telephone. The zero value listens on a free port of 127.0.0.1,
// answers every call at once and listens.
type Config struct {
	// Listen is the UDP address for SIP; empty means 127.0.0.1:0.
	Listen string
	// Script chooses what a callee does; user is who was called. It is called
	// from the one goroutine that reads the socket and must not block. Without
	// it, and for an empty script, a callee answers at once and listens.
	Script func(user string, inv Invite) Script
	// Codecs are offered and accepted in this order; nil means mu-law, A-law.
	Codecs []audio.Encoding
	Loss   Loss
	// StepTimeout is how long a step waits for the other side before the
	// script fails and the telephone hangs up; 0 means 30 s.
	StepTimeout time.Duration
	// T1 is the retransmission time of RFC 3261; 0 means 500 ms.
	T1 time.Duration
	// MaxAudio is how much sound of each direction is kept; 0 means 30 min.
	MaxAudio time.Duration
	// DiscardAudio keeps only times and counts: for load.
	DiscardAudio bool
	// Brand is the User-Agent header of answers; empty sends none. An exchange
	// may tell some brands more than others.
	Brand string
	Log   *slog.Logger
}

// Phone is one SIP user agent with any number of calls.
type Phone struct {
	cfg    Config
	sock   *socket
	parser *sip.Parser
	codecs []codec
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu           sync.Mutex
	closed       bool
	calls        []*Call
	byTag        map[string]*Call // our dialog tag
	byBranch     map[string]*Call // branch of a received INVITE
	transactions map[string]*transaction
	registered   []*Registration
	arrived      chan struct{} // closed and replaced on every new call
	claimed      map[*Call]bool
}

// ErrClosed means that the telephone was closed.
var ErrClosed = errors.New("sipphone: the telephone is closed")

// Listen opens a telephone; Close ends it.
func Listen(cfg Config) (*Phone, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.StepTimeout <= 0 {
		cfg.StepTimeout = 30 * time.Second
	}
	if cfg.T1 <= 0 {
		cfg.T1 = timerT1
	}
	if cfg.MaxAudio <= 0 {
		cfg.MaxAudio = 30 * time.Minute
	}
	if cfg.Codecs == nil {
		cfg.Codecs = []audio.Encoding{audio.ULaw, audio.ALaw}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Phone{
		cfg:          cfg,
		parser:       sip.NewParser(),
		byTag:        map[string]*Call{},
		byBranch:     map[string]*Call{},
		transactions: map[string]*transaction{},
		arrived:      make(chan struct{}),
		claimed:      map[*Call]bool{},
	}
	for _, e := range cfg.Codecs {
		switch e {
		case audio.ULaw:
			p.codecs = append(p.codecs, codec{0, e})
		case audio.ALaw:
			p.codecs = append(p.codecs, codec{8, e})
		default:
			return nil, fmt.Errorf("sipphone: a telephone speaks ulaw or alaw, not %q", e)
		}
	}
	sock, err := listenUDP(cfg.Listen)
	if err != nil {
		return nil, err
	}
	if sock.addr().Addr().IsUnspecified() {
		_ = sock.close()
		return nil, fmt.Errorf("sipphone: listen on one address (such as 127.0.0.1:5080), it is told to the other side")
	}
	p.sock = sock
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wg.Add(1)
	go p.read()
	return p, nil
}

// Addr is where the telephone takes SIP.
func (p *Phone) Addr() netip.AddrPort { return p.sock.addr() }

// Close hangs up every call, leaves every registrar and waits until everything
// that the telephone started has ended. Nobody is waited for at the other end.
func (p *Phone) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	calls := append([]*Call(nil), p.calls...)
	registered := append([]*Registration(nil), p.registered...)
	p.mu.Unlock()
	for _, r := range registered {
		r.leave()
	}
	for _, c := range calls {
		c.shutdown()
	}
	p.cancel()
	p.mu.Lock()
	for _, tx := range p.transactions {
		tx.repeater.stop()
	}
	p.mu.Unlock()
	err := p.sock.close()
	p.wg.Wait()
	return err
}

// Calls are all calls so far, in order of their INVITE.
func (p *Phone) Calls() []*Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Call(nil), p.calls...)
}

// WaitCall waits for the next inbound call to a user that no WaitCall has
// returned yet; an empty user is any.
func (p *Phone) WaitCall(ctx context.Context, user string) (*Call, error) {
	for {
		p.mu.Lock()
		arrived, closed := p.arrived, p.closed
		for _, c := range p.calls {
			if c.inbound && !p.claimed[c] && (user == "" || c.user == user) {
				p.claimed[c] = true
				p.mu.Unlock()
				return c, nil
			}
		}
		p.mu.Unlock()
		if closed {
			return nil, ErrClosed
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("sipphone: no call came: %w", ctx.Err())
		case <-p.ctx.Done():
			return nil, ErrClosed
		case <-arrived:
		}
	}
}

// Forget drops an ended call, for runs of many thousands.
func (p *Phone) Forget(c *Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-c.done:
	default:
		return
	}
	for i, other := range p.calls {
		if other == c {
			p.calls = append(p.calls[:i], p.calls[i+1:]...)
			break
		}
	}
	delete(p.byTag, c.localTag)
	delete(p.byBranch, c.branch)
	delete(p.claimed, c)
}

// add enters a call in the books; false once the telephone is closed.
func (p *Phone) add(c *Call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.wg.Add(1) // the call's gatherer, see Call.start
	p.calls = append(p.calls, c)
	p.byTag[c.localTag] = c
	if c.inbound {
		p.byBranch[c.branch] = c
	}
	close(p.arrived)
	p.arrived = make(chan struct{})
	return true
}

func (p *Phone) callByTag(tag string) *Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byTag[tag]
}

func (p *Phone) callByBranch(branch string) *Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byBranch[branch]
}

func (p *Phone) contact(user string) string {
	return fmt.Sprintf("<sip:%s@%s>", user, p.Addr())
}

const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY, MESSAGE"

// onRequest answers one request of the other side.
func (p *Phone) onRequest(req *sip.Request, src netip.AddrPort, at time.Time) {
	branch, _ := req.Via().Params.Get("branch")
	tag, _ := req.To().Params.Get("tag")
	inDialog := p.callByTag(tag)
	switch req.Method {
	case sip.INVITE:
		switch {
		case tag != "" && inDialog == nil:
			p.transmit(respond(req, 481, reasonPhrase(481), tag, nil), src)
		case tag != "":
			inDialog.onReinvite(req, src, at)
		default:
			p.onInvite(req, branch, src, at)
		}
	case sip.ACK:
		if inDialog != nil {
			inDialog.onAck(req, at)
		}
	case sip.CANCEL:
		c := p.callByBranch(branch)
		if c == nil {
			p.transmit(respond(req, 481, reasonPhrase(481), sip.GenerateTagN(10), nil), src)
			return
		}
		p.transmit(respond(req, 200, "OK", c.localTag, nil), src)
		c.onCancel(req, at)
	case sip.OPTIONS:
		p.transmit(respond(req, 200, "OK", sip.GenerateTagN(10), nil, "Allow", allow, "Accept", "application/sdp"), src)
	case sip.NOTIFY, sip.MESSAGE:
		p.transmit(respond(req, 200, "OK", sip.GenerateTagN(10), nil), src)
	case sip.BYE, sip.UPDATE, sip.INFO:
		if inDialog == nil {
			p.transmit(respond(req, 481, reasonPhrase(481), sip.GenerateTagN(10), nil), src)
			return
		}
		inDialog.onDialogRequest(req, src, at)
	default:
		p.transmit(respond(req, 405, reasonPhrase(405), sip.GenerateTagN(10), nil, "Allow", allow), src)
	}
}
