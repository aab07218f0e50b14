package twin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"testing"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// loadLeg is a media websocket with as little of a client as can be: it writes
// frames that were made before and throws away what it reads.
func loadLeg(ex *Exchange, id string) (net.Conn, error) {
	c, err := net.Dial("tcp", ex.Addr())
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c, "GET /media/%s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", id)
	r := bufio.NewReaderSize(c, 4096)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("%v %w", resp, err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	return c, nil
}

// BenchmarkLiveCalls holds calls with media in both directions for some
// seconds: every callee gets and sends 50 frames a second (ulaw), and the
// driver in the same process writes 100 ms at a time. It reports how well the
// one clock kept its time.
func BenchmarkLiveCalls(b *testing.B) {
	for _, n := range []int{100, 500, 1000, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				hold(b, n)
			}
		})
	}
}

func hold(b *testing.B, n int) {
	b.Helper()
	ex, err := Start(Config{}, "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ex.Close()
	ex.Callee("*", callee.Script{Steps: []callee.Step{{Say: tone(700, 800*time.Millisecond)}, {Wait: 800 * time.Millisecond}, {Again: true}}})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	post := func(path string) map[string]any {
		resp, err := client.Post(ex.URL()+path, "", nil)
		if err != nil {
			b.Error(err)
			return nil
		}
		defer resp.Body.Close()
		var out map[string]any
		_ = json.NewDecoder(resp.Body).Decode(&out)
		if resp.StatusCode >= 300 {
			b.Errorf("%s: %d %v", path, resp.StatusCode, out)
		}
		return out
	}
	events, err := loadEvents(ex)
	if err != nil {
		b.Fatal(err)
	}
	defer events.Close()
	conns := make([]net.Conn, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	began := time.Now()
	for i := range n {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			id := fmt.Sprintf("c%d", i)
			post("/channels?endpoint=" + url.QueryEscape("PJSIP/"+id+"@lab") + "&app=a&channelId=" + id)
			post("/bridges/b" + id)
			m := post("/channels/externalMedia?app=a&channelId=m" + id + "&format=ulaw&external_host=INCOMING&transport=websocket&encapsulation=none&connection_type=server&transport_data=f(json)")
			vars, _ := m["channelvars"].(map[string]any)
			c, err := loadLeg(ex, fmt.Sprint(vars["MEDIA_WEBSOCKET_CONNECTION_ID"]))
			if err != nil {
				b.Error(err)
				return
			}
			conns[i] = c
			for _, member := range []string{id, "m" + id} {
				bridgeIn(b, client, ex.URL()+"/bridges/b"+id+"/addChannel?channel="+member)
			}
		}()
	}
	wg.Wait()
	setup := time.Since(began)
	before, used := ex.clock.Stats(), cpu()
	const lasts = 8 * time.Second
	speak(b, conns, lasts)
	used = cpu() - used
	s := ex.Stats()
	ran := s.Ticks - before.Ticks
	s.Late, s.LostTicks = s.Late-before.Late, s.LostTicks-before.Lost
	b.ReportMetric(float64(n)/setup.Seconds(), "setups/s")
	b.ReportMetric(100*used.Seconds()/lasts.Seconds(), "%cpu")
	b.ReportMetric(float64(ran)/lasts.Seconds(), "ticks/s")
	b.ReportMetric(float64(s.Late), "late-ticks")
	b.ReportMetric(float64(s.LostTicks), "lost-ticks")
	b.ReportMetric(float64(s.MaxLagMS), "max-lag-ms")
	var audible time.Duration
	for _, c := range ex.Calls("") {
		audible += c.Record.Audible
	}
	b.ReportMetric(audible.Seconds()/float64(n), "heard-s/call")
	for _, c := range conns {
		if c != nil {
			_ = c.Close()
		}
	}
}

// bridgeIn puts a channel into a bridge; it is in the application a moment after
// it was made, and until then that is refused.
func bridgeIn(b *testing.B, client *http.Client, path string) {
	for range 200 {
		resp, err := client.Post(path, "", nil)
		if err != nil {
			b.Error(err)
			return
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusNoContent {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.Errorf("%s: never", path)
}

func loadEvents(ex *Exchange) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", ex.Addr())
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c, "GET /ari/events?app=a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	go func() { _, _ = io.Copy(io.Discard, c) }()
	time.Sleep(50 * time.Millisecond)
	return c, nil
}

// speak writes 100 ms of sound to every leg, every 100 ms.
func speak(b *testing.B, conns []net.Conn, d time.Duration) {
	b.Helper()
	const bytes = 800                                                                      // 100 ms of ulaw
	message := append([]byte{0x82, 0x80 | 126, 3, 32, 0, 0, 0, 0}, make([]byte, bytes)...) // masked with zeros
	for i := range bytes {
		message[8+i] = byte(0x10 + 0x80*(i/8%2)) // a square wave of 500 Hz
	}
	next := time.Now()
	for end := next.Add(d); next.Before(end); next = next.Add(100 * time.Millisecond) {
		for _, c := range conns {
			if c != nil {
				if _, err := c.Write(message); err != nil {
					b.Error(err)
				}
			}
		}
		time.Sleep(time.Until(next))
	}
}
