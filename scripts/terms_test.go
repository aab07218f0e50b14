package scripts

import (
	"strings"
	"testing"
)

func TestTermsOfIndustries(t *testing.T) {
	want := map[string][]string{"healthcare": {"CT检查", "处方药"}, "finance": {"年化收益率", "等额本息"}, "education": {"试听课"}, "retail": {"优惠券"}}
	for industry, some := range want {
		ts, err := Terms(industry)
		if err != nil || len(ts) < 50 {
			t.Errorf("%s: %d terms, %v", industry, len(ts), err)
		}
		for _, s := range some {
			if ts[s] < 1 {
				t.Errorf("%s: %s is missing", industry, s)
			}
		}
	}
	for _, none := range []string{"demo", "../terms/retail", ""} {
		if ts, err := Terms(none); err != nil || len(ts) != 0 {
			t.Errorf("%q: %v %v", none, ts, err)
		}
	}
}

func TestBadTermsAreRefusedByLine(t *testing.T) {
	for src, want := range map[string]string{"好药\t0": "line 1", "# 药\n药": "line 2", "处方药\n\n处方药": "line 3", "处方药\tx": "line 1", strings.Repeat("药", 17): "line 1"} {
		if _, err := ParseTerms("x", []byte(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", src, err, want)
		}
	}
	if ts, err := ParseTerms("x", []byte("处方药\t30 # 常用\n\nCT检查\n")); err != nil || ts["处方药"] != 30 || ts["CT检查"] != 10 {
		t.Errorf("%v %v", ts, err)
	}
}
