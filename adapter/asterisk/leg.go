package asterisk

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/mailbox"
	"ringmaster/internal/pbx"
)

// leg is one party's channel. run is its goroutine; commands come from others
// and share what mu guards. It implements pbx.Leg.
type leg struct {
	sw  *Switch
	id  string
	req pbx.OriginateRequest

	created bool // by create + dial
	inbound bool
	// customer is the leg that this one is the hand-over target of.
	customer *leg

	in  *mailbox.Mailbox[input]
	out *mailbox.Mailbox[pbx.Event]

	inStasis chan struct{} // closed when the channel is in our application
	ready    chan struct{} // closed when it is in its bridge
	done     chan struct{} // closed when the leg is over
	taken    chan struct{} // closed when a leg that nobody held was claimed

	readyOnce sync.Once
	joining   sync.Mutex // one at a time puts the leg into its bridge; held during I/O

	mu       sync.Mutex // never held during I/O
	claimed  bool       // somebody reads its events
	known    bool       // the exchange told us of the channel
	answered bool
	over     bool
	joined   bool // in its own bridge
	away     bool // in the dialplan: a queue has it
	byOther  bool // the other side's hang-up was seen
	hungUp   bool // ours was sent before that
	cause    pbx.Cause
	media    *mediaLeg
	helpers  map[string]*helper // media legs and snoops by channel
	plays    map[string]*playback
	records  map[string]*recording
	handover *leg // being called, for this leg
	peer     *leg // hears this leg
	home     *leg // in whose bridge both are

	// Of run alone.
	end      ending
	stasis   bool
	ringing  bool
	early    bool
	upAt     time.Time
	placedAt time.Time
	linkDown bool
	discard  bool
	// abandoned: we stop, the exchange keeps the channel.
	abandoned bool
	look      *time.Timer
	keys      dtmfMerge
}

var _ pbx.Leg = (*leg)(nil)

func newLeg(s *Switch, id string) *leg {
	return &leg{
		sw: s, id: id, in: mailbox.New[input](maxUnreadInputs), out: mailbox.New[pbx.Event](maxUnreadEvents),
		inStasis: make(chan struct{}), ready: make(chan struct{}), done: make(chan struct{}), taken: make(chan struct{}),
		helpers: map[string]*helper{}, plays: map[string]*playback{}, records: map[string]*recording{},
	}
}

// helper is a media leg's or a snoop's channel.
type helper struct {
	started chan struct{} // closed at its StasisStart
	once    sync.Once
}

// inputKind says what came to a leg's goroutine.
type inputKind int

const (
	inEvent     inputKind = iota // from the exchange
	inPlaced                     // the exchange took our request; unsure: its answer was lost
	inAdopt                      // take hold of a channel that exists: look it up
	inDiscard                    // nothing was placed: end without a word
	inLost                       // the link went down
	inWorld                      // it is back, and this is what is there
	inLook                       // a deadline passed: look the channel up
	inGone                       // it was looked up and is not there
	inHangup                     // we sent a hang-up
	inShutdown                   // Run ends
	inTarget                     // the hand-over's leg: answered, or over
	inPeerGone                   // the bridged leg ended
	inMediaLost                  // the audio leg died
	inKey                        // a key, from the media leg
	inLateKey                    // the same, after its grace
	inEmit                       // a command caused this event
)

type input struct {
	kind   inputKind
	ev     *ari.Event
	err    error
	world  *world
	unsure bool
	digit  byte
	peer   *leg
	hungup *pbx.Hungup
	event  pbx.Event
	media  *mediaLeg
	why    string
}

// ID implements pbx.Leg.
func (l *leg) ID() pbx.LegID { return pbx.LegID(l.id) }

// Next implements pbx.Leg.
func (l *leg) Next(ctx context.Context) (pbx.Event, error) { return l.out.Next(ctx) }

