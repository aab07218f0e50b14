package phone

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for raw, want := range map[string]string{
		"138 0000 1111": "+8613800001111", "+86-13800001111": "+8613800001111",
		"0086 138 0000 1111": "+8613800001111", "(010) 6552 1234": "+861065521234", "+1 212 555 2368": "",
	} {
		n, err := Parse(raw, "CN")
		if want == "" {
			continue
		}
		if err != nil || n.Dial() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", raw, n.Dial(), err, want)
		}
	}
	for _, raw := range []string{"", "abc", "12", "138000011112222333", strings.Repeat("1", 100), "sip:x@y", "138\r\n0000"} {
		n, err := Parse(raw, "CN")
		if err == nil {
			t.Errorf("Parse(%q) accepted as %q", raw, n.Dial())
		} else if len(raw) > 3 && strings.Contains(err.Error(), raw) {
			t.Errorf("error echoes its input: %v", err)
		}
	}
}

// Break LogValue, Format or MarshalText and this fails.
func TestNothingLeaks(t *testing.T) {
	n, err := Parse("13812345678", "CN")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "number", n, "in", struct{ N Number }{n})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "number", n, "in", struct{ N Number }{n})
	js, _ := json.Marshal(map[string]any{"n": n, "m": map[Number]int{n: 1}})
	all := log.String() + string(js)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%X"} {
		all += fmt.Sprintf(verb, n) + fmt.Sprintf(verb, []Number{n}) + fmt.Sprintf(verb, &n)
	}
	if strings.Contains(all, "12345") || strings.Contains(all, fmt.Sprintf("%x", "12345")) {
		t.Fatalf("a number leaked: %s", all)
	}
	if n.Masked() != "+86138******78" {
		t.Fatalf("masked form %q", n.Masked())
	}
}

func TestRestoreRoundTrip(t *testing.T) {
	mobile, _ := Parse("13812345678", "CN")
	short, _ := Short("10691234")
	lab, _ := Lab("talks")
	for _, n := range []Number{mobile, short, lab} {
		back, err := Restore(n.Reveal())
		if err != nil || back != n {
			t.Errorf("%v came back as %v, %v", n, back, err)
		}
	}
}

func TestZonesAndType(t *testing.T) {
	n, _ := Parse("13812345678", "CN")
	if z := n.Zones(); len(z) == 0 || z[0] != "Asia/Shanghai" || n.Region() != "CN" || n.Type() != "mobile" {
		t.Errorf("zones %v region %s type %s", z, n.Region(), n.Type())
	}
}

func FuzzParse(f *testing.F) {
	f.Add("+8613800001111")
	f.Add("138\x00")
	f.Add("138OOOO1111")
	f.Add("tel:13800001111;phone-context=+86")
	f.Add("１３８００００１１１１ 转 5")
	f.Fuzz(func(t *testing.T, raw string) {
		n, err := Parse(raw, "CN")
		if err == nil && (n.IsZero() || strings.Trim(n.Dial(), "+0123456789") != "") {
			t.Fatalf("accepted %q as %q", raw, n.Dial())
		}
		if err != nil && len(raw) > 12 && strings.Contains(err.Error(), raw) {
			t.Fatalf("the error tells the number: %v", err)
		}
		if err == nil {
			if again, err := Parse(n.Dial(), "ZZ"); err != nil || again != n {
				t.Fatalf("%q became %q, which is read as %q, %v", raw, n.Dial(), again.Dial(), err)
			}
		}
	})
}
