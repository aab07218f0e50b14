package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/config"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/rehearse"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/recommend"
	"ringmaster/internal/redact"
	"ringmaster/scripts"
)

// played are the conversations of each pack that telephones play over
// Asterisk, as its test file names them: short ones, because sound takes its time.
func played() map[string][]string {
	return map[string][]string{
		"education/class_reminder":      {"the day before, confirmed"},
		"education/course_consult":      {"not for subject"},
		"education/satisfaction_survey": {"refuses at the content"},
		"finance/antifraud_verify":      {"verified, and unlocked"},
		"finance/collections":           {"early and soft, a promise"},
		"finance/wealth_consult":        {"he has lost money, to be called"},
		"healthcare/checkup_reminder":   {"the sentence, and he comes"},
		"healthcare/health_education":   {"in Cantonese, enough after the diet", "in Uyghur, by text message"},
		"retail/aftersales_visit":       {"received and satisfied"},
		"retail/promotion_001":          {"put as a flash sale, refused"},
		"retail/sleeping_member":        {"a platinum member takes the offer of her tier"},
	}
}

// rehearsed is one conversation of a test file: who says what, in turn.
type rehearsed struct {
	suite *rehearse.Suite
	conv  rehearse.Conversation
	sc    *dialogue.Script
	src   string
}

// fileDates are the dates of the conversation files, which stand on 1 October
// 2026; they are moved to the day of the test.
var fileDates = regexp.MustCompile(`2026-[01][0-9]-[0-3][0-9]`)

