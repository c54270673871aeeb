package smtpd

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/multimail/multimail/gate"
)

func tlsClient(c net.Conn) net.Conn { return tls.Client(c, &tls.Config{InsecureSkipVerify: true}) }

func TestTheEnvelopeIsWhatTheClientSent(t *testing.T) {
	srv, g := build(t, options())
	p := dial(t, srv, true).login()
	p.do("MAIL FROM:<agent@example.test> SIZE=20 BODY=8BITMIME RET=hdrs ENVID=a+2Bb AUTH=<>", "250 2.1.0")
	p.do(`RCPT TO:<a@Dest.Test> NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@dest.test`, "250 2.1.5")
	p.do("RCPT TO:<a@dest.test>", "250 2.1.5") // counts once
	p.do("RCPT TO:<b@dest.test> NOTIFY=NEVER", "250 2.1.5")
	p.do("DATA", "354")
	p.send("a: b\r\n\r\n\xc3\xa9\r\n.\r\n")
	p.expect("250-2.0.0 ")
	e := g.stored()[0].Envelope
	if e.From.String() != mailbox || e.Body != "8BITMIME" || e.Ret != "HDRS" || e.EnvID != "a+b" || len(e.Rcpts) != 2 {
		t.Fatalf("%+v", e)
	}
	if r := e.Rcpts[0]; r.Addr.String() != "a@dest.test" || strings.Join(r.Notify, " ") != "SUCCESS DELAY" ||
		r.ORcpt != "rfc822;a+b@dest.test" || r.Standing != "pending" {
		t.Errorf("%+v", r)
	}
	if r := e.Rcpts[1]; strings.Join(r.Notify, " ") != "NEVER" {
		t.Errorf("%+v", r)
	}
}

// One that may not be sent to costs the others nothing.
func TestASuppressedRecipientIsRefusedAtRCPT(t *testing.T) {
	srv, g := build(t, options())
	p := dial(t, srv, true).login()
	p.do("MAIL FROM:<agent@example.test>", "250 2.1.0")
	p.do("RCPT TO:<suppressed@dest.test>", "550 5.7.1 suppressed@dest.test is on the suppression list")
	p.do("RCPT TO:<b@dest.test>", "250 2.1.5")
	p.do("DATA", "354")
	p.send("a: b\r\n\r\nx\r\n.\r\n")
	p.expect("250-2.0.0 ")
	if e := g.stored()[0].Envelope; len(e.Rcpts) != 1 || e.Rcpts[0].Addr.Local() != "b" {
		t.Errorf("%+v", e)
	}
	if len(g.facts) != 1 || g.facts[0]["enhanced"] != "5.7.1" {
		t.Errorf("facts %v", g.facts)
	}
}

func TestMalformedParametersAreRefused(t *testing.T) {
	srv, _ := build(t, options())
	for _, c := range []struct{ line, want string }{
		{"SIZE=+5", "501 5.5.4"}, {"SIZE=-1", "501 5.5.4"}, {"SIZE=", "501 5.5.4"}, {"SIZE=0x5", "501 5.5.4"},
		{"SIZE=99999999999999999999999", "552 5.3.4"}, {"SIZE=10001", "552 5.3.4"}, {"SIZE=10000", "250"},
		{"SIZE=1 size=2", "501 5.5.4"}, {"BODY=BINARYMIME", "501 5.5.4"}, {"RET=ALL", "501 5.5.4"},
		{"ENVID=", "501 5.5.4"}, {"ENVID=+0A", "501 5.5.4"}, {"ENVID=+4", "501 5.5.4"}, {"ENVID=a=b", "501 5.5.4"},
		{"ENVID=" + strings.Repeat("x", 101), "501 5.5.4"}, {"ENVID=" + strings.Repeat("x", 100), "250"},
		{"SMTPUTF8", "555 5.6.7"}, {"HOLDFOR=60", "555 5.5.4"}, {"REQUIRETLS", "555 5.5.4"}, {"X\x01", "501"},
		{"X\xc3\xa9", "501"},
	} {
		p := connect(t, address(t, srv), true).login()
		p.do("MAIL FROM:<agent@example.test> "+c.line, c.want)
	}
	for _, c := range []struct{ line, want string }{
		{"NOTIFY=", "501 5.5.4"}, {"NOTIFY=NEVER,SUCCESS", "501 5.5.4"}, {"NOTIFY=SUCCESS,NEVER", "501 5.5.4"},
		{"NOTIFY=SUCCESS,SUCCESS", "501 5.5.4"}, {"NOTIFY=FAILURE,", "501 5.5.4"}, {"NOTIFY=ALWAYS", "501 5.5.4"},
		{"NOTIFY=FAILURE,delay,SUCCESS", "250"}, {"ORCPT=a@b.test", "501 5.5.4"}, {"ORCPT=rfc822;", "501 5.5.4"},
		{"ORCPT=rfc822;a+0D+0Ab", "501 5.5.4"}, {"ORCPT=rfc822;" + strings.Repeat("x", 500), "501 5.5.4"},
		{"RRVS=2026-01-01T00:00:00Z", "555 5.5.4"}, {"SIZE=1", "555 5.5.4"},
	} {
		p := connect(t, address(t, srv), true).login()
		p.do("MAIL FROM:<agent@example.test>", "250")
		p.do("RCPT TO:<a@dest.test> "+c.line, c.want)
	}
}

