package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"ringmaster/internal/phone"
	"ringmaster/internal/phone/phonetest"
)

// What a CRM sends for a number is stored as a number that exists, or refused
// with the field named, without the number in the answer or in a log. All
// 5,000 with RINGMASTER_PROVE; some of them always.
func TestBadPhoneInputsOverTheAPI(t *testing.T) {
	b := newBed(t)
	sent, refused := 0, 0
	all := phonetest.Some()
	step := 1
	if len(all) < phonetest.Count {
		step = 10
	}
	for i := 0; i < len(all); i += step {
		in := all[i]
		body, err := json.Marshal(map[string]any{"customer_id": fmt.Sprint("c", i), "phone": in.Text})
		b.must(err)
		rec := b.do("POST", "/api/v1/contacts", string(body))
		sent++
		n, wrong := phone.Parse(in.Text, "CN")
		switch {
		case rec.Code == http.StatusCreated:
			var made struct{ Phone string }
			b.must(json.Unmarshal(rec.Body.Bytes(), &made))
			if wrong != nil && utf8.ValidString(in.Text) || made.Phone != n.Masked() && utf8.ValidString(in.Text) {
				t.Errorf("%s %q was stored as %s", in.Kind, in.Text, made.Phone)
			}
		case rec.Code == http.StatusUnprocessableEntity, len(in.Text) > 60<<10 && rec.Code == http.StatusRequestEntityTooLarge:
			refused++
			if !strings.Contains(rec.Body.String(), `"phone"`) && rec.Code == http.StatusUnprocessableEntity || len(in.Text) > 6 && strings.Contains(rec.Body.String(), in.Text) {
				t.Errorf("%s %q: %s", in.Kind, in.Text[:min(len(in.Text), 80)], rec.Body)
			}
		default:
			t.Errorf("%s %q: %d %s", in.Kind, in.Text[:min(len(in.Text), 80)], rec.Code, rec.Body)
		}
	}
	if refused == 0 || refused == sent {
		t.Errorf("%d of %d refused", refused, sent)
	}
	t.Logf("%d inputs over the API, %d refused", sent, refused)
	for _, n := range []string{"13800001111", "13900002222"} {
		if strings.Contains(b.log.String(), n) {
			t.Error("a number stands in the log")
		}
	}
}
