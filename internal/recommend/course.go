package recommend

import (
	"slices"
	"strconv"
	"strings"
)

// Learner is what is known of somebody who may take a course.
type Learner struct {
	Grade  string           // preschool, grade1 to grade12
	Marks  map[string][]int // subject to marks of 100, oldest first
	Taken  []string         // IDs of courses
	Wishes []string         // subjects that were asked for
}

// Reason is why a course is recommended: the rule, its points and its words.
type Reason struct {
	Rule   string // weak, falling, exam, strong, continues, wish
	Points int
	Text   string // as it is said, without a full stop
}

// Pick is a recommended course with its reasons, the weightiest first.
type Pick struct {
	Course  Course
	Points  int // the sum of the reasons'
	Reasons []Reason
}

// spokenReasons is how many reasons are said: nobody listens to more.
const spokenReasons = 2

// Spoken is the reason as a clause: the two weightiest, joined.
func (p Pick) Spoken() string {
	var out []string
	for _, r := range p.Reasons[:min(len(p.Reasons), spokenReasons)] {
		out = append(out, r.Text)
	}
	return strings.Join(out, "，")
}

// Top gives the k courses that fit best, the best first, never one without a
// reason. Equal points are told apart by the price (the cheaper first), then
// by the ID, so that the answer never depends on the order of anything.
func (c *Catalogue) Top(l Learner, k int) []Pick {
	grade, ok := gradeNumber(l.Grade)
	if !ok || k <= 0 {
		return nil
	}
	var out []Pick
	for i := range c.Courses {
		course := &c.Courses[i]
		if !fits(course, grade, l) {
			continue
		}
		p := Pick{Course: *course, Reasons: c.reasons(course, l)}
		p.Course.Grades, p.Course.Marks, p.Course.After = slices.Clone(course.Grades), slices.Clone(course.Marks), slices.Clone(course.After)
		for _, r := range p.Reasons {
			p.Points += r.Points
		}
		if len(p.Reasons) > 0 && p.Points > 0 {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Pick) int {
		switch {
		case a.Points != b.Points:
			return b.Points - a.Points
		case a.Course.Price != b.Course.Price:
			return a.Course.Price - b.Course.Price
		}
		return strings.Compare(a.Course.ID, b.Course.ID)
	})
	return out[:min(len(out), k)]
}

// fits: the rules that no points outweigh.
func fits(c *Course, grade int, l Learner) bool {
	if grade < c.from || grade > c.to || slices.Contains(l.Taken, c.ID) {
		return false
	}
	for _, before := range c.After {
		if !slices.Contains(l.Taken, before) {
			return false
		}
	}
	mean, known := meanOf(l.Marks[c.Subject])
	return !known || mean >= c.Marks[0] && mean <= c.Marks[1]
}

// reasons of a course that fits, the weightiest first, then by the name of
// the rule.
func (c *Catalogue) reasons(k *Course, l Learner) []Reason {
	var out []Reason
	subject := c.Subjects[k.Subject]
	add := func(rule, words string, points int, fill ...string) {
		if points > 0 {
			fill = append(fill, "{subject}", subject)
			out = append(out, Reason{Rule: rule, Points: points, Text: strings.NewReplacer(fill...).Replace(c.Reasons[words])})
		}
	}
	mean, known := meanOf(l.Marks[k.Subject])
	weak := known && mean < c.Weak
	fall := fallOf(l.Marks[k.Subject])
	wished := slices.Contains(l.Wishes, k.Subject)
	if weak {
		add("weak", "weak", c.Weak-mean, "{mean}", strconv.Itoa(mean))
	}
	if known && !weak && k.Marks[0] >= c.Weak {
		add("strong", "strong", c.Points.Strong, "{mean}", strconv.Itoa(mean))
	}
	if fall >= c.Fall {
		add("falling", "falling", c.Points.Falling, "{fall}", strconv.Itoa(fall))
	}
	if wished {
		add("wish", "wish", c.Points.Wish)
	}
	if len(k.After) > 0 {
		add("continues", "continues", c.Points.Continues, "{before}", c.name(k.After[len(k.After)-1]))
	}
	// An exam that comes is no reason for a subject that needs nothing.
	if k.Exam != "" && len(out) > 0 {
		add("exam", "exam_"+k.Exam, c.Points.Exam)
	}
	slices.SortFunc(out, func(a, b Reason) int {
		if a.Points != b.Points {
			return b.Points - a.Points
		}
		return strings.Compare(a.Rule, b.Rule)
	})
	return out
}

func (c *Catalogue) name(id string) string {
	for i := range c.Courses {
		if c.Courses[i].ID == id {
			return c.Courses[i].Name
		}
	}
	return id
}

// recent is how many of the last marks count.
const recent = 3

// meanOf is the mean of the last marks, rounded; false without marks.
func meanOf(marks []int) (int, bool) {
	marks = marks[max(0, len(marks)-recent):]
	if len(marks) == 0 {
		return 0, false
	}
	sum := 0
	for _, m := range marks {
		sum += m
	}
	return (2*sum + len(marks)) / (2 * len(marks)), true
}

// fallOf is by how much the last mark lies under the first of the last ones.
func fallOf(marks []int) int {
	marks = marks[max(0, len(marks)-recent):]
	if len(marks) < 2 {
		return 0
	}
	return max(0, marks[0]-marks[len(marks)-1])
}
