package call

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"
	"unicode"

	"ringmaster/internal/audio"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/redact"
	"ringmaster/internal/speech"
)

// Recorder starts the recording of a call.
type Recorder interface {
	Create(ctx context.Context, tenant, attempt string, f audio.Format, at time.Time) (Tracks, error)
}

// Tracks is a two-track recording in progress: left = them, right = us. Nobody
// can hear it before it is published.
type Tracks interface {
	Write(them, us []int16) error
	// Close ends the recording.
	Close() error
	// Publish silences what must not be heard and makes the rest readable; it is
	// called once, after Close. On an error nothing can be read, and Withheld of
	// the result says why.
	Publish(Publication) (campaign.Recording, error)
}

// Publication is what becomes of a recording.
type Publication struct {
	Silence []campaign.Silence
	// Withhold is why nobody may ever hear it; empty = publish.
	Withhold string
}

// silenceMargin is kept around every masked word: word times of recognizers
// are not exact to the sample.
const silenceMargin = 200 * time.Millisecond

// ownMargin is kept around what we say ourselves, whose times are those of the
// report about it, and around an open slot.
const ownMargin = 400 * time.Millisecond

// take is one recording of a call with all that is needed to silence it. Times
// are on the leg's clock: since its first sample.
type take struct {
	tracks Tracks
	rate   int
	offset time.Duration // from the answer to the leg's first sample
	filed  int64         // samples in the file
	places []place
	heard  []heardAs
	last   *heardAs      // a partial result that no final has replaced
	blind  time.Duration // from here on nobody recognized what was said; negative = never
	fault  string        // why it stopped in mid-call
}

// place ties a sample of the leg to a sample of the file.
type place struct{ leg, file int64 }

// heardAs is what the recognizer made of a stretch of the customer's voice.
type heardAs struct {
	text       string
	words      []speech.Word
	start, end time.Duration // zero end = not known
	came       time.Duration // when the result came
}

// writing notes where in the file a frame of the leg is going to be.
func (t *take) writing(pos int64) {
	if n := len(t.places); n == 0 || pos-t.filed != t.places[n-1].leg-t.places[n-1].file {
		t.places = append(t.places, place{leg: pos, file: t.filed})
	}
}

// fileTime is where in the file a moment of the leg's clock is.
func (t *take) fileTime(at time.Duration) time.Duration {
	pos := int64(at) * int64(t.rate) / int64(time.Second)
	i := sort.Search(len(t.places), func(i int) bool { return t.places[i].leg > pos }) - 1
	if i < 0 {
		return 0
	}
	file := pos - t.places[i].leg + t.places[i].file
	if i+1 < len(t.places) { // in audio that was lost and not filled up
		file = min(file, t.places[i+1].file)
	}
	return time.Duration(file) * time.Second / time.Duration(t.rate)
}

// hears notes a result before decisions forget its word times.
func (t *take) hears(r speech.Result, now time.Duration) {
	h := heardAs{text: r.Text, words: r.Words, start: r.Start, end: r.End, came: now}
	if !r.Final {
		t.last = &h
		return
	}
	t.last = nil
	t.heard = append(t.heard, h)
}

// deaf notes that nothing more is recognized.
func (t *take) deaf() {
	at := time.Duration(0)
	if n := len(t.heard); n > 0 {
		if at = t.heard[n-1].end; at == 0 {
			at = t.heard[n-1].came
		}
	}
	if t.last != nil && t.last.end > 0 {
		at = min(at, t.last.start)
	}
	if t.blind < 0 || at < t.blind {
		t.blind = at
	}
}

// openSlot is a time in which a number was expected, since the answer.
type openSlot struct {
	from, asked, to time.Duration // asked: our question was over; to: zero = to the end
}

// expectsNumber names the kind of number that is wanted now: empty = none.
func expectsNumber(l dialogue.Listen) string {
	for _, s := range l.Slots {
		switch s.Kind {
		case "id_card", "bank_card", "phone", "code", "digits":
			return s.Kind
		}
	}
	for _, s := range l.Slots {
		if s.Kind == "order" {
			return s.Kind
		}
	}
	if l.Expecting == dialogue.ExpectDigits && len(l.Slots) == 0 || l.Keys.Max >= 4 {
		return "digits"
	}
	return ""
}

