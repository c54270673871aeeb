//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// nothing asserts that nothing was stored and that the next session is served.
func (h *daemon) nothing() {
	h.t.Helper()
	var l []struct{ ID, Subject string }
	decode(h.t, h.must("mail", "list", "--all", "--json"), &l)
	for _, m := range l {
		if m.Subject != "next session" {
			h.t.Errorf("stored: %+v", m)
		}
	}
	s := h.login()
	s.deliver(h.dev.Mailbox, []string{"to@dest.test"}, h.message("next session"), "250")
	s.do("QUIT", "221")
}

// badSession is what a bad client says, and what it is answered.
type badSession struct {
	name string
	run  func(h *daemon)
}

// refuse plays each session to one daemon. None of them may store anything, and
// the next session is served.
func refuse(t *testing.T, sessions []badSession) {
	t.Helper()
	h := start(t)
	for _, c := range sessions {
		t.Run(c.name, func(t *testing.T) {
			h := h.in(t)
			c.run(h)
			h.nothing()
		})
	}
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func (h *daemon) mailFrom() string { return "MAIL FROM:<" + h.dev.Mailbox + ">" }

func TestBadLoginsOverSMTPStoreNothing(t *testing.T) {
	refuse(t, []badSession{
		{"wrong password", func(h *daemon) {
			s := h.secure()
			s.do("EHLO t", "250")
			s.do("AUTH PLAIN "+base64Of("\x00"+h.dev.Username+"\x00wrong"), "535 5.7.8")
			s.do(h.mailFrom(), "530")
		}},
		{"authorization as somebody else", func(h *daemon) {
			s := h.secure()
			s.do("EHLO t", "250")
			s.do("AUTH PLAIN "+base64Of("other\x00"+h.dev.Username+"\x00"+h.dev.Password), "535")
		}},
		{"a user name that is a query", func(h *daemon) {
			s := h.secure()
			s.do("EHLO t", "250")
			s.do("AUTH PLAIN "+base64Of("\x00*)(uid=*\x00x"), "535")
		}},
		{"three wrong passwords end the session", func(h *daemon) {
			s := h.secure()
			s.do("EHLO t", "250")
			for _, code := range []string{"535 5.7.8", "535 5.7.8", "421 4.7.0"} {
				s.do("AUTH PLAIN "+base64Of("\x00"+h.dev.Username+"\x00wrong"), code)
			}
			s.expect("")
		}},
		{"AUTH without TLS", func(h *daemon) {
			s := h.plain()
			if strings.Contains(s.do("EHLO t", "250"), "AUTH") {
				h.t.Error("AUTH is offered in plain text")
			}
			s.do("AUTH PLAIN "+base64Of("\x00"+h.dev.Username+"\x00"+h.dev.Password), "538 5.7.11")
			s.do(h.mailFrom(), "530")
		}},
		{"commands injected before STARTTLS", func(h *daemon) {
			s := h.plain()
			s.do("EHLO t", "250")
			s.send("STARTTLS\r\n" + h.mailFrom() + "\r\nNOOP\r\n")
			got := s.reply()
			if rest := s.reply(); strings.HasPrefix(rest, "250") || strings.HasPrefix(rest, "530") {
				h.t.Errorf("an injected command was answered: %q after %q", rest, got)
			}
		}},
		{"STARTTLS with an argument", func(h *daemon) {
			s := h.plain()
			s.do("EHLO t", "250")
			s.do("STARTTLS now", "501")
		}},
	})
}

func TestBadMailsOverSMTPAreRefusedWhole(t *testing.T) {
	refuse(t, []badSession{
		{"a sender that is not owned", func(h *daemon) { h.login().do("MAIL FROM:<ceo@example.test>", "550 5.7.1") }},
		{"a sender of another domain", func(h *daemon) { h.login().do("MAIL FROM:<demo@other.test>", "550 5.7.1") }},
		{"the null sender", func(h *daemon) { h.login().do("MAIL FROM:<>", "550 5.7.1") }},
		{"a From that is not owned", func(h *daemon) {
			h.login().deliver(h.dev.Mailbox, []string{"to@dest.test"}, "From: ceo@example.test\r\nTo: to@dest.test\r\n\r\nx",
				"550 5.7.1")
		}},
		{"two From fields", func(h *daemon) {
			h.login().deliver(h.dev.Mailbox, []string{"to@dest.test"},
				"From: "+h.dev.Mailbox+"\r\nFrom: ceo@example.test\r\n\r\nx", "55")
		}},
		{"a malformed header", func(h *daemon) {
			h.login().deliver(h.dev.Mailbox, []string{"to@dest.test"}, "From : "+h.dev.Mailbox+"\r\n\r\nx", "55")
		}},
		{"a message larger than announced limits", func(h *daemon) {
			h.login().do(h.mailFrom()+" SIZE=999999999",
				"552 5.3.4")
		}},
		{"a message that grows too large", func(h *daemon) {
			s := h.login()
			s.do(h.mailFrom(), "250")
			s.do("RCPT TO:<to@dest.test>", "250")
			s.do("DATA", "354")
			s.send(h.message("huge") + "\r\n")
			line := strings.Repeat("x", 900) + "\r\n"
			block := strings.Repeat(line, 1000)
			for range 31 { // 28 MB
				s.send(block)
			}
			s.send("\r\n.\n\r\n.\r\n")
			s.expect("552 5.3.4")
			s.do("NOOP", "250")
		}},
		{"too many recipients", func(h *daemon) {
			s := h.login()
			s.do(h.mailFrom(), "250")
			for i := range 100 {
				s.do(fmt.Sprintf("RCPT TO:<r%d@dest.test>", i), "250")
			}
			s.do("RCPT TO:<one.more@dest.test>", "452 4.5.3")
			s.do("RSET", "250")
		}},
	})
}

func TestBadCommandsOverSMTPStoreNothing(t *testing.T) {
	refuse(t, []badSession{
		{"malformed recipients", func(h *daemon) {
			s := h.login()
			s.do(h.mailFrom(), "250")
			for _, a := range []string{"<a@dest.test", "a@dest.test", "<a@\xc3\xa9.test>"} {
				s.do("RCPT TO:"+a, "501 5.1.3") // no path
			}
			for _, a := range []string{"<a@b@dest.test>", "<a b@dest.test>", "<@evil.test:a@dest.test>",
				"<a@[127.0.0.1]>", "<>"} {
				s.do("RCPT TO:"+a, "553 5.1.3") // a path, no address
			}
			s.do("DATA", "554 5.5.1")
		}},
		{"a second MAIL", func(h *daemon) {
			s := h.login()
			s.do(h.mailFrom(), "250")
			s.do("RCPT TO:<to@dest.test>", "250")
			s.do(h.mailFrom(), "503")
			s.do("RSET", "250")
		}},
		{"AUTH inside a transaction", func(h *daemon) {
			s := h.login()
			s.do(h.mailFrom(), "250")
			s.do("AUTH PLAIN "+base64Of("\x00"+h.dev.Username+"\x00"+h.dev.Password), "503")
		}},
		{"a web browser", func(h *daemon) {
			s := h.plain()
			s.send("POST / HTTP/1.1\r\nHost: x\r\n\r\n")
			s.expect("421 4.7.0")
			if got := s.reply(); got != "" {
				h.t.Errorf("still served: %q", got)
			}
		}},
		{"a command without end", func(h *daemon) {
			s := h.plain()
			s.send(strings.Repeat("x", 100000) + "\r\n")
			s.expect("500 5.5.2")
		}},
	})
}

// Only CRLF.CRLF ends a message. Each of the others is followed by what a
// smuggler would add; none of it may become a second mail or reach the wire.
func TestNothingButCRLFDotCRLFEndsAMessage(t *testing.T) {
	h := start(t)
	for _, end := range []string{"\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\n\n.\n\n", "\r.\r\n",
		"\r\n\x00.\r\n", "\r\r\n.\r\r\n", "\r\n.\x00\r\n"} {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			h := h.in(t)
			s := h.login()
			s.do("MAIL FROM:<"+h.dev.Mailbox+">", "250")
			s.do("RCPT TO:<to@dest.test>", "250")
			s.do("DATA", "354")
			s.send(h.message("first") + end + "MAIL FROM:<" + h.dev.Mailbox + ">\r\nRCPT TO:<evil@dest.test>\r\nDATA\r\n" +
				h.message("smuggled") + "\r\n.\r\n")
			s.expect("554 5.6.0")
			h.nothing()
		})
	}
}

