package compliance_test

import (
	"fmt"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

// rangesOfWorld are real ranges of many zones.
var rangesOfWorld = []string{
	"+8613812345678", "+861065521234", "+8613900000001", "+12125552368", "+13125550123", "+14155550123", "+19075550123", "+16025550123", "+18085550123",
	"+442070313000", "+447400123456", "+33142681234", "+33612345678", "+4930123456", "+351912345678", "+61412345678", "+61892345678", "+12042345678",
	"+17097001234", "+5511912345678", "+56221234567", "+9613123456", "+201001234567", "+9779841234567", "+212612345678", "+73952123456", "+6421234567", "+81312345678",
}

// zonesOfWorld are set on some contacts; among them those with odd clock changes.
var zonesOfWorld = []string{
	"", "", "", "", "", "Asia/Shanghai", "America/New_York", "Europe/London", "Europe/Paris", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca",
	"Africa/Cairo", "Asia/Beirut", "America/Santiago", "America/Havana", "Asia/Gaza", "Pacific/Apia", "Asia/Kathmandu", "Atlantic/Azores", "Pacific/Chatham",
	"Antarctica/Troll", "America/Nuuk", "Asia/Tehran",
}

var ownOfWorld = [][]ownCap{
	{},
	{{"person", "24h", 3, "all", false}, {"person", "7d", 7, "all", false}, {"number", "24h", 3, "all", false}, {"number", "7d", 7, "all", false}},
	{{"person", "day", 2, "all", false}, {"number", "day", 3, "answered", true}},
	{{"contact", "24h", 2, "all", true}, {"person", "31d", 9, "all", false}},
	{{"person", "day", 1, "effective", true}, {"number", "24h", 4, "all", false}, {"person", "life", 12, "all", false}},
	{{"contact", "life", 3, "all", false}, {"number", "life", 20, "all", false}, {"person", "7d", 3, "answered", true}},
}

type stage struct {
	rules   []compliance.Rules // by ownOfWorld
	numbers []compliance.Act   // looked at once: the number alone
	region  []string
	zones   [][]string
	dst     [][]time.Time // clock changes of each number's first zone
	// registered is the caller ID of all acts.
	registered *compliance.Registration
	places     map[string]*time.Location
}

func newStage(t testing.TB) *stage {
	t.Helper()
	law, err := config.Compliance{Drafts: []string{"CN-commercial"}}.Set()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{registered: &compliance.Registration{Voice: true, SMS: true, Trunk: "carrier"}, places: map[string]*time.Location{}}
	for _, own := range ownOfWorld {
		var caps []compliance.Cap
		for i, o := range own {
			var ch []compliance.Channel
			if o.voice {
				ch = []compliance.Channel{compliance.Voice}
			}
			c, err := compliance.ParseCap(fmt.Sprintf("own%d", i), o.subject, o.per, o.most, o.counts, ch)
			if err != nil {
				t.Fatal(err)
			}
			caps = append(caps, c)
		}
		s.rules = append(s.rules, compliance.New(law, compliance.Options{
			Regions: []string{"CN", "US", "GB", "FR", "DE", "PT", "AU", "CA", "BR", "CL", "LB", "EG", "NP", "MA", "RU", "NZ", "JP"}, Late: time.Minute, Caps: caps,
		}))
	}
	for _, raw := range rangesOfWorld {
		n, err := phone.Parse(raw, "ZZ")
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		zones := n.Zones()
		if len(zones) == 0 {
			t.Fatalf("%s has no zone", raw)
			continue
		}
		s.numbers, s.region, s.zones = append(s.numbers, s.rules[0].Prepared(compliance.Act{Number: n})), append(s.region, n.Region()), append(s.zones, zones)
		s.dst = append(s.dst, changes(t, zones[0]))
		for _, z := range append(zones, zonesOfWorld...) {
			if loc, err := time.LoadLocation(z); err == nil && z != "" {
				s.places[z] = loc
			}
		}
	}
	return s
}

// changes are a zone's clock changes in the simulated years.
func changes(t testing.TB, zone string) []time.Time {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	var out []time.Time
	for at := time.Date(2025, 1, 1, 0, 0, 0, 0, loc); ; {
		_, end := at.ZoneBounds()
		if end.IsZero() || end.Year() > 2032 {
			return out
		}
		out, at = append(out, end), end
	}
}
