// Package mailtest holds the peers and fakes that the tests of several packages share.
//
// [NextHop] is the server that mail is delivered to: it records every octet it
// is given and can fail at each step of the dialogue.
//
//	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{
//		Faults: map[mailtest.Step]mailtest.Fault{mailtest.AtDot: {Cut: true}},
//	})
//	client, err := relay.New(relay.Options{Hostname: "a.test", Smarthost: hop.Addr(), …})
package mailtest

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// Step is a moment of the dialogue at which a NextHop can fail. At a verb that
// is after the command was read and before its reply.
type Step string

// The steps.
const (
	AtBanner   Step = "banner"
	AtEHLO     Step = "EHLO"
	AtSTARTTLS Step = "STARTTLS"
	AtAUTH     Step = "AUTH"
	AtMAIL     Step = "MAIL"
	AtRCPT     Step = "RCPT"
	AtDATA     Step = "DATA"
	AtBody     Step = "body" // after the first line of the body
	AtDot      Step = "dot"  // the final dot was read
	AtRSET     Step = "RSET"
	AtNOOP     Step = "NOOP"
	AtQUIT     Step = "QUIT"
)

// Fault is what goes wrong at a step. With only a reply the dialogue goes on,
// the verb without effect.
type Fault struct {
	Reply string // a line that is sent instead of the usual reply
	Raw   string // octets sent instead, as they are
	Cut   bool   // then the connection is closed
	Reset bool   // then it is reset
	Hang  bool   // then nothing is answered any more
	Stall bool   // then nothing is even read any more
	Skip  int    // the first so many times nothing happens
	Times int    // so many times it happens; 0 means always
}

// NextHopOptions say how a NextHop behaves. The zero value takes everything.
type NextHopOptions struct {
	Faults map[Step]Fault
	Rcpt   map[string]string // reply to a recipient, named as it stands between < and >

	MaxRcpts   int      // further recipients of a transaction get 452; 0 means no limit
	Extensions []string // lines of the EHLO reply; nil means the usual ones

	TLS         *tls.Config // offers STARTTLS
	ImplicitTLS bool        // speaks TLS from the first octet instead
	Inject      string      // plaintext injected behind the 220 of STARTTLS
	BrokenTLS   bool        // offers STARTTLS and then speaks no TLS

	Username, Password string // AUTH PLAIN is offered and required

	Refuse  bool       // nothing listens at Addr
	Pipe    bool       // no socket: only Dial reaches it, which suits testing/synctest
	Reached func(Step) // called at every step, before the reply
}

// Transaction is what came after one DATA.
type Transaction struct {
	Conn       int      // number of the connection, from 1
	TLS        bool     // it was encrypted
	User       string   // who had authenticated
	From       string   // as it stood between < and >
	FromParams string   // what stood behind
	Rcpts      []string // those that were accepted, as they stood between < and >
	RcptParams []string // what stood behind each
	Data       []byte   // content as sent, with the doubled dots undone
	Dot        bool     // the final dot came
	Taken      bool     // it was answered with 250
}

// NextHop is a scripted SMTP server. Its methods may be called at any time.
type NextHop struct {
	o        NextHopOptions
	listener net.Listener
	addr     string
	wg       sync.WaitGroup
	done     chan struct{} // closed by Close

	mu      sync.Mutex
	changed chan struct{} // closed at every change
	conns   map[net.Conn]bool
	count   int // connections so far
	hits    map[Step]int
	lines   []string
	taken   []*Transaction
	closed  bool
}

// NewNextHop starts a next hop on loopback that ends with the test.
func NewNextHop(t testing.TB, o NextHopOptions) *NextHop {
	t.Helper()
	h := &NextHop{o: o, addr: "127.0.0.1:25", changed: make(chan struct{}), done: make(chan struct{}),
		conns: map[net.Conn]bool{}, hits: map[Step]int{}}
	t.Cleanup(h.Close)
	if o.Pipe {
		return h
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = l.Addr().String()
	if o.Refuse {
		l.Close()
		return h
	}
	h.listener = l
	h.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.Serve(c)
		}
	})
	return h
}

