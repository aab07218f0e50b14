package asterisk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrOptions is wrapped by errors about values in Options that cannot stand in Asterisk's configuration.
var ErrOptions = errors.New("bad option for the private Asterisk")

// Options of a private Asterisk. The zero value is right for a test.
type Options struct {
	// Bind is the address that SIP and RTP listen at: 127.0.0.1 if empty, 0.0.0.0 for softphones on other machines. ARI is
	// always on 127.0.0.1.
	Bind string
	// HTTPPort (ARI and media websockets) and SIPPort (UDP): 0 takes the slot's own.
	HTTPPort, SIPPort int
	// RTPStart and RTPEnd bound the RTP ports, two a leg; 0 takes the slot's own 600.
	RTPStart, RTPEnd int
	// User and Password of ARI: "ringmaster" and a random one if empty.
	User, Password string
	// App is the Stasis application that gets inbound calls: "ringmaster" if empty.
	App string
	// Trunk is host:port of the phones behind endpoint lab, for dial strings of the form PJSIP/<user>@lab. Empty: only
	// PJSIP/lab/sip:<user>@<host>:<port> works.
	Trunk string
	// Agents are human agents' phones; nil means agent1 and agent2, which register without a password.
	Agents []Agent
	// Accounts can be registered by softphones with a password.
	Accounts []Account
	// MediaServer is a ws:// URL that Asterisk dials when a media channel is made with external_host=media; empty: none.
	MediaServer string
	// Include is dialplan text appended to the lab's own, file by file.
	Include []string
	// Verbose is Asterisk's log level, 0 to 9: 3 writes each step of a call. Load tests leave it 0.
	Verbose int
	// KeepDir renames the folder of the instance (its log above all) at Stop to the same name with .kept behind it, in place
	// of the one kept before.
	KeepDir bool
}

// Agent is a human agent's phone.
type Agent struct {
	Name    string // endpoint: PJSIP/<name>
	Contact string // SIP URI where it rings; empty: it registers itself
}

// Account is a softphone's account: endpoint PJSIP/<name>.
type Account struct{ Name, Password string }

var (
	nameForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	addressForm = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]{1,128}$`)
	uriForm     = regexp.MustCompile(`^[A-Za-z0-9.:@/\[\]_~+%=?&-]{1,256}$`)
	wordForm    = regexp.MustCompile(`^[!-:<->@-~]{1,128}$`) // printable ASCII without space, ; and ?
)

// withDefaults fills what is empty and checks what is given.
func (o Options) withDefaults() (Options, error) {
	set := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	set(&o.Bind, "127.0.0.1")
	set(&o.User, "ringmaster")
	set(&o.Password, rand.Text())
	set(&o.App, "ringmaster")
	if o.Agents == nil {
		o.Agents = []Agent{{Name: "agent1"}, {Name: "agent2"}}
	}
	return o, o.check()
}

func (o Options) check() error {
	var errs []error
	need := func(what, value string, form *regexp.Regexp, mayBeEmpty bool) {
		if value == "" && mayBeEmpty {
			return
		}
		if !form.MatchString(value) {
			errs = append(errs, fmt.Errorf("%w: %s %q", ErrOptions, what, value))
		}
	}
	need("Bind", o.Bind, addressForm, false)
	need("User", o.User, nameForm, false)
	need("Password", o.Password, wordForm, false)
	need("App", o.App, nameForm, false)
	need("Trunk", o.Trunk, addressForm, true)
	need("MediaServer", o.MediaServer, uriForm, true)
	taken := map[string]bool{"lab": true, "line": true, "udp": true, "global": true, "system": true}
	name := func(what, n string) {
		need(what, n, nameForm, false)
		if taken[n] {
			errs = append(errs, fmt.Errorf("%w: %s %q is used twice", ErrOptions, what, n))
		}
		taken[n] = true
	}
	for _, a := range o.Agents {
		name("Agent", a.Name)
		need("Contact of "+a.Name, a.Contact, uriForm, true)
	}
	for _, a := range o.Accounts {
		name("Account", a.Name)
		need("Password of "+a.Name, a.Password, wordForm, false)
	}
	for _, p := range []int{o.HTTPPort, o.SIPPort, o.RTPStart, o.RTPEnd} {
		if p < 0 || p > 65535 {
			errs = append(errs, fmt.Errorf("%w: port %d", ErrOptions, p))
		}
	}
	if (o.RTPStart == 0) != (o.RTPEnd == 0) || o.RTPEnd < o.RTPStart {
		errs = append(errs, fmt.Errorf("%w: RTP ports %d to %d", ErrOptions, o.RTPStart, o.RTPEnd))
	}
	for i, text := range o.Include {
		if strings.Contains(text, "#exec") {
			errs = append(errs, fmt.Errorf("%w: Include %d runs a program", ErrOptions, i))
		}
	}
	if o.Verbose < 0 || o.Verbose > 9 {
		errs = append(errs, fmt.Errorf("%w: Verbose %d", ErrOptions, o.Verbose))
	}
	return errors.Join(errs...)
}
