package classify

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func labelled(label, sentences string) []Example {
	var out []Example
	for s := range strings.FieldsSeq(sentences) {
		out = append(out, Example{label, s})
	}
	return out
}

// Two labels of one meaning are taken for each other, and it is said because of
// what; two that mean different things are not. The same examples give the same.
func TestApartFindsLabelsOfOneMeaning(t *testing.T) {
	where := labelled("where", "你们店在哪里 店的地址在哪 门店在什么位置 怎么到你们店里 店开在哪条路上 你们店里怎么走")
	place := labelled("place", "店在哪个位置 你们门店怎么走 到店里怎么去 地址是哪里 在哪条路上 你们的店在什么地方")
	price := labelled("price", "这个要多少钱 价格是多少 收费吗 多少钱一份 怎么收费 有没有优惠价格")
	mixed, err := Apart(t.Context(), append(append(append([]Example{}, where...), place...), price...), 0)
	if err != nil {
		t.Fatal(err)
	}
	both := map[string]int{}
	for _, x := range mixed {
		from := append(append(append([]Example{}, where...), place...), price...)[x.Example]
		both[from.Label+" "+x.Label]++
		if x.Margin <= 0 || x.Alike < 0 || x.Alike > 1.0001 || x.Like < 0 || x.Like == x.Example {
			t.Errorf("%+v", x)
		}
	}
	if both["where place"]+both["place where"] < 6 || both["where price"]+both["place price"] > 1 {
		t.Errorf("taken for another: %v", both)
	}
	apart, err := Apart(t.Context(), append(append([]Example{}, where...), price...), 0)
	if err != nil || len(apart) > 1 {
		t.Errorf("%v, %v", apart, err)
	}
	again, err := Apart(t.Context(), append(append(append([]Example{}, where...), place...), price...), 0)
	if err != nil || !reflect.DeepEqual(mixed, again) {
		t.Errorf("not the same the second time: %v\n%v", mixed, again)
	}
	if _, err := Apart(t.Context(), where, 0); !errors.Is(err, ErrTooFew) {
		t.Errorf("one label: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Apart(ctx, append(where, price...), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}
