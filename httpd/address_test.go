package httpd

import (
	"net"
	"testing"
)

// heard is a listener that has an address.
type heard struct {
	net.Listener
	at string
}

func (h heard) Addr() net.Addr  { return h }
func (h heard) Network() string { return "tcp" }
func (h heard) String() string  { return h.at }

// The address of a large attachment leads to this server, or to the proxy in front of it; where
// the server does not know how clients reach it, there is none.
func TestTheAddressOfTheServerIsThatWhichClientsUse(t *testing.T) {
	for _, c := range []struct {
		at     string
		secure bool
		hosts  []string
		want   string
	}{
		{"127.0.0.1:8025", false, nil, "http://127.0.0.1:8025"},
		{"[::1]:8025", true, nil, "https://[::1]:8025"},
		{"192.0.2.1:443", true, nil, "https://192.0.2.1:443"},
		{"[::]:8025", true, nil, ""},
		{"0.0.0.0:8025", false, nil, ""},
		{"/run/multimail/admin.sock", false, nil, ""},
		{"0.0.0.0:8443", true, []string{"mail.example.com", "other.example.com"}, "https://mail.example.com:8443"},
		{"127.0.0.1:8025", false, []string{"mail.example.com"}, "https://mail.example.com"}, // a proxy
		{"127.0.0.1:8025", false, []string{"mail.example.com:8443"}, "https://mail.example.com:8443"},
		{"127.0.0.1:8025", false, []string{"localhost"}, "http://localhost:8025"},
		{"127.0.0.1:8025", false, []string{"[::1]"}, "http://[::1]:8025"},
		{"127.0.0.1:8025", false, []string{"192.0.2.1"}, "https://192.0.2.1"},
	} {
		s := &Server{o: Options{AllowedHosts: c.hosts}}
		if got := s.addressOn(heard{at: c.at}, c.secure); got != c.want {
			t.Errorf("%s, TLS %v, %q: got %q, want %q", c.at, c.secure, c.hosts, got, c.want)
		}
	}
}
