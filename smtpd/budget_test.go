package smtpd

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// Commands without a message end the session; a login and a mail that is taken
// begin anew. Neither errors nor the login's time limit stand in the way here.
func TestCommandsWithoutAMessageEndTheSession(t *testing.T) {
	for _, cycle := range []string{"NOOP", "RSET", "EHLO t", "HELO t", "VRFY x", "HELP",
		"MAIL FROM:<agent@example.test>\r\nRSET",
		"MAIL FROM:<agent@example.test>\r\nRCPT TO:<a@dest.test>\r\nRCPT TO:<a@dest.test>\r\nRSET"} {
		t.Run(cycle, func(t *testing.T) {
			o := options()
			o.MaxCommands, o.MaxRecipients, o.MaxErrors = 20, 3, 1000
			srv, _ := build(t, o)
			p := dial(t, srv, true)
			p.expect("220")
			for range 21 {
				p.do("NOOP", "250")
			}
			p.do("EHLO t", "250")
			p.do(rightLogin, "235") // the 23rd
			for range 2 {           // a budget, a mail, and a budget again
				for range 18 {
					p.do("NOOP", "250")
				}
				p.begin() // MAIL, RCPT and DATA
				p.send("a: b\r\n\r\n.\r\n")
				p.expect("250")
			}
			commands, replied := strings.Split(cycle, "\r\n"), 0
			for i := 0; ; i++ {
				p.send(commands[i%len(commands)] + "\r\n")
				if got := p.reply(); strings.HasPrefix(got, "421 4.7.0 too many commands") {
					break
				} else if got == "" || replied > 23 {
					t.Fatalf("%q after %d replies", got, replied)
				}
				replied++
			}
			if replied != 23 {
				t.Errorf("%d commands were carried out, want 23", replied)
			}
			p.expect("")
		})
	}
}

// Aborted AUTHs and other errors count too, and QUIT is always answered.
func TestAbortedLoginsAreCommandsWithoutAMessage(t *testing.T) {
	o := options()
	o.MaxCommands, o.MaxRecipients, o.MaxErrors = 4, 1, 1000
	srv, _ := build(t, o)
	p := dial(t, srv, true)
	p.expect("220")
	p.do("EHLO t", "250")
	for range 4 {
		p.do("AUTH LOGIN", "334")
		p.do("*", "501")
	}
	p.do("QUIT", "221")
}

func (p *peer) from(size int, login bool) {
	p.t.Helper()
	if login {
		p.login()
	}
	params := ""
	if size > 0 {
		params = fmt.Sprintf(" SIZE=%d", size)
	}
	p.do("MAIL FROM:<agent@example.test>"+params, "250")
	p.do("RCPT TO:<a@dest.test>", "250")
}

// The octets of messages under way are bounded over all connections: by the
// declared size before the first octet, else while they come.
func TestMessagesInFlightAreBoundedOverAllConnections(t *testing.T) {
	const size = 200 << 10
	o := options()
	o.MaxSize = size
	o.Messages = throttle.NewBytes(400 << 10)
	srv, g := build(t, o)
	first := dial(t, srv, true)
	first.from(size, true)
	first.do("DATA", "354")
	addr := first.c.RemoteAddr().String()

	other := o.Messages.Hold("another agent") // the agent itself may have a quarter only beside its first
	if !other.Reach(1) {
		t.Fatal("no memory for a small one of another agent")
	}
	declared := connect(t, addr, true)
	declared.from(size, true)
	declared.do("DATA", "451 4.3.2 too many messages")
	declared.do("NOOP", "250")
	declared.do("DATA", "503") // the transaction is over

	first.send("a: b\r\n\r\n.\r\n")
	first.expect("250")
	first.do("NOOP", "250")
	other.Release()
	if n := o.Messages.Used(); n != 0 {
		t.Fatalf("%d octets are held after the mail", n)
	}

	all := o.Messages.Hold("another agent")
	if !all.Reach(size) {
		t.Fatal("no memory")
	}
	declared.from(0, false)
	declared.do("DATA", "354") // there is memory for a small one
	go declared.send("a: b\r\n\r\n" + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 1900) + ".\r\n")
	declared.expect("451 4.3.2 too many messages")
	declared.do("NOOP", "250")
	all.Release()
	if n := o.Messages.Used(); n != 0 {
		t.Errorf("%d octets are held after a refused mail", n)
	}
	declared.from(0, false)
	declared.do("DATA", "354")
	declared.send("a: b\r\n\r\n.\r\n")
	declared.expect("250")
	if n := len(g.stored()); n != 2 {
		t.Errorf("%d mails", n)
	}
}

// What a message held is given back however its transaction ends.
func TestWhatAMessageHeldIsGivenBackOnEveryPath(t *testing.T) {
	for _, c := range []struct{ name, content, want string }{
		{"taken", "a: b\r\n\r\n.\r\n", "250"},
		{"bare LF", "a: b\n\r\n.\r\n", "554"},
		{"long line", strings.Repeat("x", 2000) + "\r\n.\r\n", "554"},
		{"too large", strings.Repeat("x\r\n", 4000) + ".\r\n", "552"},
		{"refused by the gate", "refuse\r\n.\r\n", "550"},
		{"a panic", "panic\r\n.\r\n", "421"},
		{"broken off", "a: b\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options()
			o.Messages = throttle.NewBytes(1 << 20)
			srv, g := build(t, o)
			g.submit = func(s gate.Submission) (gate.Receipt, error) {
				switch {
				case strings.HasPrefix(string(s.Raw), "panic"):
					panic("boom")
				case strings.HasPrefix(string(s.Raw), "refuse"):
					return gate.Receipt{}, mail.ErrForbidden.Errorf("no")
				}
				if o.Messages.Used() == 0 {
					t.Error("nothing is held while the gate has the message")
				}
				return gate.Receipt{Mail: &mail.Mail{ID: "X"}}, nil
			}
			p := dial(t, srv, true)
			p.from(5000, true)
			p.do("DATA", "354")
			p.send(c.content)
			if c.want == "" {
				p.c.Close()
			} else {
				p.expect(c.want)
			}
			p.c.Close()
			for sessions(srv) > 0 {
				runtime.Gosched()
			}
			if n := o.Messages.Used(); n != 0 {
				t.Errorf("%d octets are held", n)
			}
		})
	}
}
