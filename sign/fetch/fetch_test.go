package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/mailtest"
)

// addresses is a resolver that has an answer for each look-up.
type addresses struct {
	asked   atomic.Int32
	answers [][]string
}

func (a *addresses) LookupNetIP(_ context.Context, _, host string) (out []netip.Addr, err error) {
	n := int(a.asked.Add(1)) - 1
	if n >= len(a.answers) {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	for _, s := range a.answers[n] {
		out = append(out, netip.MustParseAddr(s))
	}
	return out, nil
}

// stranger is a web server on a loopback address.
type stranger struct {
	port        int
	connections atomic.Int32
	requests    atomic.Int32
}

func newStranger(t *testing.T, addr string, config *tls.Config, h http.HandlerFunc) *stranger {
	t.Helper()
	inner, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &stranger{port: inner.Addr().(*net.TCPAddr).Port}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		h(w, r)
	}), ConnState: func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			s.connections.Add(1)
		}
	}, ErrorLog: nil}
	go srv.Serve(tls.NewListener(inner, config))
	t.Cleanup(func() { srv.Close() })
	return s
}

// clientOf returns a client that takes the loopback address for a public one.
func clientOf(ca *mailtest.CA, port int, r Resolver) *Client {
	c := New(r)
	c.port, c.allowed = port, func(a netip.Addr) bool { return a.IsLoopback() }
	c.http.Transport.(*http.Transport).TLSClientConfig.RootCAs = ca.Pool()
	return c
}

const document = `{"kty":"EC","keys":[]}`

func serveJSON(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, body)
}

func TestADocumentIsFetchedFromTheDomainItself(t *testing.T) {
	ca := mailtest.NewCA(t)
	s := newStranger(t, "127.0.0.1:0", ca.Server("example.com"), func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "example.com" || r.URL.Path != Path || r.Header.Get("Authorization")+r.Header.Get("Cookie") != "" {
			t.Errorf("asked for %s %s with %v", r.Host, r.URL, r.Header)
		}
		w.Header().Set("Cache-Control", "public, max-age=600")
		serveJSON(w, document)
	})
	doc, err := clientOf(ca, s.port, &addresses{answers: [][]string{{"127.0.0.1"}}}).Document(t.Context(), "example.com")
	if err != nil || string(doc.Body) != document || doc.MaxAge != 10*time.Minute || s.requests.Load() != 1 {
		t.Errorf("%s, %v, %v after %d requests", doc.Body, doc.MaxAge, err, s.requests.Load())
	}
}

// answers is what the server of a stranger may answer, and what becomes of it.
// The last two end when forever is closed.
func answers(t *testing.T, forever <-chan struct{}) map[string]badAnswer {
	plain := func(w http.ResponseWriter, typ, body string) {
		w.Header().Set("Content-Type", typ)
		fmt.Fprint(w, body)
	}
	body := func(b string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { serveJSON(w, b) }
	}
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	return map[string]badAnswer{
		"a redirect to itself":            {elsewhere(Path + "/"), ErrRedirect},
		"a redirect to another host":      {elsewhere("https://other.test" + Path), ErrRedirect},
		"a redirect to a private address": {elsewhere("http://169.254.169.254/latest/meta-data/"), ErrRedirect},
		"not found":                       {status(404), ErrStatus},
		"out of order":                    {status(503), ErrStatus},
		"no content":                      {status(204), ErrStatus},
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			plain(w, "text/html", document)
		}, ErrType},
		"no type":           {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), ErrType},
		"an array":          {body("[]"), ErrBroken},
		"nothing":           {body(""), ErrBroken},
		"two objects":       {body("{}{}"), ErrBroken},
		"cut short":         {body(document[:9]), ErrBroken},
		"less than it says": {raw(t, head+"Content-Length: 22\r\n\r\n"+`{"kty":"EC"}`), ErrBroken},
		"a chunk that is cut": {
			raw(t, head+"Transfer-Encoding: chunked\r\n\r\nc\r\n"+`{"kty":"EC"}`), ErrBroken},
		"one octet over the bound": {body(`{"a":"` + strings.Repeat("x", maxDocument-7) + `"}`), ErrSize},
		"without end": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for chunk := []byte(strings.Repeat(" ", 32<<10)); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, ErrSize},
		"it says that it is large": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "999999999")
			serveJSON(w, "{")
		}, ErrSize},
		"a header without end": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeader))
			serveJSON(w, document)
		}, ErrUnreachable},
		"no HTTP":                   {raw(t, "220 mail.example.com ESMTP\r\n"), ErrUnreachable},
		"a head that does not come": {func(http.ResponseWriter, *http.Request) { <-forever }, ErrUnreachable},
		"a body that does not end": {func(w http.ResponseWriter, _ *http.Request) {
			serveJSON(w, document[:5])
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-forever
		}, ErrUnreachable},
	}
}

type badAnswer struct {
	answer http.HandlerFunc
	want   error
}

func elsewhere(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// raw writes an answer octet by octet and closes the connection.
func raw(t *testing.T, answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, answer)
	}
}

