package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

const (
	user     = "demo"
	password = "secret"
	mailbox  = "agent@example.test"
)

// fakeGate takes whatever a door brings, so that a test sees what the real
// gate would have to judge.
type fakeGate struct {
	mu     sync.Mutex
	mails  []gate.Submission
	facts  []map[string]string // of refusals
	submit func(gate.Submission) (gate.Receipt, error)
	free   int64 // octets of disk; 0 means enough
}

func (g *fakeGate) Admit(
	_ context.Context, _ registry.Principal, from mail.Address, size int64, codes gate.Codes,
) error {
	if g.free > 0 && size > g.free {
		return mail.ReasonDiskFull.Errorf("not enough space to store mail; try again later")
	}
	if from.String() != mailbox {
		e := mail.ReasonSender.Errorf("sender not permitted")
		g.mu.Lock()
		defer g.mu.Unlock()
		g.facts = append(g.facts, codes(e))
		return e
	}
	return nil
}

// AdmitRecipient refuses one local part.
func (g *fakeGate) AdmitRecipient(
	_ context.Context, _ registry.Principal, _, to mail.Address, codes gate.Codes,
) error {
	if to.Local() != "suppressed" {
		return nil
	}
	e := mail.ReasonSuppressed.Errorf("%s is on the suppression list", to)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.facts = append(g.facts, codes(e))
	return e
}

func (g *fakeGate) Submit(_ context.Context, _ registry.Principal, s gate.Submission) (gate.Receipt, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.submit != nil {
		return g.submit(s)
	}
	g.mails = append(g.mails, s)
	return gate.Receipt{Mail: &mail.Mail{ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", State: mail.Held}}, nil
}

func (g *fakeGate) stored() []gate.Submission {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]gate.Submission(nil), g.mails...)
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// options are small limits, and no delays.
func options() Options {
	return Options{
		Hostname: "localhost", TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate()}},
		MaxSize: 10000, MaxRecipients: 3, MaxConnections: 1000, MaxPerSource: 100, MaxCommands: 500,
		Logins: throttle.NewLogins(10, 10, nil), Messages: throttle.NewBytes(16 * 10000),
		AuthDelay: time.Nanosecond, AccountDelay: time.Nanosecond,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func build(t testing.TB, o Options) (*Server, *fakeGate) {
	t.Helper()
	g := &fakeGate{}
	s, err := New(g, newFakeAuth(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s, g
}

// peer is a client that sends exactly what a test gives it.
type peer struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader

	late bool // the last read ended by our own deadline
}

func newPeer(t testing.TB, c net.Conn) *peer {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &peer{t: t, c: c, r: bufio.NewReader(c)}
}

// dial starts s on a loopback listener and connects to it.
func dial(t testing.TB, s *Server, implicit bool) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l, implicit) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
	})
	return connect(t, l.Addr().String(), implicit)
}

func connect(t testing.TB, addr string, implicit bool) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if implicit {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	return newPeer(t, c)
}

func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.c, s); err != nil {
		p.t.Fatal(err)
	}
}

// reply reads one reply; it is empty at the end of the connection.
func (p *peer) reply() string {
	var b strings.Builder
	for {
		l, err := p.r.ReadString('\n')
		b.WriteString(l)
		p.late = errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil || len(l) < 4 || l[3] != '-' {
			return b.String()
		}
	}
}

func (p *peer) do(line, want string) string {
	p.t.Helper()
	p.send(line + "\r\n")
	return p.expect(want)
}

func (p *peer) expect(want string) string {
	p.t.Helper()
	got := p.reply()
	if want == "" && (got != "" || p.late) || !strings.HasPrefix(got, want) {
		p.t.Errorf("got %q, want %q", got, want)
	}
	return got
}

// login greets and authenticates on a connection under TLS.
func (p *peer) login() *peer {
	p.t.Helper()
	p.expect("220")
	p.do("EHLO t", "250")
	p.do("AUTH PLAIN AGRlbW8Ac2VjcmV0", "235")
	return p
}

func strict(b []byte) bool {
	return !bytes.ContainsAny(bytes.ReplaceAll(b, crlf, nil), "\r\n\x00")
}