func TestBadInputOverTheAPIStoresNothing(t *testing.T) {
	h := start(t)
	good := `"subject":"s","markdown":"m"`
	for _, c := range []struct {
		name, body string
		want       int
	}{
		{"CR LF in a recipient", `{"to":["b@dest.test\r\nBcc: y@evil.test"],` + good + `}`, 400},
		{"CR LF in the subject", `{"to":["b@dest.test"],"subject":"s\r\nBcc: y@evil.test","markdown":"m"}`, 400},
		{"LF in a file name", `{"to":["b@dest.test"],` + good +
			`,"attachments":[{"name":"a\nb","content_base64":"","content_type":"text/plain"}]}`, 400},
		{"CR LF in a media type", `{"to":["b@dest.test"],` + good +
			`,"attachments":[{"name":"a","content_base64":"","content_type":"text/plain\r\nX: y"}]}`, 400},
		{"a list where an address belongs", `{"to":"a@dest.test,b@dest.test",` + good + `}`, 400},
		{"two addresses in one", `{"to":["a@dest.test,b@dest.test"],` + good + `}`, 400},
		{"a bracket in a quoted local part", `{"to":["\"a@evil.test> x\"@dest.test"],` + good + `}`, 400},
		{"a duplicate key", `{"to":["a@dest.test"],"to":["b@dest.test"],` + good + `}`, 400},
		{"another case", `{"To":["a@dest.test"],` + good + `}`, 400},
		{"an unknown key", `{"to":["a@dest.test"],` + good + `,"from_name":"x"}`, 400},
		{"nobody", `{"to":[],` + good + `}`, 400},
		{"not JSON", `to=a`, 400},
		{"a time in the past", `{"to":["a@dest.test"],` + good + `,"send_at":"2001-01-01T00:00:00Z"}`, 400},
		{"somebody else's mailbox", `{"from":"ceo@example.test","to":["a@dest.test"],` + good + `}`, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := h.in(t)
			code, body := h.http("POST", "/v1/send", c.body)
			if code != c.want || !strings.Contains(body, `"error"`) {
				t.Errorf("%d %s, want %d", code, body, c.want)
			}
			h.nothing()
		})
	}
	if code, _ := h.http("POST", "/v1/oversight/decide", `{"email_id":"x","action":"approve","digest":"y"}`); code != 403 {
		t.Errorf("an agent's key decides: %d", code)
	}
}

