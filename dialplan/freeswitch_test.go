package dialplan_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ringmaster/config"
	"ringmaster/dialplan"
	"ringmaster/internal/app"
	"ringmaster/internal/lab/env"
)

func plainFS() dialplan.FreeSWITCH {
	return dialplan.FreeSWITCH{Bind: "127.0.0.1", Port: 8021, Password: "a-long-random-one", Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.5/32")},
		Socket: "10.0.0.5:8084", Gateways: []string{"telecom"}, Agents: []dialplan.Agent{{Name: "ann", Endpoint: "user/1001"}}, MaxSeconds: 11460,
		Queues:   []dialplan.Queue{{Name: "support"}, {Name: "sales", Context: "elsewhere", Extension: "700", Callcenter: "sales@shop"}},
		Fallback: dialplan.Fallback{Keys: []dialplan.Key{{Digit: "0", Queue: "support"}, {Digit: "1", Queue: "sales"}}}}
}

// grammar is what may stand where: "parent/child" with the attributes that each
// must have, all of them and no other.
func grammar() map[string][]string {
	return map[string][]string{
		"/include": nil, "/configuration": {"name", "description"},
		"include/context": {"name"}, "context/extension": {"name"}, "extension/condition": {"field", "expression"}, "condition/action": {"application", "data"},
		"include/list": {"name", "default"}, "list/node": {"type", "cidr"},
		"include/gateway": {"name"}, "gateway/param": {"name", "value"},
		"include/load":           {"module"},
		"configuration/settings": nil, "settings/param": {"name", "value"},
		"configuration/queues": nil, "queues/queue": {"name"}, "queue/param": {"name", "value"},
		"configuration/agents": nil, "agents/agent": {"name", "type", "contact", "status", "max-no-answer", "wrap-up-time", "reject-delay-time", "busy-delay-time"},
		"configuration/tiers": nil, "tiers/tier": {"agent", "queue", "level", "position"},
	}
}

// bare is an action without data.
var bare = []string{"answer", "ring_ready", "park"}

// read is a strict reader: XML 1.0, the grammar above, no text between elements,
// no expansion but those that are meant. It returns the elements in order, their
// values left out.
func read(doc []byte) ([]string, error) {
	// FreeSWITCH carries these out before it reads XML, in comments too.
	if low := strings.ToLower(string(doc)); strings.Contains(low, "x-pre-process") || strings.Contains(low, "<!--#") {
		return nil, errors.New("a pre-processor's command")
	}
	rules := grammar()
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.Strict = true
	var path, shape []string
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			if len(path) > 0 || len(shape) == 0 {
				return nil, errors.New("not one whole element")
			}
			return shape, nil
		} else if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			parent := ""
			if len(path) > 0 {
				parent = path[len(path)-1]
			} else if len(shape) > 0 {
				return nil, errors.New("two roots")
			}
			at := parent + "/" + tok.Name.Local
			want, ok := rules[at]
			if !ok {
				return nil, fmt.Errorf("%s may not stand there", at)
			}
			if err := attributes(tok, want); err != nil {
				return nil, err
			}
			path = append(path, tok.Name.Local)
			shape = append(shape, at)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if strings.TrimSpace(string(tok)) != "" {
				return nil, fmt.Errorf("text %q between elements", tok)
			}
		case xml.Comment:
		default:
			return nil, fmt.Errorf("%T in a configuration", tok)
		}
	}
}

func attributes(e xml.StartElement, want []string) error {
	var have []string
	application := ""
	for _, a := range e.Attr {
		have = append(have, a.Name.Local)
		if a.Name.Local == "application" {
			application = a.Value
		}
		rest := a.Value
		for _, known := range []string{"${ringmaster_key}", "${sip_gateway_name}", "$${hold_music}"} {
			rest = strings.ReplaceAll(rest, known, "")
		}
		if e.Name.Local == "param" && strings.HasPrefix(rest, "$${ringmaster_") {
			rest = strings.TrimSuffix(strings.TrimPrefix(rest, "$${"), "}")
		}
		if strings.ContainsAny(rest, "{}`\n\r") || strings.Contains(rest, "${") {
			return fmt.Errorf("%s %s=%q is expanded by FreeSWITCH", e.Name.Local, a.Name.Local, a.Value)
		}
	}
	if slices.Contains(bare, application) {
		want = []string{"application"}
	}
	if !slices.Equal(have, want) {
		return fmt.Errorf("%s has %v, want %v", e.Name.Local, have, want)
	}
	return nil
}

