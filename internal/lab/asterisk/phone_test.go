package asterisk

import (
	"crypto/md5"
	"crypto/rand"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A phone of a few lines, enough to see that the configuration works: RFC 3261 requests as text over UDP.

func send(t *testing.T, phone net.PacketConn, addr, text string) {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := phone.WriteTo([]byte(text), to); err != nil {
		t.Fatal(err)
	}
}

// receive returns the next message that starts with prefix, and who sent it.
func receive(t *testing.T, phone net.PacketConn, prefix string) (string, net.Addr) {
	t.Helper()
	b := make([]byte, 1<<16)
	if err := phone.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		n, from, err := phone.ReadFrom(b)
		if err != nil {
			t.Fatalf("waiting for %s: %v", prefix, err)
		}
		if strings.HasPrefix(string(b[:n]), prefix) {
			return string(b[:n]), from
		}
	}
}

// answer takes the next INVITE, refuses it with status, and returns it.
func answer(t *testing.T, phone net.PacketConn, status string) string {
	t.Helper()
	invite, from := receive(t, phone, "INVITE ")
	var b strings.Builder
	b.WriteString("SIP/2.0 " + status + "\r\n")
	for _, line := range strings.Split(invite, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "Via", "From", "Call-ID", "CSeq":
			b.WriteString(line + "\r\n")
		case "To":
			b.WriteString(line + ";tag=phone\r\n")
		}
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	send(t, phone, from.String(), b.String())
	receive(t, phone, "ACK ")
	return invite
}

// request is a request of phone "from" at local to user "to" at the exchange, with an offer of G.711.
func request(method, to, from, exchange, local, extra string) string {
	body := ""
	uri := "sip:" + to + "@" + exchange
	if method == "INVITE" {
		body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 8\r\n"
		extra += "Content-Type: application/sdp\r\n"
	} else {
		uri = "sip:" + exchange
	}
	id := rand.Text()
	return method + " " + uri + " SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP " + local + ";branch=z9hG4bK" + id + ";rport\r\n" +
		"Max-Forwards: 70\r\n" +
		"From: <sip:" + from + "@" + exchange + ">;tag=" + id + "\r\n" +
		"To: <sip:" + to + "@" + exchange + ">\r\n" +
		"Call-ID: " + id + "\r\nCSeq: 1 " + method + "\r\n" +
		"Contact: <sip:" + from + "@" + local + ">\r\n" + extra +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

var challenge = regexp.MustCompile(`realm="([^"]*)",.*nonce="([^"]*)"`)

// register does REGISTER with digest authentication (RFC 2617 without qop, which RFC 3261 section 22.4 keeps for old phones) and returns
// the status of the second answer.
func register(t *testing.T, phone net.PacketConn, exchange, user, password string) int {
	t.Helper()
	local := phone.LocalAddr().String()
	send(t, phone, exchange, request("REGISTER", user, user, exchange, local, ""))
	first, _ := receive(t, phone, "SIP/2.0 ")
	m := challenge.FindStringSubmatch(first)
	if m == nil {
		t.Fatalf("no challenge in\n%s", first)
	}
	hash := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	response := hash(hash(user+":"+m[1]+":"+password) + ":" + m[2] + ":" + hash("REGISTER:sip:"+exchange))
	send(t, phone, exchange, request("REGISTER", user, user, exchange, local, fmt.Sprintf(
		"Authorization: Digest username=%q, realm=%q, nonce=%q, uri=%q, response=%q, algorithm=MD5\r\n",
		user, m[1], m[2], "sip:"+exchange, response)))
	second, _ := receive(t, phone, "SIP/2.0 ")
	status, err := strconv.Atoi(strings.Fields(second)[1])
	if err != nil {
		t.Fatalf("%s: %v", second, err)
	}
	return status
}
