package recommend

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

func asOf() time.Time { return time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC) }

// The row: the quintiles can be counted again from the orders given, whatever
// their sequence.
func TestRow_S27_QuintilesAreReproducible(t *testing.T) {
	r := rand.New(rand.NewPCG(27, 27))
	var orders []Order
	for i := range 4000 {
		orders = append(orders, Order{Customer: fmt.Sprint("c", r.IntN(500)), At: asOf().Add(-time.Duration(i) * time.Hour), Amount: int64(100 + r.IntN(100_000))})
	}
	got, err := Tiers(orders, asOf())
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		r.Shuffle(len(orders), func(i, j int) { orders[i], orders[j] = orders[j], orders[i] })
		again, err := Tiers(orders, asOf())
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("another sequence of the same orders: %v", err)
		}
	}
	recount(t, orders, got)
	tiers := map[Tier]int{}
	for _, x := range got {
		tiers[x.Tier]++
	}
	t.Logf("%d customers: %v", len(got), tiers)
	if len(tiers) != 4 {
		t.Errorf("%v", tiers)
	}
}

// recount counts anew, by the definition: one plus the whole fifths of the
// customers who are strictly worse.
func recount(t *testing.T, orders []Order, got map[string]RFM) {
	t.Helper()
	type sum struct {
		days, n int
		amount  int64
	}
	all := map[string]sum{}
	for _, o := range orders {
		days := int(asOf().Sub(o.At) / (24 * time.Hour))
		s, ok := all[o.Customer]
		if !ok || days < s.days {
			s.days = days
		}
		s.n++
		s.amount += o.Amount
		all[o.Customer] = s
	}
	for id, a := range all {
		r, f, m := 0, 0, 0
		for _, b := range all {
			if b.days > a.days {
				r++
			}
			if b.n < a.n {
				f++
			}
			if b.amount < a.amount {
				m++
			}
		}
		want := [3]int{1 + r*5/len(all), 1 + f*5/len(all), 1 + m*5/len(all)}
		if x := got[id]; [3]int{x.R, x.F, x.M} != want || x.Days != a.days || x.Orders != a.n || x.Amount != a.amount {
			t.Fatalf("%s: %+v, want %v of %+v", id, x, want, a)
		}
	}
}

func TestTierEdges(t *testing.T) {
	day := func(n int) time.Time { return asOf().AddDate(0, 0, -n) }
	got, err := Tiers([]Order{
		{"often", day(1), 50_000}, {"often", day(2), 50_000}, {"often", day(9), 50_000},
		{"once", day(300), 1000}, {"slept", day(400), 90_000}, {"slept", day(401), 90_000}, {"slept", day(402), 90_000}, {"slept", day(403), 90_000},
		{"x", day(30), 2000}, {"x", day(31), 2000}, {"refunded", day(5), -100}, {"later", asOf().Add(time.Second), 5},
		{"y", day(20), 2000}, {"y", day(3), -1500},
	}, asOf())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 5 {
		t.Errorf("%v", got)
	}
	if x := got["often"]; x.Tier != Platinum || x.R != 5 || x.Sleeping {
		t.Errorf("often: %+v", x)
	}
	if x := got["slept"]; !x.Sleeping || x.R != 1 || x.F != 5 || x.M != 5 {
		t.Errorf("slept: %+v", x)
	}
	if x := got["y"]; x.Orders != 1 || x.Amount != 500 || x.Days != 20 {
		t.Errorf("a refund takes money only: %+v", x)
	}
	for _, bad := range []Order{{"", day(1), 1}, {"a", time.Time{}, 1}, {"a", day(1), maxAmount + 1}} {
		if _, err := Tiers([]Order{bad}, asOf()); !errors.Is(err, ErrOrders) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if got, err := Tiers(nil, asOf()); err != nil || len(got) != 0 {
		t.Errorf("%v %v", got, err)
	}
}
