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
	// RTP and AudioSocket say that this media transport is used beside the
	// websocket.
	RTP, AudioSocket bool
}

// Queue is a queue of the exchange, reached at Extension in Context.
type Queue struct {
	Name    string
	Context string
	// Extension is the queue's name if empty.
	Extension string
}

// Context is a dialplan context with its queues.
type Context struct {
	Name   string
	Queues []Queue
}

// InboundContext is where calls come in.
const InboundContext = "ringmaster-inbound"

var (
	word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	// dial is a dial string: a technology and one resource.
	dial     = regexp.MustCompile(`^[A-Za-z0-9_]{1,16}/[A-Za-z0-9+._@:/-]{1,180}$`)
	password = regexp.MustCompile(`^[!#-:<=?-Z^-~][!#-:<-Z^-~]{0,127}$`)
)

// Contexts are the contexts of the queues, in the order of their first queue.
func (c Data) Contexts() []Context {
	var out []Context
	for _, q := range c.Queues {
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
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrData}, args...)...))
	}
	need := func(ok bool, format string, args ...any) {
		if !ok {
			bad(format, args...)
		}
	}
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
	seen := map[string]bool{}
	for _, q := range c.Queues {
		need(word.MatchString(q.Name) && !strings.EqualFold(q.Name, "general"), "queue %q: 1 to 64 of [A-Za-z0-9._-], and not general", q.Name)
		need(word.MatchString(q.Context) && !slices.Contains([]string{"general", "globals", InboundContext}, strings.ToLower(q.Context)),
			"context %q of queue %q: 1 to 64 of [A-Za-z0-9._-], and not general, globals or %s", q.Context, q.Name, InboundContext)
		need(word.MatchString(q.Extension), "extension %q of queue %q: 1 to 64 of [A-Za-z0-9._-]", q.Extension, q.Name)
		// Asterisk runs these by itself: h at every hang-up.
		need(len(q.Extension) != 1 || !strings.ContainsAny(q.Extension, "aehiostT"), "extension %q of queue %q has a meaning of its own in a dialplan", q.Extension, q.Name)
		// Case and dashes do not tell extensions apart.
		at := strings.ToLower(q.Context + "," + strings.ReplaceAll(q.Extension, "-", ""))
		need(!seen[at], "two queues at extension %q of context %q", q.Extension, q.Context)
		need(!seen["["+strings.ToLower(q.Name)], "queue %q stands twice", q.Name)
		seen[at], seen["["+strings.ToLower(q.Name)] = true, true
	}
	return errors.Join(errs...)
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
	tmpl, err := template.New("").Option("missingkey=error").ParseFS(asterisk, "asterisk/*.conf")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(asterisk, "asterisk/*.conf")
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, name := range names {
		var b bytes.Buffer
		if err := tmpl.ExecuteTemplate(&b, path.Base(name), c); err != nil {
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
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		mode := fs.FileMode(0o644)
		if name == "ari.conf" {
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
