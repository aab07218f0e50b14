package sipphone

import (
	"sync"
	"testing"
	"time"
)

// BenchmarkCalls holds calls of 5 s between two telephones and reports what one
// costs. Run it with -benchtime=300x for 300 at once.
func BenchmarkCalls(b *testing.B) {
	word := chirp(time.Second, 300, 400)
	callee, err := Listen(Config{DiscardAudio: true, Script: func(string, Invite) Script {
		return Script{Answer(0), Speak(word), Silence(4 * time.Second), Hangup("")}
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer callee.Close()
	caller, err := Listen(Config{DiscardAudio: true})
	if err != nil {
		b.Fatal(err)
	}
	defer caller.Close()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var lost, stalls, late int
	for range b.N {
		c, err := caller.Dial(Dial{To: "1", Account: Account{Server: callee.Addr().String()}})
		if err != nil {
			b.Fatal(err)
		}
		wg.Go(func() {
			<-c.Done()
			r := c.Record()
			mu.Lock()
			defer mu.Unlock()
			lost += r.Lost
			stalls += r.Stalls
			if d := r.FirstSoundAt.Sub(r.AckAt); d > 40*time.Millisecond || r.FirstSoundAt.IsZero() {
				late++
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(lost)/float64(b.N), "lost/call")
	b.ReportMetric(float64(stalls)/float64(b.N), "stalls/call")
	b.ReportMetric(float64(late), "late")
}