// TestRow_T27_GoldenFreeSWITCH renders a FreeSWITCH with everything.
// After a wanted change: go test ./dialplan -run Golden -update
func TestRow_T27_GoldenFreeSWITCH(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ringmaster")
	for range 2 {
		if err := dialplan.RenderFreeSWITCH(dir, plainFS()); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, dir, "testdata/freeswitch", "event_socket.conf.xml")
	files, err := filepath.Glob(filepath.Join(dir, "*.xml"))
	if err != nil || len(files) != 6 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(text); err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
		}
	}
	// The other reader, which FreeSWITCH's users have at hand.
	lint, err := env.Find(env.XMLLint)
	if err != nil {
		env.Need(t, env.XMLLint)
	}
	out, err := exec.CommandContext(t.Context(), lint, append([]string{"--noout", "--nonet"}, files...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("xmllint: %v\n%s", err, out)
	}
}

// TestStrictReader: what it is for.
func TestStrictReader(t *testing.T) {
	for _, doc := range []string{
		"", "<include>", "<include/><include/>", "<include>x</include>", "<other/>", `<include><context/></include>`, `<include a="b"/>`,
		`<include><context name="a"><extension name="b"><condition field="c" expression="d"><action application="set" data="x=${sofia_contact(a)}"/></condition></extension></context></include>`,
		`<include><context name="a"><extension name="b"><condition field="c" expression="d"><action application="answer" data="x"/></condition></extension></context></include>`,
		`<include><!-- <X-pre-process cmd="exec" data="id"/> --></include>`, `<include><!--#set "a=b"--></include>`,
		`<!DOCTYPE a><include/>`, `<?pi?><include/>`, `<include><context name='a" b="'></context></include>`, "<include><load module='a'/></include\x00>",
	} {
		if _, err := read([]byte(doc)); err == nil && !strings.Contains(doc, "b=") {
			t.Errorf("read: %s", doc)
		}
	}
	if _, err := read([]byte(`<include><context name="a"></context></include>`)); err != nil {
		t.Error(err)
	}
}

