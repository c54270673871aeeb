package relay

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
)

// certificates are those that a next hop may show.
type certificates struct {
	ca                       *mailtest.CA
	good, wrongName, wrongCA *tls.Config
}

func newCertificates(t *testing.T) certificates {
	ca, other := mailtest.NewCA(t), mailtest.NewCA(t)
	return certificates{ca, ca.Server("127.0.0.1"), ca.Server("other.test"), other.Server("127.0.0.1")}
}

// tlsCase is a next hop, and what becomes of a mail under a policy.
type tlsCase struct {
	name   string
	policy TLSPolicy
	hop    nextHop
	want   string
	conns  int
}

type nextHop = mailtest.NextHopOptions

const ok, okTLS = "delivered 250 2.0.0", "delivered 250 2.0.0 over TLS"

func TestOpportunisticTLSUsesWhatIsOffered(t *testing.T) {
	certs := newCertificates(t)
	certs.check(t, []tlsCase{
		{"none uses no TLS", None, nextHop{TLS: certs.good}, ok, 1},
		{"opportunistic uses what is offered", Opportunistic, nextHop{TLS: certs.good}, okTLS, 1},
		{"opportunistic does not verify", Opportunistic, nextHop{TLS: certs.wrongCA}, okTLS, 1},
		{"opportunistic goes without", Opportunistic, nextHop{}, ok, 1},
		{"opportunistic after a broken handshake", Opportunistic, nextHop{BrokenTLS: true}, ok, 2},
		{"opportunistic after a refused STARTTLS",
			Opportunistic, nextHop{TLS: certs.good,
				Faults: at(mailtest.AtSTARTTLS, mailtest.Fault{Reply: "454 4.7.0 no"})}, ok, 2},
		{"opportunistic after a cut STARTTLS",
			Opportunistic, nextHop{TLS: certs.good,
				Faults: at(mailtest.AtSTARTTLS, mailtest.Fault{Cut: true})}, ok, 2},
		{"opportunistic after injected plaintext",
			Opportunistic, nextHop{TLS: certs.good, Inject: "250 injected\r\n"}, "temporary 0 4.7.5", 1},
	})
}

func TestRequiredTLSSendsNothingWithoutAVerifiedPeer(t *testing.T) {
	certs := newCertificates(t)
	certs.check(t, []tlsCase{
		{"required with a good certificate", Required, nextHop{TLS: certs.good}, okTLS, 1},
		{"required with the name of another",
			Required, nextHop{TLS: certs.wrongName}, "temporary 0 4.7.5", 1},
		{"required with an unknown authority",
			Required, nextHop{TLS: certs.wrongCA}, "temporary 0 4.7.5", 1},
		{"required without an offer", Required, nextHop{}, "temporary 0 4.7.4", 1},
		{"required after a broken handshake",
			Required, nextHop{BrokenTLS: true}, "temporary 0 4.7.5", 1},
		{"required after a refused STARTTLS",
			Required, nextHop{TLS: certs.good,
				Faults: at(mailtest.AtSTARTTLS, mailtest.Fault{Reply: "502 5.5.1 no"})}, "temporary 502 5.5.1", 1},
		{"required after a cut STARTTLS",
			Required, nextHop{TLS: certs.good,
				Faults: at(mailtest.AtSTARTTLS, mailtest.Fault{Cut: true})}, "temporary 0 4.7.5", 1},
		{"required after a reset STARTTLS",
			Required, nextHop{TLS: certs.good,
				Faults: at(mailtest.AtSTARTTLS, mailtest.Fault{Reset: true})}, "temporary 0 4.7.5", 1},
		{"required after injected plaintext",
			Required, nextHop{TLS: certs.good, Inject: "250 injected\r\n"}, "temporary 0 4.7.5", 1},
		{"required after an EHLO that fails in TLS",
			Required, nextHop{TLS: certs.good,
				Faults: at(mailtest.AtEHLO, mailtest.Fault{Cut: true, Skip: 1})}, "temporary 0 4.4.2", 1},
	})
}

func (certs certificates) check(t *testing.T, cases []tlsCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := mailtest.NewNextHop(t, c.hop)
			client := to(t, h, Options{TLS: c.policy, RootCAs: certs.ca.Pool()})
			got := deliver(t, client, newMail("b@x.test"))
			want, secure := strings.CutSuffix(c.want, " over TLS")
			check(t, got, want)
			for _, tx := range h.Transactions() {
				if tx.TLS != secure {
					t.Errorf("sent with TLS=%v, want %v", tx.TLS, secure)
				}
			}
			// Without TLS nothing of the mail may be sent.
			if !got[0].Delivered && strings.Contains(strings.Join(h.Lines(), "\n"), "MAIL") {
				t.Errorf("sent %q", h.Lines())
			}
			if h.Conns() != c.conns {
				t.Errorf("%d connections, want %d", h.Conns(), c.conns)
			}
		})
	}
}
func TestImplicitTLSIsVerifiedAndNeverFallsBack(t *testing.T) {
	ca := mailtest.NewCA(t)
	for name, c := range map[string]struct {
		conf *tls.Config
		want string
	}{
		"with a good certificate":  {ca.Server("127.0.0.1"), "delivered 250 2.0.0"},
		"with the name of another": {ca.Server("other.test"), "temporary 0 4.7.5"},
	} {
		t.Run(name, func(t *testing.T) {
			hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{TLS: c.conf, ImplicitTLS: true})
			client := to(t, hop, Options{TLS: Required, ImplicitTLS: true, RootCAs: ca.Pool()})
			check(t, deliver(t, client, newMail("b@x.test")), c.want)
		})
	}
	t.Run("where plaintext is spoken", func(t *testing.T) {
		hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
		client := to(t, hop, Options{TLS: Opportunistic, ImplicitTLS: true})
		check(t, deliver(t, client, newMail("b@x.test")), "temporary 0 4.7.5")
		if len(hop.Transactions()) != 0 {
			t.Error("fell back to plaintext")
		}
	})
}

