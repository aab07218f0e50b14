package dialplan

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

//go:embed asterisk/*.conf
var asterisk embed.FS

// ErrData is wrapped by errors about names that cannot stand in a
// configuration file of the exchange.
var ErrData = errors.New("this cannot stand in the exchange's configuration")

// Data is what the files are rendered with.
type Data struct {
	// App is the whole name of the Stasis application, <app>-<controller id>.
	App string
	// User and Password of ARI. A password may have any printable ASCII but
	// space ; [ ] \ " and may not begin with >.
	User, Password string
	// Bind and Port are where Asterisk's HTTP server listens; Bind is an IP
	// address, or empty when the user has to say it himself.
	Bind string
	Port int
	// Prefix is the path before /ari, without slashes; mostly empty.
	Prefix string
	// Trunks are the names of PJSIP endpoints that calls go out over.
	Trunks []string
	// Agents are dial strings of people, such as PJSIP/ann.
	Agents []string
	// Queues that calls are handed over to.
	Queues []Queue
	// Fallback is what callers hear while Ringmaster is away.
	Fallback Fallback
	// MaxSeconds ends every call that came in, whoever has died; 60 to 86400.
	MaxSeconds int
	// RTP and AudioSocket say that this media transport is used beside the
	// websocket.
	RTP, AudioSocket bool
}

// Queue is a queue of the exchange, reached at Extension in Context. On
// FreeSWITCH it is one of mod_callcenter, name@domain, and needs no context.
type Queue struct {
	Name    string
	Context string
	// Extension is the queue's name if empty.
	Extension string
	// Callcenter is FreeSWITCH's name of it; <name>@default if empty.
	Callcenter string
}

// Fallback is a menu of the exchange itself.
type Fallback struct {
	// Sound of the exchange that names the keys, such as custom/menu; empty = a
	// dial tone.
	Sound string
	// Keys lead to queues, by name; one digit each.
	Keys []Key
}

// Key is a key of the fallback menu.
type Key struct{ Digit, Queue string }

// FallbackKey is a key with its queue.
type FallbackKey struct {
	Digit string
	Queue Queue
}

// FallbackKeys are the keys of the fallback with the queues that they lead to.
func (c Data) FallbackKeys() []FallbackKey { return c.Fallback.keys(c.Queues) }

func (f Fallback) keys(queues []Queue) []FallbackKey {
	var out []FallbackKey
	for _, k := range f.Keys {
		for _, q := range queues {
			if q.Name == k.Queue {
				out = append(out, FallbackKey{k.Digit, q})
			}
		}
	}
	return out
}

// Context is a dialplan context with its queues.
type Context struct {
	Name   string
	Queues []Queue
}

// Contexts of our own: where calls come in, where they go while Ringmaster is
// away, and the hop through the exchange's answering machine detection.
const (
	InboundContext  = "ringmaster-inbound"
	FallbackContext = "ringmaster-fallback"
	AMDContext      = "ringmaster-amd"
)

var (
	word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	// dial is a dial string: a technology and one resource.
	dial     = regexp.MustCompile(`^[A-Za-z0-9_]{1,16}/[A-Za-z0-9+._@:/-]{1,180}$`)
	password = regexp.MustCompile(`^[!#-:<=?-Z^-~][!#-:<-Z^-~]{0,127}$`)
	sound    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$`)
)

// Contexts are the contexts of the queues, in the order of their first queue.
func (c Data) Contexts() []Context { return contexts(c.Queues) }

func contexts(queues []Queue) []Context {
	var out []Context
	for _, q := range queues {
		if q.Context == "" {
			continue
		}
		i := slices.IndexFunc(out, func(x Context) bool { return x.Name == q.Context })
		if i < 0 {
			i, out = len(out), append(out, Context{Name: q.Context})
		}
		out[i].Queues = append(out[i].Queues, q)
	}
	return out
}

// check reports everything that cannot be written. Values are not repeated in
// the error: one of them is a password.
func (c Data) check() error {
	var k checker
	need := k.need
	need(word.MatchString(c.App), "the application's name %q: 1 to 64 of [A-Za-z0-9._-], the first a letter or digit", c.App)
	need(word.MatchString(c.User) && !strings.EqualFold(c.User, "general"), "the ARI user %q: 1 to 64 of [A-Za-z0-9._-], and not general", c.User)
	need(password.MatchString(c.Password), `the ARI password: 1 to 128 printable ASCII without space ; [ ] \ ", not beginning with > (openssl rand -hex 24 makes one)`)
	if c.Bind != "" {
		a, err := netip.ParseAddr(c.Bind)
		need(err == nil && a.Zone() == "", "the address %q of the HTTP server", c.Bind)
		need(c.Port > 0 && c.Port <= 65535, "port %d of the HTTP server", c.Port)
	}
	need(c.Prefix == "" || word.MatchString(c.Prefix), "the path before /ari, %q: one word of [A-Za-z0-9._-]", c.Prefix)
	for _, t := range c.Trunks {
		need(word.MatchString(t), "the trunk's endpoint %q: a name of pjsip.conf, [A-Za-z0-9._-]", t)
	}
	for _, a := range c.Agents {
		need(dial.MatchString(a), "the agent's endpoint %q: such as PJSIP/ann", a)
	}
	k.limits(c.MaxSeconds, c.Fallback, c.Queues)
	seen := map[string]bool{}
	for _, q := range c.Queues {
		need(word.MatchString(q.Name) && !strings.EqualFold(q.Name, "general"), "queue %q: 1 to 64 of [A-Za-z0-9._-], and not general", q.Name)
		need(word.MatchString(q.Context) && !reserved(q.Context),
			"context %q of queue %q: 1 to 64 of [A-Za-z0-9._-], and not general, globals or one of ours (ringmaster-...)", q.Context, q.Name)
		need(word.MatchString(q.Extension), "extension %q of queue %q: 1 to 64 of [A-Za-z0-9._-]", q.Extension, q.Name)
		// Asterisk runs these by itself: h at every hang-up.
		need(len(q.Extension) != 1 || !strings.ContainsAny(q.Extension, "aehiostT"), "extension %q of queue %q has a meaning of its own in a dialplan", q.Extension, q.Name)
		// Case and dashes do not tell extensions apart.
		at := strings.ToLower(q.Context + "," + strings.ReplaceAll(q.Extension, "-", ""))
		need(!seen[at], "two queues at extension %q of context %q", q.Extension, q.Context)
		need(!seen["["+strings.ToLower(q.Name)], "queue %q stands twice", q.Name)
		seen[at], seen["["+strings.ToLower(q.Name)] = true, true
	}
	return errors.Join(k.errs...)
}

