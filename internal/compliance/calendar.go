package compliance

// Calendar is the public holidays of some years, and the workdays that make up
// for them (调休).
type Calendar struct {
	Name     string
	Source   string
	from, to int64 // days since 1970-01-01 that it holds, [from, to)
	special  map[int64]dayKind
	titles   map[int64]string
	digest   [32]byte
}

type dayKind uint8

const (
	dayOrdinary dayKind = iota
	dayHoliday
	dayMakeup
	dayUnknown
)

func (c *Calendar) kind(day int64) dayKind {
	if day < c.from || day >= c.to {
		return dayUnknown
	}
	return c.special[day]
}
