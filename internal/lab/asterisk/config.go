package asterisk

import (
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"text/template"
)

//go:embed conf/*.conf
var confFiles embed.FS

// emptyFiles are read by modules that complain where the file is absent and are content when it is empty.
func emptyFiles() []string {
	return []string{"stasis.conf", "sorcery.conf", "features.conf", "cdr.conf", "cel.conf", "udptl.conf", "acl.conf", "ccss.conf",
		"codecs.conf", "pjproject.conf", "dsp.conf", "amd.conf", "res_http_media_cache.conf", "manager.conf", "queuerules.conf",
		"extconfig.conf", "cli.conf", "cli_permissions.conf", "cli_aliases.conf", "dnsmgr.conf"}
}

// values is what the templates see.
type values struct {
	Options
	Name    string // of this instance, told by GET /asterisk/info
	Inside  string // folder of the instance, as seen inside the chroot
	Modules string // likewise
	Include []string
}

// write makes the folder of the instance: etc with the configuration, and the empty folders that Asterisk writes to.
func (v values) write(dir string) error {
	for _, d := range []string{"etc", "lib", "db", "keys/keys", "spool/recording", "run", "log", "moh", "sounds"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "moh", "tone.sln"), holdTone(), 0o644); err != nil {
		return err
	}
	etc := filepath.Join(dir, "etc")
	v.Include = nil
	for i, text := range v.Options.Include {
		name := fmt.Sprintf("include-%d.conf", i)
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text+"\n"), 0o600); err != nil {
			return err
		}
		v.Include = append(v.Include, name)
	}
	for _, name := range emptyFiles() {
		if err := os.WriteFile(filepath.Join(etc, name), nil, 0o600); err != nil {
			return err
		}
	}
	tmpl, err := template.New("").Option("missingkey=error").ParseFS(confFiles, "conf/*.conf")
	if err != nil {
		return err
	}
	return fs.WalkDir(confFiles, "conf", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.OpenFile(filepath.Join(etc, path.Base(name)), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		return errors.Join(tmpl.ExecuteTemplate(f, path.Base(name), v), f.Close())
	})
}

// holdTone is what somebody on hold hears, over and over: a soft beep of 0.2 s and 3.8 s of silence, 8 kHz 16-bit mono without
// a header.
func holdTone() []byte {
	const rate, seconds, hertz, volume = 8000, 4, 440, 1500
	b := make([]byte, 0, 2*rate*seconds)
	for i := range rate * seconds {
		var s float64
		if i < rate/5 {
			s = volume * math.Sin(2*math.Pi*hertz*float64(i)/rate)
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(s)))
	}
	return b
}

// moduleDir is the folder of Asterisk's modules as seen inside root; its name depends on the machine's architecture.
func moduleDir(root string) (string, error) {
	found, err := filepath.Glob(filepath.Join(root, "usr/lib/*/asterisk/modules"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d folders of Asterisk modules in %s, want one: delete it and run setup/asterisk.sh", len(found), root)
	}
	rel, err := filepath.Rel(root, found[0])
	return "/" + rel, err
}
