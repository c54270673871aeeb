package httpd

import (
	"net/http"
	"testing"
)

// A page in the operator's browser can make its own host name point to
// loopback. A loopback listener without a list answers loopback names only;
// the public key documents are also for the operator's own domains, which a
// proxy in front of it passes on.
func TestALoopbackListenerAnswersOnlyLoopbackNames(t *testing.T) {
	h := newFixture(t)
	base := listen(t, h.s)
	for _, c := range []struct {
		host, path string
		want       int
	}{
		{"", "/health", 200}, // the address itself
		{"localhost", "/health", 200},
		{"LOCALHOST.:8025", "/health", 200},
		{"127.0.0.1:1", "/health", 200},
		{"127.9.9.9", "/health", 200},
		{"[::1]:8025", "/health", 200},
		{"rebound.example", "/health", 403},
		{"127.0.0.1.rebound.example", "/health", 403},
		{"localhost.rebound.example", "/health", 403},
		{"10.0.0.1", "/health", 403},
		{"0.0.0.0", "/health", 403},
		{"2130706433", "/health", 403}, // 127.0.0.1 as one number
		{"0x7f.1", "/health", 403},
		{"a.example", "/.well-known/multimail-signing-key", 200},
		{"A.Example:443", "/.well-known/multimail-signing-key", 200},
		{"mta-sts.a.example", "/.well-known/mta-sts.txt", 200},
		{"mta-sts.a.example", "/.well-known/multimail-signing-key", 403},
		{"mta-sts.rebound.example", "/.well-known/mta-sts.txt", 403},
		{"rebound.example", "/.well-known/multimail-signing-key", 403},
		{"sub.a.example", "/.well-known/multimail-signing-key", 403},
		{"a.example", "/health", 403},
		{"a.example", "/v1/mailboxes", 403},
		{"a.example", "/.well-known/../v1/mailboxes", 403},
		{"a.example", "/.well-known", 403},
		{"a.example", "//.well-known/x", 403},
	} {
		req, err := http.NewRequest("GET", base+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("host %q, path %s: %d, want %d", c.host, c.path, resp.StatusCode, c.want)
		}
	}
}
