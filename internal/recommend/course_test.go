package recommend

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func catalogue(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ids(picks []Pick) []string {
	var out []string
	for _, p := range picks {
		out = append(out, p.Course.ID)
	}
	return out
}

// The row: weak in maths, 中考冲刺班 first, with its reasons in words; the same
// answer whatever the order of the catalogue.
func TestRow_S19_WeakInMathsFirst(t *testing.T) {
	l := Learner{Grade: "grade9", Marks: map[string][]int{"maths": {70, 64, 61}, "english": {85}, "chinese": {78, 79}}}
	c := catalogue(t)
	want := c.Top(l, 3)
	if got := ids(want); !slices.Equal(got, []string{"maths_zhongkao", "maths_base_middle", "chinese_reading"}) {
		t.Fatalf("%v", got)
	}
	best := want[0]
	if best.Course.Name != "中考冲刺班" || best.Spoken() != "孩子数学最近平均65分，提升空间比较大，今年要中考了，时间比较紧" {
		t.Errorf("%s: %s", best.Course.Name, best.Spoken())
	}
	sum := 0
	for _, r := range best.Reasons {
		t.Logf("%+d %s: %s", r.Points, r.Rule, r.Text)
		sum += r.Points
	}
	if sum != best.Points {
		t.Errorf("the reasons give %d points, the course has %d", sum, best.Points)
	}
	r := rand.New(rand.NewPCG(19, 19))
	for range 200 {
		other := catalogue(t)
		r.Shuffle(len(other.Courses), func(i, j int) { other.Courses[i], other.Courses[j] = other.Courses[j], other.Courses[i] })
		if got := other.Top(l, 3); !reflect.DeepEqual(got, want) {
			t.Fatalf("another order of the catalogue: %v", ids(got))
		}
	}
}

func TestRules(t *testing.T) {
	c := catalogue(t)
	for name, k := range map[string]struct {
		l    Learner
		want []string
	}{
		"strong in maths":                 {Learner{Grade: "grade5", Marks: map[string][]int{"maths": {96}}}, []string{"maths_olympiad"}},
		"nothing wrong, nothing wished":   {Learner{Grade: "grade5", Marks: map[string][]int{"maths": {85}}}, nil},
		"what was taken is not sold anew": {Learner{Grade: "grade9", Marks: map[string][]int{"maths": {60}}, Taken: []string{"maths_zhongkao"}}, []string{"maths_base_middle"}},
		"goes on":                         {Learner{Grade: "grade6", Taken: []string{"english_talk"}}, []string{"english_talk_2"}},
		"cannot go on before it began":    {Learner{Grade: "grade6", Wishes: []string{"english"}}, []string{"english_talk"}},
		"falls":                           {Learner{Grade: "grade8", Marks: map[string][]int{"physics": {88, 84, 80}}}, []string{"physics_middle"}},
		"a steady mark is no reason":      {Learner{Grade: "grade8", Marks: map[string][]int{"physics": {84, 84, 82}}}, nil},
		"gaokao":                          {Learner{Grade: "grade12", Marks: map[string][]int{"maths": {70}}}, []string{"maths_gaokao", "maths_high"}},
		"unknown grade":                   {Learner{Grade: "grade99", Marks: map[string][]int{"maths": {7}}}, nil},
		"preschool":                       {Learner{Grade: "preschool", Wishes: []string{"english"}}, nil},
	} {
		if got := ids(c.Top(k.l, 9)); !slices.Equal(got, k.want) {
			t.Errorf("%s: %v, want %v", name, got, k.want)
		}
	}
	if c.Top(Learner{Grade: "grade9", Marks: map[string][]int{"maths": {10}}}, 0) != nil {
		t.Error("none were asked for")
	}
}

// Whatever the marks: a course that is recommended fits and has a reason, and
// a lower mark never makes its subject count for less.
func TestMoreWeaknessIsNeverLessReason(t *testing.T) {
	c := catalogue(t)
	for grade := range 13 {
		l := Learner{Grade: fmt.Sprintf("grade%d", grade), Marks: map[string][]int{}}
		before := 1 << 30
		for mark := range 80 {
			l.Marks["maths"] = []int{mark}
			points := 0
			for _, p := range c.Top(l, 99) {
				if p.Spoken() == "" || strings.ContainsAny(p.Spoken(), "{}") || grade < p.Course.from || grade > p.Course.to {
					t.Fatalf("%+v for %+v", p, l)
				}
				points = max(points, p.Points)
			}
			if points > before {
				t.Errorf("%s with %d: %d points, with one less %d", l.Grade, mark, points, before)
			}
			before = points
		}
	}
}

func TestFill(t *testing.T) {
	c := catalogue(t)
	wanted := []string{VarCourse, VarReason, VarPrice, "school"}
	vars := map[string]any{"grade": "grade9", "marks": map[string]any{"maths": []any{70.0, 61.0}, "english": 88.0, "art": "good"}, "taken": "a, b"}
	got := c.Fill(vars, wanted)
	if got[VarCourse] != "中考冲刺班" || got[VarPrice] != 1280.0 || got[VarReason] == nil || got[VarSubject] != nil {
		t.Errorf("%v", got)
	}
	if len(vars) != 3 {
		t.Error("the contact's own variables were changed")
	}
	for name, v := range map[string]map[string]any{
		"no grade":       {"marks": map[string]any{"maths": 50.0}},
		"no history":     {"grade": "grade9"},
		"own course":     {"grade": "grade9", "marks": map[string]any{"maths": 50.0}, "course": "钢琴"},
		"strange values": {"grade": 9.0, "marks": []any{"x"}, "taken": 5.0},
		"nothing":        nil,
	} {
		if got := c.Fill(v, wanted); !reflect.DeepEqual(got, v) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := c.Fill(vars, []string{"name"}); len(got) != 3 {
		t.Errorf("a script that wants none: %v", got)
	}
	var none *Catalogue
	if got := none.Fill(vars, wanted); len(got) != 3 {
		t.Errorf("without a catalogue: %v", got)
	}
}

func TestBadCatalogues(t *testing.T) {
	good := string(shipped)
	for _, k := range []struct{ from, to, want string }{
		{"ringmaster-courses/1", "courses/9", "format"},
		{"weak: 80", "weak: 800", "weak"},
		{"exam: 12", "exam: -1", "points"},
		{"{mean}分，提升", "{score}分，提升", "reasons.weak"},
		{"  wish: \"", "  wishes: \"", "reasons.wish"},
		{"id: maths_olympiad", "id: maths_high", "taken"},
		{"subject: physics", "subject: magic", "subject"},
		{"grades: [grade12, grade12]", "grades: [grade12, grade1]", "grades"},
		{"marks: [90, 100]", "marks: [90]", "the first and the last"},
		{"after: [english_talk]", "after: [english]", "after"},
		{"exam: gaokao", "exam: kaoyan", "reasons.exam_kaoyan"},
		{"price: 1580", "price: -1", "price"},
		{"name: 数学培优班", "name: ''", "name"},
		{"\ncourses:", "\nkurse:", "kurse"},
	} {
		src := strings.Replace(good, k.from, k.to, 1)
		if src == good {
			t.Fatalf("%q is not in the catalogue", k.from)
		}
		if _, err := Load("x.yaml", []byte(src)); !errors.Is(err, ErrCatalogue) || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v", k.to, err)
		}
	}
	if _, err := Load("x.yaml", make([]byte, maxFile+1)); !errors.Is(err, ErrCatalogue) {
		t.Errorf("too large: %v", err)
	}
}

// Any bytes give a catalogue or an error, and a catalogue answers.
func FuzzLoad(f *testing.F) {
	f.Add(shipped, "grade9", 60)
	f.Add([]byte("format: ringmaster-courses/1\ncourses: [{id: a}]"), "grade1", 3)
	f.Add([]byte("\xff{"), "", -1)
	f.Fuzz(func(t *testing.T, src []byte, grade string, mark int) {
		c, err := Load("fuzz.yaml", src)
		if err != nil {
			if !errors.Is(err, ErrCatalogue) {
				t.Fatal(err)
			}
			return
		}
		marks := map[string][]int{}
		for s := range c.Subjects {
			marks[s] = []int{mark}
		}
		for _, p := range c.Top(Learner{Grade: grade, Marks: marks}, 5) {
			if p.Points <= 0 || p.Spoken() == "" {
				t.Fatalf("%+v", p)
			}
		}
	})
}
