package media

import (
	"time"

	"ringmaster/internal/audio"
)

// How much is kept in the exchange's queue, in frames of 20 ms.
const (
	// aheadSpeech is the most speech sent ahead; it survives a pause of ours.
	aheadSpeech = 20
	// batch is how many frames travel together while speech is flowing.
	batch = 5
	// After a pause of idleAfter the line is idle: silence is topped up from
	// idleLow to idleHigh, so that a message goes out every 140 ms only. What
	// is queued then is thrown away before the next word.
	idleLow, idleHigh = 3, 10
	idleAfter         = 200 * time.Millisecond
	// Right after speech little silence is queued, lest it stands before the
	// next word of a source that delivers in real time.
	tailLow, tailHigh = 1, 2
)

const frameTime = audio.FrameDuration

// run is a number of frames sent one after another.
type run struct {
	n      int64
	speech bool
}

// playout is the book of the exchange's queue: what was sent into it and how
// much of that has been played. It counts frames; index i is the i-th frame
// ever sent. Pure: time is handed in.
type playout struct {
	sent    int64 // frames ever sent
	settled int64 // frames whose fate is known
	heard   int64 // frames of speech known to have been played
	runs    []run // frames settled..sent, oldest first

	anchor     time.Time // depth was known (or guessed) to be this at anchor
	depthThen  int64
	lastSpeech time.Time // when the last frame of speech is expected to end
	drops      int       // how often the queue was thrown away
}

// depth is the queue's length at now, as far as a clock can tell; the
// exchange's tick is not in phase with ours, so it may be one off.
func (p *playout) depth(now time.Time) int64 {
	return max(0, p.depthThen-int64(now.Sub(p.anchor)/frameTime))
}

// send notes n frames that go into the queue now.
func (p *playout) send(now time.Time, n int64, speech bool) {
	if n <= 0 {
		return
	}
	if d := p.depth(now); d == 0 {
		p.anchor, p.depthThen = now, n
	} else {
		p.depthThen += n
	}
	p.sent += n
	if k := len(p.runs); k > 0 && p.runs[k-1].speech == speech {
		p.runs[k-1].n += n
	} else {
		p.runs = append(p.runs, run{n, speech})
	}
	if speech {
		p.lastSpeech = now.Add(time.Duration(p.depth(now)) * frameTime)
	}
}

// settle notes that the first played frames ever sent have been played.
func (p *playout) settle(played int64) {
	played = min(played, p.sent)
	for p.settled < played && len(p.runs) > 0 {
		r := &p.runs[0]
		n := min(r.n, played-p.settled)
		if r.speech {
			p.heard += n
		}
		p.settled += n
		if r.n -= n; r.n == 0 {
			p.runs = p.runs[1:]
		}
	}
}

// status notes the answer to a question that was asked when asked frames had
// been sent and the queue had been thrown away drops times: queue frames were
// waiting.
func (p *playout) status(now time.Time, asked int64, drops, queue int) {
	p.settle(asked - int64(queue))
	if drops != p.drops {
		return // those that waited have been thrown away since
	}
	p.anchor, p.depthThen = now, int64(queue)+p.sent-asked
}

// drop notes that the queue was thrown away after index asked; what of it had
// been played has to be settled before.
func (p *playout) drop(now time.Time, asked int64) {
	for p.settled < asked && len(p.runs) > 0 {
		r := &p.runs[0]
		n := min(r.n, asked-p.settled)
		p.settled += n
		if r.n -= n; r.n == 0 {
			p.runs = p.runs[1:]
		}
	}
	p.anchor, p.depthThen = now, p.sent-asked
	p.drops++
}

// speechUnsettled says that the fate of some speech is not known yet.
func (p *playout) speechUnsettled() bool {
	for _, r := range p.runs {
		if r.speech {
			return true
		}
	}
	return false
}

// speechWaiting is how many frames of speech are not yet played, by the clock.
func (p *playout) speechWaiting(now time.Time) int64 {
	waiting, left := int64(0), p.depth(now)
	for i := len(p.runs) - 1; i >= 0 && left > 0; i-- {
		n := min(p.runs[i].n, left)
		if p.runs[i].speech {
			waiting += n
		}
		left -= n
	}
	return waiting
}

// heardBy is how many frames of speech have been played by now: what is known,
// and what the clock says of the rest.
func (p *playout) heardBy(now time.Time) int64 {
	unknown := int64(0)
	for _, r := range p.runs {
		if r.speech {
			unknown += r.n
		}
	}
	return p.heard + max(0, unknown-p.speechWaiting(now))
}

// idle says that nobody has been speaking for a while.
func (p *playout) idle(now time.Time) bool { return now.Sub(p.lastSpeech) >= idleAfter }

// todo is what the pump does next: throw queued silence away, send speech,
// then silence; and look again after wait.
type todo struct {
	flush           bool
	speech, silence int64
	wait            time.Duration
}

// plan decides for a moment in which queued frames of speech wait on our side.
// mayFlush is false while a mark is under way that a flush would lose.
func (p *playout) plan(now time.Time, queued int64, mayFlush bool) todo {
	d, t := p.depth(now), todo{wait: frameTime}
	idle := p.idle(now)
	if queued > 0 {
		if d > 0 && idle && mayFlush && p.speechWaiting(now) == 0 {
			t.flush, d = true, 0
		}
		n := min(queued, aheadSpeech-d)
		if n >= batch || d < batch {
			t.speech = max(0, n)
		}
		return t
	}
	low, high := int64(tailLow), int64(tailHigh)
	if idle {
		low, high = idleLow, idleHigh
	}
	if d <= low {
		t.silence = high - d
		d = high
	}
	t.wait = max(frameTime/2, min(time.Duration(d-low)*frameTime, (idleHigh-idleLow)*frameTime))
	return t
}