func loadPack(t *testing.T, lib *dialogue.Library, path, name string, now time.Time) rehearsed {
	t.Helper()
	src, err := fs.ReadFile(scripts.FS(), path+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	sc, err := lib.Compile(path+".yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	talk, err := fs.ReadFile(scripts.FS(), path+".test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	y, m, d := now.Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	r := rehearsed{sc: sc, src: fileDates.ReplaceAllStringFunc(string(talk), func(s string) string {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return today.Add(at.Sub(time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC))).Format(time.DateOnly)
	})}
	if r.suite, err = rehearse.Load(path, []byte(r.src)); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(r.suite.Conversations, func(c rehearse.Conversation) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("%s has no conversation %q", path, name)
	}
	r.conv = r.suite.Conversations[i]
	return r
}

// words of both sides as the file says them, at the time of the call.
func (r rehearsed) words(t *testing.T, at time.Time) (turns [][2]string, problems []string) {
	t.Helper()
	src := regexp.MustCompile(`(?m)^now: .*$`).ReplaceAllString(r.src, "")
	suite, err := rehearse.Load("played", []byte("now: "+at.Format(time.RFC3339)+"\n"+src))
	if err != nil {
		t.Fatal(err)
	}
	suite.Conversations = slices.DeleteFunc(suite.Conversations, func(c rehearse.Conversation) bool { return c.Name != r.conv.Name })
	res := suite.Run(context.Background(), r.sc, keyword.New()).Results[0]
	for _, l := range res.Transcript {
		side, rest, _ := strings.Cut(l, " ")
		_, text, ok := strings.Cut(rest, "] ")
		if !ok {
			t.Fatalf("%s: a telephone cannot play %q", r.conv.Name, l)
		}
		turns = append(turns, [2]string{side, text})
	}
	return turns, res.Problems
}

// length is how much is said in all: characters, of which the tones carry two
// at once below U+0800 (Uyghur).
func (r rehearsed) length(t *testing.T) int {
	n := 0
	turns, _ := r.words(t, time.Now())
	for _, x := range turns {
		for _, c := range x[1] {
			if n++; c >= 0x800 {
				n++
			}
		}
	}
	return n
}

// phone is what the customer's telephone does.
func (r rehearsed) phone() sipphone.Script {
	out := sipphone.Script{sipphone.Answer(200 * time.Millisecond)}
	for _, step := range r.conv.Talk {
		if step.Them != "" { // patient: several calls at once may stutter
			out = append(out, sipphone.WaitForBotSilence(1100*time.Millisecond), say(step.Them))
		}
	}
	return append(out, sipphone.Silence(40*time.Second))
}

// contact is the customer as the API takes him.
func (r rehearsed) contact(extension string) map[string]any {
	base, own := r.suite.Customer, r.conv.Customer
	vars := map[string]any{}
	for _, m := range []map[string]any{base.Vars, own.Vars} {
		for k, v := range m {
			if at, ok := v.(time.Time); ok {
				v = at.Format("2006-01-02T15:04:05")
			}
			vars[k] = v
		}
	}
	pick := func(list ...string) string {
		for _, s := range list {
			if s != "" {
				return s
			}
		}
		return ""
	}
	if s := pick(own.Segment, base.Segment); s != "" {
		vars["segment"] = s
	}
	return map[string]any{"customer_id": pick(own.ID, base.ID), "name": pick(own.Name, base.Name), "phone": "lab:" + extension,
		"language": pick(own.Language, base.Language, "cmn"), "variables": vars}
}

// Every pack in a real call: a SIP telephone says the customer's part over
// Asterisk, the lab's recognizer hears it, and the stored transcript has the
// words of both sides as the conversation file says them; the telephone heard
// ours.
func TestPacksOnAsterisk(t *testing.T) {
	env.Need(t, env.Asterisk)
	t.Parallel()
	shared, err := scripts.Shared()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := dialogue.NewLibrary(shared)
	if err != nil {
		t.Fatal(err)
	}
	all, err := scripts.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if path := strings.TrimSuffix(f.Path, ".yaml"); len(played()[path]) == 0 && !strings.HasPrefix(path, "demo/") {
			t.Errorf("no conversation of %s is played", path)
		}
	}
	packs, phones := map[string]rehearsed{}, map[string]sipphone.Script{}
	for path, names := range played() {
		for i, name := range names {
			r := loadPack(t, lib, path, name, time.Now())
			id := r.sc.Info().ID
			if i > 0 {
				id += fmt.Sprint("_", i+1)
			}
			packs[id], phones[id] = r, r.phone()
		}
	}
	real := newReal(t, phones)
	// Eight at once, the longest first.
	h := newHouse(t, real.pbx, "sqlite", func(c *config.Config) { c.Dialling.Concurrency = 8 })
	ids := slices.SortedFunc(maps.Keys(packs), func(a, b string) int { return cmp.Or(packs[b].length(t)-packs[a].length(t), cmp.Compare(a, b)) })
	tasks := map[string]string{}
	for _, id := range ids {
		c := packs[id].contact(id)
		h.do("POST", "/api/v1/contacts", c, 0)
		body := map[string]any{"customer_id": c["customer_id"], "script_id": packs[id].sc.Info().ID, "ref": "event-" + id}
		tasks[id] = fmt.Sprint(h.do("POST", "/api/v1/call/task", body, 201)["task_id"])
	}
	first := map[string]attempt{}
	for _, id := range ids {
		first[id] = h.attempt(tasks[id], 1, 150*time.Second)
	}
	for _, id := range ids {
		t.Run(id, func(t *testing.T) {
			h, r := *h, packs[id]
			h.t = t
			a := first[id]
			if diff := r.compare(t, &h, a, real.call(&h, id)); diff != "" {
				// Several calls at once on a machine that has other work: sound that came
				// too late is lost. Alone it has to be right.
				a.show(t)
				t.Logf("once more, alone: %s", diff)
				a = h.attempt(h.order(fmt.Sprint(r.contact(id)["customer_id"]), r.sc.Info().ID), 1, 100*time.Second)
				if diff := r.compare(t, &h, a, real.call(&h, id)); diff != "" {
					a.show(t)
					t.Error(diff)
				}
			}
			if id == "antifraud_verify" {
				h.unlockedOnce(a)
			}
		})
	}
}

