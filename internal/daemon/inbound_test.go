package daemon

import (
	"context"
	"crypto/tls"
	"io/fs"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

const fromFar = "From: far@far.test\r\nTo: bot@example.test\r\nSubject: hello\r\n\r\nHello.\r\n"

// running starts a daemon with a mailbox, calls use, and ends it.
func running(t *testing.T, c config.Config, use func(d *Daemon)) {
	t.Helper()
	d, err := New(Options{Config: c, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	err = d.db.Update(t.Context(), func(tx store.Tx) error {
		me := registry.Socket(os.Getuid(), true)
		if _, err := d.registry.Mailbox(tx, mail.MustAddress("bot@example.test")); err == nil {
			return nil
		}
		if _, _, err := d.registry.AddAgent(tx, me, "bot", ""); err != nil {
			return err
		}
		_, err := d.registry.AddMailbox(tx, me, mail.MustAddress("bot@example.test"), []string{"bot"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	err = d.Run(ctx, func() error {
		defer stop()
		use(d)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// cameIn returns the mails that came in for a mailbox, the newest first.
func cameIn(t *testing.T, d *Daemon, box string) (all []*mail.Mail) {
	t.Helper()
	list, err := d.reader.ByMailbox(t.Context(), mail.MustAddress(box), mail.Incoming, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		all = append(all, l.Mail)
	}
	return all
}

// world is a configuration with both doors.
func world(t *testing.T) config.Config {
	t.Helper()
	c := initialised(t)
	c.DNS.Resolver = []string{zoneServer(t, func() string { return "" })}
	c.SMTP.Hostname, c.Inbound.Hostname = "localhost", "mx.example.test"
	c.Inbound.Listen, c.Inbound.LMTP = "127.0.0.1:0", "unix:"+filepath.Join(t.TempDir(), "lmtp.sock")
	c.DNS.Resolver = []string{zoneServer(t, func() string { return "" })} // nobody publishes anything
	return c
}

func TestMailOfTheWorldComesInThroughBothDoors(t *testing.T) {
	c := world(t)
	for range 2 { // the second start finds the socket of the first
		running(t, c, func(d *Daemon) {
			at := d.Addresses()
			before := len(cameIn(t, d, "bot@example.test"))
			got := deliver(t, "tcp", at.Inbound, "bot@example.test", "x@far.test")
			if !slices.Equal(got, []string{"250 2.1.5", "550 5.7.1", "250 2.0.0"}) {
				t.Errorf("over SMTP: %v", got)
			}
			path := strings.TrimPrefix(c.Inbound.LMTP, "unix:")
			if fi, err := os.Stat(path); err != nil || fi.Mode() != fs.ModeSocket|0o660 {
				t.Errorf("%v, %v", fi, err)
			}
			got = deliver(t, "unix", path, "bot@example.test", "nobody@example.test", "bot@example.test")
			if !slices.Equal(got, []string{"250 2.1.5", "550 5.1.1", "250 2.1.5", "250 2.0.0", "250 2.0.0"}) {
				t.Errorf("over LMTP: %v", got)
			}
			mails := cameIn(t, d, "bot@example.test")
			if len(mails) != before+2 {
				t.Fatalf("%d mails came in", len(mails)-before)
			}
			for i, door := range []string{"lmtp", "smtp-in"} {
				m := mails[i]
				if m.Door != door || m.Arrival == nil || m.Arrival.Hop != map[string]string{"lmtp": "lmtp"}[door] ||
					!strings.Contains(string(m.Prefix), "\tby mx.example.test (MultiMail) with ") {
					t.Errorf("%s: %+v", door, m)
				}
			}
		})
	}
}

// deliver sends a mail, over a unix socket by LMTP, and returns the codes of the replies
// to its recipients and to the mail.
func deliver(t *testing.T, network, addr string, to ...string) (codes []string) {
	t.Helper()
	return deliverText(t, network, addr, fromFar, to...)
}

func deliverText(t *testing.T, network, addr, text string, to ...string) (codes []string) {
	t.Helper()
	nc, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, _, err := textproto.NewConn(nc).ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	return converse(t, nc, map[bool]string{true: "LHLO", false: "EHLO"}[network == "unix"], text, to...)
}

// converse sends a mail on a connection that has its greeting.
func converse(t *testing.T, nc net.Conn, hello, text string, to ...string) (codes []string) {
	t.Helper()
	c := textproto.NewConn(nc)
	do := func(line string) string {
		t.Helper()
		if line != "" {
			_ = c.PrintfLine("%s", line)
		}
		code, said, err := c.ReadResponse(0)
		if err != nil {
			t.Fatalf("%q: %d %q, %v", line, code, said, err)
		}
		enhanced, _, _ := strings.Cut(said, " ")
		return strconv.Itoa(code) + " " + enhanced
	}
	do(hello + " localhost")
	do("MAIL FROM:<far@far.test>")
	taken := 0
	for _, a := range to {
		code := do("RCPT TO:<" + a + ">")
		if codes = append(codes, code); code[0] == '2' {
			taken++
		}
	}
	do("DATA")
	_ = c.PrintfLine("%s.", text)
	if hello == "EHLO" {
		taken = 1
	}
	for range taken {
		codes = append(codes, do(""))
	}
	return codes
}

// RFC 5321, 4.5.1: <postmaster> without a domain is somebody, always.
func TestPostmasterOfThisHostIsTheOperator(t *testing.T) {
	domains := func(names ...string) (list []registry.Domain) {
		for _, n := range names {
			list = append(list, registry.Domain{Name: n})
		}
		return list
	}
	for _, c := range []struct {
		host    string
		domains []registry.Domain
		want    string
	}{
		{"mx.b.test", domains("a.test", "b.test"), "postmaster@b.test"},
		{"MX.B.test", domains("a.test", "b.test"), "postmaster@b.test"},
		{"b.test", domains("a.test", "b.test"), "postmaster@b.test"},
		{"mx.sub.b.test", domains("b.test", "sub.b.test"), "postmaster@sub.b.test"},
		{"mxb.test", domains("a.test", "b.test"), "postmaster@a.test"},
		{"localhost", domains("a.test"), "postmaster@a.test"},
		{"localhost", nil, ""},
	} {
		if got, err := postmasterOf(c.host, c.domains); got.String() != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s: %s, %v", c.host, got, err)
		}
	}
	running(t, world(t), func(d *Daemon) {
		got := deliver(t, "tcp", d.Addresses().Inbound, "postmaster", "abuse@example.test")
		if !slices.Equal(got, []string{"250 2.1.5", "250 2.1.5", "250 2.0.0"}) {
			t.Errorf("%v", got)
		}
	})
}

func TestASocketThatIsNoneOrInUseIsLeftAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenLMTP("unix:" + file); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Error(err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := listenLMTP("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenLMTP("unix:" + path); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Error(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	again, err := listenLMTP("unix:" + path) // nobody answers there any more
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestTheConfiguredHopsAreTheRulesOfTheDoor(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	rules, err := hopRules([]config.Hop{
		{Name: "own", Ranges: []string{"10.0.0.0/8"}, Proof: "private", AuthServID: "gw.test"},
		{Name: "edge", Ranges: []string{"192.0.2.1"}, Proof: "certificate", Certificates: []string{sum}},
		{Name: "tenant", Ranges: []string{"192.0.2.0/24", "2001:db8::/32"}, Proof: "header", Header: "X-T", Value: "v",
			NoAuthServID: true},
	})
	if err != nil || len(rules) != 3 {
		t.Fatal(rules, err)
	}
	if r := rules[0]; !r.Private || r.Name != "own" || r.AuthServID != "gw.test" || r.Field != "" {
		t.Errorf("%+v", r)
	}
	if r := rules[1]; r.Private || len(r.Certificates) != 1 || r.Certificates[0][31] != 0xab || r.Ranges[0].Bits() != 32 {
		t.Errorf("%+v", r)
	}
	if r := rules[2]; r.Private || r.Field != "X-T" || r.Value != "v" || len(r.Ranges) != 2 || !r.NoAuthServID {
		t.Errorf("%+v", r)
	}
	plain := inboundTLS(&tls.Config{ClientAuth: tls.RequestClientCert}, rules[:1])
	asking := inboundTLS(&tls.Config{}, rules)
	if plain.ClientAuth != tls.NoClientCert || asking.ClientAuth != tls.RequestClientCert ||
		inboundTLS(nil, rules) != nil {
		t.Errorf("%v, %v", plain.ClientAuth, asking.ClientAuth)
	}
}

func TestTheDoctorLooksAtTheInboundDoor(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*config.Config)
		status string
		want   string
	}{
		{"none", func(c *config.Config) { c.Inbound.Listen, c.Inbound.LMTP = "", "" }, api.CheckOK, "no mail of the world"},
		{"LMTP alone", func(c *config.Config) { c.Inbound.Listen = "" }, api.CheckOK, "over LMTP"},
		{"no TLS", func(c *config.Config) {
			c.SMTP.CertFile, c.SMTP.KeyFile, c.SMTP.Submission = "", "", ""
		}, api.CheckWarn, "without TLS"},
		{"no record", func(*config.Config) {}, api.CheckWarn, "not in dns.mx"},
		{"another name", func(c *config.Config) { c.DNS.MX = []string{"MX.example.test"} }, api.CheckWarn, "is not for mx."},
		{"all is well", func(c *config.Config) {
			c.Inbound.Hostname, c.DNS.MX = "localhost", []string{"localhost"}
		}, api.CheckOK, "takes mail as localhost"},
	} {
		conf := world(t)
		c.change(&conf)
		d := &Daemon{o: Options{Config: conf, Log: quiet}}
		if err := d.loadCertificates(); err != nil {
			t.Fatal(err)
		}
		for addr, l := range map[string]*net.Listener{conf.Inbound.Listen: &d.world, conf.Inbound.LMTP: &d.front} {
			if addr != "" {
				*l = fakeListener{}
			}
		}
		if got := d.examineInbound(); got.Status != c.status || !strings.Contains(got.Detail, c.want) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// fakeListener is a listener that is open somewhere.
type fakeListener struct{ net.Listener }

func (fakeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 25} }
