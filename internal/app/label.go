package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"ringmaster/adapter/archive/local"
	"ringmaster/adapter/store"
	"ringmaster/config"
	"ringmaster/internal/audio"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/label"
	"ringmaster/internal/redact"
	"ringmaster/internal/scheduler"
	"ringmaster/internal/speech"
)

// sought is what to look for in a recording: with the text of the disclosure it
// makes the very samples that were to be heard.
type sought struct {
	Language speech.Language `json:"language,omitempty"`
	Voice    string          `json:"voice,omitempty"`
	Hints    []speech.Hint   `json:"hints,omitempty"`
	Rate     int             `json:"rate"`
	Cue      bool            `json:"cue,omitempty"`
}

// furnish lets the archive mark its files as generated and keep originals, and
// lets calls mask what the tenant's patterns name.
func (a *App) furnish() error {
	if err := redact.Check(a.cfg.Redact.Patterns...); err != nil {
		return err
	}
	a.caller.deps.Masker = redact.New(a.cfg.Redact.Patterns...)
	if a.archive == nil {
		return nil
	}
	producer := a.cfg.Recordings.Producer
	a.archive.Mark(func(id uuid.UUID) []audio.Chunk { return label.Generated(producer, id.String()).Chunks() })
	if a.cfg.Recordings.Originals == config.VaultOriginals {
		a.archive.KeepOriginals(func(tenant string, id uuid.UUID, r io.Reader) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return putOriginal(ctx, a.store, a.cfg.Recordings.Dir, tenant, id, r)
		})
	}
	return nil
}

// notice is the disclosure that a call begins with.
func notice(sc *dialogue.Script, who dialogue.Customer, now time.Time) (line dialogue.Line, ok bool) {
	for _, l := range sc.PromptsAt(who, now) {
		if l.Disclosure {
			return l, true
		}
	}
	return dialogue.Line{}, false
}

// expectLabel says what is to be found in the recordings of a finished call:
// the first is examined, for all of them. A call that ended before its notice
// was over and before any business was said has nothing to be found.
func (p *prepared) expectLabel(o *campaign.Outcome) {
	c := p.caller
	if c.cfg.Recordings.Label.Disabled || len(o.Recordings) == 0 || o.Recordings[0].Withheld != "" {
		return
	}
	line, ok := notice(p.script, p.customer, o.AnsweredAt)
	if !ok || o.Disclosure == nil && !p.business(o, line) {
		return
	}
	detail, err := json.Marshal(sought{Language: line.Language, Voice: line.Voice, Hints: line.Hints, Rate: p.line.node.format.Rate, Cue: c.cfg.Recordings.Label.Cue})
	if err != nil {
		c.log.Error("what to look for in a recording cannot be kept", "attempt", p.attempt.ID, "err", err)
		return
	}
	o.Recordings[0].Label, o.Recordings[0].LabelDetail = campaign.LabelUnchecked, string(detail)
}

// business reports that we said something, to its end, that may only be said
// after the notice.
func (p *prepared) business(o *campaign.Outcome, notice dialogue.Line) bool {
	var free []string
	for _, l := range p.script.PromptsAt(p.customer, o.AnsweredAt) {
		if l.Fixed {
			free = append(free, l.Text)
		}
	}
	return slices.ContainsFunc(o.Turns, func(t campaign.Turn) bool {
		return t.Side == campaign.Us && !t.Interrupted && t.Text != notice.Text && !slices.Contains(free, t.Text)
	})
}

// voice is the synthesizer of one call: with the rhythm cue before the notice,
// if that is configured.
func (p *prepared) voice() speech.Synthesizer {
	line, ok := notice(p.script, p.customer, time.Now())
	if !p.caller.cfg.Recordings.Label.Cue || !ok {
		return p.caller.deps.Synthesizer
	}
	return cued{p.caller.deps.Synthesizer, line.Text}
}

// cued begins one utterance with the rhythm cue.
type cued struct {
	speech.Synthesizer
	text string
}

// Synthesize implements speech.Synthesizer.
func (c cued) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	s, err := c.Synthesizer.Synthesize(ctx, u)
	if err != nil || u.Text != c.text {
		return s, err
	}
	cue := label.Cue(u.Format.Rate)
	return &cuedSound{Synthesis: s, cue: cue, length: u.Format.Duration(int64(len(cue)))}, nil
}

type cuedSound struct {
	speech.Synthesis
	cue    []int16
	length time.Duration
}

func (s *cuedSound) Read(dst []int16) (int, error) {
	if len(s.cue) == 0 {
		return s.Synthesis.Read(dst)
	}
	n := copy(dst, s.cue)
	s.cue = s.cue[n:]
	return n, nil
}

func (s *cuedSound) Marks() []speech.Mark {
	marks := slices.Clone(s.Synthesis.Marks())
	for i := range marks {
		marks[i].At += s.length
	}
	return marks
}

