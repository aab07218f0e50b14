package pbxtest

import (
	"time"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/mailbox"
	"ringmaster/internal/pbx"
)

// simLeg is one party's connection. Everything is guarded by sim.mu; run is
// its only goroutine.
type simLeg struct {
	sim     *Sim
	req     pbx.OriginateRequest
	script  callee.Script
	call    *callee.Call
	created time.Time
	events  *mailbox.Mailbox[pbx.Event]
	stop    chan struct{}

	elapsed time.Duration // since it was made, in whole frames
	ringing bool
	inbound bool
	up      bool
	over    bool
	deaf    bool // events do not reach us: the link is down
	upAt    time.Duration

	machine  *callee.Machine // nil while nobody speaks
	said     []int16         // what the party said in the last frame
	heard    []int16         // what it heard in it
	media    *simMedia
	peer     *simLeg // bridged with
	handover *simLeg // the leg of a transfer that has not connected
	customer *simLeg // of a handover leg: whose transfer it is
	queued   bool    // of a handover leg: a queue's
	watching *simLeg // a supervisor's leg listens to this one
	whisper  bool
	plays    map[string]*simPlay
	order    []string // of plays
	records  map[string]time.Time
}

// simPlay is a prompt in progress; loop for tones.
type simPlay struct {
	samples []int16
	at      int
	loop    bool
}

func (l *simLeg) run() {
	defer l.sim.running.Done()
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-timer.C:
		}
		l.sim.mu.Lock()
		for !l.over && !next.After(time.Now()) {
			l.tick()
			next = next.Add(frame)
		}
		over := l.over
		l.sim.mu.Unlock()
		if over {
			return
		}
		timer.Reset(time.Until(next))
	}
}

// put hands an event to whoever reads the leg.
func (l *simLeg) put(e pbx.Event) {
	if !l.deaf {
		_ = l.events.Put(e)
	}
}

// tick is 20 ms of a leg's life.
func (l *simLeg) tick() {
	if l.up {
		l.talk()
	} else {
		l.alert()
	}
	l.elapsed += frame
}

// alert is the time before the answer.
func (l *simLeg) alert() {
	if l.inbound {
		return
	}
	if l.elapsed >= l.req.RingTimeout {
		l.end(pbx.Hungup{SIP: 480, Q850: pbx.CauseNoAnswer, By: pbx.ByTimer})
		return
	}
	if l.elapsed >= l.script.Trying && !l.ringing {
		l.ringing = true
		early := l.req.EarlyMedia && len(l.script.Early) > 0
		if early {
			l.machine = callee.NewEarly(l.script)
		}
		if !l.script.Silent || early {
			l.put(pbx.Ringing{At: time.Now(), EarlyMedia: early})
		}
	}
	if l.machine != nil {
		l.exchange()
	}
	if l.over || l.script.Never || l.elapsed < l.script.Trying+l.script.Ring {
		return
	}
	if code := l.script.Reject; code != 0 {
		l.call.ByCallee = true
		l.end(pbx.Hungup{SIP: code, Q850: l.sim.opts.Causes(code), By: pbx.ByRemote})
		return
	}
	l.answered()
}

func (l *simLeg) answered() {
	l.up, l.upAt = true, l.elapsed
	l.call.Answered = time.Now()
	l.machine = callee.New(l.script)
	l.put(pbx.Answered{At: time.Now()})
	if c := l.customer; c != nil && c.handover == l {
		c.handover = nil
		c.join(l)
	}
}

// talk is 20 ms of an answered call.
func (l *simLeg) talk() {
	if d := l.req.MaxDuration; d > 0 && l.elapsed-l.upAt >= d {
		l.end(pbx.Hungup{Q850: pbx.CauseNormal, By: pbx.ByTimer})
		return
	}
	l.exchange()
}

// exchange moves one frame each way and does what the party does.
func (l *simLeg) exchange() {
	l.heard = l.hears()
	said, act := l.machine.Tick(l.heard)
	l.said = append(l.said[:0], said...)
	l.call.Record = *l.machine.Record()
	if l.media != nil {
		l.media.deliver(said)
	}
	if act.DTMF != 0 {
		l.put(pbx.DTMF{At: time.Now(), Digit: act.DTMF, Duration: 100 * time.Millisecond})
		if l.peer != nil && l.peer.machine != nil {
			l.peer.machine.Key(act.DTMF)
		}
	}
	if act.Hangup {
		l.call.ByCallee = true
		l.end(pbx.Hungup{Q850: pbx.CauseNormal, ReasonQ850: pbx.Cause(act.Cause), By: pbx.ByRemote})
	}
}

