package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/scheduler"
)

// Checkpoint implements scheduler.Store. An input that is already there is left as it is, so a repeat is harmless.
func (s *Store) Checkpoint(ctx context.Context, batch []scheduler.Inputs) (refused []error, err error) {
	refused = make([]error, len(batch))
	var ids []binID
	for _, in := range batch {
		if len(in.Records) > 0 {
			ids = append(ids, binID(in.Fence.Attempt))
		}
	}
	if len(ids) == 0 {
		return refused, nil
	}
	return refused, s.write(ctx, nil, func(tx *gorm.DB) error {
		attempts, err := s.running(tx, ids)
		if err != nil {
			return err
		}
		var rows []eventRow
		owners := map[campaign.Fence]error{} // one look each
		for i, in := range batch {
			if len(in.Records) == 0 {
				continue
			}
			a := attempts[binID(in.Fence.Attempt)]
			owner := campaign.Fence{Owner: in.Fence.Owner, Epoch: in.Fence.Epoch}
			if _, asked := owners[owner]; !asked {
				if owners[owner] = current(tx, owner.Owner, owner.Epoch); owners[owner] != nil && !errors.Is(owners[owner], scheduler.ErrFenced) {
					return owners[owner]
				}
			}
			if refused[i] = allowedTo(in.Fence, a, owners[owner], campaign.AttemptClaimed, campaign.AttemptPlaced); refused[i] != nil {
				continue
			}
			for n, r := range in.Records {
				rows = append(rows, eventRow{TenantID: a.TenantID, AttemptID: a.ID, Seq: in.Seq + int64(n), AtNS: int64(r.At), Kind: clip(r.Kind, 64), Input: orEmpty(r.Data)})
			}
		}
		if len(rows) == 0 {
			return nil
		}
		return tx.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, 200).Error
	})
}

// running locks attempts in the order of their IDs.
func (s *Store) running(tx *gorm.DB, ids []binID) (map[binID]attemptRow, error) {
	var found []attemptRow
	err := tx.Raw(s.runningSQL(), ids).Scan(&found).Error
	out := make(map[binID]attemptRow, len(found))
	for _, a := range found {
		out[a.ID] = a
	}
	return out, err
}

func (s *Store) runningSQL() string {
	return "SELECT tenant_id, id, owner, epoch, state FROM attempt" + s.sql.attemptIndex + " WHERE id IN ? ORDER BY id" + s.sql.forUpdate
}

func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Finish implements scheduler.Store.
func (s *Store) Finish(ctx context.Context, f campaign.Fence, o campaign.Outcome, msgs []scheduler.Message) error {
	return s.write(ctx, became(f, campaign.AttemptFinished), func(tx *gorm.DB) error {
		a, err := held(tx, f, campaign.AttemptPlaced)
		if err != nil {
			return err
		}
		c, err := contactOf(tx, a)
		if err != nil {
			return err
		}
		var t taskRow
		if err := tx.Where("tenant_id = ? AND id = ?", a.TenantID, a.TaskID).Take(&t).Error; err != nil {
			return err
		}
		doc, err := outcomeToDoc(o)
		if err != nil {
			return err
		}
		set := closing(campaign.AttemptFinished, o.Reason)
		set["outcome"], set["ended_at"] = doc, at(ended(o))
		if err := alter(tx, a, set); err != nil {
			return err
		}
		if err := record(tx, a, t, o); err != nil {
			return err
		}
		if err := follow(tx, a, c, o); err != nil {
			return err
		}
		if err := s.optOut(tx, a, o); err != nil {
			return err
		}
		if err := account(tx, a, o); err != nil {
			return err
		}
		return s.enqueue(tx, a.TenantID, msgs)
	})
}

func ended(o campaign.Outcome) time.Time {
	if o.EndedAt.IsZero() {
		return time.Now()
	}
	return o.EndedAt
}

// next decides nothing: the outcome says whether and when there is another try. Who asked not to be called gets none.
func next(tx *gorm.DB, c contactRow, o campaign.Outcome) error {
	if c.State != string(campaign.Claimed) {
		return nil // cancelled stays cancelled
	}
	set := map[string]any{"state": string(campaign.Done), "reason": clip(string(o.Disposition), 255)}
	if !o.NextTry.IsZero() && o.OptOut == nil {
		set["state"], set["due_at"], set["path"] = string(campaign.Scheduled), at(o.NextTry), string(compliance.PathTask)
		if !o.CallbackAt.IsZero() && o.CallbackAt.Equal(o.NextTry) {
			set["path"], set["asked_at"] = string(compliance.PathCallback), at(o.CallbackAt)
		}
	}
	return settle(tx, c, set)
}

// optOut bans the number that was rung and the person.
func (s *Store) optOut(tx *gorm.DB, a attemptRow, o campaign.Outcome) error {
	if o.OptOut == nil || a.NumberID == (binID{}) { // a withheld number is nobody's
		return nil
	}
	e := dncRow{
		TenantID: a.TenantID, Layer: string(compliance.LayerTenant), TaskID: []byte{}, Reason: clip(o.OptOut.Reason, 255), Words: clip(o.OptOut.Words, 1024), AttemptID: a.ID,
	}
	var n numberRow
	if err := tx.Where("tenant_id = ? AND id = ?", a.TenantID, a.NumberID).Take(&n).Error; err != nil {
		return fmt.Errorf("number of attempt: %w", err)
	}
	if err := ban(tx, e, kindNumber, n.HMAC[:]); err != nil {
		return err
	}
	return ban(tx, e, kindPerson, a.PersonID[:])
}

