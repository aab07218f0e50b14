package media

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// ErrEndpoint is an endpoint that cannot be opened as it was configured.
var ErrEndpoint = errors.New("the SIP media endpoint cannot be opened: correct its listen, advertise, allow and port settings")

// ErrNoPort means that every RTP port of the range is taken.
var ErrNoPort = errors.New("no free RTP port: widen the media endpoint's port range, every call needs one even port")

// EndpointConfig of a SIP/RTP media endpoint.
type EndpointConfig struct {
	// Listen is the address for SIP over UDP and TCP, such as "10.0.0.5:5070";
	// port 0 takes a free one. RTP is taken on the same IP.
	Listen string
	// Advertise is the IP, or IP:port, under which the exchanges reach us.
	// Empty means what Listen says, which then must be one address.
	Advertise string
	// Allow says whose requests are answered and with whom sound is exchanged:
	// the exchanges' own addresses. It must not be empty.
	Allow []netip.Prefix
	// PortMin and PortMax bound the RTP ports, of which the even ones are used;
	// 0 and 0 mean 20000 to 32767.
	PortMin, PortMax uint16
	// Patience is how long an Expected waits for its INVITE; 0 means 30 s.
	Patience time.Duration
	// Dropped counts received frames that nobody read in time, over all calls.
	Dropped *atomic.Uint64
	Log     *slog.Logger
}

// Endpoint is a SIP user agent that takes calls of our own exchanges, one for
// every Expect, and carries their sound.
type Endpoint struct {
	cfg     EndpointConfig
	ip      netip.Addr     // RTP is bound here
	public  netip.AddrPort // what we say of ourselves
	udp     *net.UDPConn
	tcp     net.Listener
	parser  *sip.Parser
	ua      *sipgo.UserAgent
	client  *sipgo.Client
	wheels  wheels
	pollers pollers
	ctx     context.Context // ends with the endpoint
	cancel  context.CancelFunc
	work    sync.WaitGroup // farewells and refreshes, see spawn
	serve   sync.WaitGroup

	leaving   atomic.Bool // requests are not listened to any more
	strangers bucket
	farewell  time.Duration // how long Close waits for answers

	mu       sync.Mutex
	closed   bool
	parted   bool // nothing more is spawned
	expected map[string]*Expected
	dialogs  map[string]*dialog // by our tag
	nextPort uint16
}

const (
	defaultPatience = 30 * time.Second
	defaultPortMin  = 20000
	defaultPortMax  = 32767                  // below the ports that Linux hands out itself
	lastWords       = 500 * time.Millisecond // for the answers to our last BYEs
	underWay        = 10 * time.Millisecond  // for requests that were being answered
	maxTCP          = 64                     // connections of the exchanges
	allowedMethods  = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE"
)

// ListenEndpoint opens the endpoint; Close ends it.
func ListenEndpoint(cfg EndpointConfig) (*Endpoint, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Patience <= 0 {
		cfg.Patience = defaultPatience
	}
	if cfg.Dropped == nil {
		cfg.Dropped = new(atomic.Uint64)
	}
	if len(cfg.Allow) == 0 {
		return nil, fmt.Errorf("%w: allow is empty, nobody could call", ErrEndpoint)
	}
	if cfg.PortMin == 0 && cfg.PortMax == 0 {
		cfg.PortMin, cfg.PortMax = defaultPortMin, defaultPortMax
	}
	if cfg.PortMin == 0 || cfg.PortMax <= cfg.PortMin {
		return nil, fmt.Errorf("%w: the RTP ports %d to %d are no range", ErrEndpoint, cfg.PortMin, cfg.PortMax)
	}
	e := &Endpoint{
		cfg: cfg, parser: sip.NewParser(), farewell: lastWords, expected: map[string]*Expected{}, dialogs: map[string]*dialog{},
	}
	e.nextPort = (cfg.PortMin + uint16(mrand.IntN(int(cfg.PortMax-cfg.PortMin))) + 1) &^ 1 //nolint:gosec // so that a new process does not begin where the old one did
	if err := e.bind(); err != nil {
		return nil, err
	}
	if err := e.introduce(); err != nil {
		_ = e.udp.Close()
		_ = e.tcp.Close()
		return nil, err
	}
	if err := e.start(); err != nil {
		_ = e.udp.Close()
		_ = e.tcp.Close()
		return nil, fmt.Errorf("%w: %w", ErrEndpoint, err)
	}
	return e, nil
}

