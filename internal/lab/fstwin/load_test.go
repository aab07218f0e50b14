package fstwin_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin/callee"
)

// BenchmarkSetups is how many calls a second are set up, answered and ended
// over one event socket, with the events that the adapter wants.
//
//	go test -run XXX -bench Setups -benchtime 5000x ./internal/lab/fstwin/
func BenchmarkSetups(b *testing.B) {
	ex, err := fstwin.Start(fstwin.Config{}, "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ex.Close()
	ex.Callee("1*", callee.Script{Limit: 40 * time.Millisecond})
	conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", ex.Addr())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	say := func(s string) {
		if _, err := io.WriteString(conn, s+"\n\n"); err != nil {
			b.Fatal(err)
		}
	}
	say("auth ClueCon")
	say("event plain CHANNEL_CREATE CHANNEL_PROGRESS CHANNEL_ANSWER CHANNEL_PARK CHANNEL_HANGUP_COMPLETE BACKGROUND_JOB")
	ended := make(chan int)
	go func() { // counts ends
		defer close(ended)
		r := bufio.NewReaderSize(conn, 1<<20)
		for n := 0; ; {
			l, err := r.ReadSlice('\n')
			if err != nil && err != bufio.ErrBufferFull { //nolint:errorlint // its own
				return
			}
			if string(l) == "Event-Name: CHANNEL_HANGUP_COMPLETE\n" {
				n++
				ended <- n
			}
		}
	}()
	vars := "ignore_early_media=true,originate_timeout=30,presence_data=task,send_silence_when_idle=-1,park_after_bridge=true"
	b.ResetTimer()
	began := time.Now()
	const most = 200 // at once
	sent, over := 0, 0
	for over < b.N {
		for sent < b.N && sent-over < most {
			say(fmt.Sprintf("bgapi originate {origination_uuid=b%d,%s}sofia/gateway/x/1%d &park()", sent, vars, sent))
			sent++
		}
		over = <-ended
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "calls/s")
	if s := ex.Stats(); len(s.RungTwice) > 0 || s.Rings != int64(b.N) {
		b.Errorf("%+v", s)
	}
}