// examiner looks for the notice in every recording, one at a time, those of
// earlier lives included.
type examiner struct {
	store        *store.Store
	archive      *local.Archive
	voice        speech.Synthesizer
	tenant       string
	destinations []string
	flagOnly     bool
	log          *slog.Logger
	verdicts     *prometheus.CounterVec
	every        time.Duration
	wake         chan struct{}
	live         func(attempt string) bool

	mu   sync.Mutex
	wait map[uuid.UUID]time.Time // not before: its file or voice was not to be had
}

func newExaminer(a *App, destinations []string) *examiner {
	e := &examiner{store: a.store, archive: a.archive, voice: a.prompts, tenant: a.cfg.Tenant.ID, destinations: destinations,
		flagOnly: a.cfg.Recordings.Label.FlagOnly, log: a.log, every: 10 * time.Second, wake: make(chan struct{}, 1), wait: map[uuid.UUID]time.Time{},
		live:     a.caller.roll.calls,
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringmaster_labels_total", Help: "Examined recordings by whether the AI notice was found in them."}, []string{"verdict"})}
	for _, v := range []campaign.Label{campaign.LabelProven, campaign.LabelMissing} {
		e.verdicts.WithLabelValues(string(v))
	}
	return e
}

// ended looks soon: a call is being written.
func (e *examiner) ended() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *examiner) run(ctx context.Context) {
	if e.archive == nil {
		return
	}
	e.round(ctx)
	for {
		timer := time.NewTimer(e.every)
		select {
		case <-e.wake:
			timer.Reset(300 * time.Millisecond) // the outcome is written meanwhile
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		e.round(ctx)
	}
}

// round examines what waits, and removes what killed processes left.
func (e *examiner) round(ctx context.Context) {
	after := uuid.Nil
	for ctx.Err() == nil {
		list, err := e.store.Unlabelled(ctx, e.tenant, after, 32)
		if err != nil {
			if ctx.Err() == nil {
				e.log.Warn("recordings that wait to be examined cannot be listed", "err", err)
			}
			break
		}
		for _, u := range list {
			after = u.Recording.ID
			if ctx.Err() == nil && !e.waits(after) {
				e.examine(ctx, u)
			}
		}
		if len(list) < 32 {
			break
		}
	}
	e.sweep(ctx)
}

func (e *examiner) waits(id uuid.UUID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Now().Before(e.wait[id])
}

// examine looks for the notice and writes the verdict. What cannot be examined
// stays unchecked and is tried again.
func (e *examiner) examine(ctx context.Context, u store.Unlabelled) {
	verdict, detail, err := e.find(ctx, u)
	if err != nil {
		e.mu.Lock()
		if len(e.wait) > 10000 {
			clear(e.wait)
		}
		e.wait[u.Recording.ID] = time.Now().Add(5 * time.Minute)
		e.mu.Unlock()
		if ctx.Err() == nil {
			e.log.Error("a recording could not be examined for its notice; it is tried again", "attempt", u.Attempt, "err", err)
		}
		return
	}
	v := store.Verdict{Label: verdict, Detail: detail}
	if verdict == campaign.LabelMissing {
		v.Reason = "label_missing: the AI notice was not found in the recording of attempt " + u.Attempt.String()
		v.Messages = e.messages(ctx, u, detail)
		if !e.flagOnly {
			v.Pause = u.Task
		}
	}
	changed, err := e.store.SetLabel(ctx, e.tenant, u.Recording.ID, v)
	if err != nil {
		if ctx.Err() == nil {
			e.log.Error("the verdict about a recording could not be written; it is examined again", "attempt", u.Attempt, "err", err)
		}
		return
	}
	if !changed {
		return
	}
	e.verdicts.WithLabelValues(string(verdict)).Inc()
	if verdict == campaign.LabelMissing {
		e.log.Error("the AI notice is missing in the recording of a call", "attempt", u.Attempt, "paused", !e.flagOnly, "detail", detail)
	}
}

// examined is the longest beginning of a call that the notice is looked for in.
const examined = 3 * time.Minute

// find examines the recordings of a call.
func (e *examiner) find(ctx context.Context, u store.Unlabelled) (campaign.Label, string, error) {
	if u.Disclosure == nil {
		return campaign.LabelMissing, "business was said, and the call has no evidence of its notice", nil
	}
	var want sought
	if err := json.Unmarshal([]byte(u.Recording.LabelDetail), &want); err != nil || want.Rate <= 0 {
		return "", "", fmt.Errorf("what to look for is not known: %q", u.Recording.LabelDetail)
	}
	ours, rate, err := e.ours(u.Paths)
	if err != nil {
		return "", "", err
	}
	if want.Cue {
		if at, ok := label.FindCue(ours, rate); ok {
			return campaign.LabelProven, fmt.Sprintf("rhythm cue at %d ms", at.Milliseconds()), nil
		}
	}
	prompt, err := e.prompt(ctx, speech.Utterance{Text: u.Disclosure.Text, Language: want.Language, Voice: want.Voice, Hints: want.Hints, Format: audio.Format{Rate: want.Rate, Encoding: audio.Linear}})
	if err != nil {
		return "", "", err
	}
	print, err := label.NewPrint(prompt, want.Rate)
	if err != nil {
		return "", "", err
	}
	m := print.Find(ours, rate)
	detail := fmt.Sprintf("spoken notice at %d ms, score %.2f, %.0f %% of it", m.At.Milliseconds(), m.Score, 100*m.Heard)
	if m.Proven() {
		return campaign.LabelProven, detail, nil
	}
	if m.Cut {
		detail += ", its end missing"
	}
	return campaign.LabelMissing, "not found; the nearest: " + detail, nil
}

// ours is what we said at the beginning of a call.
func (e *examiner) ours(paths []string) (out []int16, rate int, err error) {
	for _, p := range paths {
		f, err := e.archive.Open(p)
		if err != nil {
			return nil, 0, err
		}
		r, err := audio.NewWAVReader(f)
		if err == nil && (r.Tracks != 2 || rate != 0 && r.Rate != rate) {
			err = fmt.Errorf("%w: %d tracks at %d/s", audio.ErrWAV, r.Tracks, r.Rate)
		}
		if err == nil {
			rate = r.Rate
			out, err = secondTrack(r, out, int(examined.Seconds())*rate)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, 0, err
		}
	}
	if rate == 0 {
		return nil, 0, fmt.Errorf("its recordings cannot be read: %w", os.ErrNotExist)
	}
	return out, rate, nil
}

func secondTrack(r *audio.WAVReader, out []int16, limit int) ([]int16, error) {
	buf := make([]int16, 8192)
	for len(out) < limit {
		n, err := r.Read(buf)
		for i := 1; i < n; i += 2 {
			out = append(out, buf[i])
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// prompt makes the samples of the notice; the cache has them, or makes the same
// ones again.
func (e *examiner) prompt(ctx context.Context, u speech.Utterance) ([]int16, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	s, err := e.voice.Synthesize(ctx, u)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	var out []int16
	buf := make([]int16, 4096)
	for len(out) < u.Format.Rate*int(examined.Seconds()) {
		n, err := s.Read(buf)
		out = append(out, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// messages tell every receiver that a call had no notice.
func (e *examiner) messages(ctx context.Context, u store.Unlabelled, detail string) []scheduler.Message {
	ev := event{Event: "call.label_missing", Version: 1, At: time.Now().UTC(), Tenant: e.tenant, TaskID: u.Contact, ScriptID: u.Script, AttemptID: &u.Attempt, Reason: detail}
	if c, err := e.store.Contact(ctx, e.tenant, u.Contact); err == nil {
		ev.CustomerID, ev.Ref = c.Customer, c.Ref
	}
	body, err := json.Marshal(ev)
	if err != nil {
		return nil
	}
	var out []scheduler.Message
	for _, d := range e.destinations {
		out = append(out, scheduler.Message{ID: uuid.Must(uuid.NewV7()), Tenant: e.tenant, Aggregate: d + "/" + u.Contact.String(), Kind: "webhook", Event: ev.Event, Destination: d, Body: body})
	}
	return out
}

// sweep removes recordings whose calls never ended: what was said in them is
// not known, so no number in them can be silenced. Only what has not changed
// for a while, and whose call nobody has any more.
func (e *examiner) sweep(ctx context.Context) {
	left, err := e.archive.Leftovers()
	if err != nil {
		e.log.Warn("recordings that killed processes left cannot be listed", "err", err)
		return
	}
	for _, l := range left {
		if time.Since(l.Changed) < time.Minute || e.live(l.Attempt) || e.unfinished(ctx, l) {
			continue
		}
		id, err := e.archive.Discard(l)
		if err != nil {
			e.log.Error("what a killed call recorded could not be removed", "attempt", l.Attempt, "err", err)
			continue
		}
		e.log.Warn("what a killed call recorded was removed: nobody knows what was said in it", "attempt", l.Attempt, "recording", id)
	}
}

// unfinished reports a call that another controller may still be in. A database
// that cannot be asked spares the file.
func (e *examiner) unfinished(ctx context.Context, l local.Leftover) bool {
	id, err := uuid.Parse(l.Attempt)
	if err != nil {
		return true // not ours
	}
	a, err := e.store.Attempt(ctx, l.Tenant, id)
	return err != nil || a.State != campaign.AttemptFinished
}

var _ call.Recorder = (*local.Archive)(nil)