// record writes the CDR and what was said and kept.
func record(tx *gorm.DB, a attemptRow, t taskRow, o campaign.Outcome) error {
	end := ended(o)
	if err := tx.Create(cdrOf(a, t, o, end)).Error; err != nil {
		return err
	}
	if err := many(tx, turnsOf(a, o.Turns)); err != nil {
		return err
	}
	if d := o.Disclosure; d != nil {
		if err := tx.Create(&disclosureRow{
			TenantID: a.TenantID, AttemptID: a.ID, ScriptID: clip(d.Script, 128), Version: clip(d.Version, 128), Line: clip(d.Line, 128),
			Said: clip(d.Text, 16000), PlayedAt: at(d.PlayedAt), StartMS: d.StartMS, EndMS: d.EndMS, Complete: d.Complete,
		}).Error; err != nil {
			return err
		}
	}
	recordings := make([]recordingRow, len(o.Recordings))
	for i, r := range o.Recordings {
		id, err := orNewID(binID(r.ID))
		if err != nil {
			return err
		}
		recordings[i] = recordingRow{
			TenantID: a.TenantID, ID: id, AttemptID: a.ID, Path: clip(r.Path, 1024), SHA256: clip(r.SHA256, 64), Bytes: r.Bytes, DurationNS: int64(r.Duration),
			Rate: small(r.Rate), Channels: small(r.Channels), Incomplete: clip(r.Incomplete, 255), CreatedAt: at(end),
		}
		recordings[i].labelled(r)
	}
	if err := many(tx, recordings); err != nil {
		return err
	}
	tickets := make([]ticketRow, len(o.Tickets))
	for i, k := range o.Tickets {
		id, err := newID()
		if err != nil {
			return err
		}
		tickets[i] = ticketRow{
			TenantID: a.TenantID, ID: id, AttemptID: a.ID, PersonID: a.PersonID, Kind: clip(k.Kind, 32), Words: clip(k.Words, 1024), State: "open", CreatedAt: at(end),
		}
	}
	return many(tx, tickets)
}

func cdrOf(a attemptRow, t taskRow, o campaign.Outcome, end time.Time) *cdrRow {
	var talk int64
	if o.Answered() {
		talk = max(0, end.Sub(o.AnsweredAt).Milliseconds())
	}
	return &cdrRow{
		TenantID: a.TenantID, AttemptID: a.ID, TaskID: a.TaskID, ContactID: a.ContactID, PersonID: a.PersonID, NumberID: a.NumberID,
		Try: a.Try, ScriptID: t.ScriptID, ScriptVersion: a.ScriptVersion, Purpose: t.Purpose, PBX: a.PBX, Trunk: a.Trunk,
		PlacedAt: a.PlacedAt, StartedAt: at(o.StartedAt), RingingAt: at(o.RingingAt), AnsweredAt: at(o.AnsweredAt), EndedAt: at(end),
		TalkMS: talk, Disposition: clip(string(o.Disposition), 32), Reason: clip(o.Reason, 255), SIP: small(o.SIP), Q850: small(o.Q850),
		ReasonQ850: small(o.ReasonQ850), EndedBy: clip(o.By, 16), Raw: clip(o.Raw, 255), AMD: clip(o.AMD, 16), Grade: clip(o.Grade, 8),
		Disclosed: o.Disclosure != nil && o.Disclosure.Complete, Direction: a.Direction,
	}
}

// turnsOf keeps the numbers of turns; one that has another's number goes to the end.
func turnsOf(a attemptRow, turns []campaign.Turn) []turnRow {
	rows := make([]turnRow, len(turns))
	used, last := make(map[int]bool, len(turns)), 0
	for _, u := range turns {
		last = max(last, small(u.Seq))
	}
	for i, u := range turns {
		seq := small(u.Seq)
		if used[seq] && last < math.MaxInt32 {
			last++
			seq = last
		}
		used[seq] = true
		rows[i] = turnRow{
			TenantID: a.TenantID, AttemptID: a.ID, Seq: seq, Side: clip(string(u.Side), 8), Said: clip(u.Text, maxText), Planned: clip(u.Planned, maxText),
			StartMS: u.StartMS, EndMS: u.EndMS, Node: clip(u.Node, 128), Intent: clip(u.Intent, 128), Confidence: finite(u.Confidence), Interrupted: u.Interrupted,
		}
	}
	return rows
}

func orNewID(id binID) (binID, error) {
	if id != (binID{}) {
		return id, nil
	}
	return newID()
}

// maxText bounds one turn's text, in characters.
const maxText = 100_000

// many inserts rows; one whose key is there already is left out rather than let a call not end.
func many[R any](tx *gorm.DB, rows []R) error {
	if len(rows) == 0 {
		return nil
	}
	return tx.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, 200).Error
}

// finite keeps NaN and infinities out, which MySQL refuses.
func finite(f float64) float64 {
	if f != f || f > 1e300 || f < -1e300 {
		return 0
	}
	return f
}
