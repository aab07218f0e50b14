package freeswitch

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/internal/mailbox"
	"ringmaster/internal/pbx"
)

// leg is one party's channel. run is its goroutine; commands come from others
// and share what mu guards. It implements pbx.Leg.
type leg struct {
	sw  *Switch
	id  string
	req pbx.OriginateRequest

	since   time.Time // it was placed, or created as far as the exchange says
	inbound bool
	call    *esl.Call // the outbound socket of an inbound leg
	// customer is the leg that this one is the hand-over target of.
	customer *leg

	in  *mailbox.Mailbox[input]
	out *mailbox.Mailbox[pbx.Event]

	done  chan struct{} // closed when the leg is over
	ended chan struct{} // closed when its ID is free again
	taken chan struct{} // closed when a leg that nobody held was claimed

	opening sync.Mutex // one OpenMedia at a time; held during I/O

	mu       sync.Mutex // never held during I/O
	claimed  bool       // somebody reads its events
	known    bool       // the exchange told us of the channel
	refused  string     // the words by which its originate was refused
	answered bool
	early    bool // sound before the answer
	over     bool
	hungUp   bool // we sent a hang-up
	cause    pbx.Cause
	parked   bool     // it waits in park: commands run at once
	settled  bool     // it has been there: nothing is cut off any more
	unicast  bool     // unicast ran in its present park, or before
	signal   chan any // closed and renewed at every change of the above
	away     *stay    // it is in a queue
	media    *mediaLeg
	opened   map[string]*mediaLeg // media legs by channel, until their channel is gone
	plays    []*playback          // the first sounds, the others wait
	played   int                  // executions so far
	records  map[string]*recording
	handover *leg // being called, for this leg
	joining  *leg // uuid_bridge with it was sent
	peer     *leg // hears this leg
	spying   bool // it runs eavesdrop

	// Of run alone.
	end      ending
	ringing  bool
	earlier  bool // early media was told
	upAt     time.Time
	placedAt time.Time
	linkDown bool
	sighted  bool   // looked up since it was taken hold of
	met      bool   // the customer was told of the target's answer
	failed   string // what BACKGROUND_JOB said
	discard  bool
	look     *time.Timer
	ringOut  *time.Timer
}

var _ pbx.Leg = (*leg)(nil)

func newLeg(s *Switch, id string) *leg {
	return &leg{
		sw: s, id: id, since: time.Now(), in: mailbox.New[input](maxUnreadInputs), out: mailbox.New[pbx.Event](maxUnreadEvents),
		done: make(chan struct{}), ended: make(chan struct{}), taken: make(chan struct{}), signal: make(chan any),
		opened: map[string]*mediaLeg{}, records: map[string]*recording{},
	}
}

// inputKind says what came to a leg's goroutine.
type inputKind int

const (
	inEvent     inputKind = iota // from the exchange
	inJob                        // what became of our originate
	inJobLate                    // the same, after its grace
	inPlaced                     // the exchange took our request; unsure: its answer was lost
	inAdopt                      // take hold of a channel that exists: look it up
	inDiscard                    // nothing was placed: end without a word
	inLost                       // the link went down
	inWorld                      // it is back
	inLook                       // a deadline passed: look the channel up
	inGone                       // it was looked up and is not there
	inRung                       // it has rung long enough
	inHangup                     // we sent a hang-up
	inShutdown                   // Run ends
	inTarget                     // the hand-over's leg: answered, or over
	inMeet                       // the target's park was not told
	inJoinLate                   // uuid_bridge should have joined by now
	inPeerGone                   // the bridged leg ended
	inMediaLost                  // the audio leg died
	inMediaGone                  // the same, after its grace
	inStay                       // the time in a queue is over
	inPlayLate                   // a playback should have ended
	inEmit                       // a command caused this event
)

type input struct {
	kind      inputKind
	ev        *esl.Event
	id        string // the event's channel
	err       error
	restarted bool
	unsure    bool
	peer      *leg
	hungup    *pbx.Hungup
	event     pbx.Event
	media     *mediaLeg
	stay      *stay
	play      *playback
	why       string
}

// ID implements pbx.Leg.
func (l *leg) ID() pbx.LegID { return pbx.LegID(l.id) }

// Next implements pbx.Leg.
func (l *leg) Next(ctx context.Context) (pbx.Event, error) { return l.out.Next(ctx) }

