package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"ringmaster/adapter/store"
	"ringmaster/config"
	"ringmaster/internal/audio"
	"ringmaster/internal/label"
	"ringmaster/internal/vault"
)

// originalKind is what recordings are called in the vault.
const originalKind = "recording"

// putOriginal seals an original into the vault's folder. The key is kept before
// the file gets its name: a file without a key would be rubbish, a key without
// a file is found missing.
func putOriginal(ctx context.Context, st *store.Store, dir, tenant string, recording uuid.UUID, r io.Reader) (err error) {
	d, err := vault.NewDataKey()
	if err != nil {
		return err
	}
	o := store.Original{ID: uuid.Must(uuid.NewV7()), Kind: originalKind, Ref: recording.String()}
	o.Path = filepath.ToSlash(filepath.Join("vault", tenant, o.ID.String()+".rmv"))
	path := filepath.Join(dir, filepath.FromSlash(o.Path))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("the vault's folder cannot be made: %w", err)
	}
	f, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path + ".part")
		}
	}()
	if err = errors.Join(vault.Seal(f, r, d), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = st.PutOriginal(ctx, tenant, o, d); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// ReadOriginal writes the original of a recording to w, for somebody who says
// why: the audit log keeps both.
func ReadOriginal(ctx context.Context, st *store.Store, c config.Config, recording uuid.UUID, actor, reason string, w io.Writer) error {
	o, d, err := st.OpenOriginal(ctx, c.Tenant.ID, originalKind, recording.String(), actor, reason)
	if err != nil {
		return err
	}
	f, err := os.OpenInRoot(c.Recordings.Dir, o.Path)
	if err != nil {
		return err
	}
	return errors.Join(vault.Open(w, f, d), f.Close())
}

// RecordingInfo is what a recording's file says of itself.
type RecordingInfo struct {
	Rate     int             `json:"rate"`
	Tracks   int             `json:"tracks"`
	AIGC     *label.Metadata `json:"AIGC"` // nil: the file carries no implicit label
	Complete bool            `json:"complete"`
}

// ReadRecordingInfo reads the metadata of a WAV file.
func ReadRecordingInfo(r io.ReadSeeker) (info RecordingInfo, err error) {
	w, err := audio.NewWAVReader(r)
	if err != nil {
		return info, err
	}
	info.Rate, info.Tracks = w.Rate, w.Tracks
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return info, err
	}
	chunks, err := audio.ReadChunks(r)
	info.Complete = err == nil
	if m, err := label.Read(chunks); err == nil {
		info.AIGC = &m
	}
	return info, nil
}
