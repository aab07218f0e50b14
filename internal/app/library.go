package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/adapter/nlu/trained"
	"ringmaster/adapter/store"
	"ringmaster/config"
	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/check"
	"ringmaster/internal/nlu/classify"
	"ringmaster/internal/recommend"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/voices"
	"ringmaster/scripts"
)

// library holds compiled scripts by version. The database is the truth; files
// are imported as versions, by their hash.
type library struct {
	store   *store.Store
	tenant  string
	shared  *dialogue.Library    // lexicons and parts that scripts use
	courses *recommend.Catalogue // of the shipped scripts, or the operator's own
	voices  *voices.Catalogue    // who may speak; nil = scripts name the first provider's own
	log     *slog.Logger
	checks  chan struct{}   // held by the check that runs: one at a time, beside the calls
	learn   func(published) // hears of what comes into force by this controller; nil = nobody does

	mu       sync.Mutex
	compiled map[string]*dialogue.Script // by tenant, ID and version
	fresh    []published                 // imported since the start, for understanding to learn
}

func newLibrary(ctx context.Context, st *store.Store, tenant string, c config.Scripts, catalogue *voices.Catalogue, log *slog.Logger) (*library, error) {
	l := &library{store: st, tenant: tenant, log: log, voices: catalogue, checks: make(chan struct{}, 1), compiled: map[string]*dialogue.Script{}}
	err := l.readShared(c.Dir)
	if err != nil {
		return nil, err
	}
	if l.courses, err = recommend.Shipped(); err != nil {
		return nil, err
	}
	if c.Shipped {
		all, err := scripts.All()
		if err != nil {
			return nil, err
		}
		for _, f := range all {
			if err := l.add(ctx, f.Path, f.Source, "shipped"); err != nil {
				return nil, err
			}
		}
	}
	if c.Dir != "" {
		if err := l.importDir(ctx, c.Dir, log); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// coursesFile in the folder of scripts is the operator's catalogue of courses.
const coursesFile = "courses.yaml"

// readShared reads the lexicons and parts that scripts use: the shipped ones,
// and those of the operator's folder, which go before them.
func (l *library) readShared(dir string) error {
	files, err := scripts.Shared()
	if err != nil {
		return err
	}
	own := map[string][]byte{}
	if dir != "" {
		err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !dialogue.Shared(path) {
				return err
			}
			own[path], err = os.ReadFile(path) //nolint:gosec // the operator's own folder, read at start
			return err
		})
		if err != nil {
			return fmt.Errorf("scripts.dir: %w", err)
		}
	}
	shipped, err := dialogue.NewLibrary(files)
	if err != nil {
		return err
	}
	mine, err := dialogue.NewLibrary(own)
	if err != nil {
		return err
	}
	l.shared = shipped.With(mine)
	return nil
}

// importDir takes every script of a folder, and the catalogue of courses. One
// that does not compile, or that its check refuses, is reported with every
// finding and left out: its published version, if any, stays in force.
func (l *library) importDir(ctx context.Context, dir string, log *slog.Logger) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("scripts.dir: %w", err)
		}
		if !d.IsDir() && filepath.Ext(path) == ".yml" {
			log.Warn("a file of scripts.dir is left out: the file of a script ends in .yaml, so rename it", "file", path)
		}
		if d.IsDir() || filepath.Ext(path) != ".yaml" || strings.HasSuffix(path, ".test.yaml") || dialogue.Shared(path) {
			return nil
		}
		src, err := os.ReadFile(path) //nolint:gosec // the operator's own folder, read at start
		switch {
		case err != nil:
		case d.Name() == coursesFile:
			var own *recommend.Catalogue
			if own, err = recommend.Load(path, src); err == nil {
				l.courses = own
			}
		default:
			err = l.add(ctx, path, src, "file")
		}
		var refused *check.RefusedError
		switch {
		case errors.As(err, &refused):
			for _, f := range refused.Report.Findings {
				log.Error("finding of the script's check", "file", path, "rule", f.Rule, "err", f.Explain())
			}
			log.Error("script was not imported; a version that was published before goes on", "file", path, "findings", len(refused.Report.Findings), "err", check.ErrRefused)
		case err != nil:
			log.Error("script was not imported", "file", path, "err", err)
		}
		return nil
	})
}

