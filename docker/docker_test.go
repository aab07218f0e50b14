// Package docker_test reads the container files as their engines would and
// compares them with the program, its configuration and each other. No
// container engine is needed, and none is asked.
package docker_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"ringmaster/config"
)

type instruction struct{ name, args string }

// dockerfile is the Dockerfile, continuation lines joined.
func dockerfile(t *testing.T) []instruction {
	t.Helper()
	text := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(read(t, "Dockerfile"), "")
	var out []instruction
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, args, _ := strings.Cut(line, " ")
		out = append(out, instruction{name, strings.TrimSpace(args)})
	}
	return out
}

func all(t *testing.T, name string) []string {
	t.Helper()
	var out []string
	for _, i := range dockerfile(t) {
		if i.name == name {
			out = append(out, i.args)
		}
	}
	return out
}

func last(t *testing.T, name string) string {
	t.Helper()
	found := all(t, name)
	if len(found) == 0 {
		t.Fatalf("the Dockerfile has no %s", name)
	}
	return found[len(found)-1]
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func list(t *testing.T, text string) []string {
	t.Helper()
	var out []string
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%s is not in exec form, so a signal would end a shell in place of the program: %v", text, err)
	}
	return out
}

// TestEverythingThatIsBuiltIsCopied and nothing that is not there.
func TestEverythingThatIsBuiltIsCopied(t *testing.T) {
	copied := map[string]bool{}
	for _, c := range all(t, "COPY") {
		if strings.HasPrefix(c, "--from=build /ringmaster ") {
			continue
		}
		f := strings.Fields(c)
		for _, src := range f[:len(f)-1] {
			if _, err := os.Stat(filepath.Join("..", src)); err != nil {
				t.Errorf("COPY %s: %v", src, err)
			}
			copied[filepath.Clean(src)] = true
		}
	}
	sent := strings.Split(read(t, "Dockerfile.dockerignore"), "\n")
	for name := range copied {
		if !slices.Contains(sent, "!"+name) {
			t.Errorf("Dockerfile.dockerignore keeps %s back", name)
		}
	}
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./cmd/ringmaster")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range strings.Fields(string(out)) {
		if own, ok := strings.CutPrefix(p, "ringmaster/"); ok {
			n++
			if top, _, _ := strings.Cut(own, "/"); !copied[top] {
				t.Errorf("%s is built in and not copied", p)
			}
		}
	}
	if n < 20 || !copied["go.mod"] || !copied["go.sum"] {
		t.Errorf("%d packages, copied %v", n, copied)
	}
}

// TestBuilderIsNewEnough for go.mod.
func TestBuilderIsNewEnough(t *testing.T) {
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	if from := all(t, "FROM"); want == nil || len(from) != 2 || !strings.HasPrefix(from[0], "golang:"+want[1]+"-") {
		t.Errorf("go.mod says %v, the builder is %v", want, from)
	}
}

func TestRuntime(t *testing.T) {
	if user := last(t, "USER"); !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		t.Errorf("USER %s: not root, and as a number", user)
	}
	if s := last(t, "STOPSIGNAL"); s != "SIGTERM" {
		t.Errorf("STOPSIGNAL %s does not drain", s)
	}
	for _, p := range []string{"espeak-ng", "ca-certificates", "tzdata", "curl"} {
		if !strings.Contains(last(t, "RUN"), " "+p+" ") {
			t.Errorf("%s is not installed", p)
		}
	}
	// The command that the image runs is one that the program has.
	bin := filepath.Join(t.TempDir(), "ringmaster")
	build := exec.Command("go", "build", "-o", bin, "./cmd/ringmaster")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if entry := list(t, last(t, "ENTRYPOINT")); !slices.Equal(entry, []string{"/usr/local/bin/ringmaster"}) || !strings.HasSuffix(last(t, "COPY"), " "+entry[0]) {
		t.Errorf("ENTRYPOINT %v, COPY %s", entry, last(t, "COPY"))
	}
	cmd := list(t, last(t, "CMD"))
	cmd[len(cmd)-1] = filepath.Join(t.TempDir(), "missing.yaml")
	out, err := exec.Command(bin, cmd...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "missing.yaml") {
		t.Errorf("%v: must complain of the file alone: %v\n%s", cmd, err, out)
	}
}

type compose struct {
	Name     string
	Services struct {
		Ringmaster, Mariadb, Funasr service
	}
	Secrets map[string]struct{ File string }
	Volumes map[string]struct{}
}

type service struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	WorkingDir  string `yaml:"working_dir"`
	Command     []string
	Environment map[string]string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Ports       []string
	Volumes     []string
	Secrets     []string
	ReadOnly    bool `yaml:"read_only"`
	Tmpfs       []string
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	StopGrace   string   `yaml:"stop_grace_period"`
	Restart     string
	Healthcheck struct {
		Test              []string
		Interval, Timeout string
		StartPeriod       string `yaml:"start_period"`
		Retries           int
	}
}

