// Package esltest is a scripted event socket for tests of its client: it
// speaks the bytes of FreeSWITCH 1.11 and makes its faults on demand.
package esltest

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Password is what Server takes.
const Password = "ClueCon"

// Command is what a client sent.
type Command struct {
	Line    string            // the first line
	Headers map[string]string // the lines after it, names in lower case
	Body    string
}

// Server is one event socket.
type Server struct {
	l net.Listener
	// Answer is asked for the reply to a command other than auth and event; nil
	// answers "+OK". kind is "api/response" or "command/reply"; an empty one
	// sends nothing.
	Answer func(c *Conn, cmd Command) (kind, text string)

	mu       sync.Mutex
	conns    map[*Conn]bool
	commands []Command
	refuse   bool
	mute     bool
	wg       sync.WaitGroup
}

// Conn is one client's connection.
type Conn struct {
	nc         net.Conn
	write      sync.Mutex
	mu         sync.Mutex
	subscribed bool
}

// New listens on a free port until the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{l: l, conns: map[*Conn]bool{}}
	s.wg.Go(s.accept)
	t.Cleanup(func() { _ = l.Close(); s.Cut(); s.wg.Wait() })
	return s
}

// Addr is host:port.
func (s *Server) Addr() string { return s.l.Addr().String() }

// Refuse makes the server close every new connection, or take it again.
func (s *Server) Refuse(on bool) { s.mu.Lock(); s.refuse = on; s.mu.Unlock() }

// Mute makes the server read on and say nothing more: a half-open peer.
func (s *Server) Mute(on bool) { s.mu.Lock(); s.mute = on; s.mu.Unlock() }

// Cut ends every connection.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.nc.Close()
	}
}

// Commands is what has been sent so far, logins and pings left out.
func (s *Server) Commands() []Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Command(nil), s.commands...)
}

// Subscribers is how many connections get events.
func (s *Server) Subscribers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for c := range s.conns {
		c.mu.Lock()
		if c.subscribed {
			n++
		}
		c.mu.Unlock()
	}
	return n
}

// Event encodes an event: name, then pairs of header and value, and perhaps a
// body as the last, odd one.
func Event(name string, pairs ...string) string {
	var b strings.Builder
	_, _ = b.WriteString("Event-Name: " + name + "\nCore-UUID: core-1\n")
	for len(pairs) >= 2 {
		_, _ = b.WriteString(pairs[0] + ": " + strings.ReplaceAll(url.QueryEscape(pairs[1]), "+", "%20") + "\n")
		pairs = pairs[2:]
	}
	body := ""
	if len(pairs) == 1 {
		body = pairs[0]
		_, _ = b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\n")
	}
	_, _ = b.WriteString("\n" + body)
	return b.String()
}

// Send gives an event to every subscriber.
func (s *Server) Send(event string) {
	s.SendRaw("Content-Length: " + strconv.Itoa(len(event)) + "\nContent-Type: text/event-plain\n\n" + event)
}

// SendRaw writes bytes as they are to every subscriber.
func (s *Server) SendRaw(raw string) {
	s.mu.Lock()
	var to []*Conn
	for c := range s.conns {
		c.mu.Lock()
		if c.subscribed {
			to = append(to, c)
		}
		c.mu.Unlock()
	}
	mute := s.mute
	s.mu.Unlock()
	for _, c := range to {
		if !mute {
			c.Raw(raw)
		}
	}
}

// Raw writes bytes as they are.
func (c *Conn) Raw(s string) {
	c.write.Lock()
	defer c.write.Unlock()
	_, _ = c.nc.Write([]byte(s))
}

// Reply writes one reply.
func (c *Conn) Reply(kind, text string) {
	if kind == "api/response" {
		c.Raw(fmt.Sprintf("Content-Type: api/response\nContent-Length: %d\n\n%s", len(text), text))
		return
	}
	c.Raw("Content-Type: command/reply\nReply-Text: " + text + "\n\n")
}

func (s *Server) accept() {
	for {
		nc, err := s.l.Accept()
		if err != nil {
			return
		}
		c := &Conn{nc: nc}
		s.mu.Lock()
		refuse := s.refuse
		if !refuse {
			s.conns[c] = true
		}
		s.mu.Unlock()
		if refuse {
			_ = nc.Close()
			continue
		}
		s.wg.Go(func() {
			s.serve(c)
			_ = nc.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *Server) serve(c *Conn) {
	c.Raw("Content-Type: auth/request\n\n")
	r := bufio.NewReader(c.nc)
	for {
		cmd, err := read(r)
		if err != nil {
			return
		}
		word, rest, _ := strings.Cut(cmd.Line, " ")
		s.mu.Lock()
		mute := s.mute
		if word != "auth" && word != "userauth" && cmd.Line != "api global_getvar core_uuid" {
			s.commands = append(s.commands, cmd)
		}
		s.mu.Unlock()
		if mute {
			continue
		}
		switch word {
		case "auth", "userauth":
			if rest != Password && !strings.HasSuffix(rest, ":"+Password) {
				c.Reply("command/reply", "-ERR invalid")
				return
			}
			c.Reply("command/reply", "+OK accepted")
		case "event":
			c.mu.Lock()
			c.subscribed = true
			c.mu.Unlock()
			c.Reply("command/reply", "+OK event listener enabled plain")
		default:
			if kind, text := s.answer(c, word, cmd); kind != "" {
				c.Reply(kind, text)
			}
		}
	}
}

func (s *Server) answer(c *Conn, word string, cmd Command) (kind, text string) {
	if s.Answer != nil {
		if kind, text := s.Answer(c, cmd); kind != "default" {
			return kind, text
		}
	}
	switch cmd.Line {
	case "api version":
		return "api/response", "FreeSWITCH Version 1.11.2-esltest\n"
	case "api global_getvar core_uuid":
		return "api/response", "core-1"
	case "api uptime ms":
		return "api/response", "60000\n"
	case "api show channels as json":
		return "api/response", `{"row_count":0}`
	}
	switch word {
	case "api":
		return "api/response", "+OK\n"
	case "bgapi":
		return "command/reply", "+OK Job-UUID: " + cmd.Headers["job-uuid"]
	}
	return "command/reply", "+OK"
}

// read takes one command off the wire.
func read(r *bufio.Reader) (Command, error) {
	cmd := Command{Headers: map[string]string{}}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return cmd, err
		}
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "" && cmd.Line == "":
		case line == "":
			n, _ := strconv.Atoi(cmd.Headers["content-length"])
			body := make([]byte, max(0, n))
			for i := range body {
				if body[i], err = r.ReadByte(); err != nil {
					return cmd, err
				}
			}
			cmd.Body = string(body)
			return cmd, nil
		case cmd.Line == "":
			cmd.Line = line
		default:
			name, value, _ := strings.Cut(line, ":")
			cmd.Headers[strings.ToLower(name)] = strings.TrimSpace(value)
		}
	}
}
