package sipphone

import (
	"net/netip"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// request sends one request and puts every final answer, as text, in answered.
func request(t *testing.T, p *Phone, branch, method string, data []byte, dst netip.AddrPort, answered chan string) {
	t.Helper()
	p.request(branch, method, data, dst, func(res *sip.Response, _ netip.AddrPort, _ time.Time) {
		if res.StatusCode >= 200 {
			select {
			case answered <- res.String():
			default:
			}
		}
	}, nil)
}