// parts are compose.yaml and config.yaml, the latter with the secrets that
// secrets.sh makes.
func parts(t *testing.T) (compose, config.Config, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "secrets")
	if out, err := exec.Command("bash", "secrets.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var d compose
	if err := yaml.UnmarshalWithOptions([]byte(read(t, "compose.yaml")), &d, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse([]byte(strings.ReplaceAll(read(t, "config.yaml"), "file:/run/secrets/", "file:"+dir+"/")))
	if err != nil {
		t.Fatal(err)
	}
	return d, c, dir
}

func TestPartsFitTogether(t *testing.T) {
	d, c, dir := parts(t)
	rm := d.Services.Ringmaster

	_, port, _ := strings.Cut(c.HTTP.Listen, ":")
	_, usual, _ := strings.Cut(config.Default().HTTP.Listen, ":")
	if port != usual || last(t, "EXPOSE") != port || !slices.Equal(rm.Ports, []string{"127.0.0.1:" + port + ":" + port}) {
		t.Errorf("http.listen %s, the default's port %s, EXPOSE %s, ports %v", c.HTTP.Listen, usual, last(t, "EXPOSE"), rm.Ports)
	}
	if h := last(t, "HEALTHCHECK"); !strings.HasSuffix(h, `"http://127.0.0.1:`+port+`/healthz"]`) {
		t.Errorf("HEALTHCHECK %s", h)
	}
	if grace, err := time.ParseDuration(rm.StopGrace); err != nil || grace < c.Controller.Grace+20*time.Second {
		t.Errorf("stop_grace_period %s kills before controller.grace %v is over", rm.StopGrace, c.Controller.Grace)
	}
	if file := rm.Build.Context + "/" + rm.Build.Dockerfile; file != "../docker/Dockerfile" {
		t.Errorf("builds %s", file)
	}
	cmd := list(t, last(t, "CMD"))
	if want := "./config.yaml:" + cmd[len(cmd)-1] + ":ro"; !slices.Contains(rm.Volumes, want) {
		t.Errorf("no volume %s", want)
	}
	// The root is read-only: what is written has to lie on the volume.
	if want := "state:" + last(t, "VOLUME"); !slices.Contains(rm.Volumes, want) || last(t, "WORKDIR") != last(t, "VOLUME") {
		t.Errorf("no volume %s, or WORKDIR %s is not on it", want, last(t, "WORKDIR"))
	}
	for _, p := range []string{c.Recordings.Dir, c.Speech.Cache.Dir} {
		if filepath.IsAbs(p) || !filepath.IsLocal(p) {
			t.Errorf("%s is not on the volume", p)
		}
	}

	used := regexp.MustCompile(`file:/run/secrets/(\w+)`).FindAllStringSubmatch(read(t, "config.yaml"), -1)
	for _, u := range used {
		if !slices.Contains(rm.Secrets, u[1]) {
			t.Errorf("config.yaml wants the secret %s, the service does not have it", u[1])
		}
	}
	db := d.Services.Mariadb
	for _, s := range slices.Concat(rm.Secrets, db.Secrets) {
		if d.Secrets[s].File != "./secrets/"+s || read(t, filepath.Join(dir, s)) == "" {
			t.Errorf("secret %s: %+v", s, d.Secrets[s])
		}
	}
	password := strings.TrimSpace(read(t, filepath.Join(dir, "db_password")))
	if want := db.Environment["MARIADB_USER"] + ":" + password + "@tcp(mariadb:3306)/" + db.Environment["MARIADB_DATABASE"]; c.Database.DSN.Reveal() != want {
		t.Error("the DSN of secrets.sh is not the account that MariaDB makes")
	}
	if db.Environment["MARIADB_PASSWORD_FILE"] != "/run/secrets/db_password" || len(db.Secrets) != 1 {
		t.Error("MariaDB does not read db_password")
	}
	if rm.DependsOn["mariadb"].Condition != "service_healthy" || len(db.Healthcheck.Test) == 0 {
		t.Error("ringmaster does not wait for the database")
	}

	asr := d.Services.Funasr
	at := slices.Index(asr.Command, "--port")
	if at < 0 || c.Speech.Recognizers[0].URL != "ws://funasr:"+asr.Command[at+1] {
		t.Errorf("recognizer %s, FunASR listens at %v", c.Speech.Recognizers[0].URL, asr.Command)
	}
	for _, s := range []service{rm, db, asr} {
		for _, v := range s.Volumes {
			if name, _, _ := strings.Cut(v, ":"); !strings.HasPrefix(name, ".") {
				if _, ok := d.Volumes[name]; !ok {
					t.Errorf("volume %s is not declared", name)
				}
			}
		}
	}
}

// TestConfigHasOnlyKeysOfTheExample, so that each is explained there.
func TestConfigHasOnlyKeysOfTheExample(t *testing.T) {
	var ours, example map[string]any
	for name, into := range map[string]*map[string]any{"config.yaml": &ours, "../config/example.yaml": &example} {
		if err := yaml.Unmarshal([]byte(read(t, name)), into); err != nil {
			t.Fatal(err)
		}
	}
	want := keys("", example)
	for k := range keys("", ours) {
		if !want[k] {
			t.Errorf("config/example.yaml does not explain %s", k)
		}
	}
}

func keys(at string, v any) map[string]bool {
	out := map[string]bool{}
	add := func(m map[string]bool) {
		for k := range m {
			out[k] = true
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			out[at+"."+k] = true
			add(keys(at+"."+k, x))
		}
	case []any:
		for _, x := range v {
			add(keys(at+"[]", x))
		}
	}
	return out
}

// TestSecretsAreMadeOnce: a key that changed would lose every number.
func TestSecretsAreMadeOnce(t *testing.T) {
	_, _, dir := parts(t)
	before := map[string]string{}
	for _, n := range []string{"dsn", "db_password", "number_key", "crypt_key", "ari_password"} {
		before[n] = read(t, filepath.Join(dir, n))
	}
	if before["number_key"] == before["crypt_key"] {
		t.Error("two keys are one")
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st, err)
	}
	if out, err := exec.Command("bash", "secrets.sh", dir).CombinedOutput(); err != nil || len(out) != 0 {
		t.Fatalf("%v %s", err, out)
	}
	for n, was := range before {
		if read(t, filepath.Join(dir, n)) != was {
			t.Errorf("%s changed", n)
		}
	}
	if !strings.Contains(read(t, ".gitignore"), "/secrets/") {
		t.Error("git would take the secrets")
	}
}
