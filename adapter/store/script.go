package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"gorm.io/gorm"

	"ringmaster/internal/api"
)

type releaseRow struct {
	TenantID string `gorm:"primaryKey"`
	ScriptID string `gorm:"primaryKey"`
	Seq      int64  `gorm:"primaryKey;autoIncrement:false"`
	Version  string
	Action   string
	ByKey    string
	Note     string
	At       instant
	Report   string
}

func (releaseRow) TableName() string { return "script_release" }

func (r releaseRow) release() api.ScriptRelease {
	return api.ScriptRelease{Tenant: r.TenantID, Script: r.ScriptID, Seq: r.Seq, Version: r.Version, Action: api.ScriptAction(r.Action), By: r.ByKey, Note: r.Note,
		At: r.At.Time(), Report: r.Report}
}

func (r scriptVersionRow) version() api.ScriptVersion {
	return api.ScriptVersion{Tenant: r.TenantID, Script: r.ScriptID, Version: r.Version, Source: r.Source, By: r.CreatedBy, At: r.CreatedAt.Time()}
}

// keepVersion writes a version once, under the lock of its script, and makes the script when there is none; it reports the script as it stood
// and whether the version is new.
func keepVersion(tx *gorm.DB, v api.ScriptVersion) (script scriptRow, kept scriptVersionRow, fresh bool, err error) {
	var scripts []scriptRow
	if err = locked(tx).Where("tenant_id = ? AND id = ?", v.Tenant, v.Script).Find(&scripts).Error; err != nil {
		return script, kept, false, err
	}
	now := at(orNow(v.At))
	if len(scripts) == 0 {
		scripts = []scriptRow{{TenantID: v.Tenant, ID: v.Script, UpdatedAt: now}} // no version is in force
		if err = tx.Create(&scripts[0]).Error; err != nil {
			return script, kept, false, again(err)
		}
	}
	sum := hash32(sha256.Sum256(v.Source))
	var old []scriptVersionRow
	if err = tx.Where("tenant_id = ? AND script_id = ? AND version = ?", v.Tenant, v.Script, v.Version).Find(&old).Error; err != nil {
		return script, kept, false, err
	}
	if len(old) > 0 {
		if old[0].SHA256 != sum {
			err = fmt.Errorf("%w: version %q of script %q has another content", api.ErrConflict, v.Version, v.Script)
		}
		return scripts[0], old[0], false, err
	}
	kept = scriptVersionRow{TenantID: v.Tenant, ScriptID: v.Script, Version: v.Version, SHA256: sum, Source: orEmpty(v.Source), CreatedBy: clip(v.By, 255), CreatedAt: now}
	return scripts[0], kept, true, again(tx.Create(&kept).Error)
}

// again makes of a row that another transaction wrote first a reason to look once more.
func again(err error) error {
	if isDuplicate(err) {
		return errAgain
	}
	return err
}

// lastRelease is the last line of a script's history; nil when there is none.
func lastRelease(tx *gorm.DB, tenant, script string) (*releaseRow, error) {
	var rows []releaseRow
	err := tx.Where("tenant_id = ? AND script_id = ?", tenant, script).Order("seq DESC").Limit(1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// enforce puts a version in force, if from still is, and writes the line of the history with it.
func enforce(tx *gorm.DB, from string, r *releaseRow) error {
	last, err := lastRelease(tx, r.TenantID, r.ScriptID)
	if err != nil {
		return err
	}
	r.Seq = 1
	if last != nil {
		r.Seq = last.Seq + 1
	}
	res := tx.Model(&scriptRow{}).Where("tenant_id = ? AND id = ? AND current_version = ?", r.TenantID, r.ScriptID, from).
		Updates(map[string]any{"current_version": r.Version, "updated_at": r.At})
	if err := exactly(1, res, fmt.Errorf("%w: another version of script %q came into force meanwhile", api.ErrConflict, r.ScriptID)); err != nil {
		return err
	}
	return again(tx.Create(r).Error)
}

// SaveScript implements api.Store.
func (s *Store) SaveScript(ctx context.Context, tenant, script, version string, source []byte, by string) error {
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		now := time.Now()
		old, _, fresh, err := keepVersion(tx, api.ScriptVersion{Tenant: tenant, Script: script, Version: version, Source: source, By: by, At: now})
		if err != nil || old.CurrentVersion == version {
			return err
		}
		if !fresh {
			last, err := lastRelease(tx, tenant, script)
			if err != nil || last != nil && last.Action != string(api.ScriptImported) {
				return err // somebody decided by hand what is in force
			}
		}
		return enforce(tx, old.CurrentVersion, &releaseRow{TenantID: tenant, ScriptID: script, Version: version, Action: string(api.ScriptImported), ByKey: clip(by, 255), At: at(now)})
	})
}

