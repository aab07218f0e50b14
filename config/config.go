// Package config is the start-up configuration: one strict YAML file. Unknown
// keys, repeated keys and values out of range are errors with their place; all
// of them are reported at once.
package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"ringmaster/internal/phone"
)

// ErrInvalid is wrapped by every error of this package.
var ErrInvalid = errors.New("configuration is not usable")

const maxFile = 1 << 20

// Config is the whole file. config/example.yaml explains every key.
type Config struct {
	Controller Controller `yaml:"controller"`
	HTTP       HTTP       `yaml:"http"`
	Database   Database   `yaml:"database"`
	Tenant     Tenant     `yaml:"tenant"`
	PBX        []PBX      `yaml:"pbx"`
	Speech     Speech     `yaml:"speech"`

	Understanding Understanding `yaml:"understanding"`

	Recordings Recordings `yaml:"recordings"`
	Redact     Redact     `yaml:"redact"`
	Scripts    Scripts    `yaml:"scripts"`
	Dialling   Dialling   `yaml:"dialling"`
	Inbound    Inbound    `yaml:"inbound"`
	Compliance Compliance `yaml:"compliance"`
	Webhooks   []Webhook  `yaml:"webhooks"`
	Log        Log        `yaml:"log"`
}

// Controller identifies this process among those on one database.
type Controller struct {
	ID    string        `yaml:"id"`
	Grace time.Duration `yaml:"grace"` // live calls may finish so long after SIGTERM
}

// HTTP is where the API listens.
type HTTP struct {
	Listen string `yaml:"listen"`
}

// Database says where everything is kept.
type Database struct {
	Dialect string `yaml:"dialect"` // mysql (also MariaDB) or sqlite
	DSN     Secret `yaml:"dsn"`
	// NumberKey finds numbers, CryptKey seals them; OldCryptKeys still open.
	NumberKey    Secret   `yaml:"number_key"`
	CryptKey     Secret   `yaml:"crypt_key"`
	OldCryptKeys []Secret `yaml:"old_crypt_keys"`
	// LedgerKey is the seed of the Ed25519 key that signs the permit ledger; empty = one derived from NumberKey.
	LedgerKey Secret `yaml:"ledger_key"`
}

// Tenant is whose calls these are and where its numbers and times belong.
type Tenant struct {
	ID     string `yaml:"id"`
	Zone   string `yaml:"zone"`
	Region string `yaml:"region"` // ISO 3166-1
}

// Speech are the providers, the first of each kind being the default and the
// next its fallback.
type Speech struct {
	Recognizers  []Recognizer  `yaml:"recognizers"`
	Synthesizers []Synthesizer `yaml:"synthesizers"`
	Voices       []Voice       `yaml:"voices"` // the catalogue
	Cache        Cache         `yaml:"cache"`
}

// Cache keeps synthesized prompts.
type Cache struct {
	Dir      string `yaml:"dir"`
	MaxBytes int64  `yaml:"max_bytes"`
}

// Scripts are imported from a folder at start; the shipped ones come with the
// binary.
type Scripts struct {
	Dir     string `yaml:"dir"`
	Shipped bool   `yaml:"shipped"`
}

// Dialling holds the limits over all trunks.
type Dialling struct {
	Concurrency int           `yaml:"concurrency"`
	CPS         float64       `yaml:"cps"`
	RingTimeout time.Duration `yaml:"ring_timeout"`
	MaxDuration time.Duration `yaml:"max_duration"`
	Late        time.Duration `yaml:"late"` // a call_time older than this is missed, not dialled
	Regions     []string      `yaml:"regions"`
	Retry       Retry         `yaml:"retry"`
}

// Retry is the retry policy; delays by disposition.
type Retry struct {
	MaxTries int                      `yaml:"max_tries"`
	Delay    map[string]time.Duration `yaml:"delay"`
}

