package recommend

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed courses.yaml
var shipped []byte

// Format is the first line of every catalogue.
const Format = "ringmaster-courses/1"

// Bounds of a catalogue.
const (
	maxFile    = 1 << 20
	maxCourses = 5000
	maxText    = 120 // characters of a name or a reason: it is spoken
)

// ErrCatalogue means that a catalogue of courses cannot be used as it stands;
// the text says where and what to write.
var ErrCatalogue = errors.New("catalogue of courses")

// Catalogue is what may be recommended, with the points and the words for it.
// It is immutable after Load.
type Catalogue struct {
	Format   string            `yaml:"format"`
	Subjects map[string]string `yaml:"subjects"` // key to what is said: maths: 数学
	Weak     int               `yaml:"weak"`     // a mean mark under it is a weakness, 1 to 100
	Fall     int               `yaml:"fall"`     // marks lost that count as falling, 1 to 100
	Points   Points            `yaml:"points"`
	Reasons  map[string]string `yaml:"reasons"`
	Courses  []Course          `yaml:"courses"`
}

// Points of the rules beside the weakness, which has one for each mark that is
// missing to Catalogue.Weak.
type Points struct {
	Exam      int `yaml:"exam"`      // it prepares for the exam of this year
	Falling   int `yaml:"falling"`   // the marks of its subject fall
	Continues int `yaml:"continues"` // it goes on where a course that was taken ended
	Wish      int `yaml:"wish"`      // the customer has asked for its subject
	Strong    int `yaml:"strong"`    // it is for the strong, and the learner is
}

// Course is one course of the catalogue.
type Course struct {
	ID      string   `yaml:"id"`
	Name    string   `yaml:"name"` // as it is said
	Subject string   `yaml:"subject"`
	Grades  []string `yaml:"grades"` // the first and the last: [grade7, grade9]
	Marks   []int    `yaml:"marks"`  // the lowest and the highest mean mark: [0, 79]
	Exam    string   `yaml:"exam"`   // zhongkao or gaokao
	After   []string `yaml:"after"`  // courses that must have been taken
	Price   int      `yaml:"price"`  // yuan

	from, to int
}

// Shipped is the catalogue that comes with the program.
func Shipped() (*Catalogue, error) { return Load("courses.yaml", shipped) }

// Load reads a catalogue strictly; every error wraps ErrCatalogue and names
// the course.
func Load(file string, src []byte) (*Catalogue, error) {
	if len(src) > maxFile {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes: split it by school", ErrCatalogue, file, maxFile)
	}
	c := &Catalogue{}
	if err := yaml.UnmarshalWithOptions(src, c, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCatalogue, file, err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCatalogue, file, err)
	}
	return c, nil
}

func (c *Catalogue) check() error {
	switch {
	case c.Format != Format:
		return fmt.Errorf("format is %q: write %s", clip(c.Format), Format)
	case len(c.Courses) == 0 || len(c.Courses) > maxCourses:
		return fmt.Errorf("%d courses: between 1 and %d are wanted", len(c.Courses), maxCourses)
	case c.Weak < 1 || c.Weak > 100 || c.Fall < 1 || c.Fall > 100:
		return errors.New("weak and fall are marks from 1 to 100")
	}
	for _, p := range []int{c.Points.Exam, c.Points.Falling, c.Points.Continues, c.Points.Wish, c.Points.Strong} {
		if p < 0 || p > 1000 {
			return errors.New("points are between 0 and 1000")
		}
	}
	for name, text := range c.Reasons {
		if err := checkReason(name, text); err != nil {
			return err
		}
	}
	for _, name := range []string{"weak", "falling", "strong", "continues", "wish"} {
		if c.Reasons[name] == "" {
			return fmt.Errorf("reasons.%s is missing: nothing is recommended without words for it", name)
		}
	}
	for key, said := range c.Subjects {
		if said == "" || tooLong(said) {
			return fmt.Errorf("subjects.%s: write what is said, at most %d characters", clip(key), maxText)
		}
	}
	return c.checkCourses()
}

func (c *Catalogue) checkCourses() error {
	ids := map[string]bool{}
	for _, k := range c.Courses {
		ids[k.ID] = true
	}
	seen := map[string]bool{}
	for i := range c.Courses {
		k := &c.Courses[i]
		if err := c.checkCourse(k, ids); err != nil {
			return fmt.Errorf("course %d (%s): %w", i+1, clip(k.ID), err)
		}
		if seen[k.ID] {
			return fmt.Errorf("course %d: the id %q is taken", i+1, clip(k.ID))
		}
		seen[k.ID] = true
	}
	return nil
}

func (c *Catalogue) checkCourse(k *Course, ids map[string]bool) error {
	switch {
	case k.ID == "" || tooLong(k.ID):
		return errors.New("id is missing or too long")
	case k.Name == "" || tooLong(k.Name):
		return fmt.Errorf("name is missing or longer than %d characters", maxText)
	case c.Subjects[k.Subject] == "":
		return fmt.Errorf("subject %q is not among subjects", clip(k.Subject))
	case k.Exam != "" && c.Reasons["exam_"+k.Exam] == "":
		return fmt.Errorf("exam %q has no words: add reasons.exam_%s", clip(k.Exam), clip(k.Exam))
	case k.Price < 0 || k.Price > 1_000_000:
		return errors.New("price is in yuan, between 0 and 1000000")
	case len(k.Grades) != 2 || len(k.Marks) != 2:
		return errors.New("write the first and the last: grades: [grade7, grade9], marks: [0, 79]")
	case k.Marks[0] < 0 || k.Marks[1] > 100 || k.Marks[0] > k.Marks[1]:
		return errors.New("marks go from 0 to 100, the lower first")
	}
	var ok1, ok2 bool
	k.from, ok1 = gradeNumber(k.Grades[0])
	k.to, ok2 = gradeNumber(k.Grades[1])
	if !ok1 || !ok2 || k.from > k.to {
		return errors.New("grades are preschool or grade1 to grade12, the lower first")
	}
	for _, before := range k.After {
		if !ids[before] || before == k.ID {
			return fmt.Errorf("after: there is no other course %q", clip(before))
		}
	}
	return nil
}

// placeholders that a reason may hold.
func placeholders() []string { return []string{"{subject}", "{mean}", "{fall}", "{before}"} }

func checkReason(name, text string) error {
	if strings.TrimSpace(text) == "" || tooLong(text) {
		return fmt.Errorf("reasons.%s: between 1 and %d characters are spoken", clip(name), maxText)
	}
	rest := text
	for _, p := range placeholders() {
		rest = strings.ReplaceAll(rest, p, "")
	}
	if strings.ContainsAny(rest, "{}") {
		return fmt.Errorf("reasons.%s: only %s can be filled in", clip(name), strings.Join(placeholders(), " "))
	}
	return nil
}

func tooLong(s string) bool { return len([]rune(s)) > maxText }

func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return s
}

// gradeNumber is 0 for preschool, 1 to 12 for grade1 to grade12.
func gradeNumber(s string) (int, bool) {
	if s == "preschool" {
		return 0, true
	}
	digits, ok := strings.CutPrefix(s, "grade")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 1 && n <= 12 && digits == strconv.Itoa(n)
}
