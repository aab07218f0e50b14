package dialplan_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ringmaster/config"
	"ringmaster/dialplan"
	"ringmaster/internal/app"
)

var update = flag.Bool("update", false, "write the golden files anew")

// example is config/example.yaml with secrets.
func example(t *testing.T) config.Config {
	t.Helper()
	t.Setenv("RINGMASTER_DSN", "u:p@tcp(127.0.0.1:3306)/ringmaster")
	t.Setenv("RINGMASTER_NUMBER_KEY", strings.Repeat("ab", 32))
	t.Setenv("RINGMASTER_CRYPT_KEY", strings.Repeat("cd", 32))
	t.Setenv("RINGMASTER_ARI_PASSWORD", "a-long-random-one")
	t.Setenv("RINGMASTER_WEBHOOK_SECRET", "0123456789abcdef")
	c, err := config.Load("../config/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestGolden renders config/example.yaml. After a wanted change:
// go test ./dialplan -run Golden -update
func TestGolden(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ringmaster")
	for range 2 { // over itself as well
		if kind, err := app.RenderDialplan(example(t), "", dir); err != nil || kind != config.Asterisk {
			t.Fatalf("%q, %v", kind, err)
		}
	}
	golden(t, dir, "testdata", "ari.conf")
}

// golden compares a folder of rendered files with testdata; secret is the one
// file with the password.
func golden(t *testing.T, dir, testdata, secret string) {
	t.Helper()
	got, err := os.ReadDir(dir)
	if err != nil || len(got) != 6 {
		t.Fatalf("%v, %v", got, err)
	}
	for _, f := range got {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join(testdata, f.Name())
		if *update {
			if err := os.WriteFile(golden, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || string(want) != string(text) {
			t.Errorf("%s is not what testdata has (%v):\n%s", f.Name(), err, text)
		}
		st, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if is := f.Name() == secret; is != (st.Mode().Perm() == 0o600) || is != strings.Contains(string(text), "a-long-random-one") {
			t.Errorf("%s: mode %v; the password belongs into %s alone, for its owner alone", f.Name(), st.Mode(), secret)
		}
	}
}

// TestNamesMatchTheConfiguration: what the adapter will ask for is what the
// files have.
func TestNamesMatchTheConfiguration(t *testing.T) {
	c := example(t)
	c.PBX[0].Queues = append(c.PBX[0].Queues, config.Queue{Name: "sales", Context: "elsewhere", Extension: "700"})
	d, err := app.DialplanData(c, "main")
	if err != nil {
		t.Fatal(err)
	}
	files, err := dialplan.Files(d)
	if err != nil {
		t.Fatal(err)
	}
	ac := app.AsteriskConfig(c, c.PBX[0], nil)
	name := ac.AppPrefix + "-" + ac.ControllerID
	for file, want := range map[string][]string{
		"extensions.conf": {"Stasis(" + name + ",inbound,", "Stasis(" + name + ",queue-left,support,", "[ai-handover]\nexten => support,1,Queue(support,", "[elsewhere]\nexten => 700,1,Queue(sales,"},
		"ari.conf":        {"[" + ac.User + "]\ntype = user", "password = " + ac.Password + "\n", "websocket_write_timeout = 2000"},
		"http.conf":       {"bindaddr = 127.0.0.1\nbindport = 8088\n", "sessionlimit = 200"},
		"pjsip.conf":      {"[carrier](ringmaster-trunk)", "context = " + dialplan.InboundContext, "rtp_keepalive = 2", "send_pai = yes"},
		"queues.conf":     {"[support]\n", "[sales]\n", "member => PJSIP/ann"},
		"modules.conf":    {"load = chan_websocket.so"},
	} {
		for _, w := range want {
			if !strings.Contains(string(files[file]), w) {
				t.Errorf("%s has no %q:\n%s", file, w, files[file])
			}
		}
	}
	if strings.Contains(string(files["modules.conf"]), "chan_rtp") {
		t.Error("chan_rtp is loaded without need")
	}
	d.RTP, d.AudioSocket = true, true
	if files, err = dialplan.Files(d); err != nil || !strings.Contains(string(files["modules.conf"]), "load = res_rtp_multicast.so\nload = chan_rtp.so") {
		t.Errorf("rtp: %v", err)
	}
}

func TestWhichExchangeAndWhere(t *testing.T) {
	c := example(t)
	second := c.PBX[0]
	second.Name = "second"
	second.Trunks = []config.Trunk{{Endpoint: "PJSIP/sip-trunk/sip:{number}@10.0.0.1"}, {Endpoint: "DAHDI/g1/{number}"}}
	c.PBX = append(c.PBX, second)
	for _, name := range []string{"", "nobody"} {
		if _, err := app.DialplanData(c, name); !errors.Is(err, app.ErrDialplan) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if d, err := app.DialplanData(c, "second"); err != nil || len(d.Trunks) != 1 || d.Trunks[0] != "sip-trunk" {
		t.Errorf("%+v, %v", d.Trunks, err)
	}
	for url, want := range map[string]string{
		"http://10.1.2.3:8088/ari":       "bindaddr = 10.1.2.3\nbindport = 8088\n",
		"http://10.1.2.3/pbx/ari/":       "bindport = 80\nprefix = pbx\n",
		"http://localhost:8088/ari":      "bindaddr = 127.0.0.1\n",
		"http://[::1]:8088/ari":          "bindaddr = ::1\nbindport = 8088\n",
		"http://asterisk.lan:8088/ari":   "host name or https",
		"https://10.1.2.3:8089/ari":      "host name or https",
		"http://10.1.2.3:8088/":          "",
		"http://10.1.2.3:8088/a%0ab/ari": "",
		"http://10.1.2.3:0/ari":          "",
	} {
		c.PBX[1].URL = url
		d, err := app.DialplanData(c, "second")
		var files map[string][]byte
		if err == nil {
			files, err = dialplan.Files(d)
		}
		if (err != nil) != (want == "") || !strings.Contains(string(files["http.conf"]), want) {
			t.Errorf("%s: %v\n%s", url, err, files["http.conf"])
		}
	}
}

func plain() dialplan.Data {
	return dialplan.Data{MaxSeconds: 600, Fallback: dialplan.Fallback{Keys: []dialplan.Key{{Digit: "0", Queue: "support"}}}, App: "app", User: "user", Password: "password", Bind: "127.0.0.1", Port: 8088, Prefix: "p", Trunks: []string{"carrier"},
		Agents: []string{"PJSIP/ann"}, Queues: []dialplan.Queue{{Name: "support", Context: "ai-handover", Extension: "x1"}}}
}

func TestRefused(t *testing.T) {
	hostile := []string{"a\nb", "a\r[b]", "a;b", "[a]", "a,b", "a)b", "${a}", "a b", "a\x00b", "a=>b", "#include x", "é", strings.Repeat("x", 300)}
	fields := map[string]func(d *dialplan.Data, s string){
		"app":       func(d *dialplan.Data, s string) { d.App = s },
		"user":      func(d *dialplan.Data, s string) { d.User = s },
		"bind":      func(d *dialplan.Data, s string) { d.Bind = s },
		"prefix":    func(d *dialplan.Data, s string) { d.Prefix = s },
		"trunk":     func(d *dialplan.Data, s string) { d.Trunks[0] = s },
		"agent":     func(d *dialplan.Data, s string) { d.Agents[0] = "PJSIP/" + s },
		"queue":     func(d *dialplan.Data, s string) { d.Queues[0].Name, d.Fallback.Keys[0].Queue = s, s },
		"sound":     func(d *dialplan.Data, s string) { d.Fallback.Sound = s },
		"key":       func(d *dialplan.Data, s string) { d.Fallback.Keys[0].Digit = s },
		"context":   func(d *dialplan.Data, s string) { d.Queues[0].Context = s },
		"extension": func(d *dialplan.Data, s string) { d.Queues[0].Extension = s },
	}
	refused := func(what string, change func(d *dialplan.Data)) {
		t.Helper()
		d := plain()
		change(&d)
		dir := filepath.Join(t.TempDir(), "out")
		err := dialplan.Render(dir, d)
		if !errors.Is(err, dialplan.ErrData) {
			t.Errorf("%s was not refused: %v", what, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: something was written", what)
		}
	}
	for name, set := range fields {
		for _, s := range hostile {
			refused(name, func(d *dialplan.Data) { set(d, s) })
		}
	}
	for _, s := range []string{"", "a b", "a;b", "a\nb", "[a]", `a\`, `"a"`, ">a", "é", strings.Repeat("x", 200)} {
		refused("password", func(d *dialplan.Data) { d.Password = s })
	}
	for _, s := range []string{"general", "Globals", dialplan.InboundContext, dialplan.FallbackContext, dialplan.AMDContext} {
		refused("context "+s, func(d *dialplan.Data) { d.Queues[0].Context = s })
	}
	refused("h, which runs at every hang-up", func(d *dialplan.Data) { d.Queues[0].Extension = "h" })
	refused("queue general", func(d *dialplan.Data) { d.Queues[0].Name, d.Fallback.Keys = "general", nil })
	refused("no limit", func(d *dialplan.Data) { d.MaxSeconds = 0 })
	refused("a sound above", func(d *dialplan.Data) { d.Fallback.Sound = "a/../b" })
	refused("a key of no queue", func(d *dialplan.Data) { d.Fallback.Keys[0].Queue = "other" })
	refused("user general", func(d *dialplan.Data) { d.User = "General" })
	refused("one extension twice", func(d *dialplan.Data) {
		d.Queues = append(d.Queues, dialplan.Queue{Name: "other", Context: "AI-handover", Extension: "x-1"})
	})
	refused("one queue twice", func(d *dialplan.Data) {
		d.Queues = append(d.Queues, dialplan.Queue{Name: "Support", Context: "elsewhere"})
	})
	d := plain()
	d.Password = "p&=?'`$(){}<>,|~#!%^*:/@1"
	if _, err := dialplan.Files(d); err != nil {
		t.Errorf("a good password: %v", err)
	}
	d.Password = "hunter2 hunter2"
	if err := dialplan.Render(t.TempDir(), d); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the password is in the error: %v", err)
	}
}

// FuzzRender: whatever the names are, either all is refused, or the files have
// the very lines, sections, keys and dialplan applications of harmless names.
func FuzzRender(f *testing.F) {
	f.Add("ringmaster-c1", "ringmaster", "secret", "127.0.0.1", "", "carrier", "PJSIP/ann", "support", "ai-handover", "700")
	f.Add("a\nb", "[x]", "a;b", "::1%eth0", "a/b", "c]", "PJSIP/a&b", "s,x", "general", "_X.")
	f.Add("a", "b", "a=b#c", "::1", "x", "c", "PJSIP/c/sip:1@h:5060", "s", "c", "h")
	want, err := dialplan.Files(plain())
	if err != nil {
		f.Fatal(err)
	}
	section := regexp.MustCompile(`^\[[A-Za-z0-9._-]+\](\((!|\+)\))?$`)
	f.Fuzz(func(t *testing.T, app, user, password, bind, prefix, trunk, agent, queue, context, extension string) {
		d := plain()
		d.App, d.User, d.Password, d.Bind, d.Trunks, d.Agents = app, user, password, bind, []string{trunk}, []string{agent}
		d.Queues = []dialplan.Queue{{Name: queue, Context: context, Extension: extension}}
		d.Fallback.Keys = []dialplan.Key{{Digit: "0", Queue: queue}}
		if prefix != "" {
			d.Prefix = prefix
		}
		if bind == "" {
			d.Bind = "::1"
		}
		got, err := dialplan.Files(d)
		if err != nil {
			if !errors.Is(err, dialplan.ErrData) {
				t.Fatal(err)
			}
			return
		}
		for name := range want {
			w, g := strings.Split(string(want[name]), "\n"), strings.Split(string(got[name]), "\n")
			if len(w) != len(g) {
				t.Fatalf("%s: %d lines, want %d:\n%s", name, len(g), len(w), got[name])
			}
			for i := range w {
				wk, _, _ := strings.Cut(w[i], "=")
				gk, gv, _ := strings.Cut(g[i], "=")
				switch {
				case strings.HasPrefix(w[i], ";"):
					if !strings.HasPrefix(g[i], ";") || strings.HasPrefix(g[i], ";--") {
						t.Fatalf("%s: a comment became %q", name, g[i])
					}
				case strings.HasPrefix(w[i], "["):
					if !section.MatchString(g[i]) {
						t.Fatalf("%s: section %q", name, g[i])
					}
				case wk != gk || strings.HasPrefix(strings.TrimPrefix(gv, "> "), ">") && name != "ari.conf":
					t.Fatalf("%s: %q became %q", name, w[i], g[i])
				}
				special := "\r\x00;[]\"\\"
				if !strings.HasPrefix(w[i], "password") {
					special += "(){}$,|&="
				}
				for _, c := range special {
					if strings.Count(w[i], string(c)) != strings.Count(g[i], string(c)) {
						t.Fatalf("%s: %q has another number of %q than %q", name, g[i], c, w[i])
					}
				}
			}
		}
	})
}