// run is the leg's goroutine.
func (l *leg) run() {
	defer close(l.ended)
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
	for _, t := range []*time.Timer{l.look, l.ringOut} {
		if t != nil {
			t.Stop()
		}
	}
	l.in.Close(nil)
	if l.call != nil {
		l.call.Close()
	}
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
		l.sw.log.Error("freeswitch: nobody reads the events of a leg, it is ended", "leg", l.id)
		l.sw.killLater(l.id, pbx.CauseTemporary)
	}
}

// change does f under the lock and wakes who waits for a change.
func (l *leg) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.signal)
	l.signal = make(chan any)
}

// await waits until ok holds (asked under the lock), at most d; false when the
// time passed. An error is the end of the leg or of ctx.
func (l *leg) await(ctx context.Context, d time.Duration, ok func() bool) (bool, error) {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		l.mu.Lock()
		done, signal := ok(), l.signal
		l.mu.Unlock()
		if done {
			return true, nil
		}
		select {
		case <-signal:
		case <-l.done:
			return false, pbx.ErrGone
		case <-ctx.Done():
			return false, ctx.Err()
		case <-t.C:
			return false, nil
		}
	}
}

// handle does one input; true when the leg is over.
func (l *leg) handle(in input) bool {
	switch in.kind {
	case inEvent:
		return l.event(in.ev, in.id)
	case inJob, inJobLate:
		return l.job(in)
	case inPlaced:
		l.placed(in.unsure)
	case inAdopt:
		return l.adopt()
	case inDiscard:
		l.discard = true
		return l.finish(pbx.Hungup{At: time.Now(), By: pbx.ByUnknown, Raw: "nothing was placed"})
	case inLost:
		l.lost(in.err)
	case inWorld:
		return l.compare(in.restarted)
	case inLook:
		return l.lookUp()
	case inGone:
		return l.gone(in.why)
	case inRung:
		l.rung()
	case inHangup:
		l.arm(l.sw.cfg.Deadline)
	case inShutdown:
		l.lost(in.err)
		return l.finish(pbx.Hungup{At: time.Now(), By: pbx.ByUnknown, Answered: l.end.answered, Raw: in.err.Error()})
	default:
		l.company(in)
	}
	return false
}

// company does inputs about others than the leg's own channel.
func (l *leg) company(in input) {
	switch in.kind {
	case inTarget:
		if in.hungup != nil {
			l.targetOver(in.peer, *in.hungup)
		} else {
			l.targetAnswered(in.peer)
		}
	case inMeet:
		l.change(func() { l.settled = true })
		l.meet()
	case inJoinLate:
		l.joinLate(in.peer)
	case inPeerGone:
		l.peerGone(in.peer)
	case inMediaLost:
		l.mediaLost(in.media, in.err)
	case inMediaGone:
		l.mediaGone(in.media, in.err)
	case inStay:
		l.stayOver(in.stay)
	case inPlayLate:
		l.playLate(in.play)
	case inEmit:
		l.emit(in.event)
	default: // handle has seen the others
	}
}

// placed sets the deadline by which the leg must have come to something.
func (l *leg) placed(unsure bool) {
	l.placedAt = time.Now()
	switch {
	case l.end.answered: // that was faster than our own word of it
		return
	case l.inbound:
		l.arm(l.lookUpPeriod())
	case unsure:
		l.arm(l.sw.cfg.Deadline)
	default:
		l.arm(l.req.RingTimeout + l.sw.cfg.Deadline)
	}
	if l.req.RingTimeout > 0 {
		l.ringOut = time.AfterFunc(l.req.RingTimeout, func() { _ = l.in.Put(input{kind: inRung}) })
	}
}

// rung ends the ringing: nobody answered in time.
func (l *leg) rung() {
	if l.end.answered {
		return
	}
	l.end.overdue = true
	ctx, cancel := l.sw.background()
	defer cancel()
	_ = l.sw.kill(ctx, l.id, pbx.CauseNoAnswer)
	l.arm(l.sw.cfg.Deadline)
}