// watchSlots notes when a number slot opens and closes. A number that is asked
// for may be said into the question: it opens with the question's first word.
func (c *call) watchSlots() {
	kind := ""
	if c.state.Phase == Talking {
		kind = expectsNumber(c.state.Listen)
	}
	open := kind != "" && kind != "order"
	now := c.state.Now - c.state.AnsweredAt
	n := len(c.slots)
	isOpen := n > 0 && c.slots[n-1].to == 0
	switch {
	case open && !isOpen:
		c.slots = append(c.slots, openSlot{from: now})
	case !open && isOpen:
		c.slots[n-1].to = now
	case open && c.slots[n-1].asked == 0 && !c.state.Saying:
		c.slots[n-1].asked = now
	}
}

// publish makes the call's recordings readable, without what must not be heard.
// What cannot be silenced for certain is withheld.
func (c *call) publish() []campaign.Recording {
	var out []campaign.Recording
	all, err := c.silences()
	for i, t := range c.takes {
		p := Publication{}
		if err != nil {
			p.Withhold = err.Error()
		} else {
			p.Silence = all[i]
		}
		rec, perr := t.tracks.Publish(p)
		if perr != nil {
			c.log.Error("a recording is withheld", "err", perr)
			c.state.Outcome.Degraded = appendOnce(c.state.Outcome.Degraded, "recording")
		}
		if t.fault != "" && rec.Incomplete == "" {
			rec.Incomplete = t.fault
		}
		out = append(out, rec)
	}
	return out
}

// silences says for each recording of the call what must not be heard in it.
func (c *call) silences() (out [][]campaign.Silence, err error) {
	defer func() { // whatever goes wrong in here, nothing is published
		if r := recover(); r != nil {
			err = fmt.Errorf("what to silence could not be told: %v", r)
		}
	}()
	q := newQuiet(c.takes)
	q.mask(c.masks.notes.Fork(), c.state, c.slotAt)
	for _, s := range c.slots {
		q.slot(s)
	}
	return q.merged(), nil
}

// slotAt is the kind of number that was expected at a time since the answer.
func (c *call) slotAt(at time.Duration) string {
	for _, s := range c.slots {
		if at >= s.from && (s.to == 0 || at <= s.to) {
			return "number"
		}
	}
	return ""
}

// quiet gathers silences over the recordings of one call.
type quiet struct {
	takes []*take
	out   [][]campaign.Silence
}

func newQuiet(takes []*take) *quiet {
	return &quiet{takes: takes, out: make([][]campaign.Silence, len(takes))}
}

// add silences a stretch of a recording, on its leg's clock.
func (q *quiet) add(i int, from, to time.Duration, leg campaign.Side) {
	t := q.takes[i]
	if to < 0 { // before it began
		return
	}
	a, b := t.fileTime(max(0, from)).Milliseconds(), (t.fileTime(to) + time.Millisecond).Milliseconds()
	if b > a {
		q.out[i] = append(q.out[i], campaign.Silence{FromMS: a, ToMS: b, Leg: leg})
	}
}

// always is an end that no recording reaches.
const always = 1000 * time.Hour

// since silences a stretch of the call, since its answer, in whatever recording
// it is.
func (q *quiet) since(from, to time.Duration, leg campaign.Side) {
	for i, t := range q.takes {
		q.add(i, from-t.offset, to-t.offset, leg)
	}
}

func (q *quiet) slot(s openSlot) {
	to := s.to + ownMargin
	if s.to == 0 {
		to = always
	}
	asked := s.asked
	if asked == 0 {
		asked = to
	}
	q.since(s.from-ownMargin, to, campaign.Them) // our question stays
	if asked < to {
		q.since(asked, to, "")
	}
}

// spoken is one thing said by either side, for the masker.
type spoken struct {
	side campaign.Side
	text string
	slot string
	at   time.Duration // since the answer, for the order
	take int           // -1 = by the times of a turn of ours
	as   heardAs       // theirs
	from time.Duration // ours, and theirs as a whole
	to   time.Duration
}

// mask reads the whole conversation through a masker and silences what it
// masks, back to the first digit of a number that began in an earlier turn.
func (q *quiet) mask(m *redact.Masker, s State, slotAt func(time.Duration) string) {
	open := map[campaign.Side][]func(){}
	for _, u := range q.conversation(s) {
		if u.side == campaign.Them {
			u.slot = slotAt(u.at)
		}
		seen := m.See(redact.Result{Side: string(u.side), Text: u.text, Final: true, Slot: u.slot})
		for _, k := range seen.Masked {
			if !ownNumber(s, u, k) {
				q.silence(u, k.Of)
			}
		}
		if seen.Continues {
			for _, f := range open[u.side] {
				f()
			}
			open[u.side] = nil
		}
		switch {
		case seen.Open != (redact.Span{}) && notice(s, u): // our own hotline
		case seen.Open != (redact.Span{}):
			open[u.side] = append(open[u.side], func() { q.silence(u, seen.Open) })
		case strings.IndexFunc(u.text, unicode.IsLetter) >= 0 && len([]rune(u.text)) > 6:
			open[u.side] = nil // more than a filler: the number is over
		}
	}
	for i, t := range q.takes {
		if t.blind >= 0 {
			q.add(i, t.blind, always, campaign.Them)
		}
	}
}