// run is the leg's goroutine.
func (l *leg) run() {
	defer l.sw.remove(l)
	for {
		in, err := l.in.Next(context.Background())
		if err != nil {
			l.overflowed(err)
			break
		}
		if l.handle(in) {
			break
		}
	}
	if l.look != nil {
		l.look.Stop()
	}
	l.in.Close(nil)
	l.cleanUp()
	l.keepForClaim()
}

// keepForClaim holds the events of a leg that nobody holds for whoever asks
// for it after ErrUnknown, ten minutes at most.
func (l *leg) keepForClaim() {
	l.mu.Lock()
	keep := !l.claimed && !l.discard && l.customer == nil
	l.mu.Unlock()
	if !keep {
		return
	}
	t := time.NewTimer(10 * time.Minute)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.taken:
	case <-l.sw.life.Done():
	}
}

// emit tells whoever holds the leg; a holder that never reads loses the leg.
func (l *leg) emit(e pbx.Event) {
	if errors.Is(l.out.Put(e), mailbox.ErrOverflow) && l.customer == nil {
		l.sw.log.Error("asterisk: nobody reads the events of a leg, it is ended", "leg", l.id)
		l.sw.hangupLater(l.id, pbx.CauseTemporary)
	}
}

// handle does one input; true when the leg is over.
func (l *leg) handle(in input) bool {
	switch in.kind {
	case inEvent:
		return l.event(in.ev)
	case inPlaced:
		l.placedAt = time.Now()
		if l.inbound {
			l.subscribe()
			break
		}
		l.arm(l.req.RingTimeout + l.sw.cfg.Deadline)
		if in.unsure {
			l.arm(l.sw.cfg.Deadline)
		}
	case inAdopt:
		return l.adopt()
	case inDiscard:
		l.discard = true
		return l.finish(pbx.Hungup{At: time.Now(), By: pbx.ByUnknown, Raw: "nothing was placed"})
	case inLost:
		l.lost(in.err)
	case inWorld:
		return l.compare(in.world)
	case inLook:
		return l.lookUp()
	case inGone:
		return l.finish(pbx.Hungup{At: time.Now(), By: l.vanishedBy(), Answered: l.end.answered, Raw: in.why})
	case inHangup:
		l.arm(l.sw.cfg.Deadline)
	case inShutdown:
		l.lost(in.err)
		l.abandoned = true
		return l.finish(pbx.Hungup{At: time.Now(), By: pbx.ByUnknown, Answered: l.end.answered, Raw: in.err.Error()})
	default:
		l.company(in)
	}
	return false
}

// subscribe keeps the events of a channel coming after it left the
// application; without it an inbound leg has no ChannelDestroyed.
func (l *leg) subscribe() {
	ctx, cancel := l.sw.background()
	defer cancel()
	if err := l.sw.ari.Subscribe(ctx, "channel:"+l.id); err != nil {
		l.sw.log.Warn("asterisk: an inbound leg's last event may not come", "leg", l.id, "err", err)
	}
	l.arm(l.lookUpPeriod())
}

func (l *leg) vanishedBy() pbx.Party {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hungUp {
		return pbx.ByLocal
	}
	return pbx.ByUnknown
}

// event does one event of the exchange about the leg or a helper of it.
func (l *leg) event(e *ari.Event) bool {
	switch e.Type {
	case ari.TypePlaybackFinished:
		l.playbackFinished(e)
		return false
	case ari.TypeRecordingDone, ari.TypeRecordingFailed:
		l.recordingFinished(e)
		return false
	}
	if e.ChannelID() != l.id {
		if e.Type == ari.TypeDial && e.Caller.ID == l.id {
			l.queueDialled(e.DialStatus)
			return false
		}
		l.helperEvent(e)
		return false
	}
	l.setKnown()
	switch e.Type {
	case ari.TypeStateChange:
		l.stateChanged(e.Channel.State)
	case ari.TypeDial:
		l.dialEvent(e.DialStatus)
	case ari.TypeStasisStart:
		l.stasisStart(e)
	case ari.TypeHangupRequest:
		l.hangupRequest(e)
	case ari.TypeStasisEnd:
		l.stasisEnd()
	case ari.TypeDTMF:
		if d, ok := dtmfDigit(e.Digit); ok {
			l.key(d, fromARI, time.Duration(max(0, min(e.DurationMS, 60000)))*time.Millisecond)
		}
	case ari.TypeChannelDestroyed:
		f := l.facts()
		return l.finish(f.hungup(time.Now(), e.Cause, e.TechCause, e.CauseText))
	}
	return false
}

