package recommend

import (
	"errors"
	"fmt"
	"sort"
	"time"
)

// Order is one purchase.
type Order struct {
	Customer string
	At       time.Time
	Amount   int64 // fen; a refund is negative and counts against the money only
}

// Tier of a member.
type Tier string

// Tiers, the best first.
const (
	Platinum Tier = "platinum"
	Gold     Tier = "gold"
	Silver   Tier = "silver"
	Basic    Tier = "basic"
)

// RFM is how recently, how often and for how much somebody has bought: the
// values, and for each its quintile from 1 (the worst fifth) to 5.
type RFM struct {
	Days   int   // whole days since the last purchase
	Orders int   // purchases
	Amount int64 // fen
	R      int
	F      int
	M      int
	Tier   Tier
	// Sleeping: used to buy well (F or M of 4 and more) and is among the two
	// fifths that have been away the longest.
	Sleeping bool
}

// ErrOrders means that orders cannot be counted; the text says which.
var ErrOrders = errors.New("orders")

// Tiers computes the RFM of every customer from the orders up to asOf; later
// ones are left out. It depends on nothing but the set of orders: not on their
// sequence, and equal values have equal quintiles (the fifths of the ranking,
// by the share of customers that are strictly worse; after A. M. Hughes,
// Strategic Database Marketing, 1994).
func Tiers(orders []Order, asOf time.Time) (map[string]RFM, error) {
	last := map[string]time.Time{}
	out := map[string]RFM{}
	for i, o := range orders {
		switch {
		case o.Customer == "":
			return nil, fmt.Errorf("%w: order %d names no customer", ErrOrders, i+1)
		case o.At.IsZero():
			return nil, fmt.Errorf("%w: order %d has no time", ErrOrders, i+1)
		case o.Amount > maxAmount || o.Amount < -maxAmount:
			return nil, fmt.Errorf("%w: order %d is beyond %d fen", ErrOrders, i+1, int64(maxAmount))
		case o.At.After(asOf):
			continue
		}
		r := out[o.Customer]
		r.Amount += o.Amount
		if o.Amount >= 0 {
			r.Orders++
			if o.At.After(last[o.Customer]) {
				last[o.Customer] = o.At
			}
		}
		out[o.Customer] = r
	}
	var recency, frequency, money []int64
	for id, r := range out {
		if r.Orders == 0 { // only refunds: the purchase lies before the data
			delete(out, id)
			continue
		}
		r.Days = int(asOf.Sub(last[id]) / (24 * time.Hour))
		out[id] = r
		recency, frequency, money = append(recency, -int64(r.Days)), append(frequency, int64(r.Orders)), append(money, r.Amount)
	}
	for _, v := range [][]int64{recency, frequency, money} {
		sort.Slice(v, func(i, j int) bool { return v[i] < v[j] })
	}
	for id, r := range out {
		r.R, r.F, r.M = quintile(recency, -int64(r.Days)), quintile(frequency, int64(r.Orders)), quintile(money, r.Amount)
		r.Tier = tierOf(r.R + r.F + r.M)
		r.Sleeping = r.R <= 2 && (r.F >= 4 || r.M >= 4)
		out[id] = r
	}
	return out, nil
}

// maxAmount of one order, in fen: ten million yuan.
const maxAmount = 1_000_000_000

// quintile of v among the sorted values: 1 + the fifths that are strictly worse.
func quintile(sorted []int64, v int64) int {
	worse := sort.Search(len(sorted), func(i int) bool { return sorted[i] >= v })
	return 1 + 5*worse/len(sorted)
}

func tierOf(sum int) Tier {
	switch {
	case sum >= 13:
		return Platinum
	case sum >= 10:
		return Gold
	case sum >= 7:
		return Silver
	}
	return Basic
}