// Webhook is a receiver of events.
type Webhook struct {
	Name         string `yaml:"name"`
	URL          string `yaml:"url"`
	Secret       Secret `yaml:"secret"`
	Idempotent   bool   `yaml:"idempotent"`
	AllowPrivate bool   `yaml:"allow_private"`
}

// Log says how much is logged.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text, json
}

// Default is what a file need not say.
func Default() Config {
	return Config{
		Controller: Controller{ID: "rm-1", Grace: 2 * time.Minute},
		HTTP:       HTTP{Listen: "127.0.0.1:8080"},
		Tenant:     Tenant{ID: "default", Zone: "Asia/Shanghai", Region: "CN"},
		Speech:     Speech{Cache: Cache{Dir: "var/prompts", MaxBytes: 1 << 30}},
		Recordings: defaultRecordings(),

		Understanding: Understanding{Embedded: "trained", Models: 64, Reports: "var/understanding"},

		Scripts:    Scripts{Shipped: true},
		Dialling:   Dialling{Concurrency: 30, CPS: 5, RingTimeout: 30 * time.Second, MaxDuration: 10 * time.Minute, Late: 15 * time.Minute},
		Inbound:    defaultInbound(),
		Compliance: DefaultCompliance(),
		Log:        Log{Level: "info", Format: "text"},
	}
}