func TestAnswersThatAreNoDocument(t *testing.T) {
	ca := mailtest.NewCA(t)
	forever := make(chan struct{})
	defer close(forever)
	for name, tt := range answers(t, forever) {
		s := newStranger(t, "127.0.0.1:0", ca.Server("example.com"), tt.answer)
		c := clientOf(ca, s.port, &addresses{answers: [][]string{{"127.0.0.1"}}})
		if strings.HasPrefix(name, "a head that") || strings.HasPrefix(name, "a body that") {
			c.limit = 300 * time.Millisecond
		}
		doc, err := c.Document(t.Context(), "example.com")
		if !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "example.com ") || doc.Body != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s.requests.Load() != 1 {
			t.Errorf("%s: %d requests", name, s.requests.Load())
		}
	}
}

func TestADocumentAsLargeAsMayBeIsTaken(t *testing.T) {
	ca := mailtest.NewCA(t)
	s := newStranger(t, "127.0.0.1:0", ca.Server("example.com"), func(w http.ResponseWriter, _ *http.Request) {
		serveJSON(w, `{"a":"`+strings.Repeat("x", maxDocument-8)+`"}`)
	})
	doc, err := clientOf(ca, s.port, &addresses{answers: [][]string{{"127.0.0.1"}}}).Document(t.Context(), "example.com")
	if err != nil || len(doc.Body) != maxDocument {
		t.Errorf("%d octets, %v", len(doc.Body), err)
	}
}

func TestACertificateOfAnotherNameOrAuthority(t *testing.T) {
	ca, other := mailtest.NewCA(t), mailtest.NewCA(t)
	for name, config := range map[string]*tls.Config{
		"of another name": ca.Server("other.test"), "of another authority": other.Server("example.com"),
	} {
		s := newStranger(t, "127.0.0.1:0", config, func(w http.ResponseWriter, _ *http.Request) { serveJSON(w, document) })
		_, err := clientOf(ca, s.port, &addresses{answers: [][]string{{"127.0.0.1"}}}).Document(t.Context(), "example.com")
		if !errors.Is(err, ErrCertificate) || s.requests.Load() != 0 {
			t.Errorf("%s: %v after %d requests", name, err, s.requests.Load())
		}
	}
}

func TestNoAddressIsDialledThatIsNotPublic(t *testing.T) {
	ca := mailtest.NewCA(t)
	s := newStranger(t, "127.0.0.1:0", ca.Server("example.com"), func(w http.ResponseWriter, _ *http.Request) {
		serveJSON(w, document)
	})
	for _, addrs := range [][]string{{"127.0.0.1"}, {"::ffff:127.0.0.1"}, {"10.0.0.1", "127.0.0.1"}, {}} {
		r := &addresses{answers: [][]string{addrs}}
		c := clientOf(ca, s.port, r)
		c.allowed = New(nil).allowed
		_, err := c.Document(t.Context(), "example.com")
		if !errors.Is(err, ErrUnreachable) || s.connections.Load() != 0 || r.asked.Load() != 1 {
			t.Errorf("%v: %v, %d connections, %d look-ups", addrs, err, s.connections.Load(), r.asked.Load())
		}
	}
	// Nobody learns from the answer which names the resolver of the verifier knows.
	_, unknown := clientOf(ca, s.port, &addresses{}).Document(t.Context(), "example.com")
	if want := "example.com " + ErrUnreachable.Error(); unknown == nil || unknown.Error() != want {
		t.Errorf("a name that does not resolve: %v", unknown)
	}
}

// A server whose name has another address at the second look-up gains nothing.
func TestTheAddressThatWasCheckedIsTheOneThatIsDialled(t *testing.T) {
	ca := mailtest.NewCA(t)
	inner := newStranger(t, "127.0.0.1:0", ca.Server("example.com"), func(w http.ResponseWriter, _ *http.Request) {
		serveJSON(w, `{"inner":true}`)
	})
	outer := newStranger(t, fmt.Sprintf("127.0.0.2:%d", inner.port), ca.Server("example.com"),
		func(w http.ResponseWriter, _ *http.Request) { serveJSON(w, document) })
	r := &addresses{answers: [][]string{{"127.0.0.1", "127.0.0.2"}, {"127.0.0.1"}}}
	c := clientOf(ca, inner.port, r)
	c.allowed = func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.2") }
	doc, err := c.Document(t.Context(), "example.com")
	if err != nil || string(doc.Body) != document || outer.requests.Load() != 1 || r.asked.Load() != 1 {
		t.Errorf("%s, %v, %d requests, %d look-ups", doc.Body, err, outer.requests.Load(), r.asked.Load())
	}
	if _, err := c.Document(t.Context(), "example.com"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("at the second answer: %v", err)
	}
	if n := inner.connections.Load(); n != 0 {
		t.Errorf("%d connections to the address that is not allowed", n)
	}
}