func TestCredentialsGoOnlyWhereTheyAreSafe(t *testing.T) {
	ca := mailtest.NewCA(t)
	login := func(o mailtest.NextHopOptions) mailtest.NextHopOptions {
		o.Username, o.Password = "bot", "secret"
		return o
	}
	for name, c := range map[string]struct {
		hop      mailtest.NextHopOptions
		o        Options
		password string
		want     string
	}{
		"over TLS": {login(mailtest.NextHopOptions{TLS: ca.Server("127.0.0.1")}),
			Options{TLS: Required}, "secret", "delivered 250 2.0.0"},
		"in plaintext on loopback": {login(mailtest.NextHopOptions{}), Options{TLS: None}, "secret",
			"delivered 250 2.0.0"},
		"with a wrong password is temporary": {login(mailtest.NextHopOptions{}), Options{TLS: None}, "guess",
			"temporary 535 5.7.8"},
		"where it is not offered": {mailtest.NextHopOptions{}, Options{TLS: None}, "secret", "temporary 0 4.7.0"},
		"that is cut": {login(mailtest.NextHopOptions{Faults: faults{mailtest.AtAUTH: {Cut: true}}}),
			Options{TLS: None}, "secret", "temporary 0 4.4.2"},
		"without STARTTLS where it is required": {login(mailtest.NextHopOptions{}), Options{TLS: Required}, "secret",
			"temporary 0 4.7.4"},
	} {
		t.Run(name, func(t *testing.T) {
			hop := mailtest.NewNextHop(t, c.hop)
			c.o.Username, c.o.Password, c.o.RootCAs = "bot", c.password, ca.Pool()
			got := deliver(t, to(t, hop, c.o), newMail("b@x.test"))
			check(t, got, c.want)
			if got[0].Delivered && hop.Transactions()[0].User != "bot" {
				t.Error("not authenticated")
			}
			if c.o.TLS == Required && !got[0].Delivered && strings.Contains(strings.Join(hop.Lines(), "\n"), "AUTH") {
				t.Errorf("the password went out: %q", hop.Lines())
			}
		})
	}
}

func TestOptionsThatCannotBeSafeStopTheStart(t *testing.T) {
	ok := quiet(Options{Smarthost: "smart.test:587"})
	for name, change := range map[string]func(*Options){
		"no limit of connections":     func(o *Options) { o.PerDestination = 0 },
		"no limit of waiting":         func(o *Options) { o.GreetingTimeout = 0 },
		"no hostname":                 func(o *Options) { o.Hostname = "" },
		"hostname with a line end":    func(o *Options) { o.Hostname = "a.test\r\nMAIL" },
		"smarthost without port":      func(o *Options) { o.Smarthost = "smart.test" },
		"smarthost with a named port": func(o *Options) { o.Smarthost = "smart.test:smtp" },
		"smarthost without host":      func(o *Options) { o.Smarthost = ":25" },
		"unknown policy":              func(o *Options) { o.TLS = "maybe" },
		"password without TLS":        func(o *Options) { o.TLS, o.Username = None, "bot" },
		"password over unverified TLS": func(o *Options) {
			o.TLS, o.Username = Opportunistic, "bot"
		},
		"password by MX":            func(o *Options) { o.Smarthost, o.Username = "", "bot" },
		"implicit TLS by MX":        func(o *Options) { o.Smarthost, o.ImplicitTLS = "", true },
		"implicit TLS that is none": func(o *Options) { o.TLS, o.ImplicitTLS = None, true },
	} {
		t.Run(name, func(t *testing.T) {
			o := ok
			change(&o)
			if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), "relay: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheDefaultPolicyIsTheSaferOne(t *testing.T) {
	for smarthost, want := range map[string]TLSPolicy{
		"smart.test:587": Required, "192.0.2.1:25": Required, "": Opportunistic,
		"127.0.0.1:25": Opportunistic, "[::1]:25": Opportunistic, "localhost:25": Opportunistic,
	} {
		c, err := New(quiet(Options{Smarthost: smarthost}))
		if err != nil || c.o.TLS != want {
			t.Errorf("%q: %v %v, want %v", smarthost, c.o.TLS, err, want)
		}
	}
}
