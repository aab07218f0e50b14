package dialogue

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Type of a variable or slot. Values are kept in one canonical text form:
// number and amount decimal, bool true/false, date 2006-01-02, time 15:04,
// datetime 2006-01-02T15:04 (the wall clock as it was given), digits and
// phone 0-9, enum one of its values.
type varType string

const (
	tText     varType = "text"
	tName     varType = "name"
	tNumber   varType = "number"
	tAmount   varType = "amount"
	tPercent  varType = "percent"
	tDiscount varType = "discount"
	tBool     varType = "bool"
	tDate     varType = "date"
	tTime     varType = "time"
	tDateTime varType = "datetime"
	tDigits   varType = "digits"
	tPhone    varType = "phone"
	tEnum     varType = "enum"
	tGrade    varType = "grade" // school: preschool, grade1 to grade12
)

func varTypes() []string {
	return []string{"text", "name", "number", "amount", "percent", "discount", "bool", "date", "time", "datetime", "digits", "phone", "enum", "grade"}
}

// maxValue bounds the text of one customer value that may be spoken.
const maxValue = 200

var errEmpty = errors.New("no value")

// canonical brings a customer's value of any JSON kind to the text form of
// its type. A value that cannot be said right is an error, not a guess.
func canonical(t varType, values []string, v any) (string, error) {
	s, err := plain(v)
	if err != nil {
		return "", err
	}
	switch t {
	case tNumber, tAmount, tPercent, tDiscount:
		return canonicalNumber(t, s)
	case tBool:
		b, err := strconv.ParseBool(strings.ToLower(s))
		if err != nil {
			return "", fmt.Errorf("%q is not true or false", clip(s, 40))
		}
		return strconv.FormatBool(b), nil
	case tDate, tTime, tDateTime:
		at, err := wallClock(t, s)
		if err != nil {
			return "", err
		}
		return at.Format(layoutOf(t)), nil
	case tDigits, tPhone:
		return canonicalDigits(s)
	case tGrade:
		if n, ok := gradeOf(s); !ok || n < 0 || n > 12 {
			return "", fmt.Errorf("%q is not preschool or grade1 to grade12", clip(s, 40))
		}
		return s, nil
	case tEnum:
		for _, e := range values {
			if e == s {
				return s, nil
			}
		}
		return "", fmt.Errorf("%q is none of %s", clip(s, 40), strings.Join(values, ", "))
	}
	if len([]rune(s)) > maxValue {
		return "", fmt.Errorf("longer than %d characters", maxValue)
	}
	return s, nil
}

// plain is the bare text of a JSON scalar, without control characters and
// with single spaces: a line break in a CRM field is not a line break in
// what is said.
func plain(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", errEmpty
	case string:
		s := strings.Join(strings.Fields(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == unicode.ReplacementChar {
				return ' '
			}
			if unicode.Is(unicode.Cf, r) {
				return -1
			}
			return r
		}, v)), " ")
		if s == "" {
			return "", errEmpty
		}
		return s, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", errors.New("not a finite number")
		}
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case time.Time:
		return v.Format("2006-01-02T15:04:05"), nil
	case fmt.Stringer: // json.Number
		return plain(v.String())
	}
	return "", fmt.Errorf("a %T cannot be spoken", v)
}

func canonicalNumber(t varType, s string) (string, error) {
	s = strings.TrimSpace(strings.TrimRight(strings.TrimLeft(strings.ReplaceAll(s, ",", ""), "¥￥$"), "元%折"))
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) >= 1e15 || strings.ContainsAny(s, "xXpPeE_") {
		return "", fmt.Errorf("%q is not a number", clip(s, 40))
	}
	if t == tAmount {
		s = strconv.FormatFloat(f, 'f', 2, 64)
		return strings.TrimSuffix(s, ".00"), nil
	}
	return strconv.FormatFloat(f, 'f', -1, 64), nil
}

func canonicalDigits(s string) (string, error) {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r >= '０' && r <= '９':
			b.WriteRune(r - '０' + '0')
		case r == ' ' || r == '-' || r == '+' && i == 0 || r == '(' || r == ')':
		default:
			return "", fmt.Errorf("%q holds more than digits", clip(s, 4)+"...")
		}
	}
	if b.Len() == 0 || b.Len() > 32 {
		return "", errors.New("between 1 and 32 digits are wanted")
	}
	return b.String(), nil
}

func layoutOf(t varType) string {
	switch t {
	case tDate:
		return "2006-01-02"
	case tTime:
		return "15:04"
	}
	return "2006-01-02T15:04"
}

// wallClock reads a date or time as it is written; an offset is read and left
// alone: 14:00+08:00 is said as two in the afternoon.
func wallClock(t varType, s string) (time.Time, error) {
	layouts := []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"}
	if t == tDate {
		layouts = append(layouts, "2006-01-02", "2006/1/2", "20060102", "2006年1月2日")
	}
	if t == tTime {
		layouts = append(layouts, "15:04", "15:04:05")
	}
	for _, l := range layouts {
		if at, err := time.Parse(l, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a %s (write %s)", clip(s, 40), t, layoutOf(t))
}