func TestNamesThatAreNoDomainAreNotLookedUp(t *testing.T) {
	r := &addresses{answers: [][]string{{"127.0.0.1"}}}
	for _, name := range []string{"", "localhost", "127.0.0.1", "[::1]", "::1", "example.com:8443", "EXAMPLE.com",
		"user@example.com", "example.com/x", "example.com?x=", "example.com#", "example.com\r\nX: y", "example.com.",
		"2130706433", "0x7f.1"} {
		if _, err := New(r).Document(t.Context(), name); !errors.Is(err, ErrDomain) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if r.asked.Load() != 0 {
		t.Errorf("%d look-ups", r.asked.Load())
	}
}

func TestNoProxyOfTheEnvironmentIsUsed(t *testing.T) {
	ca := mailtest.NewCA(t)
	proxy := newStranger(t, "127.0.0.1:0", ca.Server("proxy.test"), func(http.ResponseWriter, *http.Request) {})
	t.Setenv("HTTPS_PROXY", fmt.Sprintf("https://127.0.0.1:%d", proxy.port))
	if New(nil).http.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would choose the address")
	}
}

func TestWhichAddressesArePublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": true, "100.63.255.255": true, "172.15.0.1": true, "172.32.0.1": true,
		"223.255.255.255": true, "2606:4700::1111": true, "2a00:1450::1": true, "2001:4860:4860::8888": true,
		"0.0.0.0": false, "10.1.2.3": false, "100.64.0.1": false, "127.0.0.1": false, "169.254.169.254": false,
		"172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "192.0.0.8": false, "192.0.2.1": false,
		"198.18.0.1": false, "198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "239.1.1.1": false,
		"240.0.0.1": false, "255.255.255.255": false, "192.88.99.1": false,
		"::": false, "::1": false, "::7f00:1": false, "::ffff:127.0.0.1": false, "::ffff:8.8.8.8": false,
		"64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "100::1": false, "fc00::1": false, "fd12::1": false,
		"fe80::1": false, "fec0::1": false, "ff02::1": false, "2001::1": false, "2001:db8::1": false,
		"2002:7f00:1::": false, "3fff::1": false, "5f00::1": false, "2606:4700::1%eth0": false,
	} {
		if got := IsPublic(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if IsPublic(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestAnObjectIsFetchedByTheSameRules(t *testing.T) {
	ca := mailtest.NewCA(t)
	s := newStranger(t, "127.0.0.1:0", ca.Server("example.com"), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "https://example.com/client", http.StatusFound)
			return
		}
		serveJSON(w, `{"path":"`+r.URL.Path+`"}`)
	})
	c := clientOf(ca, s.port, &addresses{answers: [][]string{{"127.0.0.1"}, {"127.0.0.1"}}})
	if b, err := c.JSON(t.Context(), "https://example.com/client"); err != nil || string(b) != `{"path":"/client"}` {
		t.Errorf("%s %v", b, err)
	}
	for address, want := range map[string]error{
		"https://example.com/moved": ErrRedirect, "http://example.com/client": ErrDomain, "https://127.0.0.1/": ErrDomain,
		"https://example.com:444/client": ErrDomain, "https://u@example.com/client": ErrDomain,
		"https://localhost/client": ErrDomain, "ftp://example.com/": ErrDomain, "https:///client": ErrDomain,
	} {
		if _, err := c.JSON(t.Context(), address); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
	}
}

// A host that is listed is reached wherever it is; another name that leads to the same address
// is not, nor is the listed one of any use for a key document.
func TestOnlyAHostThatIsListedIsReachedInside(t *testing.T) {
	ca := mailtest.NewCA(t)
	s := newStranger(t, "127.0.0.1:0", ca.Server("inside.test", "outside.test", "127.0.0.1"),
		func(w http.ResponseWriter, _ *http.Request) { serveJSON(w, document) })
	r := &addresses{answers: [][]string{{"127.0.0.1"}, {"127.0.0.1"}, {"127.0.0.1"}}}
	c := New(r).Inside(func(host string) bool { return host == "inside.test" || host == "127.0.0.1" })
	c.http.Transport.(*http.Transport).TLSClientConfig.RootCAs = ca.Pool()
	for host, want := range map[string]error{"inside.test": nil, "127.0.0.1": nil, "outside.test": ErrDomain,
		"127.0.0.2": ErrDomain, "localhost": ErrDomain, "[::1]": ErrDomain} {
		b, err := c.JSON(t.Context(), fmt.Sprintf("https://%s:%d/client", host, s.port))
		if !errors.Is(err, want) || (err == nil) != (string(b) == document) {
			t.Errorf("%s: %s %v, want %v", host, b, err, want)
		}
	}
	if _, err := c.JSON(t.Context(), fmt.Sprintf("http://inside.test:%d/client", s.port)); !errors.Is(err, ErrDomain) {
		t.Errorf("over http: %v", err)
	}
	c.port = s.port
	if _, err := c.JSON(t.Context(), "https://outside.test/client"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("another name of the address: %v", err)
	}
	if s.requests.Load() != 2 || r.asked.Load() != 2 {
		t.Errorf("%d requests, %d look-ups", s.requests.Load(), r.asked.Load())
	}
}
