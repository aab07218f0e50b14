package webhook

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/outbox"
)

// urls are targets that read as one thing and go to another. P is the port of
// a listener of this machine.
var urls = []string{
	// what stands before an @ is no host
	"http://hooks.example.com@127.0.0.1:P/", "http://hooks.example.com:80@127.0.0.1:P/", "http://u:p@127.0.0.1:P/", "http://@127.0.0.1:P/", "http://hooks.example.com%40127.0.0.1:P/", "http://127.0.0.1:P@hooks.example.com/",
	"http://hooks.example.com#@127.0.0.1:P/", "http://hooks.example.com?@127.0.0.1:P/", "http://hooks.example.com\\@127.0.0.1:P/", "http://127.0.0.1:P\\@hooks.example.com/", "http://hooks.example.com;@127.0.0.1:P/", "http:///@127.0.0.1:P/",
	// other schemes, and none
	"ftp://127.0.0.1:P/", "gopher://127.0.0.1:P/_GET", "file:///etc/passwd", "dict://127.0.0.1:P/info", "ldap://127.0.0.1:P/", "tftp://127.0.0.1:P/x", "unix:///run/x.sock", "http+unix://%2Frun%2Fx.sock/", "jar:http://127.0.0.1:P!/", "ws://127.0.0.1:P/",
	"//127.0.0.1:P/", "127.0.0.1:P", "localhost:P/x", "http:127.0.0.1:P", "http:/127.0.0.1:P/", "http:\\\\127.0.0.1:P\\", "javascript:1", "data:text/plain,x", "", " ", "http://", "http:///", "http://:P/", "https://:P/",
	// blanks, lines and codes in it
	" http://127.0.0.1:P/", "http://127.0.0.1:P /", "http://127.0.0.1:P\t/", "ht\ntp://127.0.0.1:P/", "http://127.0.0.1:P/\r\nHost: x", "http://127.0.0.1\r\n:P/", "http://127.0.0.1%0d%0a:P/", "http://127.0.0.1%00.hooks.example.com:P/", "http://127%2e0%2e0%2e1:P/", "http://%31%32%37.0.0.1:P/", "http://\x00127.0.0.1:P/",
	// a port that is odd
	"http://127.0.0.1:0P/", "http://127.0.0.1:+P/", "http://127.0.0.1:P:P/", "http://127.0.0.1:99999/", "http://127.0.0.1:-1/", "http://127.0.0.1:P,80/", "http://localhost:80@127.0.0.1:P/", "http://[::1]:P/", "http://[::1]P/", "http://::1:P/", "http://[::ffff:127.0.0.1]:P/", "http://[::1%25eth0]:P/", "http://[127.0.0.1]:P/", "http://[::1:P/", "http://::1]:P/",
	// letters that look or map like others, and names that come back to us
	"http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:P/", "http://ｌｏｃａｌｈｏｓｔ:P/", "http://１２７.０.０.１:P/", "http://127｡0｡0｡1:P/", "http://lo\u00adcalhost:P/", "http://xn--localhost:P/", "http://localhost.localdomain:P/", "http://sub.localhost:P/", "http://127.0.0.1.nip.example:P/", "http://7f000001.rbndr.example:P/", "http://rebind.example:P/", "http://rebind.six.example:P/", "http://RebinD.Example.:P/",
	// a cloud's own addresses
	"http://169.254.169.254:P/latest/meta-data/", "http://[fd00:ec2::254]:P/latest/", "http://metadata.google.internal:P/computeMetadata/v1/", "http://100.100.100.200:P/latest/", "http://169.254.170.2:P/v2/credentials", "http://192.0.0.192:P/opc/v2/", "http://metadata.tencentyun.com:P/", "http://168.63.129.16:P/metadata", "http://instance-data:P/latest/",
}

// No spelling of a target, by either scheme, makes a connection to this
// machine; each is refused at the start or when it is dialled, for good.
func TestRow_T24_NoURLReachesInside(t *testing.T) {
	port, connections := canary(t)
	resolver := liar(t)
	var all sync.WaitGroup
	limit := make(chan struct{}, 16)
	for _, u := range urls {
		u = strings.ReplaceAll(u, "P", strconv.Itoa(port))
		for _, target := range []string{u, strings.Replace(u, "http://", "https://", 1)} {
			all.Go(func() {
				limit <- struct{}{}
				defer func() { <-limit }()
				s, err := New([]Endpoint{{Name: "x", URL: target, Secret: secret}})
				if err != nil {
					if strings.Contains(err.Error(), "127.0.0.1") {
						t.Errorf("%q: the error tells the target: %v", target, err)
					}
					return
				}
				s.public = client(true, resolver)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				if status, err := s.Send(ctx, outbox.Delivery{ID: uuid.New(), Destination: "x", Body: []byte(`{}`)}); err == nil || status != 0 {
					t.Errorf("%q: %d, %v", target, status, err)
				}
			})
		}
	}
	all.Wait()
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections reached this machine", n)
	}
	t.Logf("%d hosts, and %d URLs over http and https: %d connections to the canary", len(hosts), len(urls), connections.Load())
}
