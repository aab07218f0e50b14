package asterisk

import (
	"context"
	"errors"
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
	cleaned   bool       // under joining: its bridge was deleted, and nobody makes it again

	mu        sync.Mutex // never held during I/O
	claimed   bool       // somebody reads its events
	known     bool       // the exchange told us of the channel
	answered  bool
	over      bool
	joined    bool // in its own bridge
	hasBridge bool // its own bridge may exist
	away      bool // in the dialplan: a queue has it
	byOther   bool // the other side's hang-up was seen
	hungUp    bool // ours was sent before that
	cause     pbx.Cause
	media     *mediaLeg
	helpers   map[string]*helper // media legs and snoops by channel
	plays     map[string]*playback
	records   map[string]*recording
	handover  *leg // being called, for this leg
	peer      *leg // hears this leg
	home      *leg // in whose bridge both are

	// Of run alone.
	end      ending
	stasis   bool
	ringing  bool
	early    bool
	upAt     time.Time
	placedAt time.Time
	linkDown bool
	sighted  bool // looked up since it was taken hold of
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
		if !l.isKnown() {
			l.sw.giveUp(l.id)
		}
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
	switch {
	case l.hungUp:
		return pbx.ByLocal
	case l.end.overdue:
		return pbx.ByTimer
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

func (l *leg) isKnown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known
}

func (l *leg) setKnown() {
	l.mu.Lock()
	l.known = true
	l.mu.Unlock()
}

// facts completes what the end is judged by.
func (l *leg) facts() ending {
	f := l.end
	f.answered = f.answered || !l.upAt.IsZero()
	l.mu.Lock()
	f.hungUp, f.cause = l.hungUp, l.cause
	l.mu.Unlock()
	f.limit = l.req.MaxDuration > 0 && !l.upAt.IsZero() && time.Since(l.upAt) >= l.req.MaxDuration-500*time.Millisecond
	return f
}