// event does one event about the leg's channel or that of its media leg.
func (l *leg) event(e *esl.Event, id string) bool {
	if id != l.id {
		l.mediaEvent(e, id)
		return false
	}
	l.setKnown()
	switch e.Name {
	case esl.NameCreate:
		l.killAgain()
	case esl.NameProgress:
		l.ring(false)
	case esl.NameProgressMedia:
		l.ring(true)
	case esl.NameAnswer:
		l.becomeUp(time.Now())
	case esl.NamePark:
		l.inPark(e.Get("Channel-State") == "CS_PARK")
	case esl.NameBridge:
		l.bridgedWith(e)
	case esl.NameUnbridge:
		l.unbridged(e)
	case esl.NameExecuteComplete:
		l.executed(e)
	case esl.NamePlaybackStart:
		l.playBegan()
	case esl.NamePlaybackStop:
		l.playStopped()
	case esl.NameRecordStop:
		l.recordStopped(e)
	case esl.NameDTMF:
		l.key(e)
	case esl.NameHangupComplete:
		f := readFinal(e)
		if f.answered {
			l.sawAnswer()
		}
		return l.finish(l.facts().hungup(time.Now(), f))
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
	known := l.known
	l.mu.Unlock()
	if !known {
		l.change(func() { l.known = true })
	}
}

// killAgain: our hang-up was sent before the channel was there to get it.
func (l *leg) killAgain() {
	l.mu.Lock()
	hungUp, cause := l.hungUp, l.cause
	l.mu.Unlock()
	if hungUp {
		l.sw.killLater(l.id, cause)
	}
}

// facts completes what the end is judged by.
func (l *leg) facts() ending {
	f := l.end
	f.inbound = l.inbound
	l.mu.Lock()
	f.hungUp, f.cause = l.hungUp, l.cause
	l.mu.Unlock()
	f.limit = l.req.MaxDuration > 0 && !l.upAt.IsZero() && time.Since(l.upAt) >= l.req.MaxDuration-time.Second
	return f
}

// ring tells Ringing once, and once more when early media begins.
func (l *leg) ring(early bool) {
	l.killAgain()
	if early {
		l.change(func() { l.early = true })
	}
	early = early && l.req.EarlyMedia
	if l.end.answered || l.inbound || (l.ringing && !early) || l.earlier {
		return
	}
	l.ringing, l.earlier = true, early
	l.emit(pbx.Ringing{At: time.Now(), EarlyMedia: early})
}

// sawAnswer notes an answer that was not told by an event of its own.
func (l *leg) sawAnswer() {
	if l.upAt.IsZero() {
		l.upAt = time.Now()
	}
}

// inPark: the leg waits. after says that this is the park behind a bridge with
// another leg: nothing survives a bridge from there, so it goes back to a park
// like its first.
func (l *leg) inPark(after bool) {
	if after {
		l.change(func() { l.settled = true })
		l.sw.spawn(func() {
			ctx, cancel := l.sw.background()
			defer cancel()
			err := l.api(ctx, "uuid_setvar %s park_after_bridge false", l.id)
			if err == nil {
				err = l.toPark(ctx)
			}
			if err != nil && !errors.Is(err, pbx.ErrGone) {
				l.sw.log.Warn("freeswitch: a leg did not get back to its park", "leg", l.id, "err", err)
			}
		})
	} else {
		l.change(func() { l.parked, l.settled = true, true })
	}
	l.meet()
	l.backInPark()
}

// becomeUp tells Answered, once.
func (l *leg) becomeUp(at time.Time) {
	l.killAgain()
	if l.end.answered {
		return
	}
	if l.upAt.IsZero() {
		l.upAt = at
	}
	l.end.answered = true
	l.change(func() { l.answered = true })
	l.emit(pbx.Answered{At: l.upAt})
	l.arm(l.lookUpPeriod())
	if l.customer != nil {
		time.AfterFunc(settleWait, func() { _ = l.in.Put(input{kind: inMeet}) })
		l.meet()
	}
}

// meet tells the customer's leg, once, that the target can be joined.
func (l *leg) meet() {
	l.mu.Lock()
	settled := l.settled
	l.mu.Unlock()
	if l.customer == nil || l.met || !l.end.answered || !settled {
		return
	}
	l.met = true
	if l.customer.in.Put(input{kind: inTarget, peer: l}) != nil {
		l.hangupByUs(pbx.CauseNormal) // the customer is gone
	}
}

// key is one key of the callee, told at its release.
func (l *leg) key(e *esl.Event) {
	d, ok := dtmfDigit(e.Get("DTMF-Digit"))
	if !ok {
		return
	}
	// The duration is in samples of 8 kHz, whatever the codec.
	l.emit(pbx.DTMF{At: time.Now(), Digit: d, Duration: time.Duration(min(atoi(e.Get("DTMF-Duration")), 480000)) * time.Second / 8000})
}

// dtmfDigit reads one key as FreeSWITCH writes it.
func dtmfDigit(s string) (byte, bool) {
	if len(s) != 1 || !strings.Contains("0123456789*#ABCD", strings.ToUpper(s)) {
		return 0, false
	}
	return strings.ToUpper(s)[0], true
}

// atoi reads a number that is not negative; what is none is 0.
func atoi(s string) int {
	n := 0
	if s == "" || len(s) > 9 {
		return 0
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		n = 10*n + int(s[i]-'0')
	}
	return n
}
