package mailtest

import (
	"crypto/tls"
	"io"
	"net"
	"net/smtp"
	"strings"
	"testing"
)

// The fake is tested with the client of the standard library, which nobody
// here has written.

func TestNextHopRecordsWhatItIsSent(t *testing.T) {
	ca := NewCA(t)
	h := NewNextHop(t, NextHopOptions{TLS: ca.Server("127.0.0.1"), Username: "bot", Password: "secret",
		Rcpt: map[string]string{"gone@x.test": "550 5.1.1 no"}})
	c, err := smtp.Dial(h.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{ServerName: "127.0.0.1", RootCAs: ca.Pool()}); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail("a@x.test"); err == nil || !strings.HasPrefix(err.Error(), "530") {
		t.Errorf("MAIL without AUTH: %v", err)
	}
	if err := c.Auth(smtp.PlainAuth("", "bot", "secret", "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail("a@x.test"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("gone@x.test"); err == nil || !strings.HasPrefix(err.Error(), "550") {
		t.Errorf("RCPT: %v", err)
	}
	if err := c.Rcpt("b@x.test"); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	const text = "A: b\r\n\r\n.\r\n..x\r\n"
	io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tx := h.WaitTaken(t, 1)[0]
	if string(tx.Data) != text || tx.From != "a@x.test" || len(tx.Rcpts) != 1 || tx.Rcpts[0] != "b@x.test" ||
		!tx.TLS || tx.User != "bot" || !tx.Dot || !tx.Taken || tx.FromParams != "BODY=8BITMIME" {
		t.Errorf("got %+v", tx)
	}
	c.Quit()
	h.WaitIdle(t)
	if l := h.Lines(); l[len(l)-1] != "QUIT" {
		t.Errorf("lines %q", l)
	}
}

func TestNextHopKeepsWhatCameBeforeABreak(t *testing.T) {
	h := NewNextHop(t, NextHopOptions{})
	c, err := smtp.Dial(h.Addr())
	if err != nil {
		t.Fatal(err)
	}
	c.Mail("a@x.test")
	c.Rcpt("b@x.test")
	c.Data()
	io.WriteString(c.Text.W, "A: b\r\n\r\nhalf a li")
	c.Text.W.Flush()
	c.Close()
	h.WaitIdle(t)
	if tx := h.Transactions(); len(tx) != 1 || string(tx[0].Data) != "A: b\r\n\r\nhalf a li" || tx[0].Dot || tx[0].Taken {
		t.Errorf("got %+v", tx)
	}
}

func TestNextHopFailsAsConfigured(t *testing.T) {
	h := NewNextHop(t, NextHopOptions{Faults: map[Step]Fault{
		AtMAIL: {Reply: "451 4.7.1 later", Skip: 1, Times: 1}, AtQUIT: {Cut: true}}})
	c, err := smtp.Dial(h.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i, want := range []string{"", "451", ""} {
		err := c.Mail("a@x.test")
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("MAIL %d: %v", i+1, err)
		}
		c.Reset()
	}
	if err := c.Quit(); err == nil {
		t.Error("QUIT was answered")
	}
}

func TestNextHopThatRefusesIsNotThere(t *testing.T) {
	h := NewNextHop(t, NextHopOptions{Refuse: true})
	if c, err := net.Dial("tcp", h.Addr()); err == nil {
		c.Close()
		t.Error("it took a connection")
	}
}

func TestPathsEndAtTheBracketThatIsNotQuoted(t *testing.T) {
	for in, want := range map[string][3]string{
		`FROM:<a@b.test>`:             {"a@b.test", "", "true"},
		`from:<"x> y"@b.test> SIZE=1`: {`"x> y"@b.test`, "SIZE=1", "true"},
		`FROM:<>`:                     {"", "", "true"},
		`FROM:a@b.test`:               {"", "", "false"},
		`FROM:<a@b.test`:              {"", "", "false"},
		`F`:                           {"", "", "false"},
	} {
		addr, params, ok := path(in, "FROM:")
		if addr != want[0] || params != want[1] || ok != (want[2] == "true") {
			t.Errorf("%s: %q %q %v", in, addr, params, ok)
		}
	}
}