// ownNumber reports a number in our notice that is no person's: the notice is
// evidence, and may name our own hotline.
func ownNumber(s State, u spoken, k redact.Mask) bool {
	return notice(s, u) && (k.Kind == "number" || k.Kind == "code")
}

func notice(s State, u spoken) bool {
	d := s.Outcome.Disclosure
	return d != nil && u.side == campaign.Us && u.text == d.Text
}

// conversation is everything that was said, in order.
func (q *quiet) conversation(s State) []spoken {
	var all []spoken
	for i, t := range q.takes {
		heard := t.heard
		if t.last != nil {
			heard = append(heard[:len(heard):len(heard)], *t.last)
		}
		before := time.Duration(0)
		for _, h := range heard {
			u := spoken{side: campaign.Them, text: h.text, take: i, as: h, from: h.start, to: h.end}
			if h.end <= h.start { // no times: from what was heard before until it came
				u.from, u.to = before, h.came
			}
			before = max(before, u.to)
			u.at = t.offset + u.from
			all = append(all, u)
		}
	}
	for _, t := range s.Outcome.Turns {
		if t.Side != campaign.Us {
			continue
		}
		text := t.Text
		if t.Planned != "" { // how much of it was heard is an estimate
			text = t.Planned
		}
		from := time.Duration(t.StartMS) * time.Millisecond
		all = append(all, spoken{side: campaign.Us, text: text, at: from, take: -1, from: from, to: time.Duration(t.EndMS) * time.Millisecond})
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].at < all[j].at })
	return all
}

// silence makes a stretch of something said silent: by the times of its words,
// or else all of it.
func (q *quiet) silence(u spoken, of redact.Span) {
	if u.take < 0 {
		q.since(u.from-ownMargin, u.to+ownMargin, "")
		return
	}
	if from, to, ok := wordSpan(u, of); ok {
		q.add(u.take, from-silenceMargin, to+silenceMargin, "")
		return
	}
	q.add(u.take, u.from-silenceMargin, u.to+silenceMargin, "")
}

// wordSpan finds the times of a stretch of the text. ok is false when they
// cannot be believed: words that are not the text's, or times out of order or
// outside of the utterance.
func wordSpan(u spoken, of redact.Span) (from, to time.Duration, ok bool) {
	const slack = 300 * time.Millisecond
	pos, prev := 0, time.Duration(0)
	for _, w := range u.as.words {
		i := strings.Index(u.text[pos:], w.Text)
		if i < 0 || w.Text == "" || strings.ContainsFunc(u.text[pos:pos+i], func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			return 0, 0, false
		}
		start, end := pos+i, pos+i+len(w.Text)
		pos = end
		if w.Start < prev || w.End < w.Start || w.Start < u.from-slack || w.End > u.to+slack {
			return 0, 0, false
		}
		prev = w.Start
		if end <= of.Start || start >= of.End {
			continue
		}
		if !ok {
			from, ok = w.Start, true
		}
		to = max(to, w.End)
	}
	if strings.ContainsFunc(u.text[pos:], func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return 0, 0, false
	}
	return from, to, ok
}

// merged are the silences of each recording in order, without overlaps on one
// leg.
func (q *quiet) merged() [][]campaign.Silence {
	for i, list := range q.out {
		sort.Slice(list, func(a, b int) bool {
			if list[a].Leg != list[b].Leg {
				return list[a].Leg < list[b].Leg
			}
			return list[a].FromMS < list[b].FromMS
		})
		var out []campaign.Silence
		for _, s := range list {
			if n := len(out); n > 0 && out[n-1].Leg == s.Leg && s.FromMS <= out[n-1].ToMS {
				out[n-1].ToMS = max(out[n-1].ToMS, s.ToMS)
				continue
			}
			out = append(out, s)
		}
		q.out[i] = out
	}
	return q.out
}
