package bench

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/smtpd"
)

const (
	mailbox = "bot@example.test"
	agent   = "bot"
)

// target is a server under load.
type target struct {
	addr, user, password string
	client               *tls.Config
}

// certificates returns the two sides of TLS for a name that only tests use.
func certificates(b *testing.B) (server, client *tls.Config) {
	b.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

// fixture is MultiMail in gated_send: what is submitted is stored and held.
type fixture struct {
	target
	*systemtest.System
	smtp *smtpd.Server
}

func startMultiMail(b *testing.B, server, client *tls.Config) *fixture {
	b.Helper()
	return startMultiMailWith(b, server, client, gate.Options{})
}

// startMultiMailWith takes from o what its mailbox may keep.
func startMultiMailWith(b *testing.B, server, client *tls.Config, o gate.Options) *fixture {
	b.Helper()
	dir := b.TempDir()
	h := &fixture{target: target{user: agent, client: client}}
	h.password = fill(b, dir)
	// One credential does all the work here: no rate, held mail or backlog may stop it.
	const unlimited = 1 << 50
	o.SubmissionsPerMinute = 1 << 30
	o.HeldSize, o.HeldCount, o.BacklogSize, o.BacklogCount = unlimited, unlimited, unlimited, unlimited
	h.System = systemtest.New(b, systemtest.Options{Dir: dir, Gate: o})
	var err error
	if h.smtp, err = smtpd.New(h.Gate, registry.NewAuthenticator(h.DB, h.Registry, nil), smtpd.Options{
		Hostname: "localhost", TLSConfig: server, MaxSize: 25 << 20, MaxRecipients: 100, MaxConnections: 1000,
		MaxPerSource: 100, MaxCommands: 500, Logins: throttle.NewLogins(10, 10, nil),
		Messages: throttle.NewBytes(16 * 25 << 20), Log: systemtest.Quiet,
	}); err != nil {
		b.Fatal(err)
	}
	l := listen(b)
	h.addr = l.Addr().String()
	go h.smtp.Serve(l, true) // ends with stop
	return h
}

// fill makes a store with an agent and closes it again. It returns the password of the agent.
func fill(b *testing.B, dir string) (password string) {
	b.Helper()
	s := systemtest.New(b, systemtest.Options{Dir: dir})
	s.AddOperator("example.test", mail.MustAddress("boss@example.test"))
	_, password = s.AddAgent(agent, "", mail.MustAddress(mailbox))
	if err := s.DB.Close(); err != nil {
		b.Fatal(err)
	}
	return password
}

// stop ends the server and returns how many flushes the load took.
func (h *fixture) stop(b *testing.B) uint64 {
	b.Helper()
	if err := h.smtp.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
	flushes := h.DB.Flushes()
	if err := h.DB.Close(); err != nil {
		b.Fatal(err)
	}
	return flushes
}

// null takes every mail and keeps none.
type null struct{}

var _ smtp.AuthSession = null{}

func (null) AuthMechanisms() []string { return []string{sasl.Plain} }

func (null) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, _ string) error { return nil }), nil
}

func (null) Mail(string, *smtp.MailOptions) error { return nil }
func (null) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (null) Reset()                               {}
func (null) Logout() error                        { return nil }

func (null) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func startNull(b *testing.B, server, client *tls.Config) target {
	b.Helper()
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return null{}, nil }))
	l := listen(b)
	go s.Serve(tls.NewListener(l, server)) // ends with Close
	b.Cleanup(func() { s.Close() })
	return target{addr: l.Addr().String(), user: "any", password: "any", client: client}
}

func listen(b *testing.B) net.Listener {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return l
}
