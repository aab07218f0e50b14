package scripts

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// BenchmarkConversation is a whole call of promotion_001 up to the sign-up:
// decisions alone, and with the embedded understander.
func BenchmarkConversation(b *testing.B) {
	s := compiled(b)["retail/promotion_001.yaml"]
	who := customers(b, "retail/promotion_001.yaml", s)[0]
	u := keyword.New()
	now := time.Date(2026, 10, 1, 14, 0, 0, 0, time.FixedZone("", 8*3600))
	talk := []struct {
		text   string
		intent nlu.Intent
	}{{"嗯，方便", "affirm"}, {"有点贵啊", "price_objection"}, {"那好吧", "affirm"}, {"都可以", "any_category"}, {"没有了谢谢", "deny"}}
	for _, understood := range []bool{false, true} {
		name := "decide"
		if understood {
			name = "understand"
		}
		b.Run(name, func(b *testing.B) {
			decisions, bytes := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				st, _ := s.Start(who, now)
				st, _ = s.Next(st, dialogue.Input{Kind: dialogue.Said}, now)
				decisions += 2
				for _, line := range talk {
					in := dialogue.Input{Kind: dialogue.Heard, Text: line.text, Answer: nlu.Answer{Intent: line.intent, Confidence: 0.9}}
					if understood {
						a, err := u.Understand(context.Background(), s.Question(st, line.text))
						if err != nil {
							b.Fatal(err)
						}
						in.Answer = a
					}
					st, _ = s.Next(st, dialogue.Input{Kind: dialogue.Said}, now)
					st, _ = s.Next(st, in, now)
					decisions += 2
				}
				if bytes == 0 {
					raw, err := json.Marshal(st)
					if err != nil || st.Phase != dialogue.Ended {
						b.Fatalf("%v %s", err, raw)
					}
					bytes = len(raw)
				}
			}
			b.ReportMetric(float64(decisions)/b.Elapsed().Seconds(), "decisions/s")
			b.ReportMetric(float64(bytes), "state-bytes")
		})
	}
}