// hears is what the party hears in this frame, whispers included; nil is a
// dead line.
func (l *simLeg) hears() []int16 {
	out := l.connected()
	for _, w := range l.sim.legs {
		if w.watching == l && w.whisper {
			out = mix(out, w.said)
		}
	}
	return out
}

// connected is the sound of whatever the leg is connected with.
func (l *simLeg) connected() []int16 {
	var queued []int16
	if l.media != nil {
		queued = l.media.play() // plays out whether it is heard or not
	}
	switch {
	case len(l.order) > 0:
		return l.prompt()
	case l.watching != nil:
		return mix(l.watching.said, l.watching.heard)
	case l.peer != nil && len(l.peer.said) == 0:
		return make([]int16, callee.FrameSamples)
	case l.peer != nil:
		return l.peer.said
	}
	return queued
}

func mix(a, b []int16) []int16 {
	out := make([]int16, callee.FrameSamples)
	copy(out, a)
	for i := range min(len(out), len(b)) {
		out[i] = int16(max(-32768, min(32767, int(out[i])+int(b[i]))))
	}
	return out
}

// prompt is the next frame of the oldest playback.
func (l *simLeg) prompt() []int16 {
	out := make([]int16, callee.FrameSamples)
	id := l.order[0]
	p := l.plays[id]
	n := copy(out, p.samples[p.at:])
	p.at += n
	if p.at < len(p.samples) {
		return out
	}
	if p.loop {
		p.at = 0
		return out
	}
	l.played(id, pbx.PlaybackEnded{At: time.Now(), ID: id})
	return out
}

func (l *simLeg) played(id string, e pbx.PlaybackEnded) {
	delete(l.plays, id)
	kept := l.order[:0]
	for _, o := range l.order {
		if o != id {
			kept = append(kept, o)
		}
	}
	l.order = kept
	l.put(e)
}

// join bridges two legs; the media leg of both closes.
func (l *simLeg) join(other *simLeg) {
	for _, pair := range [][2]*simLeg{{l, other}, {other, l}} {
		pair[0].peer = pair[1]
		if pair[0].media != nil {
			pair[0].media.end()
			pair[0].media = nil
		}
		pair[0].put(pbx.Bridged{At: time.Now(), Other: pair[1].req.ID})
	}
}

// end is the end of the leg; it needs the lock. Announces everything that ends
// with it, Hungup last.
func (l *simLeg) end(h pbx.Hungup) {
	if l.over {
		return
	}
	l.over = true
	now := time.Now()
	l.call.Ended = now
	close(l.stop)
	delete(l.sim.legs, l.req.ID)
	if l.media != nil {
		l.media.end()
		l.media = nil
	}
	for len(l.order) > 0 {
		l.played(l.order[0], pbx.PlaybackEnded{At: now, ID: l.order[0], Err: pbx.ErrGone})
	}
	for id, began := range l.records {
		l.put(pbx.RecordingEnded{At: now, ID: id, Duration: now.Sub(began)})
	}
	if h.ReasonQ850 != 0 {
		h.Q850 = h.ReasonQ850
	}
	h.At, h.Answered = now, l.up
	if l.up {
		h.SIP = 200
	}
	l.part(h)
	if l.deaf {
		l.sim.lost[l.req.ID] = l
		return
	}
	l.put(h)
	l.events.Close(nil)
}

// part releases whoever was connected with a leg that ended.
func (l *simLeg) part(h pbx.Hungup) {
	now := time.Now()
	if p := l.peer; p != nil {
		l.peer, p.peer = nil, nil
		p.put(pbx.Unbridged{At: now, Other: l.req.ID})
		if l.customer == p && l.queued {
			p.put(pbx.TransferEnded{At: now, Reason: "target_left"})
		}
		if p.customer == l {
			p.end(pbx.Hungup{Q850: pbx.CauseNormal, By: pbx.ByLocal})
		}
	}
	if a := l.handover; a != nil {
		l.handover = nil
		a.end(pbx.Hungup{Q850: pbx.CauseNormal, By: pbx.ByLocal})
	}
	if c := l.customer; c != nil && c.handover == l {
		c.handover = nil
		c.put(pbx.TransferEnded{At: now, Reason: reason(h), Cause: h.Q850})
	}
	for _, w := range l.sim.legs {
		if w.watching == l {
			w.watching = nil
		}
	}
}

// reason names why a hand-over ended before it connected.
func reason(h pbx.Hungup) string {
	switch {
	case h.By == pbx.ByTimer, h.SIP == 480, h.SIP == 408:
		return "no_answer"
	case h.SIP == 486, h.SIP == 600:
		return "busy"
	case h.SIP == 603, h.SIP == 403:
		return "declined"
	}
	return "unreachable"
}