// ScriptVersion implements api.Store: the current version.
func (s *Store) ScriptVersion(ctx context.Context, tenant, script string) (version string, source []byte, err error) {
	var rows []scriptVersionRow
	err = s.read(ctx).Raw("SELECT v.* FROM script s JOIN script_version v ON v.tenant_id = s.tenant_id AND v.script_id = s.id "+
		"AND v.version = s.current_version WHERE s.tenant_id = ? AND s.id = ?", tenant, script).Scan(&rows).Error
	if err != nil {
		return "", nil, clean(err)
	}
	if len(rows) == 0 {
		return "", nil, fmt.Errorf("%w: script is not known", api.ErrNotFound)
	}
	return rows[0].Version, rows[0].Source, nil
}

// SaveDraft implements api.ScriptVersions.
func (s *Store) SaveDraft(ctx context.Context, v api.ScriptVersion) (saved api.ScriptVersion, created bool, err error) {
	v.At = orNow(v.At)
	err = s.write(ctx, nil, func(tx *gorm.DB) error {
		_, kept, fresh, err := keepVersion(tx, v)
		saved, created = kept.version(), fresh
		return err
	})
	return saved, created, err
}

// ReleaseScript implements api.ScriptVersions.
func (s *Store) ReleaseScript(ctx context.Context, r api.ScriptRelease) (out api.ScriptRelease, err error) {
	row := releaseRow{TenantID: r.Tenant, ScriptID: r.Script, Version: r.Version, Action: string(r.Action), ByKey: clip(r.By, 255), Note: clip(r.Note, 1024),
		At: at(orNow(r.At)), Report: r.Report}
	err = s.write(ctx, nil, func(tx *gorm.DB) error {
		var script scriptRow
		if err := locked(tx).Where("tenant_id = ? AND id = ?", r.Tenant, r.Script).Take(&script).Error; err != nil {
			return missing(err, "script")
		}
		var known int64
		if err := tx.Model(&scriptVersionRow{}).Where("tenant_id = ? AND script_id = ? AND version = ?", r.Tenant, r.Script, r.Version).Count(&known).Error; err != nil {
			return err
		}
		if known == 0 {
			return missing(gorm.ErrRecordNotFound, "script version")
		}
		if script.CurrentVersion == r.Version {
			last, err := lastRelease(tx, r.Tenant, r.Script)
			if err != nil {
				return err
			}
			if last == nil { // it came into force before there was a history
				last = &releaseRow{TenantID: r.Tenant, ScriptID: r.Script, Version: r.Version, Action: string(api.ScriptImported), At: script.UpdatedAt}
			}
			out = last.release()
			return nil
		}
		if r.Action == api.ScriptRolledBack {
			var before int64
			if err := tx.Model(&releaseRow{}).Where("tenant_id = ? AND script_id = ? AND version = ?", r.Tenant, r.Script, r.Version).Count(&before).Error; err != nil {
				return err
			}
			if before == 0 {
				return fmt.Errorf("%w: that version was never in force", api.ErrConflict)
			}
		}
		next := row
		if err := enforce(tx, r.From, &next); err != nil {
			return err
		}
		out = next.release()
		return nil
	})
	return out, err
}

// Scripts implements api.ScriptVersions.
func (s *Store) Scripts(ctx context.Context, tenant, after string, limit int) ([]api.ScriptSummary, error) {
	var rows []scriptRow
	if err := s.read(ctx).Where("tenant_id = ? AND id > ?", tenant, after).Order("id").Limit(limit).Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]api.ScriptSummary, len(rows))
	for i, r := range rows {
		out[i] = api.ScriptSummary{ID: r.ID, Version: r.CurrentVersion, UpdatedAt: r.UpdatedAt.Time()}
	}
	return out, nil
}

// ScriptHistory implements api.ScriptVersions.
func (s *Store) ScriptHistory(ctx context.Context, tenant, script string, limit int) (h api.ScriptHistory, err error) {
	var current []scriptRow
	if err := s.read(ctx).Where("tenant_id = ? AND id = ?", tenant, script).Find(&current).Error; err != nil {
		return h, clean(err)
	}
	if len(current) == 0 {
		return h, missing(gorm.ErrRecordNotFound, "script")
	}
	h.Current = current[0].CurrentVersion
	var versions []scriptVersionRow
	if err := s.read(ctx).Omit("source").Where("tenant_id = ? AND script_id = ?", tenant, script).Order("created_at DESC, version").Limit(limit).Find(&versions).Error; err != nil {
		return h, clean(err)
	}
	for _, v := range versions {
		h.Versions = append(h.Versions, v.version())
	}
	var releases []releaseRow
	if err := s.read(ctx).Where("tenant_id = ? AND script_id = ?", tenant, script).Order("seq DESC").Limit(limit).Find(&releases).Error; err != nil {
		return h, clean(err)
	}
	for _, r := range releases {
		h.Releases = append(h.Releases, r.release())
	}
	return h, nil
}

// StoredScript implements api.ScriptVersions.
func (s *Store) StoredScript(ctx context.Context, tenant, script, version string) (api.ScriptVersion, error) {
	var row scriptVersionRow
	err := s.read(ctx).Where("tenant_id = ? AND script_id = ? AND version = ?", tenant, script, version).Take(&row).Error
	return row.version(), missing(err, "script version")
}