// bind takes the same port for UDP and TCP.
func (e *Endpoint) bind() error {
	addr, err := net.ResolveUDPAddr("udp", e.cfg.Listen)
	if err != nil {
		return fmt.Errorf("%w: listen %q: %w", ErrEndpoint, e.cfg.Listen, err)
	}
	for range 16 { // a free port of the one kind may be taken for the other
		e.udp, err = net.ListenUDP("udp", addr)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrEndpoint, err)
		}
		var l net.Listener
		if l, err = net.Listen("tcp", e.udp.LocalAddr().String()); err == nil {
			e.tcp = &doorkeeper{Listener: l, allows: e.allows, open: make(chan struct{}, maxTCP)}
			return nil
		}
		_ = e.udp.Close()
		if addr.Port != 0 {
			break
		}
	}
	return fmt.Errorf("%w: %w", ErrEndpoint, err)
}

// introduce finds out what we say of ourselves.
func (e *Endpoint) introduce() error {
	at, _ := addrOf(e.udp.LocalAddr())
	e.ip = at.Addr().Unmap()
	e.public = netip.AddrPortFrom(e.ip, at.Port())
	if e.cfg.Advertise != "" {
		if ip, err := netip.ParseAddr(e.cfg.Advertise); err == nil {
			e.public = netip.AddrPortFrom(ip.Unmap(), at.Port())
		} else if e.public, err = netip.ParseAddrPort(e.cfg.Advertise); err != nil {
			return fmt.Errorf("%w: advertise %q is no IP and no IP:port", ErrEndpoint, e.cfg.Advertise)
		}
	}
	if e.public.Addr().IsUnspecified() {
		return fmt.Errorf("%w: listen %q is every address: advertise has to say which one the exchanges reach", ErrEndpoint, e.cfg.Listen)
	}
	return nil
}

func (e *Endpoint) start() error {
	quiet := slog.New(slog.DiscardHandler) // the library's words quote whole messages, and with them numbers
	var err error
	e.ua, err = sipgo.NewUA(sipgo.WithUserAgentParser(e.parser), sipgo.WithUserAgentHostname(e.public.Addr().String()),
		sipgo.WithUserAgentTransactionLayerOptions(sip.WithTransactionLayerLogger(quiet), sip.WithTransactionLayerUnhandledResponseHandler(func(*sip.Response) {})),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(quiet), sip.WithTransportLayerReadFilter(e.filter)))
	if err != nil {
		return err
	}
	server, err := sipgo.NewServer(e.ua, sipgo.WithServerLogger(quiet))
	if err != nil {
		return err
	}
	e.client, err = sipgo.NewClient(e.ua, sipgo.WithClientLogger(quiet), sipgo.WithClientHostname(e.public.Addr().String()),
		sipgo.WithClientPort(int(e.public.Port())), sipgo.WithClientNAT())
	if err != nil {
		return err
	}
	server.OnInvite(e.onInvite)
	server.OnAck(e.onAck)
	server.OnBye(e.onBye)
	server.OnUpdate(e.onUpdate)
	server.OnOptions(e.onOptions)
	server.OnCancel(e.onCancel)
	server.OnNoRoute(func(req *sip.Request, tx sip.ServerTransaction) {
		e.answer(tx, req, 405, "Method Not Allowed", nil, "Allow", allowedMethods)
	})
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.wheels, e.pollers = newWheels(), newPollers(e.cfg.Log)
	e.serve.Go(func() { _ = server.ServeUDP(e.udp) })
	e.serve.Go(func() { _ = server.ServeTCP(e.tcp) })
	return nil
}