// Load reads and checks a file.
func Load(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	defer func() { _ = f.Close() }()
	if st, err := f.Stat(); err != nil || st.Size() > maxFile {
		return Config{}, fmt.Errorf("%w: %s is larger than %d bytes or cannot be read", ErrInvalid, path, maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	c, err := Parse(data)
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse reads and checks the text of a file.
func Parse(data []byte) (Config, error) {
	c := Default()
	if len(data) > maxFile {
		return c, fmt.Errorf("%w: more than %d bytes", ErrInvalid, maxFile)
	}
	if err := yaml.UnmarshalWithOptions(data, &c, yaml.Strict()); err != nil {
		return Config{}, fmt.Errorf("%w:\n%s", ErrInvalid, yaml.FormatError(err, false, false))
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("%w:\n%w", ErrInvalid, err)
	}
	return c, nil
}

var (
	name      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)
	dispoName = regexp.MustCompile(`^[a-z_]{1,32}$`)

	intentName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
)

// checker gathers everything that is wrong.
type checker struct{ errs []error }

func (k *checker) bad(key, format string, args ...any) {
	k.errs = append(k.errs, fmt.Errorf("%s: "+format, append([]any{key}, args...)...))
}

func (k *checker) must(ok bool, key, what string) {
	if !ok {
		k.bad(key, "%s", what)
	}
}

// Validate reports all mistakes at once, each with its key and what to write.
func (c Config) Validate() error {
	k := &checker{}
	k.must(name.MatchString(c.Controller.ID), "controller.id", "1 to 32 letters, digits, dot, dash, underscore; unique among the controllers of a database")
	k.must(c.Controller.Grace >= 0 && c.Controller.Grace <= time.Hour, "controller.grace", "0 to 1h")
	k.must(c.HTTP.Listen != "", "http.listen", "an address such as 127.0.0.1:8080")
	c.Database.check(k)
	k.must(name.MatchString(c.Tenant.ID), "tenant.id", "1 to 32 letters, digits, dot, dash, underscore")
	if _, err := time.LoadLocation(c.Tenant.Zone); err != nil || c.Tenant.Zone == "" {
		k.bad("tenant.zone", "an IANA zone such as Asia/Shanghai")
	}
	k.must(len(c.Tenant.Region) == 2, "tenant.region", "two letters of ISO 3166-1 such as CN")
	k.must(len(c.PBX) > 0, "pbx", "at least one exchange")
	names := map[string]bool{}
	for i, p := range c.PBX {
		p.check(k, fmt.Sprintf("pbx[%d]", i), names)
	}
	c.Speech.check(k)
	c.Understanding.check(k)
	c.Dialling.check(k)
	c.Inbound.check(k)
	c.Compliance.check(k)
	for i, w := range c.Webhooks {
		at := fmt.Sprintf("webhooks[%d]", i)
		k.must(name.MatchString(w.Name), at+".name", "1 to 32 letters, digits, dot, dash, underscore")
		k.must(strings.HasPrefix(w.URL, "http://") || strings.HasPrefix(w.URL, "https://"), at+".url", "http:// or https://")
		k.must(len(w.Secret.Reveal()) >= 16, at+".secret", "at least 16 bytes")
	}
	c.Recordings.check(k)
	c.Redact.check(k)
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		k.bad("log.level", "debug, info, warn or error")
	}
	k.must(c.Log.Format == "text" || c.Log.Format == "json", "log.format", "text or json")
	return errors.Join(k.errs...)
}

func (d Database) check(k *checker) {
	k.must(d.Dialect == "mysql" || d.Dialect == "sqlite", "database.dialect", "mysql (MySQL 8 or MariaDB 10.6) or sqlite")
	k.must(!d.DSN.IsZero(), "database.dsn", "user:password@tcp(host:3306)/ringmaster, or a file for sqlite")
	for key, s := range map[string]Secret{"database.number_key": d.NumberKey, "database.crypt_key": d.CryptKey} {
		if _, err := s.Key(); err != nil {
			k.bad(key, "%v", err)
		}
	}
	if !d.LedgerKey.IsZero() {
		_, err := d.LedgerKey.Key()
		k.must(err == nil, "database.ledger_key", "a key is 32 bytes in hex or base64: make one with `openssl rand -hex 32`, or leave it out")
	}
	for i, s := range d.OldCryptKeys {
		if _, err := s.Key(); err != nil {
			k.bad(fmt.Sprintf("database.old_crypt_keys[%d]", i), "%v", err)
		}
	}
}

func (s Speech) check(k *checker) {
	k.must(len(s.Recognizers) > 0, "speech.recognizers", "at least one, such as kind: funasr with its url")
	for i, r := range s.Recognizers {
		r.check(k, fmt.Sprintf("speech.recognizers[%d]", i))
	}
	for i, r := range s.Synthesizers {
		r.check(k, fmt.Sprintf("speech.synthesizers[%d]", i))
	}
	s.checkVoices(k)
	k.must(s.Cache.MaxBytes >= 1<<20, "speech.cache.max_bytes", "at least 1048576")
}

func (d Dialling) check(k *checker) {
	k.must(d.Concurrency > 0 && d.Concurrency <= 100000, "dialling.concurrency", "1 to 100000")
	k.must(d.CPS >= 0 && d.CPS <= 10000, "dialling.cps", "0 (no limit) to 10000")
	k.must(d.RingTimeout >= 5*time.Second && d.RingTimeout <= 3*time.Minute, "dialling.ring_timeout", "5s to 3m")
	k.must(d.MaxDuration >= 30*time.Second && d.MaxDuration <= 2*time.Hour, "dialling.max_duration", "30s to 2h")
	k.must(d.Late >= time.Second, "dialling.late", "at least 1s")
	k.must(d.Retry.MaxTries >= 0 && d.Retry.MaxTries <= 20, "dialling.retry.max_tries", "0 (default) to 20")
	for name, delay := range d.Retry.Delay {
		k.must(dispoName.MatchString(name) && delay >= 10*time.Second, "dialling.retry.delay."+name, "a disposition and at least 10s")
	}
	for _, r := range d.Regions {
		k.must(len(r) == 2, "dialling.regions", "two letters of ISO 3166-1 each")
	}
}

// ParseCallerID reads a caller ID: an E.164 number, or a short number such as
// 95xxx or 1069xxxx that is registered for the trunk.
func ParseCallerID(s string) (phone.Number, error) {
	if strings.HasPrefix(s, "+") {
		return phone.Parse(s, "ZZ")
	}
	return phone.Short(s)
}