func TestFreeSWITCHNames(t *testing.T) {
	files, err := dialplan.FreeSWITCHFiles(plainFS())
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]string{
		"dialplan.xml": {
			`<context name="ringmaster-inbound">`, `data="10.0.0.5:8084 async full"`, `data="+11460 allotted_timeout"`, `expression="^key0$"`, `data="support XML ringmaster-handover"`,
			`data="700 XML elsewhere"`, `<context name="elsewhere">`, `application="callcenter" data="sales@shop"`, `application="callcenter" data="support@default"`,
		},
		"event_socket.conf.xml": {`name="listen-ip" value="127.0.0.1"`, `name="listen-port" value="8021"`, `name="password" value="a-long-random-one"`, `value="ringmaster"`},
		"acl.xml":               {`<list name="ringmaster" default="deny">`, `cidr="10.0.0.5/32"`},
		"gateways.xml":          {`<gateway name="telecom">`, `value="$${ringmaster_telecom_proxy}"`, `name="context" value="ringmaster-inbound"`},
		"callcenter.conf.xml":   {`<queue name="support@default">`, `contact="[leg_timeout=20]user/1001"`, `<tier agent="ann@default" queue="sales@shop"`},
		"modules.xml":           {"mod_callcenter", "mod_event_socket"},
	} {
		for _, w := range want {
			if !strings.Contains(string(files[file]), w) {
				t.Errorf("%s has no %s:\n%s", file, w, files[file])
			}
		}
	}
	c := plainFS()
	c.Socket, c.Queues, c.Fallback.Keys, c.Bind = "", nil, nil, ""
	files, err = dialplan.FreeSWITCHFiles(c)
	if err != nil || strings.Contains(string(files["dialplan.xml"]), `application="socket"`) || strings.Contains(string(files["modules.xml"]), "callcenter") {
		t.Errorf("%v\n%s", err, files["dialplan.xml"])
	}
	for name, doc := range files {
		if _, err := read(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusedFreeSWITCH(t *testing.T) {
	hostile := []string{"", "a b", "a\nb", `a"b`, "a'b", "a<b", "a&b", "a>b", "${a}", "$${a}", "a}b", "a,b", "a|b", "a:_:b", "^^a", "a\x00b", "é", "a`b", "--", "a--b", strings.Repeat("x", 300)}
	fields := map[string]func(c *dialplan.FreeSWITCH, s string){
		"password": func(c *dialplan.FreeSWITCH, s string) { c.Password = s + " " },
		"bind":     func(c *dialplan.FreeSWITCH, s string) { c.Bind = s + " " },
		"socket":   func(c *dialplan.FreeSWITCH, s string) { c.Socket = s + ":x" },
		"host":     func(c *dialplan.FreeSWITCH, s string) { c.Socket = strings.ReplaceAll(s, "a--b", "-") + ":8084" },
		"gateway":  func(c *dialplan.FreeSWITCH, s string) { c.Gateways[0] = s },
		"agent": func(c *dialplan.FreeSWITCH, s string) {
			c.Agents[0].Endpoint = "sofia/" + strings.ReplaceAll(s, "--", " ")
		},
		"agent name": func(c *dialplan.FreeSWITCH, s string) { c.Agents[0].Name = strings.ReplaceAll(s, "--", " ") },
		"queue":      func(c *dialplan.FreeSWITCH, s string) { c.Queues[0].Name = strings.ReplaceAll(s, "--", " ") },
		"callcenter": func(c *dialplan.FreeSWITCH, s string) { c.Queues[0].Callcenter = s + "@" },
		"sound":      func(c *dialplan.FreeSWITCH, s string) { c.Fallback.Sound = strings.ReplaceAll(s, "--", " ") + " " },
		"key":        func(c *dialplan.FreeSWITCH, s string) { c.Fallback.Keys[0].Digit = s },
		"key queue":  func(c *dialplan.FreeSWITCH, s string) { c.Fallback.Keys[0].Queue = s },
	}
	for name, set := range fields {
		for _, s := range hostile {
			c := plainFS()
			set(&c, s)
			dir := filepath.Join(t.TempDir(), "out")
			if err := dialplan.RenderFreeSWITCH(dir, c); !errors.Is(err, dialplan.ErrData) {
				t.Errorf("%s %q was not refused: %v", name, s, err)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s %q: something was written", name, s)
			}
		}
	}
	c := plainFS()
	c.Password = "hunter2 hunter2"
	if _, err := dialplan.FreeSWITCHFiles(c); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the password is in the error: %v", err)
	}
	for _, seconds := range []int{0, -1, 59, 86401} {
		c := plainFS()
		c.MaxSeconds = seconds
		if _, err := dialplan.FreeSWITCHFiles(c); !errors.Is(err, dialplan.ErrData) {
			t.Errorf("%d seconds: %v", seconds, err)
		}
	}
}

// FuzzRenderFreeSWITCH: whatever the names are, either all is refused, or the
// files have the very elements of harmless names, and FreeSWITCH expands nothing
// in them that is not ours.
func FuzzRenderFreeSWITCH(f *testing.F) {
	f.Add("secret", "127.0.0.1", "10.0.0.5:8084", "telecom", "ann", "user/1001", "support", "ai-handover", "700", "support@default", "custom/menu", "0")
	f.Add("a\"b", "::1%eth0", "[::1]:8084", "a--b", "a b", "sofia/a/b:_:user/c", "s<x", "default", "^.*$", "a@b@c", "../x", "*")
	f.Add("${x}", "0.0.0.0", "host|other:1", "$${x}", "a'", "sofia/internal/1@h&x", "q", "c", "e.x", "q@d", "a b", "12")
	harmless := plainFS()
	harmless.Queues = harmless.Queues[:1]
	harmless.Fallback.Keys = harmless.Fallback.Keys[:1]
	files, err := dialplan.FreeSWITCHFiles(harmless)
	if err != nil {
		f.Fatal(err)
	}
	want := map[string][]string{}
	for name, doc := range files {
		if want[name], err = read(doc); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, password, bind, socket, gateway, agent, endpoint, queue, context, extension, callcenter, sound, digit string) {
		c := harmless
		c.Password, c.Gateways, c.Agents = password, []string{gateway}, []dialplan.Agent{{Name: agent, Endpoint: endpoint}}
		c.Bind, c.Socket = bind, socket
		c.Queues = []dialplan.Queue{{Name: queue, Context: context, Extension: extension, Callcenter: callcenter}}
		c.Fallback = dialplan.Fallback{Sound: sound, Keys: []dialplan.Key{{Digit: digit, Queue: queue}}}
		if socket == "" {
			c.Socket = "h:1"
		}
		got, err := dialplan.FreeSWITCHFiles(c)
		if err != nil {
			if !errors.Is(err, dialplan.ErrData) {
				t.Fatal(err)
			}
			return
		}
		for name, doc := range got {
			shape, err := read(doc)
			if err != nil || !slices.Equal(shape, want[name]) {
				t.Fatalf("%s: %v\n%s", name, err, doc)
			}
			if strings.Contains(string(doc), ":_:") {
				t.Fatalf("%s dials two:\n%s", name, doc)
			}
		}
	})
}

