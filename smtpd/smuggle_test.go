package smtpd

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

const transaction = "MAIL FROM:<agent@example.test>\r\nRCPT TO:<a@dest.test>\r\nDATA\r\n"

// begin opens a transaction and returns when the message may follow.
func (p *peer) begin() {
	p.t.Helper()
	p.send(transaction)
	for _, want := range []string{"250", "250", "354"} {
		p.expect(want)
	}
}

// Each end is followed by the mail a smuggler would add. It must not be taken, and
// the session must be in step afterwards: one reply, then the next.
func TestNoOtherEndStartsASecondMail(t *testing.T) {
	for _, end := range []string{
		"\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\n\n.\n\n", "\r.\r\n",
		"\r\n\x00.\r\n", "\r\n.\x00\r\n", "\r\n.\r\r\n", "\r.\n", "\n.\r", "\r\n .\r\n", "\r\n.\u0085\r\n",
	} {
		for _, pad := range []int{0, 20000} { // in the discard mode too
			t.Run(fmt.Sprintf("%q after %d octets more", end, pad), func(t *testing.T) {
				srv, g := build(t, options())
				p := dial(t, srv, true).login()
				p.begin()
				p.send("a: b\r\n\r\n" + strings.Repeat("x\r\n", pad/3) + "first" + end +
					transaction + "c: d\r\n\r\nsmuggled\r\n.\r\n")
				got := p.reply()
				p.do("NOOP", "250 2.0.0 ok")
				stored := g.stored()
				switch {
				case len(stored) == 0 && (strings.HasPrefix(got, "554 5.6.0") || strings.HasPrefix(got, "552 5.3.4")):
				case len(stored) == 1 && strict(stored[0].Raw) && bytes.Contains(stored[0].Raw, []byte("MAIL FROM")):
					// A legal line that looks like an end: all of it is one mail.
				default:
					t.Errorf("%q, %d mails", got, len(stored))
				}
			})
		}
	}
}

// flood writes so many MiB without an end, and then two commands.
func (p *peer) flood(mib int) {
	block := bytes.Repeat([]byte("x"), 1<<20)
	for range mib {
		if _, err := p.c.Write(block); err != nil {
			return
		}
	}
	_, _ = io.WriteString(p.c, "\r\n.\r\nNOOP\r\n")
}

// What cannot be read to its end must not leave its rest to be read as
// commands, nor be kept.
func TestALineWithoutEndEndsTheConnection(t *testing.T) {
	for _, where := range []string{"command", "message"} {
		t.Run(where, func(t *testing.T) {
			srv, g := build(t, options())
			p := dial(t, srv, true).login()
			if where == "message" {
				p.begin()
			}
			go p.flood(64)
			// The last reply may be lost: much of what was sent is never read.
			if got := p.reply(); got != "" && !strings.HasPrefix(got, "500 5.5.2 this line has no end") {
				t.Errorf("%q", got)
			}
			p.expect("")
			if n := len(g.stored()); n != 0 {
				t.Errorf("%d mails", n)
			}
		})
		in := strings.Repeat("x", 2*maxEndless)
		if where == "message" {
			in = transaction + in
		}
		out, _ := replay(t, []byte(in), 1<<20)
		if !strings.HasSuffix(out, "\r\n500 5.5.2 this line has no end\r\n") {
			t.Errorf("%s: %q", where, out)
		}
	}
}

// What is kept of a line without end does not grow with what was sent.
func TestALineWithoutEndIsNotKept(t *testing.T) {
	for _, head := range []string{"", transaction} {
		kept := func(octets int) uint64 {
			in := []byte(head + strings.Repeat("x", octets) + "\r\n")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			replay(t, in, 1<<16)
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc - 2*uint64(len(in)) // replay copies what it plays twice
		}
		const n = maxEndless / 4
		one, two, four := kept(n), kept(2*n), kept(4*n)
		// A line that is kept in a buffer that grows costs more than 3n; the race detector varies by n and more.
		if limit := one + 3*n; two > limit || four > limit {
			t.Errorf("behind %q: %d, %d and %d octets are allocated for n, 2n and 4n of %d", head, one, two, four, n)
		}
	}
}

// The recipient the gate judges is the one that is written to the next hop,
// whatever the client wrote: the address is a type, and its String the wire.
func TestAQuotedLocalPartNeverBecomesARecipientOfItsOwn(t *testing.T) {
	for _, rcpt := range []string{
		`"v@evil.test> ORCPT=rfc822;y"@good.test`, `"v@evil.test"@good.test`, `"v%evil.test"@good.test`,
		`"v\@evil.test"@good.test`, `v%evil.test@good.test`, `evil.test!v@good.test`, `"evil.test!v"@good.test`,
		`@evil.test:v@good.test`, `v@evil.test,w@good.test`, `"a\" <v@evil.test>"@good.test`, `v@evil.test@good.test`,
		`"v>"@good.test`, `"a b"@good.test`, `a@good.test> <v@evil.test`, `a@good.test>x`, `"a"b@good.test`,
	} {
		t.Run(rcpt, func(t *testing.T) {
			srv, g := build(t, options())
			p := dial(t, srv, true).login()
			p.do("MAIL FROM:<agent@example.test>", "250")
			p.send("RCPT TO:<" + rcpt + ">\r\n")
			if got := p.reply(); strings.HasPrefix(got, "5") {
				return
			}
			p.do("DATA", "354")
			p.send("a: b\r\n\r\n.\r\n")
			p.expect("250")
			for _, r := range g.stored()[0].Envelope.Rcpts {
				path, rest, err := cutPath("TO:<"+r.Addr.String()+">", "TO:")
				if r.Addr.Domain() != "good.test" || path != r.Addr.String() || rest != "" || err != nil {
					t.Errorf("%q reads as %q, rest %q, %v", r.Addr, path, rest, err)
				}
				if strings.ContainsAny(r.Addr.Local(), "<>") || strings.Contains(r.Addr.Local(), "@") && r.Addr.String()[0] != '"' {
					t.Errorf("%q", r.Addr)
				}
			}
		})
	}
}
