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
	"time"

	"ringmaster/config"
	"ringmaster/internal/audio"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/voices"
)

// trial is what the doctor has a voice say, by language.
func trial(l speech.Language) string {
	switch l {
	case "yue":
		return "你好呀"
	case "ug":
		return "ياخشىمۇسىز"
	case "en":
		return "Good morning"
	case "hak":
		return "ngi2 ho2"
	}
	return "您好"
}

// checkVoice has every provider speak with its default voice.
func checkVoice(ctx context.Context, c config.Config, _ *slog.Logger, yield func(Finding) bool) bool {
	for _, s := range c.Speech.Voicing() {
		f := Finding{Part: "voice " + s.Name}
		start := time.Now()
		syn, err := synthesizer(ctx, s, nil)
		if err == nil {
			l := speech.Language("cmn")
			for _, other := range voices.Languages() {
				if _, ok := s.Voices[l]; !ok && s.Voices[other] != "" {
					l = other
				}
			}
			err = sayOnce(ctx, syn, speech.Utterance{Text: trial(l), Language: l})
		}
		if err != nil {
			f.Detail, f.Fix = err.Error(), "install it (apt-get install espeak-ng) or correct speech.synthesizers"
		} else {
			f.OK, f.Detail = true, fmt.Sprintf("spoke in %d ms", time.Since(start).Milliseconds())
		}
		if !yield(f) {
			return false
		}
	}
	return true
}

// checkCatalogue has every voice of the catalogue say a word in each of its
// languages, with a pause, by its own provider alone; and looks whether the
// scripts of this configuration name voices that are not there.
func checkCatalogue(ctx context.Context, c config.Config, log *slog.Logger, yield func(Finding) bool) bool {
	catalogue, err := c.Speech.Catalogue()
	if err != nil || catalogue.Empty() {
		return true // the first is told when the configuration is read
	}
	for _, s := range c.Speech.Voicing() {
		syn, err := synthesizer(ctx, s, catalogue)
		if err != nil {
			continue // told by checkVoice
		}
		for _, v := range catalogue.List() {
			if v.Provider == s.Name && !yield(tryVoice(ctx, syn, s, v)) {
				return false
			}
		}
	}
	var all dialogue.Problems
	ps, err := scriptVoices(c, catalogue)
	all = append(all, ps...)
	published, err2 := publishedVoices(ctx, c, catalogue, log)
	all = append(all, published...)
	f := Finding{Part: "voices of scripts", OK: len(all) == 0 && err == nil, Detail: "every voice that a script asks for is in the catalogue"}
	switch {
	case err != nil:
		f.Detail, f.Fix = err.Error(), "correct the scripts: `ringmaster script check` has every place"
	case len(all) > 0:
		f.Detail, f.Fix = all.Error(), "name voices of `ringmaster voices`, or add them under speech.voices; until then such lines are spoken by the default voice"
	case err2 != nil:
		f.Detail += "; published versions were not looked at, the database does not answer"
	}
	return yield(f)
}

func tryVoice(ctx context.Context, syn speech.Synthesizer, s config.Synthesizer, v voices.Voice) Finding {
	f := Finding{Part: "voice " + v.Name, OK: true, Detail: v.Provider + " speaks it"}
	for _, l := range v.Languages {
		text := trial(l)
		u := speech.Utterance{Text: text, Language: l, Voice: v.Own, Speed: v.Speed}
		if marksUp(s) { // not every voice of such a model offers markup
			u.Hints = []speech.Hint{{Start: len(text), End: len(text), Pause: 100 * time.Millisecond}}
		}
		if err := sayOnce(ctx, syn, u); err != nil {
			f.OK, f.Detail, f.Fix = false, fmt.Sprintf("%s: %v", l, err), "correct its voice and languages under speech.voices"
			if u.Hints != nil {
				f.Fix += "; if the vendor's list does not mark the voice for SSML, set hints: spelled for " + s.Name
			}
			return f
		}
	}
	return f
}

func sayOnce(ctx context.Context, s speech.Synthesizer, u speech.Utterance) error {
	u.Format = audio.FormatSlin
	syn, err := s.Synthesize(ctx, u)
	if err != nil {
		return err
	}
	defer func() { _ = syn.Close() }()
	if n, err := syn.Read(make([]int16, 160)); n == 0 && err != nil {
		return fmt.Errorf("no audio came: %w", err)
	}
	return nil
}

// scriptVoices are the voices that scripts of the operator's folder ask for and
// the catalogue has not. Shipped scripts ask for none.
func scriptVoices(c config.Config, catalogue *voices.Catalogue) (all dialogue.Problems, err error) {
	l := &library{}
	if err := l.readShared(c.Scripts.Dir); err != nil || c.Scripts.Dir == "" {
		return nil, err
	}
	err = filepath.WalkDir(c.Scripts.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" || strings.HasSuffix(path, ".test.yaml") || dialogue.Shared(path) || d.Name() == coursesFile {
			return err
		}
		src, err := os.ReadFile(path) //nolint:gosec // the operator's own folder
		if err != nil {
			return err
		}
		if sc, err := l.shared.Compile(path, src); err == nil { // one that does not compile is not imported
			all = append(all, sc.CheckVoices(path, catalogue)...)
		}
		return nil
	})
	return all, err
}

// publishedVoices are the same of the versions in force.
func publishedVoices(ctx context.Context, c config.Config, catalogue *voices.Catalogue, log *slog.Logger) (all dialogue.Problems, err error) {
	st, err := ConnectStore(ctx, c, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	after := ""
	for {
		list, err := st.Scripts(ctx, c.Tenant.ID, after, 100)
		if err != nil || len(list) == 0 {
			return all, err
		}
		for _, s := range list {
			after = s.ID
			version, src, err := st.ScriptVersion(ctx, c.Tenant.ID, s.ID)
			if err != nil {
				continue // a draft alone
			}
			if sc, err := dialogue.Compile(s.ID+" (published)", src); err == nil {
				all = append(all, sc.CheckVoices(s.ID+" (published version "+version[:min(12, len(version))]+")", catalogue)...)
			}
		}
	}
}
