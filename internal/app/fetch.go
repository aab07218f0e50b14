package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"ringmaster/adapter/archive/local"
	"ringmaster/config"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
	"ringmaster/internal/pbx"
)

// fetcher is an exchange that hands out what it recorded: one WAV file a
// track, <name>-left and <name>-right.
type fetcher interface {
	Fetch(ctx context.Context, name string, w io.Writer) error
}

// fetchLimit is how long the exchange may take to close and hand out its files.
const fetchLimit = 15 * time.Second

// fetchHandover brings what the exchange recorded after a hand-over into the
// archive, so that the outcome lists it beside what we recorded before. What
// cannot be fetched stays on the exchange under its name, and is said.
func (c *caller) fetchHandover(ctx context.Context, sw pbx.Switch, a campaign.Attempt, o *campaign.Outcome) {
	f, ok := sw.(fetcher)
	if !ok || c.archive == nil || o.Disposition != campaign.Transferred {
		return
	}
	name := call.HandoverRecording(a.ID.String())
	if o.Reason == call.ReasonLeft {
		c.log.Warn("the conversation goes on without us: its recording stays on the exchange", "attempt", a.ID, "recording", name)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchLimit)
	defer cancel()
	rec, err := c.joinTracks(ctx, f, name, a, o.EndedAt)
	if err != nil {
		c.log.Error("what the exchange recorded after the hand-over could not be fetched; it stays there", "attempt", a.ID, "recording", name, "err", err)
		if !slices.Contains(o.Degraded, "recording") {
			o.Degraded = append(o.Degraded, "recording")
		}
		return
	}
	o.Recordings = append(o.Recordings, rec)
}

func (c *caller) joinTracks(ctx context.Context, f fetcher, name string, a campaign.Attempt, at time.Time) (rec campaign.Recording, err error) {
	var sides [2]*os.File
	defer func() {
		for _, file := range sides {
			if file != nil {
				_ = file.Close()
				_ = os.Remove(file.Name())
			}
		}
	}()
	for i, suffix := range []string{"-left", "-right"} {
		file, err := c.archive.Scratch()
		if err != nil {
			return rec, err
		}
		sides[i] = file
		if err := fetchTrack(ctx, f, name+suffix, file); err != nil {
			return rec, err
		}
	}
	p := call.Publication{}
	if c.cfg.Recordings.Handover != config.KeepHandover {
		p.Withhold = "nobody recognized what was said after the hand-over, so numbers in it cannot be silenced (recordings.handover)"
	}
	rec, err = c.archive.Join(ctx, a.Tenant, a.ID.String(), at, sides[0], sides[1], p)
	if err != nil && p.Withhold != "" && errors.Is(err, local.ErrWithheld) {
		err = nil // as configured; it is listed with its reason
	}
	return rec, err
}

// fetchTrack copies one track. The exchange closes its files a moment after
// the leg's end: until then there is no such file.
func fetchTrack(ctx context.Context, f fetcher, name string, file *os.File) error {
	for {
		err := f.Fetch(ctx, name, file)
		if err == nil {
			_, err = file.Seek(0, io.SeekStart)
			return err
		}
		if terr := file.Truncate(0); terr != nil {
			return terr
		}
		if _, serr := file.Seek(0, io.SeekStart); serr != nil {
			return serr
		}
		timer := time.NewTimer(500 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("recording %s was not handed out in time: %w", name, errors.Join(err, ctx.Err()))
		}
	}
}
