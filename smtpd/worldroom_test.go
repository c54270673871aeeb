package smtpd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

// A mail that one mailbox has no room for is not put off for the others: where the client has
// not said how large it is, a mailbox that may have no room for it is asked for alone, and the
// client sends to the others in another transaction (RFC 5321, section 4.5.3.1.10).
func TestAFullMailboxKeepsNoMailFromTheOthers(t *testing.T) {
	const alone = "452 4.5.3 there may be no room"
	for _, c := range []struct {
		name  string
		mail  string
		rcpts []string // and what is said to each
		end   string   // to the mail, which is larger than what is left
		taken int      // recipients
	}{
		{"the full one first", "", []string{"a 250", "b " + alone, "c " + alone}, "452 4.2.2", 0},
		{"the full one last", "", []string{"b 250", "c 250", "a " + alone}, "250", 2},
		{"the full one alone", "", []string{"a 250", "a 250"}, "452 4.2.2", 0},
		{"none is full", "", []string{"b 250", "c 250"}, "250", 2},
		{"the size is said", " SIZE=200", []string{"a 452 4.2.2", "b 250", "c 250"}, "250", 2},
		{"the size is said, and small", " SIZE=50", []string{"a 250", "b 250"}, "452 4.2.2", 0}, // it was not true
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.gate.tight = []string{"a@example.test"}
			p := w.greet(t, false)
			p.do("MAIL FROM:<x@far.test>"+c.mail, "250")
			for _, r := range c.rcpts {
				box, want, _ := strings.Cut(r, " ")
				p.do("RCPT TO:<"+box+"@example.test>", want)
			}
			p.do("DATA", "354")
			p.send(letter + strings.Repeat("x", 150) + "\r\n.\r\n")
			if got := p.reply(); !strings.HasPrefix(got, c.end) {
				t.Errorf("got %q, want %q", got, c.end)
			}
			to := 0
			for _, d := range w.gate.stored() {
				to += len(d.To)
			}
			if to != c.taken {
				t.Errorf("%d mailboxes have it, want %d", to, c.taken)
			}
			p.mailTo("x@far.test", letter, "b@example.test", "c@example.test") // nothing of it is left over
		})
	}
}

// LMTP has a reply for each mailbox, so they may share a transaction.
func TestOverLMTPAFullMailboxIsToldByItself(t *testing.T) {
	w := newWorld()
	w.gate.tight = []string{"a@example.test"}
	p := w.greet(t, true)
	p.do("MAIL FROM:<x@far.test>", "250")
	for _, box := range []string{"a", "b"} {
		p.do(fmt.Sprintf("RCPT TO:<%s@example.test>", box), "250")
	}
	p.do("DATA", "354")
	p.send(letter + strings.Repeat("x", 150) + "\r\n.\r\n")
	p.expect("452 4.2.2")
	p.expect("250")
}

func TestConnectionsFromTheWorldAreCountedWhereTheirLimitIs(t *testing.T) {
	for _, c := range []struct {
		limit  mail.Limit
		change func(o *InboundOptions)
	}{
		{mail.LimitInboundConnections, func(o *InboundOptions) { o.MaxConnections = 1 }},
		{mail.LimitInboundSourceConnections, func(o *InboundOptions) { o.MaxPerSource = 1 }},
	} {
		for _, lmtp := range []bool{false, true} {
			w := newWorld()
			c.change(&w.o)
			visit := visits(t, w.server(t, lmtp), false)
			p := visit("192.0.2.1")
			p.expect("220")
			if lmtp {
				p.do("LHLO t", "250")
			} else {
				p.do("EHLO t", "250")
			}
			want, n := "421 4.3.2 too many connections", 1
			if lmtp && c.limit == mail.LimitInboundSourceConnections {
				want, n = "220", 0 // one server in front brings everything
			}
			visit("192.0.2.1").expect(want)
			if n > 0 {
				w.reached(t, c.limit, n)
			}
			p.do("NOOP", "250") // who is connected stays
		}
	}
}
