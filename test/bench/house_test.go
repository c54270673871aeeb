package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
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

// house is MultiMail in gated_send: what is submitted is stored and held.
type house struct {
	target
	dir    string
	before uint64 // commits that made the cast
	db     *bolt.DB
	smtp   *smtpd.Server
}

// credentials looks passwords up as the daemon does.
type credentials struct {
	db  store.Store
	reg *registry.Registry
}

func (c credentials) ByPassword(ctx context.Context, user, password, _ string) (p registry.Principal, err error) {
	err = c.db.View(ctx, func(tx store.Tx) error {
		p, err = c.reg.ByPassword(tx, user, password)
		return err
	})
	return p, err
}

func startHouse(b *testing.B, server, client *tls.Config) *house {
	b.Helper()
	h := &house{dir: b.TempDir(), target: target{user: agent, client: client}}
	quiet := slog.New(slog.DiscardHandler)
	log := audit.New("bench")
	reg := registry.New(log)
	h.cast(b, reg)
	h.before = h.commits(b)
	h.open(b)
	// One credential does all the work here: no rate, held mail or backlog may stop it.
	const unlimited = 1 << 50
	g := gate.New(h.db, queue.New(log, "bench"), reg, log, node.New(), gate.Options{
		Log: quiet, SubmissionsPerMinute: 1 << 30,
		HeldSize: unlimited, HeldCount: unlimited, BacklogSize: unlimited, BacklogCount: unlimited})
	var err error
	if h.smtp, err = smtpd.New(g, credentials{h.db, reg}, smtpd.Options{
		Hostname: "localhost", TLSConfig: server, MaxSize: 25 << 20, MaxRecipients: 100, MaxConnections: 1000,
		MaxPerSource: 100, MaxCommands: 500, Logins: throttle.NewLogins(10, 10, nil),
		Messages: throttle.NewBytes(16 * 25 << 20), Log: quiet,
	}); err != nil {
		b.Fatal(err)
	}
	l := listen(b)
	h.addr = l.Addr().String()
	go h.smtp.Serve(l, true) // ends with stop
	return h
}

func (h *house) open(b *testing.B) {
	b.Helper()
	var err error
	if h.db, err = bolt.Open(bolt.Options{Dir: h.dir, Create: true}); err != nil {
		b.Fatal(err)
	}
}

// cast fills the registry and closes the store again.
func (h *house) cast(b *testing.B, reg *registry.Registry) {
	b.Helper()
	h.open(b)
	me := registry.Socket(1000, true)
	err := h.db.Update(b.Context(), func(tx store.Tx) error {
		if err := reg.SetOperator(tx, me, registry.Operator{Name: "Example",
			Oversight: mail.MustAddress("boss@example.test")}); err != nil {
			return err
		}
		if _, err := reg.AddDomain(tx, me, "example.test"); err != nil {
			return err
		}
		var err error
		if _, h.password, err = reg.AddAgent(tx, me, agent, ""); err != nil {
			return err
		}
		_, err = reg.AddMailbox(tx, me, mail.MustAddress(mailbox), []string{agent})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := h.db.Close(); err != nil {
		b.Fatal(err)
	}
}

// stop ends the server and returns how many commits the load took.
func (h *house) stop(b *testing.B) uint64 {
	b.Helper()
	if err := h.smtp.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := h.db.Close(); err != nil {
		b.Fatal(err)
	}
	return h.commits(b) - h.before
}

// commits reads the number of commits from the closed store.
func (h *house) commits(b *testing.B) (n uint64) {
	b.Helper()
	db, err := bbolt.Open(filepath.Join(h.dir, "multimail.db"), 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	_ = db.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket([]byte("store")).Get([]byte("commit")); len(v) == 8 {
			n = binary.BigEndian.Uint64(v)
		}
		return nil
	})
	return n
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