// address starts srv under TLS, once, and returns where it listens.
func address(t *testing.T, srv *Server) string {
	t.Helper()
	srv.mu.Lock()
	for _, l := range srv.listeners {
		defer srv.mu.Unlock()
		return l.Addr().String()
	}
	srv.mu.Unlock()
	return dial(t, srv, true).c.RemoteAddr().String()
}

func TestWhatIsNoCommandOfMailIsRefused(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"a vertical tab behind AUTH", "AUTH\vPLAIN", "500 5.5.1"},
		{"an escape in a greeting", "EHLO \x1b[2J", "501 5.5.2"},
		{"a file's name in UTF-8 as a greeting", "EHLO Grüße.eml", "250-"},
		{"a browser after the first line", "PUT / HTTP/1.1", "421 4.7.0"},
		{"HTTP/2", "PRI * HTTP/2.0", "421 4.7.0"},
		{"an unknown method of HTTP", "BREW /pot HTTP/1.1", "421 4.7.0"},
		{"a postmaster of nowhere", "RCPT TO:<Postmaster>", "553 5.1.3 postmaster of which domain"},
		{"a recipient without a domain", "RCPT TO:<a>", "553 5.1.3"},
		{"nobody", "RCPT TO:<>", "553 5.1.3"},
		{"a path that does not end", "RCPT TO:<a@dest.test", "501 5.1.3"},
		{"a quoted string that does not end", `RCPT TO:<"a@dest.test>`, "501 5.1.3"},
		{"text behind a path", "RCPT TO:<a@dest.test>NOTIFY=NEVER", "501 5.5.4"},
		{"a megabyte of dots", "AUTH PLAIN " + strings.Repeat(".", 1<<19), "500 5.5.6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv, _ := build(t, options())
			p := dial(t, srv, true).login()
			p.do("MAIL FROM:<agent@example.test>", "250")
			p.do(c.line, c.want)
		})
	}
}

func TestASenderWithBadSyntaxHasACodeOfItsOwn(t *testing.T) {
	srv, _ := build(t, options())
	p := dial(t, srv, true).login()
	p.do("MAIL FROM:<a@b@example.test>", "553 5.1.7")
	p.do("MAIL FROM:agent@example.test", "501 5.1.7")
	p.do("MAIL FROM:<>", "550 5.7.1")
	p.do("MAIL FROM:<agent@other.test>", "550 5.7.1")
}

func TestACancelledLoginIsNoFailure(t *testing.T) {
	srv, _ := build(t, options())
	p := dial(t, srv, true)
	p.expect("220")
	p.do("EHLO t", "250")
	for range 4 {
		p.do("AUTH LOGIN", "334 VXNlcm5hbWU6")
		p.do("*", "501 5.7.0")
	}
	p.do("AUTH PLAIN", "334 \r\n")
	p.do("AGRlbW8Ac2VjcmV0", "235")
}

