package smtpd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// fakeReceiver is a gate with mailboxes of one domain.
type fakeReceiver struct {
	mu     sync.Mutex
	boxes  []string
	full   []string // of boxes: no room for the mail
	tight  []string // of boxes: room for 100 octets
	asked  int      // how often AdmitDelivery was
	err    error    // of Receive, whatever it is given
	taken  []gate.Delivery
	called int // how often Receive was
}

func (g *fakeReceiver) AdmitDelivery(_ context.Context, _, to mail.Address, size int64) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	switch {
	case to.Domain() != "example.test":
		return 0, mail.ReasonRelay.Errorf("relaying denied")
	case !slices.Contains(g.boxes, to.String()):
		return 0, mail.ReasonNoMailbox.Errorf("no such mailbox here")
	case !slices.Contains(g.tight, to.String()):
		return math.MaxInt64, nil
	case size > 100:
		return 0, mail.ReasonQuota.Errorf("the mailbox is full")
	}
	return 100, nil
}

func (g *fakeReceiver) Receive(_ context.Context, d gate.Delivery) ([]*mail.Mail, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.called++
	if g.err != nil {
		return nil, g.err
	}
	var mails []*mail.Mail
	for _, to := range d.To {
		if slices.Contains(g.full, to.String()) || slices.Contains(g.tight, to.String()) && len(d.Raw) > 100 {
			return nil, mail.ReasonQuota.Errorf("the mailbox is full")
		}
		mails = append(mails, &mail.Mail{ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", State: mail.Received, Mailbox: to})
	}
	g.taken = append(g.taken, d)
	return mails, nil
}

func (g *fakeReceiver) stored() []gate.Delivery {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.taken)
}

// fakeInspector remembers what it was asked, and answers err or what a test says.
type fakeInspector struct {
	mu    sync.Mutex
	asked []Transaction
	err   error
}

func (i *fakeInspector) Inspect(_ context.Context, t Transaction) (Inspected, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = append(i.asked, t)
	return Inspected{Raw: t.Raw, Prefix: []byte("Authentication-Results: localhost; none\r\n"),
		Arrival: mail.Arrival{Auth: mail.Authentication{SPF: mail.Check{Result: "none"}}}}, i.err
}

// world is a door for mail from the world with small limits.
type world struct {
	gate    *fakeReceiver
	inspect *fakeInspector
	o       InboundOptions
}

func newWorld() *world {
	w := &world{gate: &fakeReceiver{boxes: []string{"a@example.test", "b@example.test", "c@example.test",
		"d@example.test", "e@example.test", "postmaster@example.test"}}, inspect: &fakeInspector{}}
	w.o = InboundOptions{
		Hostname: "localhost", TLSConfig: options().TLSConfig, MaxSize: 10000, MaxRecipients: 4, MaxConnections: 100,
		MaxPerSource: 5, ConnectionsPerMinute: 20, MessagesPerMinute: 10, UnknownPerMinute: 15,
		Messages: throttle.NewBytes(16 << 20), Inspector: w.inspect, Metrics: metrics.New(),
		Postmaster: func(context.Context) (mail.Address, error) { return mail.ParseAddress("postmaster@example.test") },
		Log:        slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	return w
}

// server returns the door; lmtp says which of the two.
func (w *world) server(t testing.TB, lmtp bool) *Server {
	t.Helper()
	var s *Server
	var err error
	if lmtp {
		s, err = NewLMTP(w.gate, w.o, Hop{Name: "lmtp", AuthServID: "mx.example.test"})
	} else {
		s, err = NewInbound(w.gate, w.o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// greet connects to a new server and greets it.
func (w *world) greet(t testing.TB, lmtp bool) *peer {
	t.Helper()
	p := dial(t, w.server(t, lmtp), false)
	p.expect("220")
	p.do(map[bool]string{false: "EHLO", true: "LHLO"}[lmtp]+" client.test", "250")
	return p
}

// play runs a session over a tape.
func (w *world) play(t testing.TB, in string, piece int, lmtp bool) string {
	t.Helper()
	p := newTape(in, piece)
	newConn(w.server(t, lmtp), p, false).serve()
	return p.out.String()
}

// mailTo sends one mail and returns the reply to its end.
func (p *peer) mailTo(from, text string, to ...string) string {
	p.t.Helper()
	p.do("MAIL FROM:<"+from+">", "250")
	for _, r := range to {
		p.do("RCPT TO:<"+r+">", "250")
	}
	p.do("DATA", "354")
	p.send(text + ".\r\n")
	return p.reply()
}

// reached compares how often a limit was counted.
func (w *world) reached(t *testing.T, l mail.Limit, n int) {
	t.Helper()
	rec := httptest.NewRecorder()
	w.o.Metrics.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	line := fmt.Sprintf("mail_limit_reached_total{limit=%q} %d\n", l, n)
	if !strings.Contains(rec.Body.String(), line) {
		t.Errorf("no %q in\n%s", line, rec.Body.String())
	}
}

// unixPeer serves on a unix socket and connects to it.
func unixPeer(t *testing.T, s *Server) *peer {
	t.Helper()
	path := t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l, false) }()
	t.Cleanup(func() { l.Close() })
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return newPeer(t, c)
}
