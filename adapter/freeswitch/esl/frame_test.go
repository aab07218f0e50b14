package esl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFramesAreCutWhateverTheReads(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	stream := "Content-Type: auth/request\n\n" +
		"\n\nContent-Length: 5\nContent-Type: text/event-plain\n\nab\n\nc" +
		"Content-Type: command/reply\nReply-Text: +OK accepted\n\n" +
		fmt.Sprintf("Content-Type: api/response\nContent-Length: %d\n\n%s", len(long), long) +
		"Content-Type: api/response\nContent-Length: 0\n\n" +
		"Content-Type: command/reply\nReply-Text: -ERR invalid\n\n"
	want := []struct{ kind, reply string }{
		{"auth/request", ""}, {"text/event-plain", "ab\n\nc"}, {"command/reply", "+OK accepted"}, {"api/response", long}, {"api/response", ""}, {"command/reply", "-ERR invalid"},
	}
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(stream), "byte by byte": iotest.OneByteReader(strings.NewReader(stream)), "halves": iotest.HalfReader(strings.NewReader(stream)),
	} {
		f := NewFramer(r)
		for i, w := range want {
			m, err := f.Next()
			if err != nil || m.Type() != w.kind || m.Reply() != w.reply {
				t.Fatalf("%s, message %d: %q %.40q %v", name, i, m.Type(), m.Reply(), err)
			}
		}
		if _, err := f.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: after the last: %v", name, err)
		}
	}
}

func TestHostileFramesEndTheConnection(t *testing.T) {
	for name, stream := range map[string]string{
		"negative length": "Content-Type: api/response\nContent-Length: -1\n\nabc",
		"huge length":     "Content-Length: 99999999999999999999\n\n",
		"too long":        "Content-Length: 4294967295\n\n",
		"just too long":   fmt.Sprintf("Content-Length: %d\n\n", maxBody+1),
		"no number":       "Content-Length: 12a\n\nabc",
		"empty length":    "Content-Length: \n\nabc",
		"endless head":    "X: " + strings.Repeat("y", maxHead+100),
	} {
		if _, err := NewFramer(strings.NewReader(stream)).Next(); !errors.Is(err, ErrHostile) {
			t.Errorf("%s: %v, want ErrHostile", name, err)
		}
	}
	for name, stream := range map[string]string{"half a head": "Content-Type: x\n", "half a body": "Content-Length: 10\n\nabc"} {
		if _, err := NewFramer(strings.NewReader(stream)).Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A claimed length costs nothing until the bytes come.
	f := NewFramer(strings.NewReader(fmt.Sprintf("Content-Length: %d\n\nabc", maxBody)))
	if _, err := f.Next(); err == nil || len(f.buf) > 1<<20 {
		t.Errorf("%v with a buffer of %d bytes", err, len(f.buf))
	}
}

func TestEventValues(t *testing.T) {
	gbk := "%D6%D0%B9%FA" // 中国 in GBK
	e, err := ParseEvent([]byte("Event-Name: BACKGROUND_JOB\nCore-UUID: c\nJob-UUID: j-1\nJob-Command-Arg: %7Ba%3Db%7Dsofia/x%20%26park()\n" +
		"a line without a colon\nvariable_name: " + gbk + "\nOdd: 100%\nOdd2: %zz%4\nEmpty: \nContent-Length: 6\n\n+OK 1\nrest that belongs to nobody"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Event-Name": "BACKGROUND_JOB", "Job-UUID": "j-1", "Job-Command-Arg": "{a=b}sofia/x &park()", "variable_name": "\xd6\xd0\xb9\xfa", "Odd": "100%", "Odd2": "%zz%4",
		"Empty": "", "Nothing": "", "UUID": "", "Job": "",
	} {
		if got := e.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if e.Name != NameBackgroundJob || string(e.Body) != "+OK 1\n" || !e.Has("Empty") || e.Has("Nothing") {
		t.Errorf("%q %q", e.Name, e.Body)
	}
	var all []string
	e.Each(func(name, value string) bool { all = append(all, name+"="+value); return len(all) < 3 })
	if got := strings.Join(all, " "); got != "Event-Name=BACKGROUND_JOB Core-UUID=c Job-UUID=j-1" {
		t.Errorf("%s", got)
	}
	for name, bad := range map[string]string{"nameless": "Core-UUID: c\n\n", "negative": "Event-Name: X\nContent-Length: -5\n\nabc", "empty": ""} {
		if _, err := ParseEvent([]byte(bad)); !errors.Is(err, ErrHostile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseEvent(bytes.Repeat([]byte("x"), maxEvent+1)); !errors.Is(err, ErrHostile) {
		t.Errorf("a huge event: %v", err)
	}
}