// checker gathers what cannot be written.
type checker struct{ errs []error }

func (k *checker) need(ok bool, format string, args ...any) {
	if !ok {
		k.errs = append(k.errs, fmt.Errorf("%w: "+format, append([]any{ErrData}, args...)...))
	}
}

// limits checks what both brands have.
func (k *checker) limits(seconds int, f Fallback, queues []Queue) {
	k.need(seconds >= 60 && seconds <= 86400, "the longest call, %d s: 60 to 86400", seconds)
	k.need(f.Sound == "" || sound.MatchString(f.Sound) && !strings.Contains(f.Sound, "..") && !strings.Contains(f.Sound, "//"),
		"the fallback's sound %q: a path of [A-Za-z0-9._/-] among the exchange's sounds", f.Sound)
	used := map[string]bool{}
	for _, key := range f.Keys {
		k.need(len(key.Digit) == 1 && key.Digit[0] >= '0' && key.Digit[0] <= '9' && !used[key.Digit], "key %q of the fallback: one digit, each once", key.Digit)
		k.need(slices.ContainsFunc(queues, func(q Queue) bool { return q.Name == key.Queue }), "queue %q of a fallback key is not configured", key.Queue)
		used[key.Digit] = true
	}
}

func reserved(context string) bool {
	return slices.Contains([]string{"general", "globals", InboundContext, FallbackContext, AMDContext}, strings.ToLower(context))
}

// Files are the rendered files by name (extensions.conf, ari.conf, ...).
// Errors wrap ErrData.
func Files(c Data) (map[string][]byte, error) {
	c.Queues = slices.Clone(c.Queues)
	for i, q := range c.Queues {
		if q.Extension == "" {
			c.Queues[i].Extension = q.Name
		}
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return fill(asterisk, "asterisk/*.conf", c)
}

// fill executes every template of a pattern, by its base name.
func fill(from fs.FS, pattern string, data any) (map[string][]byte, error) {
	tmpl, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"xml": escaped, "literal": regexp.QuoteMeta}).ParseFS(from, pattern)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(from, pattern)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, name := range names {
		var b bytes.Buffer
		if err := tmpl.ExecuteTemplate(&b, path.Base(name), data); err != nil {
			return nil, err
		}
		out[path.Base(name)] = b.Bytes()
	}
	return out, nil
}

// Render writes the files into dir, which is made if it is not there. A file
// that exists is replaced whole; ari.conf, which has the password, is readable
// by its owner only. Nothing is written when an error wraps ErrData.
func Render(dir string, c Data) error {
	files, err := Files(c)
	if err != nil {
		return err
	}
	return write(dir, files)
}

func write(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		mode := fs.FileMode(0o644)
		if name == "ari.conf" || name == "event_socket.conf.xml" {
			mode = 0o600
		}
		if err := replace(filepath.Join(dir, name), text, mode); err != nil {
			return err
		}
	}
	return nil
}

// replace writes a file beside and moves it over the old one.
func replace(name string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