// Where a path ends is decided once, by the scanner, quotes respected.
func TestAPathEndsAtItsBracket(t *testing.T) {
	for _, c := range []struct {
		in, path, params string
		err              error
	}{
		{"TO:<a@b.test>", "a@b.test", "", nil},
		{"to: <a@b.test> X=1", "a@b.test", " X=1", nil},
		{`TO:<"a> b"@c.test> X=1`, `"a> b"@c.test`, " X=1", nil},
		{`TO:<"a\"> b"@c.test> X=1`, `"a\"> b"@c.test`, " X=1", nil},
		{`TO:<"a\\"> X=1`, `"a\\"`, " X=1", nil},
		{"TO:<a<b>@c.test>", "", "", errPath},
		{`TO:<"a@b.test>`, "", "", errPath},
		{`TO:<"a\`, "", "", errPath},
		{"TO:<a@b.test", "", "", errPath},
		{"TO:a@b.test", "", "", errPath},
		{"TO:<a\tb@c.test>", "", "", errPath},
		{"TO:<a@b.test>X=1", "", "", errSyntax},
		{"TO:<a@b.test> \xff", "", "", errSyntax},
		{"FROM:<a@b.test>", "", "", errSyntax},
		{"TO", "", "", errSyntax},
	} {
		path, params, err := cutPath(c.in, "TO:")
		if path != c.path || params != c.params || (err != nil || c.err != nil) && !errors.Is(err, c.err) {
			t.Errorf("%q: %q, %q, %v", c.in, path, params, err)
		}
	}
}

func TestNoReplyIsLongerThanALineMayBe(t *testing.T) {
	r := newReply(550, "5.7.1", strings.Repeat("é\r\n250 ", 1000)).String()
	if len(r) > 512 || strings.Count(r, "\n") != 1 || !strings.HasPrefix(r, "550 5.7.1 ?") {
		t.Errorf("%q", r)
	}
}

// The log is for operators. It never holds what only client and server may know.
func TestTheLogHasEveryStepAndNoSecret(t *testing.T) {
	var buf bytes.Buffer
	o := options()
	o.Log = slog.New(slog.NewTextHandler(&buf, nil))
	srv, g := build(t, o)
	p := dial(t, srv, true)
	p.expect("220")
	p.do("EHLO t", "250")
	p.do("AUTH PLAIN AGRlbW8AaHVudGVyMg==", "535") // demo, hunter2
	p.do("AUTH PLAIN AGRlbW8Ac2VjcmV0", "235")
	p.begin()
	p.send("Subject: sesame\r\n\r\nwhispered\r\n.\r\n")
	p.expect("250-")
	g.submit = func(gate.Submission) (gate.Receipt, error) { return gate.Receipt{}, errors.New("disk on fire") }
	p.begin()
	p.send("Subject: sesame\r\n\r\n.\r\n")
	reply := p.expect("451 4.3.0")
	p.do("MAIL FROM:<ceo@example.test>", "550")
	p.do("QUIT", "221")
	p.expect("")
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	text := buf.String()
	for _, never := range []string{"secret", "hunter2", "sesame", "whispered", "AGRl"} {
		if strings.Contains(text, never) {
			t.Errorf("the log holds %q:\n%s", never, text)
		}
	}
	for _, want := range []string{"msg=auth ", `msg="auth refused"`, "msg=received mail=01ARZ3NDEKTSV4RRFFQ69G5FAV",
		"msg=internal", "disk on fire", "code=451 enhanced=4.3.0", "code=550 enhanced=5.7.1", "remote=127.0.0.1\n",
		"door=smtp"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q:\n%s", want, text)
		}
	}
	_, ref, _ := strings.Cut(reply, "(ref ")
	ref, _, ok := strings.Cut(ref, ")")
	if !ok || strings.Count(text, "cid="+ref) < 5 || strings.Contains(reply, "fire") {
		t.Errorf("the reply %q does not lead to the log:\n%s", reply, text)
	}
}

// RFC 1870, section 6.1: what the disk cannot take is refused at MAIL, before
// the octets travel.
func TestAnAnnouncedSizeThatTheDiskCannotTakeIsRefusedAtOnce(t *testing.T) {
	srv, g := build(t, options())
	g.free = 1000
	p := dial(t, srv, true).login()
	p.do("MAIL FROM:<agent@example.test> SIZE=1001", "452 4.3.1")
	p.do("RCPT TO:<a@dest.test>", "503 5.5.1")
	p.do("MAIL FROM:<agent@example.test> SIZE=1000", "250 2.1.0")
}