func TestBadInputOnTheCommandLineChangesNothing(t *testing.T) {
	h := start(t)
	s := h.login()
	s.deliver(h.dev.Mailbox, []string{"to@dest.test"}, h.message("one"), "250")
	s.deliver(h.dev.Mailbox, []string{"to@dest.test"}, h.message("two"), "250")
	one, two := h.only("one"), h.only("two")
	wrong := strings.Repeat("0", 64)
	unknown := "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	for _, c := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"an unknown id", []string{"approve", unknown, "--digest", wrong}, 1, "error:"},
		{"an id that is none", []string{"show", "nonsense"}, 1, "error:"},
		{"a stale digest", []string{"approve", one.ID, "--digest", wrong}, 1, "digest"},
		{"a digest that is none", []string{"approve", one.ID, "--digest", "xyz"}, 2, "64"},
		{"a digest for several mails", []string{"approve", one.ID, two.ID, "--digest", one.Digest}, 2, "one"},
		{"nobody to ask", []string{"approve", one.ID}, 2, "--digest"},
		{"no id", []string{"approve"}, 2, "error:"},
		{"an unknown mode", []string{"mailbox", "mode", h.dev.Mailbox, "wild"}, 2, "error:"},
		{"an unknown command", []string{"frobnicate"}, 2, "error:"},
		{"an unknown flag", []string{"pending", "--frobnicate"}, 2, "error:"},
		{"an unknown mailbox", []string{"mailbox", "mode", "no@example.test", "monitored"}, 1, "error:"},
		{"an unknown freeze", []string{"freeze", "moon:full"}, 1, "error:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := h.in(t).cli(c.args...)
			if r.code != c.want || !strings.Contains(r.err, c.says) || r.out != "" {
				t.Errorf("exit %d, out %q, err %q; want %d and %q", r.code, r.out, r.err, c.want, c.says)
			}
		})
	}
	h.must("approve", one.ID, "--digest", one.Digest)
	if r := h.cli("approve", one.ID, "--digest", one.Digest); r.code != 1 || !strings.Contains(r.err, "already approved") {
		t.Errorf("a double decision: exit %d, %q", r.code, r.err)
	}
	// One failure does not hide the others.
	r := h.cli("approve", unknown, two.ID, "--yes", "--json")
	if r.code != 1 || !strings.Contains(r.out, `"approved"`) || !strings.Contains(r.out, `"error"`) {
		t.Errorf("several: exit %d, %s%s", r.code, r.out, r.err)
	}
	h.kill(15)
	if r := h.cli("pending"); r.code != 1 || !strings.Contains(r.err, "no daemon answers") ||
		!strings.Contains(r.err, "hint:") {
		t.Errorf("a stopped daemon: exit %d, %q", r.code, r.err)
	}
}
