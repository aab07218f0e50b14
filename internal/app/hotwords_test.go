package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/nlu/correct"
)

// The words of industry, script, node and contact are told to the recognizer
// when the call begins; what it writes by ear all the same is put right before
// it is understood.
func TestRow_S9_HotwordsReachTheRecognizerAndTermsArePutRight(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("patient", callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{turnOf(), spoken("约一个西踢检查"), turnOf(), {Wait: 20 * time.Second}}})
	h := newHouse(t, p, "sqlite", func(c *config.Config) { c.Scripts.Dir = "testdata/hearing" })
	h.do("POST", "/api/v1/contacts", map[string]any{"customer_id": "patient", "name": "王晓丽", "phone": "lab:patient", "language": "cmn",
		"variables": map[string]any{"doctor": "陈建国", "city": "石家庄"}}, 0)
	a := h.attempt(h.order("patient", "clinic_001"), 1, 60*time.Second)
	if a.Disposition != "completed" || !slices.Equal(a.side("them"), []string{"约一个CT检查"}) || !slices.Equal(a.intents(), []string{"ct"}) {
		a.show(t)
		t.Errorf("%s: understood %v", a.Disposition, a.intents())
	}
	var hot map[string]int
	if err := json.Unmarshal([]byte(h.asr.Hotwords()), &hot); err != nil {
		t.Fatal(err)
	}
	for from, w := range map[string]string{"industry": "CT检查", "script": "体检中心", "node": "脑部平扫", "contact's name": "王晓丽", "contact's marked variable": "陈建国"} {
		if hot[w] == 0 {
			t.Errorf("the %s's %s did not reach the recognizer", from, w)
		}
	}
	if hot["石家庄"] != 0 || hot["年化收益率"] != 0 {
		t.Error("a variable that is not marked, or another industry's term, reached the recognizer")
	}
	if !h.metric(`ringmaster_asr_corrections_total{script="clinic_001"} 1`) {
		t.Error("the correction is not counted")
	}
	if strings.Contains(h.logs.String(), "王晓丽") || strings.Contains(h.logs.String(), "陈建国") {
		t.Error("the contact's words stand in the log")
	}
}

func clinic(t *testing.T) *dialogue.Script {
	t.Helper()
	sc, err := compileFile("testdata/hearing/clinic_001.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func TestHotwordsAreMergedAndBounded(t *testing.T) {
	h, err := hearingFor(correct.NewTable(), clinic(t), dialogue.Customer{Name: "李明", Vars: map[string]any{"doctor": strings.Repeat("长", 100)}})
	if err != nil {
		t.Fatal(err)
	}
	if h.hotwords["脑部平扫"] != 40 || h.hotwords["体检中心"] != 20 || h.everywhere["脑部平扫"] != 0 || h.everywhere["体检中心"] != 20 || h.everywhere["李明"] == 0 {
		t.Errorf("%v", h)
	}
	for w := range h.hotwords {
		if len([]rune(w)) > 16 {
			t.Errorf("%s would be refused", w)
		}
	}
	many := map[string]int{}
	for i := range 1000 {
		many[fmt.Sprint("词", i)] = 1 + i%100
	}
	few := bounded(many, maxHotwords)
	if len(few) != maxHotwords || few["词99"] != 100 || few["词0"] != 0 {
		t.Errorf("%d are left", len(few))
	}
}

// A correction neither makes nor unmakes a word of urgency, and leaves the
// script's own words alone.
func TestNoCorrectionEndsACall(t *testing.T) {
	sounds := correct.NewTable()
	d := sounds.Dictionary([]correct.Term{{Text: "别打了", Weight: 100}, {Text: "投诉电话", Weight: 100}, {Text: "头数", Weight: 100}, {Text: "拍片子", Weight: 10}}, known(clinic(t)))
	for _, s := range []string{"瘪打了", "头诉电话", "我要投诉", "别打了"} {
		got, _ := d.Correct(s)
		was, _ := dialogue.FindStop(s, "cmn")
		is, _ := dialogue.FindStop(got, "cmn")
		if was != is && sameUrgency(s, got) {
			t.Errorf("%s became %s", s, got)
		}
	}
	if sameUrgency("头诉电话", "投诉电话") || !sameUrgency("排片子", "拍片子") {
		t.Error("urgency is not compared")
	}
}
