package simulate_test

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/simulate"
	"ringmaster/scripts"
)

func promotion(t *testing.T) *dialogue.Script {
	t.Helper()
	src, err := fs.ReadFile(scripts.FS(), "retail/promotion_001.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := dialogue.Compile("promotion_001.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func options() simulate.Options {
	return simulate.Options{Calls: 300, Seed: 7, Goal: "confirm", Now: time.Date(2026, 10, 1, 14, 0, 0, 0, time.UTC),
		Customer: dialogue.Customer{ID: "1", Name: "张三", Vars: map[string]any{"ends": "2026-10-07"}}}
}

func run(t *testing.T, o simulate.Options) simulate.Report {
	t.Helper()
	r, err := simulate.Run(t.Context(), promotion(t), keyword.New(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheSameSeedGivesTheSameCalls(t *testing.T) {
	a, b := run(t, options()), run(t, options())
	if !reflect.DeepEqual(a, b) || a.String() != b.String() || a.SVG() != b.SVG() {
		t.Fatalf("%s\n%s", a, b)
	}
	o := options()
	o.Seed = 8
	if c := run(t, o); reflect.DeepEqual(a.Dispositions, c.Dispositions) && reflect.DeepEqual(a.Funnel, c.Funnel) {
		t.Error("another seed gives the same calls")
	}
	t.Logf("%s", a)
}

func TestTheFunnelAddsUp(t *testing.T) {
	r := run(t, options())
	sum, mixed := 0, map[campaign.Disposition]int{}
	for _, n := range r.Dispositions {
		sum += n
	}
	for _, byEnd := range r.Personas {
		for d, n := range byEnd {
			mixed[d] += n
		}
	}
	if sum != r.Calls || !reflect.DeepEqual(mixed, r.Dispositions) {
		t.Errorf("%d calls: dispositions %v, of personas %v", r.Calls, r.Dispositions, mixed)
	}
	at := map[string]int{}
	for _, s := range r.Funnel {
		at[s.Name] = s.Calls
	}
	if at["dialled"] != r.Calls || at["disclosed"] > at["dialled"] || at["offer"] > at["opening"] || at["confirm"] > at["category"] ||
		at["goal: confirm"] != at["confirm"] || at["confirm"] == 0 {
		t.Errorf("funnel %+v", r.Funnel)
	}
	if r.Dispositions[simulate.Unfinished] != 0 {
		t.Errorf("%d calls came to no end", r.Dispositions[simulate.Unfinished])
	}
}

// Every persona does what it is named for.
func TestPersonasAreWhatTheyAreCalled(t *testing.T) {
	for p, want := range map[simulate.Persona]campaign.Disposition{
		simulate.Cooperative: campaign.Completed, simulate.Complainer: campaign.Complaint, simulate.Silent: campaign.NoInput,
		simulate.Abusive: campaign.OptedOut, simulate.HangUp: campaign.HungUp,
	} {
		o := options()
		o.Calls, o.Weights = 60, map[simulate.Persona]int{p: 1}
		r := run(t, o)
		for d, n := range r.Dispositions {
			if n > r.Dispositions[want] {
				t.Errorf("%s: more calls end as %s than as %s: %v", p, d, want, r.Dispositions)
			}
		}
	}
}

func TestThePictureIsWellFormed(t *testing.T) {
	r := run(t, options())
	r.Script = `<script>"&`
	d := xml.NewDecoder(strings.NewReader(r.SVG()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