func (l *library) add(ctx context.Context, path string, src []byte, by string) error {
	sc, err := l.shared.Compile(path, src)
	if err != nil {
		return err
	}
	if err := check.Run(sc, check.Options{File: path, Understander: keyword.New(), Voices: l.voices}).Err(); err != nil {
		return err
	}
	info := sc.Info()
	before := l.before(ctx, info)
	if err := l.store.SaveScript(ctx, l.tenant, info.ID, info.Version, sc.Source(), by); err != nil {
		return fmt.Errorf("script %s cannot be stored: %w", info.ID, err)
	}
	if current, _, err := l.store.ScriptVersion(ctx, l.tenant, info.ID); err != nil {
		return fmt.Errorf("script %s cannot be read back: %w", info.ID, err)
	} else if current != info.Version {
		l.log.Info("a file's version is not in force: another one was published or rolled back to by hand", "script", info.ID, "version", info.Version, "in_force", current)
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.compiled[l.tenant+"/"+info.ID+"/"+info.Version] = sc.Cast(l.voices)
	l.fresh = append(l.fresh, published{tenant: l.tenant, script: sc, before: before})
	return nil
}

// before is the version that another is about to replace; nil when there is
// none, or none that still compiles.
func (l *library) before(ctx context.Context, info dialogue.Info) *dialogue.Script {
	version, src, err := l.store.ScriptVersion(ctx, l.tenant, info.ID)
	if err != nil || version == info.Version {
		return nil
	}
	sc, err := l.shared.Compile(info.ID+".yaml", src)
	if err != nil {
		return nil
	}
	return sc
}

// examples are what a script version teaches its model: also one that is not
// the current version any more, because a call may still run by it.
func (l *library) examples(ctx context.Context, tenant, script, version string) ([]classify.Example, error) {
	l.mu.Lock()
	sc := l.compiled[tenant+"/"+script+"/"+version]
	l.mu.Unlock()
	if sc == nil {
		var err error
		if sc, err = l.version(ctx, tenant, script, version); err != nil {
			return nil, err
		}
	}
	return trained.Examples(sc.Expectations()), nil
}

// current is the published version of a script; api.ErrNotFound if none is.
func (l *library) current(ctx context.Context, tenant, id string) (*dialogue.Script, error) {
	version, src, err := l.store.ScriptVersion(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	key := tenant + "/" + id + "/" + version
	l.mu.Lock()
	sc := l.compiled[key]
	l.mu.Unlock()
	if sc != nil {
		return sc, nil
	}
	if sc, err = l.shared.Compile(id+".yaml", src); err != nil {
		return nil, fmt.Errorf("published script %s does not compile any more: %w", id, err)
	}
	sc = sc.Cast(l.voices)
	l.mu.Lock()
	l.compiled[key] = sc
	l.mu.Unlock()
	return sc, nil
}

func (l *library) info(ctx context.Context, tenant, id string) (api.ScriptInfo, bool, error) {
	sc, err := l.current(ctx, tenant, id)
	if errors.Is(err, api.ErrNotFound) {
		return api.ScriptInfo{}, false, nil
	} else if err != nil {
		return api.ScriptInfo{}, false, err
	}
	info := sc.Info()
	return api.ScriptInfo{ID: info.ID, Version: info.Version, Purpose: info.Purpose,
		Missing: func(p campaign.Person) []string { return sc.Missing(l.customer(p, sc)) }}, true, nil
}

// customer is a person as a script sees them, with what is recommended to them
// where the script asks for it.
func (l *library) customer(p campaign.Person, sc *dialogue.Script) dialogue.Customer {
	var wanted []string
	for _, v := range sc.Info().Variables {
		wanted = append(wanted, v.Name)
	}
	c := dialogue.Customer{ID: p.ExternalID, Name: p.Name, Language: p.Language, Vars: l.courses.Fill(p.Vars, wanted)}
	if d, ok := p.Vars["dialect"].(string); ok && sc.Speaks(speech.Language(d)) {
		c.Language = speech.Language(d)
	}
	if c.Language == "" {
		c.Language = sc.Info().Language
	}
	if s, ok := p.Vars["segment"].(string); ok {
		c.Segment = s
	}
	return c
}