func (l *leg) setKnown() {
	l.mu.Lock()
	l.known = true
	l.mu.Unlock()
}

// facts completes what the end is judged by.
func (l *leg) facts() ending {
	f := l.end
	l.mu.Lock()
	f.hungUp, f.cause = l.hungUp, l.cause
	l.mu.Unlock()
	f.limit = l.req.MaxDuration > 0 && !l.upAt.IsZero() && time.Since(l.upAt) >= l.req.MaxDuration-500*time.Millisecond
	return f
}

func (l *leg) stateChanged(state string) {
	switch state {
	case ari.StateRinging:
		l.ring(false)
	case ari.StateUp:
		if l.upAt.IsZero() {
			l.upAt = time.Now()
		}
		if l.stasis {
			l.becomeUp()
		} else {
			l.arm(min(2*time.Second, l.sw.cfg.Deadline)) // StasisStart has to follow
		}
	}
}

func (l *leg) dialEvent(status string) {
	switch status {
	case "RINGING":
		l.ring(false)
	case "PROGRESS":
		l.ring(l.created)
	}
}

// ring tells Ringing once, and once more when early media begins.
func (l *leg) ring(early bool) {
	if l.end.answered || l.inbound || (l.ringing && !early) || l.early {
		return
	}
	l.ringing, l.early = true, early
	l.emit(pbx.Ringing{At: time.Now(), EarlyMedia: early})
}

func (l *leg) stasisStart(e *ari.Event) {
	l.mu.Lock()
	back := l.away
	l.away = false
	l.mu.Unlock()
	first := !l.stasis
	l.stasis = true
	if first {
		close(l.inStasis)
	}
	if back {
		l.backFromQueue(e.Args)
		return
	}
	if e.Channel.State == ari.StateUp {
		if l.upAt.IsZero() {
			l.upAt = time.Now()
		}
		l.becomeUp()
	}
}

// becomeUp puts an answered leg into its bridge and then tells Answered: from
// there on no command can block.
func (l *leg) becomeUp() {
	if l.end.answered {
		return
	}
	ctx, cancel := l.sw.background()
	defer cancel()
	err := l.join(ctx)
	if err != nil {
		err = l.join(ctx) // a bridge may just have been cleaned away
	}
	if err != nil {
		l.sw.log.Error("asterisk: an answered leg could not be bridged", "leg", l.id, "err", err)
		l.arm(time.Second) // gone, or to be tried again
		return
	}
	l.end.answered = true
	l.mu.Lock()
	l.answered = true
	l.mu.Unlock()
	l.emit(pbx.Answered{At: l.upAt})
	if l.customer != nil {
		_ = l.customer.in.Put(input{kind: inTarget, peer: l})
	}
	if l.req.MaxDuration > 0 {
		_ = l.sw.ari.SetVariable(ctx, l.id, "TIMEOUT(absolute)", itoa(wholeSeconds(l.req.MaxDuration)))
	}
	l.arm(l.lookUpPeriod())
}

