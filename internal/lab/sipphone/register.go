package sipphone

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// ErrRegister means that the registrar refused, or did not answer.
var ErrRegister = errors.New("sipphone: registration failed: check user, password and that the exchange listens there")

// Registration keeps an account registered until Close.
type Registration struct {
	phone   *Phone
	account Account
	server  netip.AddrPort
	callID  string
	tag     string
	seq     uint32
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
}

// Register registers an account, so that the exchange can call this telephone,
// and renews it at half its life.
func (p *Phone) Register(ctx context.Context, a Account) (*Registration, error) {
	server, err := resolve(a.Server)
	if err != nil {
		return nil, err
	}
	if a.Expires <= 0 {
		a.Expires = 300 * time.Second
	}
	r := &Registration{
		phone: p, account: a, server: server,
		callID: sip.GenerateTagN(24), tag: sip.GenerateTagN(12), done: make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(p.ctx)
	if err := r.register(ctx, a.Expires); err != nil {
		r.cancel()
		return nil, err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		r.cancel()
		return nil, ErrClosed
	}
	p.registered = append(p.registered, r)
	p.wg.Add(1)
	p.mu.Unlock()
	go r.keep()
	return r, nil
}

func (r *Registration) keep() {
	defer r.phone.wg.Done()
	defer close(r.done)
	for pause(r.ctx, r.account.Expires/2) == nil {
		if err := r.register(r.ctx, r.account.Expires); err != nil && r.ctx.Err() == nil {
			r.phone.cfg.Log.Error("sipphone: registration lost", "err", err)
		}
	}
}

// Close removes the registration.
func (r *Registration) Close(ctx context.Context) error {
	r.cancel()
	<-r.done
	return r.register(ctx, 0)
}

// leave removes the registration without waiting for the registrar.
func (r *Registration) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.Close(ctx) // the registrar forgets us in any case
}

func (r *Registration) register(ctx context.Context, expires time.Duration) error {
	name, value := "", ""
	for range 3 {
		res, err := r.once(ctx, expires, name, value)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRegister, err)
		}
		switch {
		case res.StatusCode < 300:
			return nil
		case res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired:
			name, value, err = credentials(res, "REGISTER", r.uri(), r.account)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrRegister, err)
			}
		default:
			return fmt.Errorf("%w: %d %s", ErrRegister, res.StatusCode, res.Reason)
		}
	}
	return fmt.Errorf("%w: the password was not accepted", ErrRegister)
}

func (r *Registration) uri() string { return "sip:" + r.server.String() }

func (r *Registration) once(ctx context.Context, expires time.Duration, name, value string) (*sip.Response, error) {
	r.seq++
	branch := newBranch()
	var b strings.Builder
	fmt.Fprintf(&b, "REGISTER %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=%s\r\nMax-Forwards: 70\r\n", r.uri(), r.phone.Addr(), branch)
	identity := fmt.Sprintf("<sip:%s@%s>", r.account.User, r.server)
	fmt.Fprintf(&b, "From: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d REGISTER\r\n", identity, r.tag, identity, r.callID, r.seq)
	fmt.Fprintf(&b, "Contact: %s\r\nExpires: %d\r\n", r.phone.contact(r.account.User), int(expires/time.Second))
	if name != "" {
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	answer := make(chan *sip.Response, 1)
	silent := make(chan struct{})
	tx := r.phone.request(branch, "REGISTER", []byte(b.String()), r.server, func(res *sip.Response, _ netip.AddrPort, _ time.Time) {
		if res.StatusCode >= 200 {
			answer <- res
		}
	}, func() { close(silent) })
	defer tx.repeater.stop()
	defer r.phone.forget(branch + " REGISTER")
	select {
	case res := <-answer:
		return res, nil
	case <-silent:
		return nil, errors.New("no answer")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