// compare holds a real call against the file: empty when the transcript has
// the same words, and the telephone heard ours.
func (r rehearsed) compare(t *testing.T, h *house, a attempt, c *sipphone.Call) string {
	t.Helper()
	var more struct {
		Grade      string
		AnsweredAt time.Time `json:"answered_at"`
	}
	_, raw := h.raw("GET", "/api/v1/attempts/"+a.AttemptID, nil, nil)
	if err := json.Unmarshal(raw, &more); err != nil {
		t.Fatal(err)
	}
	turns, problems := r.words(t, more.AnsweredAt.In(time.Local)) //nolint:gosmopolitan // a call's day is the machine's
	if len(problems) > 0 {
		t.Logf("other words on this day: %v", problems)
	}
	var want, got, ours []string
	mask := redact.New()
	for _, x := range turns {
		want = append(want, x[0]+" "+mask.See(redact.Result{Side: x[0], Text: x[1], Final: true}).Text)
		if x[0] == "us" {
			ours = append(ours, x[1])
		}
	}
	for _, x := range a.Turns {
		got = append(got, x.Side+" "+x.Text)
	}
	if !slices.Equal(got, want) {
		return fmt.Sprintf("the transcript is\n%s\nthe file says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if e := r.conv.Expect; e.Disposition != "" && a.Disposition != e.Disposition || e.Grade != "" && more.Grade != e.Grade {
		return fmt.Sprintf("%s, grade %s; the file says %s, grade %s", a.Disposition, more.Grade, e.Disposition, e.Grade)
	}
	// Sound that reaches the telephone too late on a busy machine is lost to it;
	// nothing else may be.
	heard := words(t, c.Heard().Samples, 8000)
	if share := common(strings.Join(ours, ""), strings.Join(heard, "")); share < 0.9 {
		return fmt.Sprintf("the phone heard %.2f\n%s\nwe said\n%s", share, strings.Join(heard, "\n"), strings.Join(ours, "\n"))
	}
	t.Logf("%d turns, %s (%s), grade %s, %.1f s", len(a.Turns), a.Disposition, a.Reason, more.Grade, float64(a.Turns[len(a.Turns)-1].EndMS)/1000)
	return ""
}

// unlockedOnce: what S16 asks of the whole path, from the event to the CRM.
func (h *house) unlockedOnce(a attempt) {
	h.t.Helper()
	about := func() (unlocks []map[string]any, all string) {
		h.hooks.mu.Lock()
		defer h.hooks.mu.Unlock()
		for _, b := range h.hooks.bodies {
			if b["attempt_id"] != a.AttemptID {
				continue
			}
			if all += fmt.Sprint(b); b["event"] == "call.unlock" {
				unlocks = append(unlocks, b)
			}
		}
		return unlocks, all
	}
	h.until("the CRM is asked to unlock", 10*time.Second, func() bool { list, _ := about(); return len(list) > 0 })
	unlocks, all := about()
	if len(unlocks) != 1 || unlocks[0]["unlock"] != "card" || unlocks[0]["key"] == "" {
		h.t.Errorf("the CRM was asked to unlock: %v", unlocks)
	}
	if strings.Contains(all, "3517") || strings.Contains(all, "三五幺七") {
		h.t.Errorf("the secret is in a message: %s", all)
	}
}

// A contact's learning history reaches the script as a course and its reason;
// the operator's own catalogue goes before the shipped one.
func TestRow_S19_TheHistoryOfAContactReachesTheScript(t *testing.T) {
	shared, err := scripts.Shared()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := dialogue.NewLibrary(shared)
	if err != nil {
		t.Fatal(err)
	}
	sc := loadPack(t, lib, "education/course_consult", "the whole tree", time.Now()).sc
	shippedCourses, err := recommend.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	l := &library{courses: shippedCourses}
	pupil := campaign.Person{ExternalID: "1", Vars: map[string]any{"grade": "grade9", "marks": map[string]any{"maths": []any{70.0, 61.0}, "english": 90.0}}}
	got := l.customer(pupil, sc).Vars
	if got["course"] != "中考冲刺班" || got["course_reason"] != "孩子数学最近平均66分，提升空间比较大，今年要中考了，时间比较紧" || got["price"] != 1280.0 || len(pupil.Vars) != 2 {
		t.Errorf("%v", got)
	}
	dir := t.TempDir()
	own := "format: ringmaster-courses/1\nsubjects: {maths: 数学}\nweak: 80\nfall: 5\npoints: {}\n" +
		"reasons: {weak: \"{subject}{mean}分\", falling: x, strong: x, continues: x, wish: x}\ncourses: [{id: a, name: 数学小课, subject: maths, grades: [grade1, grade12], marks: [0, 100], price: 90}]\n"
	if err := os.WriteFile(filepath.Join(dir, "courses.yaml"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.importDir(t.Context(), dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if got := l.customer(pupil, sc).Vars; got["course"] != "数学小课" || got["course_reason"] != "数学66分" {
		t.Errorf("the operator's own catalogue: %v", got)
	}
	logs := &buffer{}
	if err := os.WriteFile(filepath.Join(dir, "courses.yaml"), []byte("format: nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.importDir(t.Context(), dir, slog.New(slog.NewTextHandler(logs, nil))); err != nil || !strings.Contains(logs.String(), "courses.yaml") {
		t.Errorf("a broken catalogue: %v %s", err, logs.String())
	}
	if got := l.customer(pupil, sc).Vars; got["course"] != "数学小课" {
		t.Errorf("a broken catalogue replaces a good one: %v", got)
	}
}

// common is the share of the characters of want that stand in got, in order.
func common(want, got string) float64 {
	a, b := []rune(want), []rune(got)
	row := make([]int, len(b)+1)
	for _, x := range a {
		diagonal := 0
		for j, y := range b {
			above := row[j+1]
			if x == y {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return float64(row[len(b)]) / float64(max(len(a), 1))
}
