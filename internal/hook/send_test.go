package hook

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// public is what counts as the Internet in these tests.
func public(a netip.Addr) bool { return !a.IsLoopback() && !a.IsPrivate() && !a.IsLinkLocalUnicast() }

func jobTo(url string) *job {
	return &job{s: Subscription{URL: url, Secret: newSecret()}, d: Delivery{ID: "01X"}, body: []byte("{}"),
		now: time.Unix(1700000000, 0)}
}

func targets(t *testing.T, list ...string) Targets {
	t.Helper()
	allow, err := ParseTargets(list)
	if err != nil {
		t.Fatal(err)
	}
	return allow
}

func TestOnlyHTTPSToAHostOfTheInternetIsAWebhook(t *testing.T) {
	allow := targets(t, "hooks.internal.test", "10.1.0.0/16")
	for address, ok := range map[string]bool{
		"https://hooks.example/x?y=1":        true,
		"https://hooks.example:443/":         true,
		"https://hooks.internal.test:8443/x": true,
		"http://hooks.internal.test/x":       true,
		"http://10.1.2.3:5678/":              true,
		"http://hooks.example/":              false,
		"https://hooks.example:25/":          false,
		"https://10.2.0.1/":                  false,
		"https://127.0.0.1/":                 false,
		"https://[::1]/":                     false,
		"https://[::ffff:127.0.0.1]/":        false,
		"https://2130706433/":                false,
		"https://0x7f.1/":                    false,
		"https://127.1/":                     false,
		"https://localhost/":                 false,
		"https://user:pw@hooks.example/":     false,
		"https://hooks.example/#x":           false,
		"https://HOOKS.example/":             false,
		"https://hooks.example\r\nX: y/":     false,
		"https://höoks.example/":             false,
		"ftp://hooks.internal.test/":         false,
		"file:///etc/passwd":                 false,
		"https:hooks.example":                false,
		"https://":                           false,
		"":                                   false,
		"https://hooks.example/" + strings.Repeat("x", maxURL): false,
	} {
		if err := allow.check(address); (err == nil) != ok {
			t.Errorf("%.60q: %v", address, err)
		}
	}
	for _, bad := range []string{"10.1.2.3/16", "Hooks.example", "https://x.test", "*.example", "", "fe80::1%eth0"} {
		if _, err := ParseTargets([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// turning is a resolver that answers with another address each time.
type turning struct {
	answers [][]netip.Addr
	asked   atomic.Int32
}

func (r *turning) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n := int(r.asked.Add(1)) - 1
	return r.answers[min(n, len(r.answers)-1)], nil
}

func TestAnAddressIsCheckedAtEachDial(t *testing.T) {
	reached := atomic.Int32{}
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer canary.Close()
	loopback := netip.MustParseAddr("127.0.0.1")
	_, port, _ := net.SplitHostPort(canary.Listener.Addr().String())
	for name, r := range map[string]*turning{
		"a private address":         {answers: [][]netip.Addr{{loopback}}},
		"mapped to IPv6":            {answers: [][]netip.Addr{{netip.MustParseAddr("::ffff:127.0.0.1")}}},
		"link-local":                {answers: [][]netip.Addr{{netip.MustParseAddr("169.254.169.254")}}},
		"no address":                {answers: [][]netip.Addr{{}}},
		"private after it was not":  {answers: [][]netip.Addr{{}, {loopback}, {loopback}}},
		"many that are not allowed": {answers: [][]netip.Addr{{loopback, loopback, loopback, loopback, loopback}}},
	} {
		c := newClient(r, public, Targets{})
		for range 3 {
			before := r.asked.Load()
			conn, err := c.dial(t.Context(), "tcp", net.JoinHostPort("rebinding.test", port))
			if err == nil {
				conn.Close()
				t.Errorf("%s: it connected", name)
			}
			if n := r.asked.Load() - before; n != 1 {
				t.Errorf("%s: the resolver was asked %d times", name, n)
			}
		}
	}
	if reached.Load() != 0 {
		t.Error("the canary was reached")
	}
	// The same dialler connects to what is listed, so the refusals above are not of another cause.
	c := newClient(&turning{answers: [][]netip.Addr{{loopback}}}, public, targets(t, "rebinding.test"))
	if got := c.send(t.Context(), jobTo("http://rebinding.test:"+port+"/")); got.problem != "" || reached.Load() != 1 {
		t.Errorf("%+v, reached %d times", got, reached.Load())
	}
}

func TestATargetThatIsListedNoMoreIsNotAsked(t *testing.T) {
	c := newClient(resolver{}, public, Targets{})
	if got := c.send(t.Context(), jobTo("http://127.0.0.1:1/")); got.problem != ProblemTarget {
		t.Errorf("%+v", got)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	reached := atomic.Int32{}
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer canary.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		target := httptest.NewServer(http.RedirectHandler(canary.URL, code))
		got := newClient(resolver{}, public, targets(t, "127.0.0.1")).send(t.Context(), jobTo(target.URL))
		target.Close()
		if got != (answer{code, ProblemRedirect}) || reached.Load() != 0 {
			t.Errorf("%d: %+v, the other was reached %d times", code, got, reached.Load())
		}
	}
}

// endless is a body of 10 GB, of which it counts what is read.
type endless struct{ read, closed atomic.Int64 }

func (e *endless) Read(b []byte) (int, error) {
	if e.read.Add(int64(len(b))) > 10<<30 {
		return 0, io.EOF
	}
	return len(b), nil
}

func (e *endless) Close() error { e.closed.Add(1); return nil }

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOfAnEndlessAnswerLittleIsRead(t *testing.T) {
	c, body := newClient(resolver{}, public, targets(t, "127.0.0.1")), &endless{}
	c.http.Transport = transport(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: body}, nil
	})
	got := c.send(t.Context(), jobTo("http://127.0.0.1/"))
	if n := body.read.Load(); got.problem != "" || n > 2*maxAnswer || body.closed.Load() != 1 {
		t.Errorf("%+v, %d octets are read", got, n)
	}
}

func TestAnyOtherAnswerIsAFailure(t *testing.T) {
	for code, problem := range map[int]Problem{200: "", 204: "", 299: "", 400: ProblemStatus, 404: ProblemStatus,
		410: ProblemStatus, 500: ProblemStatus} {
		target := httptest.NewServer(fails(code))
		got := newClient(resolver{}, public, targets(t, "127.0.0.1")).send(t.Context(), jobTo(target.URL))
		target.Close()
		if got != (answer{code, problem}) {
			t.Errorf("%d: %+v", code, got)
		}
	}
	tls := httptest.NewTLSServer(fails(200))
	defer tls.Close()
	got := newClient(resolver{}, public, targets(t, "127.0.0.1")).send(t.Context(), jobTo(tls.URL))
	if got.problem != ProblemCertificate {
		t.Errorf("an unknown authority: %+v", got)
	}
	got = newClient(resolver{}, public, targets(t, "nowhere.test")).send(t.Context(), jobTo("http://nowhere.test/"))
	if got.problem != ProblemUnreachable {
		t.Errorf("no such host: %+v", got)
	}
}

func TestASecretThatRotatesSignsBesideTheNewOne(t *testing.T) {
	now := time.Unix(1614265330, 0)
	s := Subscription{Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	h := http.Header{}
	sign(h, s, "p5jXN8AQM9LWM0D4loKWxJek", now, []byte(`{"test": 2432232314}`))
	// The example of the specification of Standard Webhooks.
	if got := h.Get("webhook-signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
	if h.Get("webhook-id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" || h.Get("webhook-timestamp") != "1614265330" {
		t.Error(h)
	}
	s.Before, s.BeforeEnd = s.Secret, now.Add(time.Second)
	s.Secret = newSecret()
	sign(h, s, "p5jXN8AQM9LWM0D4loKWxJek", now, []byte(`{"test": 2432232314}`))
	list := strings.Fields(h.Get("webhook-signature"))
	if len(list) != 2 || list[1] != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(list)
	}
	sign(h, s, "1", now.Add(time.Second), bytes.Repeat([]byte("x"), 10))
	if list := strings.Fields(h.Get("webhook-signature")); len(list) != 1 {
		t.Errorf("the secret before signs after its end: %v", list)
	}
}