// Addr is where SIP is taken, as the exchanges see it.
func (e *Endpoint) Addr() netip.AddrPort { return e.public }

// allows says whether an address is one of our exchanges'.
func (e *Endpoint) allows(ip netip.Addr) bool {
	ip = ip.Unmap()
	for _, p := range e.cfg.Allow {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// Expect makes room for one call in the format. Its URI holds a token that
// nobody can guess, works once, and expires.
func (e *Endpoint) Expect(f audio.Format) (*Expected, error) {
	return e.ExpectWith(Options{Format: f})
}

// ExpectWith is Expect with somebody who is told of keys and of the end.
func (e *Endpoint) ExpectWith(o Options) (*Expected, error) {
	if o.Dropped == nil {
		o.Dropped = e.cfg.Dropped
	}
	if o.Log == nil {
		o.Log = e.cfg.Log
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	x := &Expected{e: e, o: o, token: strings.ToLower(rand.Text()), came: make(chan *Call, 1), gone: make(chan struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fmt.Errorf("%w: the media endpoint is closed", pbx.ErrUnavailable)
	}
	e.expected[x.token] = x
	x.expiry = time.AfterFunc(e.cfg.Patience, x.expire)
	return x, nil
}

// Close says goodbye to every call and ends everything.
func (e *Endpoint) Close() error {
	if !e.dismiss() {
		return nil
	}
	said := make(chan struct{})
	go func() {
		e.work.Wait()
		close(said)
	}()
	patience := time.NewTimer(e.farewell)
	select {
	case <-said:
	case <-patience.C:
	}
	patience.Stop()
	e.cancel()
	<-said // before the library closes: a request of ours would open a socket of its own
	<-time.After(underWay)
	e.wheels.close()
	e.pollers.close()
	err := errors.Join(e.ua.Close(), e.udp.Close(), e.tcp.Close())
	e.serve.Wait()
	if err := e.ua.TransportLayer().Pool("udp").Clear(); err != nil { // of a request that was under way all the same
		e.cfg.Log.Debug("media endpoint: a socket was not closed", "err", err)
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// dismiss ends every call and every expectation; false if that was done.
func (e *Endpoint) dismiss() bool {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return false
	}
	e.closed = true
	waiting := slices.Collect(maps.Values(e.expected))
	live := slices.Collect(maps.Values(e.dialogs))
	e.mu.Unlock()
	e.leaving.Store(true)
	for _, x := range waiting {
		x.Cancel()
	}
	for _, d := range live {
		d.mu.Lock()
		d.confirmed = true // there is no time to wait for an ACK
		d.mu.Unlock()
		d.call.end(fmt.Errorf("%w: the media endpoint is closed", pbx.ErrGone))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.parted = true
	return true
}

// spawn runs f beside everything else; false when the endpoint is closing.
func (e *Endpoint) spawn(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.parted {
		return false
	}
	e.work.Go(f)
	return true
}

// bindRTP takes a port for one call: an even one of the range (RFC 3550, 11). It
// is named to the system, which would take back a port of its own choice when
// the socket is untied from a peer.
func (e *Endpoint) bindRTP() (*net.UDPConn, error) {
	kind := "udp"
	if e.ip.Is4() {
		kind = "udp4"
	}
	for range (int(e.cfg.PortMax)-int(e.cfg.PortMin))/2 + 1 {
		e.mu.Lock()
		if e.nextPort > e.cfg.PortMax || e.nextPort < e.cfg.PortMin {
			e.nextPort = (e.cfg.PortMin + 1) &^ 1
		}
		port := e.nextPort
		e.nextPort += 2
		e.mu.Unlock()
		if conn, err := net.ListenUDP(kind, net.UDPAddrFromAddrPort(netip.AddrPortFrom(e.ip, port))); err == nil {
			return conn, nil
		}
	}
	return nil, ErrNoPort
}