// join puts the leg into a bridge of its own, making it if need be.
func (l *leg) join(ctx context.Context) error {
	l.joining.Lock()
	defer l.joining.Unlock()
	l.mu.Lock()
	joined := l.joined
	l.mu.Unlock()
	if joined {
		return nil
	}
	if err := l.sw.ari.CreateBridge(ctx, bridgeOf(l.id)); err != nil && ari.Status(err) != http.StatusConflict {
		return err
	}
	if err := l.sw.ari.AddToBridge(ctx, bridgeOf(l.id), l.id); err != nil {
		return err
	}
	l.mu.Lock()
	l.joined = true
	l.mu.Unlock()
	l.readyOnce.Do(func() { close(l.ready) })
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (l *leg) hangupRequest(e *ari.Event) {
	l.mu.Lock()
	ours := l.hungUp
	if !ours {
		l.byOther = true
	}
	l.mu.Unlock()
	if !ours && l.end.request == nil {
		l.end.request = e
	}
	l.arm(l.sw.cfg.Deadline)
}

// stasisEnd: the end, or a queue has the leg, or somebody moved it.
func (l *leg) stasisEnd() {
	l.mu.Lock()
	away := l.away
	l.joined = false
	l.mu.Unlock()
	if !away {
		l.arm(min(2*time.Second, l.sw.cfg.Deadline))
	}
}

func (l *leg) key(digit byte, source dtmfSource, d time.Duration) {
	if l.keys.add(digit, source, time.Now()) {
		l.emit(pbx.DTMF{At: time.Now(), Digit: digit, Duration: d})
	}
}

// arm sets the one deadline at which the leg is looked up.
func (l *leg) arm(d time.Duration) {
	if l.look != nil {
		l.look.Stop()
	}
	l.look = time.AfterFunc(d, func() { _ = l.in.Put(input{kind: inLook}) })
}

func (l *leg) lookUpPeriod() time.Duration {
	p := l.sw.cfg.LookUp
	return p*3/4 + rand.N(p/2)
}

// lookUp asks the exchange: a single lost event is found here.
func (l *leg) lookUp() bool {
	if l.linkDown {
		l.arm(l.sw.cfg.Deadline)
		return false
	}
	ctx, cancel := l.sw.background()
	defer cancel()
	ch, err := l.sw.ari.Channel(ctx, l.id)
	if ari.Status(err) == http.StatusNotFound {
		// Its last events may be waiting behind this very input.
		time.AfterFunc(200*time.Millisecond, func() {
			_ = l.in.Put(input{kind: inGone, why: "not on the exchange any more; its last event never came"})
		})
		return false
	}
	if err != nil {
		l.arm(l.sw.cfg.Deadline)
		return false
	}
	l.setKnown()
	l.seen(ctx, ch)
	return false
}

// seen compares a channel with what its events said.
func (l *leg) seen(ctx context.Context, ch ari.Channel) {
	switch {
	case ch.State == ari.StateUp && !l.end.answered:
		l.missedAnswer(ctx)
	case l.end.answered:
		l.reviewPlaybacks(ctx)
		l.arm(l.lookUpPeriod())
	case l.inbound:
		l.arm(l.lookUpPeriod())
	case l.placedAt.IsZero() || time.Since(l.placedAt) < l.req.RingTimeout+l.sw.cfg.Deadline:
		l.arm(l.sw.cfg.Deadline)
	default:
		// It should have stopped ringing by itself.
		_ = l.sw.ari.Hangup(ctx, l.id, pbx.CauseNoAnswer)
		l.arm(l.sw.cfg.Deadline)
	}
}

// missedAnswer: the channel is up and no StasisStart came. Bridging it proves
// that it is in our application; a channel that is not is ended.
func (l *leg) missedAnswer(ctx context.Context) {
	if l.upAt.IsZero() {
		l.upAt = time.Now()
	}
	if err := l.join(ctx); err != nil {
		if errors.Is(err, pbx.ErrRefused) && time.Since(l.upAt) > 2*l.sw.cfg.Deadline {
			l.sw.log.Error("asterisk: an answered leg is not in our application and is ended", "leg", l.id, "err", err)
			_ = l.sw.ari.Hangup(ctx, l.id, pbx.CauseTemporary)
		}
		l.arm(l.sw.cfg.Deadline)
		return
	}
	if !l.stasis {
		l.stasis = true
		close(l.inStasis)
	}
	l.becomeUp()
}