// TestFreeSWITCHFromTheConfiguration: what the adapter will ask for is what the
// files have.
func TestFreeSWITCHFromTheConfiguration(t *testing.T) {
	c := example(t)
	c.PBX = append(c.PBX, config.PBX{Name: "second", Kind: config.FreeSWITCH, Address: "10.0.0.9:8021", Password: config.NewSecret("a-long-random-one"), Inbound: "0.0.0.0:8084",
		Media:  config.Media{Listen: "10.0.0.5:5070", Advertise: "10.0.0.5"},
		Trunks: []config.Trunk{{Name: "c2", Endpoint: "sofia/gateway/telecom/{number}"}, {Name: "c3", Endpoint: "sofia/external/{number}@10.0.0.1"}, {Name: "c4", Endpoint: "sofia/gateway/telecom/9{number}"}},
		Agents: []config.Agent{{Name: "bob", Endpoint: "user/1001"}}, Queues: []config.Queue{{Name: "support", Callcenter: "support@default"}}})
	dir := filepath.Join(t.TempDir(), "out")
	kind, err := app.RenderDialplan(c, "second", dir)
	if err != nil || kind != config.FreeSWITCH {
		t.Fatalf("%q, %v", kind, err)
	}
	d, err := app.FreeSWITCHDialplan(c, "second")
	want := dialplan.FreeSWITCH{Bind: "10.0.0.9", Port: 8021, Password: "a-long-random-one", Socket: "10.0.0.5:8084", Gateways: []string{"telecom"},
		Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.5/32")}, Agents: []dialplan.Agent{{Name: "bob", Endpoint: "user/1001"}},
		Queues: []dialplan.Queue{{Name: "support", Callcenter: "support@default"}}, Fallback: dialplan.Fallback{Keys: []dialplan.Key{{Digit: "0", Queue: "support"}}},
		MaxSeconds: d.MaxSeconds}
	if err != nil || !reflect.DeepEqual(d, want) || d.MaxSeconds < 600 {
		t.Errorf("%+v, want\n%+v, %v", d, want, err)
	}
	fs, err := app.FreeSWITCHConfig(c, c.PBX[1], nil)
	if err != nil || fs.Queues["support"].Callcenter != "support@default" || !strings.HasSuffix(fs.Inbound, ":8084") {
		t.Errorf("%+v, %v", fs, err)
	}
	for name, change := range map[string]func(p *config.PBX){
		"no port":            func(p *config.PBX) { p.Address = "10.0.0.9" },
		"bad port":           func(p *config.PBX) { p.Address = "10.0.0.9:x" },
		"reached nowhere":    func(p *config.PBX) { p.Media.Advertise = "" },
		"inbound is no port": func(p *config.PBX) { p.Inbound = "here" },
	} {
		p := c.PBX[1]
		change(&p)
		bad := c
		bad.PBX = []config.PBX{p}
		if _, err := app.RenderDialplan(bad, "", filepath.Join(t.TempDir(), "x")); !errors.Is(err, app.ErrDialplan) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := app.DialplanData(c, "second"); !errors.Is(err, app.ErrDialplan) {
		t.Errorf("a FreeSWITCH as an Asterisk: %v", err)
	}
	if _, err := app.FreeSWITCHDialplan(c, "main"); !errors.Is(err, app.ErrDialplan) {
		t.Errorf("an Asterisk as a FreeSWITCH: %v", err)
	}
}
