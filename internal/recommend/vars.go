package recommend

import (
	"math"
	"slices"
	"strings"
)

// Names of contact variables.
const (
	// Read: the learning history as a CRM gives it.
	VarGrade  = "grade"  // "grade9"
	VarMarks  = "marks"  // {"maths": [70, 62], "english": 85}
	VarTaken  = "taken"  // ["maths_base_middle"], or one text with commas
	VarWishes = "wishes" // ["english"], likewise
	// Written, unless they are there already.
	VarCourse  = "course"         // 中考冲刺班
	VarReason  = "course_reason"  // 孩子数学最近平均62分，...
	VarSubject = "course_subject" // maths
	VarFor     = "course_grade"   // grade9: the grade that it is recommended for
	VarPrice   = "price"          // 1280
	VarSecond  = "course_second"  // the second best, if any
)

// Bounds of what is read from a contact.
const (
	maxItems = 100
	maxMarks = 100 // of one subject
)

// LearnerOf reads a contact's variables as they came from JSON. What cannot be
// read counts as unknown; false when the grade or any mark, course or wish is
// missing, so that nothing is recommended from nothing.
func LearnerOf(vars map[string]any) (Learner, bool) {
	l := Learner{Marks: map[string][]int{}}
	l.Grade, _ = vars[VarGrade].(string)
	if m, ok := vars[VarMarks].(map[string]any); ok && len(m) <= maxItems {
		for subject, v := range m {
			if marks := marksOf(v); len(marks) > 0 {
				l.Marks[subject] = marks
			}
		}
	}
	l.Taken, l.Wishes = listOf(vars[VarTaken]), listOf(vars[VarWishes])
	_, ok := gradeNumber(l.Grade)
	return l, ok && len(l.Marks)+len(l.Taken)+len(l.Wishes) > 0
}

func marksOf(v any) []int {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []int
	for _, e := range list[max(0, len(list)-maxMarks):] {
		var f float64
		switch e := e.(type) {
		case float64:
			f = e
		case int:
			f = float64(e)
		case uint64:
			f = float64(e)
		default:
			continue
		}
		if f >= 0 && f <= 100 {
			out = append(out, int(math.Round(f)))
		}
	}
	return out
}

func listOf(v any) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, e := range v[:min(len(v), maxItems)] {
			if s, ok := e.(string); ok && s != "" {
				out = append(out, s)
			}
		}
	case string:
		for _, s := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == '，' || r == ' ' }) {
			if len(out) < maxItems {
				out = append(out, s)
			}
		}
	}
	return out
}

// Fill gives the variables of a contact with the recommendation added, for a
// script that declares (some of) the names wanted. What the contact already
// has stays; vars itself is never changed. A course that the contact's own
// data names is left without our reason.
func (c *Catalogue) Fill(vars map[string]any, wanted []string) map[string]any {
	if c == nil || !slices.Contains(wanted, VarReason) || vars[VarCourse] != nil || vars[VarReason] != nil {
		return vars
	}
	l, ok := LearnerOf(vars)
	if !ok {
		return vars
	}
	top := c.Top(l, 2)
	if len(top) == 0 {
		return vars
	}
	out := make(map[string]any, len(vars)+6)
	for k, v := range vars {
		out[k] = v
	}
	best := top[0]
	add := map[string]any{VarCourse: best.Course.Name, VarReason: best.Spoken(), VarSubject: best.Course.Subject, VarFor: l.Grade, VarPrice: float64(best.Course.Price)}
	if len(top) > 1 {
		add[VarSecond] = top[1].Course.Name
	}
	for k, v := range add {
		if out[k] == nil && slices.Contains(wanted, k) {
			out[k] = v
		}
	}
	return out
}
