package smtpd

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/throttle"
)

// from is a connection from an address.
type from struct {
	net.Conn
	addr net.Addr
}

func (c from) RemoteAddr() net.Addr { return c.addr }

// stranger connects from an address and goes on until DATA was answered with 354.
func (w *world) stranger(t *testing.T, s *Server, ip string, size int) *peer {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	c := newConn(s, from{server, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}, false)
	if !s.enter(c) {
		t.Fatalf("%s is refused", ip)
	}
	go func() { defer s.leave(c); c.serve() }()
	p := newPeer(t, client)
	p.expect("220")
	p.do("EHLO x", "250")
	p.do(fmt.Sprintf("MAIL FROM:<x@y.test> SIZE=%d", size), "250")
	p.do("RCPT TO:<a@example.test>", "250")
	p.do("DATA", "354")
	return p
}

// What a stranger announces takes no memory from others, and all addresses of one network
// are one source.
func TestStrangersHoldOnlyWhatTheyHaveSent(t *testing.T) {
	const mib = 1 << 20
	w := newWorld()
	w.o.MaxSize, w.o.MaxPerSource, w.o.Messages = 25*mib, 20, throttle.NewBytes(16*mib)
	s := w.server(t, false)
	var all []*peer
	for i := range 8 {
		all = append(all, w.stranger(t, s, fmt.Sprintf("2001:db8::%x", i+1), 25*mib))
	}
	if n := w.o.Messages.Used(); n > 2*mib {
		t.Errorf("%d octets are held for what was announced", n)
	}
	line := strings.Repeat("x", 998) + "\r\n"
	for _, p := range all { // 1.5 MiB each: the third of one source is over its quarter
		p.send("\r\n" + strings.Repeat(line, 1573) + ".\r\n")
		if r := p.reply(); !strings.HasPrefix(r, "250") && !strings.HasPrefix(r, "451 4.3.2") {
			t.Errorf("got %s", r)
		}
	}
	if n := w.o.Messages.Used(); n != 0 {
		t.Errorf("%d octets are left", n)
	}
}

func TestOneNetworkIsOneSourceOfMessages(t *testing.T) {
	w := newWorld()
	s := w.server(t, false)
	for ip, want := range map[string]string{"2001:db8::1": "2001:db8::/64", "2001:db8::2": "2001:db8::/64"} {
		c := newConn(s, from{nil, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}, false)
		if got := c.owner(); got != want {
			t.Errorf("%s is %q, want %q", ip, got, want)
		}
	}
}

// The local part of a mailbox has no case here, so its spellings are one recipient.
func TestSpellingsOfAMailboxAreOneRecipient(t *testing.T) {
	w := newWorld()
	p := dial(t, w.server(t, false), false)
	p.expect("220")
	p.do("EHLO x", "250")
	p.mailTo("x@far.test", "Subject: s\r\n\r\nHello.\r\n", "a@example.test", "A@example.test", "A@EXAMPLE.test")
	if got := w.gate.stored(); len(got) != 1 || len(got[0].To) != 1 {
		t.Errorf("%+v", got)
	}
}
