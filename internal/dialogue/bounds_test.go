package dialogue

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/nlu"
)

const objecting = small + `
voicemail: {say: 请回电。}
objections:
  price:
    intent: price_objection
    depth: 3
    rounds: [价格一。, 价格二。]
  time:
    intent: time_objection
    depth: 3
    rounds: [时间一。]
    worn_out: {say: 那算了。, end: {reason: no_time}}
`

func limited(limits string) string {
	return strings.Replace(objecting, "limits: {turns: 6, ", "limits: {"+limits+", ", 1)
}

// Objections are answered a bounded number of times each, and in all.
func TestObjectionsAreBounded(t *testing.T) {
	price, tim := heard("太贵", "price_objection"), heard("没时间", "time_objection")
	ids := func(s *Script, ins ...Input) (string, *End) {
		st, mv := chat(t, s, customer(), Input{Kind: Said})
		var out []string
		for _, in := range ins {
			st, mv = s.Next(st, in, at())
			for _, l := range mv.Lines {
				out = append(out, l.ID)
			}
			if st.Node != "ask" {
				t.Errorf("left the main line for %s", st.Node)
			}
		}
		return strings.Join(out, " "), mv.End
	}
	s := compile(t, limited("turns: 20, objections: 10"))
	got, end := ids(s, price, price, price, price)
	if got != "objection.price.1.0 objection.price.2.0 objection.price.2.0 line.objections.0" || end == nil || end.Reason != "objection_price" {
		t.Errorf("%s %+v", got, end)
	}
	if got, end = ids(s, tim, tim, tim, tim); !strings.HasSuffix(got, "objection.time.worn_out.0") || end == nil || end.Reason != "no_time" {
		t.Errorf("%s %+v", got, end)
	}
	// Three in all, whichever they are.
	s = compile(t, limited("turns: 20, objections: 3"))
	if got, end = ids(s, price, tim, price, tim); !strings.HasSuffix(got, "objection.time.worn_out.0") || end == nil {
		t.Errorf("%s %+v", got, end)
	}
}

// A node is entered a bounded number of times, however the script loops.
func TestVisitsAreBounded(t *testing.T) {
	src := strings.Replace(limited("turns: 50, visits: 3"), "      - any: true\n        goto: bye", "      - any: true\n        goto: ask", 1)
	s := compile(t, src)
	st, mv := chat(t, s, customer(), Input{Kind: Said})
	n := 0
	for ; mv.End == nil && n < 100; n++ {
		in := heard("好", "affirm")
		if st.Node == "terms" {
			in = heard("随便", "unsure")
		}
		st, mv = s.Next(st, in, at())
		st, _ = s.Next(st, Input{Kind: Said}, at())
	}
	if mv.End == nil || mv.End.Reason != "loop" || n > 8 {
		t.Errorf("%d %+v", n, mv.End)
	}
}

// What the understander is not sure of counts as not understood; what it
// calls a complaint although the words deny it is none.
func TestUnsureAndDenied(t *testing.T) {
	s := compile(t, small)
	in := heard("嗯那个", "affirm")
	in.Answer.Confidence = 0.3
	if st, _ := chat(t, s, customer(), Input{Kind: Said}, in); st.Node != "ask" || st.NoMatch != 1 {
		t.Errorf("%+v", st)
	}
	for text, want := range map[string]bool{"不用转人工": false, "给我找个能管事的": true} {
		_, mv := chat(t, s, customer(), Input{Kind: Said}, heard(text, "human"))
		if (mv.Transfer != nil) != want {
			t.Errorf("%s: %+v", text, mv)
		}
	}
	if _, mv := chat(t, s, customer(), Input{Kind: Said}, heard("你们欺负人我要找电视台", "complaint")); mv.End == nil || mv.End.Disposition != campaign.Complaint {
		t.Errorf("a model may know more words than the table: %+v", mv)
	}
}

// A call back is never in the past and defaults to later.
func TestCallbackTime(t *testing.T) {
	s := compile(t, small)
	when := func(value string) time.Time {
		in := heard("回头再打", "callback")
		if value != "" {
			in.Answer.Slots = []nlu.Slot{{Name: "callback_at", Value: value}}
		}
		st, mv := chat(t, s, customer(), Input{Kind: Said}, in)
		if mv.End == nil {
			_, mv = s.Next(st, heard("随便吧", "unsure"), at())
		}
		for _, a := range mv.Actions {
			if a.Kind == "callback" {
				return a.At
			}
		}
		t.Fatalf("%+v", mv)
		return time.Time{}
	}
	if got := when("2026-10-02T15:00"); !got.Equal(time.Date(2026, 10, 2, 15, 0, 0, 0, at().Location())) {
		t.Error(got)
	}
	for _, v := range []string{"", "2020-01-01T00:00", "soon"} {
		if got := when(v); !got.Equal(at().Add(2 * time.Hour)) {
			t.Errorf("%q: %s", v, got)
		}
	}
}

// To a machine the notice comes first too, and until it has been left there
// the author's words are not used.
func TestVoicemailAfterTalking(t *testing.T) {
	s := compile(t, objecting)
	st, mv := chat(t, s, customer(), Input{Kind: Said}, Input{Kind: Machine, Reason: "greeting"})
	if len(mv.Lines) != 0 || mv.End != nil {
		t.Fatalf("nothing is said before the beep: %+v", mv)
	}
	if st2, mv := s.Next(st, heard("您好请在滴声后留言，转人工请按零", "human"), at()); mv.Transfer != nil || len(mv.Lines) != 0 || st2.Phase != Voicemail {
		t.Fatalf("a greeting asks for nobody: %+v", mv)
	}
	if _, mv := s.Next(st, Input{Kind: Silence}, at()); mv.End == nil || mv.End.Disposition != campaign.Voicemail {
		t.Fatalf("no beep: %+v", mv)
	}
	st, mv = s.Next(st, Input{Kind: Machine, Reason: "beep"}, at())
	if len(mv.Lines) != 1 || !mv.Lines[0].Disclosure {
		t.Fatalf("%+v", mv)
	}
	if _, mv := s.Next(st, heard("别打了", ""), at()); len(mv.Lines) != 1 || !mv.Lines[0].Fixed {
		t.Fatalf("%+v", mv)
	}
	if _, mv = s.Next(st, Input{Kind: Said}, at()); mv.End == nil || mv.End.Reason != "message_left" || mv.Lines[0].Text != "请回电。" {
		t.Fatalf("%+v", mv)
	}
}

// A state is small: it is written at every checkpoint.
func TestStateIsSmall(t *testing.T) {
	s := compile(t, objecting)
	ins := []Input{{Kind: Said}, heard("太贵", "price_objection"), heard("没时间", "time_objection"), heard("不行", "deny"), {Kind: Said}}
	st, _ := chat(t, s, customer(), ins...)
	b, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(b))
	if len(b) > 2048 {
		t.Errorf("%d bytes: %s", len(b), b)
	}
}