// Addr returns host:port.
func (h *NextHop) Addr() string { return h.addr }

// Dial connects to the next hop, whatever address is named: it is a Dialer
// for those whose routing says something else.
func (h *NextHop) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if h.o.Pipe {
		client, server := net.Pipe()
		h.Serve(server)
		return client, nil
	}
	return new(net.Dialer).DialContext(ctx, "tcp", h.addr)
}

// Serve speaks on c until it ends; it does not wait for that.
func (h *NextHop) Serve(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		c.Close()
		return
	}
	h.count++
	h.conns[c] = true
	talk := &talk{hop: h, conn: c, tcp: c, number: h.count}
	h.wg.Go(func() {
		talk.run()
		c.Close()
		h.change(func() { delete(h.conns, c) })
	})
}

// Close ends every connection and waits until all is silent.
func (h *NextHop) Close() {
	h.mu.Lock()
	if !h.closed {
		close(h.done)
	}
	h.closed = true
	if h.listener != nil {
		h.listener.Close()
	}
	for c := range h.conns {
		c.Close()
	}
	h.mu.Unlock()
	h.wg.Wait()
}

// CloseIdle cuts every connection, as a server does with those that are idle.
func (h *NextHop) CloseIdle() {
	h.mu.Lock()
	for c := range h.conns {
		c.Close()
	}
	h.mu.Unlock()
	h.await(func() bool { return len(h.conns) == 0 })
}

// Transactions returns those that came as far as DATA, in order.
func (h *NextHop) Transactions() []Transaction {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []Transaction
	for _, t := range h.taken {
		c := *t
		c.Data = slices.Clone(t.Data)
		out = append(out, c)
	}
	return out
}

// Lines returns every command line, in order.
func (h *NextHop) Lines() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lines)
}

// Conns returns how many connections there were.
func (h *NextHop) Conns() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// WaitTaken waits until n messages were answered with 250 and returns all
// transactions. The test fails when that takes longer than ten seconds.
func (h *NextHop) WaitTaken(t testing.TB, n int) []Transaction {
	t.Helper()
	if !h.await(func() bool { return h.countTaken() >= n }) {
		t.Fatalf("next hop took fewer than %d messages", n)
	}
	return h.Transactions()
}

// WaitData waits until n octets of content have come with the last DATA.
func (h *NextHop) WaitData(t testing.TB, n int) {
	t.Helper()
	if !h.await(func() bool { return len(h.taken) > 0 && len(h.taken[len(h.taken)-1].Data) >= n }) {
		t.Fatalf("next hop received fewer than %d octets", n)
	}
}

// WaitIdle waits until every connection has ended, so that what was recorded
// is all there will be.
func (h *NextHop) WaitIdle(t testing.TB) {
	t.Helper()
	if !h.await(func() bool { return len(h.conns) == 0 }) {
		t.Fatal("connections to the next hop stay open")
	}
}

func (h *NextHop) countTaken() (n int) {
	for _, t := range h.taken {
		if t.Taken {
			n++
		}
	}
	return n
}

// patience bounds every wait of a test.
const patience = 10 * time.Second

// await waits until done, which is called with h.mu held.
func (h *NextHop) await(done func() bool) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		h.mu.Lock()
		ok, changed := done(), h.changed
		h.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-late.C:
			return false
		}
	}
}

// change does something to the record and wakes those who wait.
func (h *NextHop) change(do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do()
	close(h.changed)
	h.changed = make(chan struct{})
}

// fault counts one passage of a step and returns what goes wrong there now.
func (h *NextHop) fault(s Step) (Fault, bool) {
	if h.o.Reached != nil {
		h.o.Reached(s)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	f, ok := h.o.Faults[s]
	h.hits[s]++
	n := h.hits[s] - f.Skip
	return f, ok && n > 0 && (f.Times == 0 || n <= f.Times)
}
