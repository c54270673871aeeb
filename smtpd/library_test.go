package smtpd

import (
	"os"
	"strings"
	"testing"
	"time"
)

const (
	mailFrom = "MAIL FROM:<agent@example.test>\r\n"
	rcptTo   = "RCPT TO:<a@dest.test>\r\n"
)

// letPass is why the wire is not left to the library: what its newest server
// does with these, beside what ours does. The differences with the library are
// reported by make differences; here ours is held to its own replies.
var letPass = []struct{ name, in, theirs, ours string }{
	{"a second MAIL replaces the sender and keeps the recipients",
		mailFrom + rcptTo + "MAIL FROM:<other@example.test>\r\nDATA\r\na\r\n.\r\n",
		"rcpt \"a@dest.test\"\nmail \"other@example.test\"\ndata \"a\\r\\n\" <nil>",
		"250 2.1.5 recipient ok\r\n503 5.5.1"},
	{"AUTH inside a transaction", mailFrom + "AUTH PLAIN AGRlbW8AeA==\r\n", "235 2.0.0", "503 5.5.1"},
	{"a quoted local part hides a recipient", mailFrom + "RCPT TO:<\"v@evil.test> ORCPT=rfc822;y\"@good.test>\r\n",
		`rcpt "v@evil.test> ORCPT=rfc822;y@good.test"`, "553 5.1.3"},
	{"a source route is dropped in silence", mailFrom + "RCPT TO:<@evil.test:a@good.test>\r\n", `rcpt "a@good.test"`,
		"553 5.1.3"},
	{"a recipient without brackets", mailFrom + "RCPT TO:a@dest.test\r\n", `rcpt "a@dest.test"`, "501 5.1.3"},
	{"two at signs", mailFrom + "RCPT TO:<a@b.test@dest.test>\r\n", `rcpt "a@b.test@dest.test"`, "553 5.1.3"},
	{"letters beyond ASCII without SMTPUTF8", mailFrom + "RCPT TO:<\xc3\xa9@dest.test>\r\n", `rcpt "é@dest.test"`,
		"501 5.1.3"},
	{"a NUL in an address", mailFrom + "RCPT TO:<a\x00b@dest.test>\r\n", `rcpt "a\x00b@dest.test"`, "500 5.5.2"},
	{"a command that ends with a bare LF", mailFrom + "RCPT TO:<a@dest.test>\n", `rcpt "a@dest.test"`, "500 5.5.2"},
	{"control characters in a greeting", "EHLO \x1b]0;x\a\r\n", `hello "\x1b]0;x\a"`, "501 5.5.2"},
	{"bare LF in a message", mailFrom + rcptTo + "DATA\r\na\nb\r\n.\r\n", `data "a\nb\r\n" <nil>`, "554 5.6.0"},
	{"bare CR in a message", mailFrom + rcptTo + "DATA\r\na\rb\r\n.\r\n", `data "a\rb\r\n" <nil>`, "554 5.6.0"},
	{"NUL in a message", mailFrom + rcptTo + "DATA\r\na\x00b\r\n.\r\n", `data "a\x00b\r\n" <nil>`, "554 5.6.0"},
	{"octets are lost between a dot and a CR", mailFrom + rcptTo + "DATA\r\na\r\n.\rb\r\n.\r\n", `data "a\r\nb\r\n" <nil>`,
		"554 5.6.0"},
	{"the end after CR CR LF is not seen", mailFrom + rcptTo + "DATA\r\na\r\r\n.\r\nNOOP\r\n",
		`data "a\r\r\n.\r\nNOOP\r\n" unexpected EOF`,
		"554 5.6.0 only CRLF ends a line, and NUL is not allowed: send the message with CRLF line ends\r\n" +
			"250 2.0.0 ok"},
	{"a message of exactly the announced size", mailFrom + rcptTo + "DATA\r\n" +
		strings.Repeat(strings.Repeat("x", 98)+"\r\n", 100) + ".\r\n", "552 5.3.4", "250 2.0.0 Ok: queued as"},
	{"the words of an internal error", mailFrom + "RCPT TO:<fail@dest.test>\r\n", "451 4.0.0 open /var/lib/secret: denied",
		"250 2.1.5"},
	{"wrong credentials are worth another try", "AUTH PLAIN AHgAeA==\r\n", "454 4.7.0 no such user", "503"},
	{"guesses are not counted", strings.Repeat("AUTH PLAIN AHgAeA==\r\n", 20) + "NOOP\r\n",
		"250 2.0.0 I have successfully", "503"},
	{"an AUTH line of three kilobytes", "AUTH PLAIN " + strings.Repeat("QUFB", 1024) + "\r\n", "Too long line, closing",
		"503 5.5.1"},
	{"STARTTLS with something behind it", "STARTTLSjunk\r\n", "502 5.5.1 TLS not supported", "500 5.5.1"},
	{"a browser may go on", "POST / HTTP/1.1\r\n" + mailFrom, "Syntax errors, POST command unrecognized\r\n250",
		"421 4.7.0"},
}

func TestWhatTheLibraryLetsPassIsRefused(t *testing.T) {
	for _, c := range letPass {
		t.Run(c.name, func(t *testing.T) {
			if out, _ := replay(t, []byte(c.in), 1<<16); !strings.Contains(out, c.ours) {
				t.Errorf("no %q in\n%s", c.ours, out)
			}
		})
	}
}

// late is a tape that stands still after some octets, until the server allows
// more time.
type late struct {
	*tape
	at      int // octets until then
	expired bool
}

func (l *late) Read(b []byte) (int, error) {
	if l.expired = l.expired || l.at == 0; l.expired {
		l.at = -1
		return 0, os.ErrDeadlineExceeded
	}
	if l.at > 0 {
		b = b[:min(l.at, len(b))]
	}
	n, err := l.tape.Read(b)
	if l.at > 0 {
		l.at -= n
	}
	return n, err
}

func (l *late) SetReadDeadline(time.Time) error {
	l.expired = false
	return nil
}

// smuggled is what a client sends behind a pause: a command, if the rest of a
// message were taken for commands.
const smuggled = "VRFY smuggled\r\n"

// After an error of reading the connection ends.
func TestARestOfAMessageIsNeverACommand(t *testing.T) {
	head := transaction + "a: b\r\n\r\n"
	srv, g := build(t, options())
	p := newTape(head+smuggled, 1<<16)
	c := loggedIn(newConn(srv, &late{tape: p, at: len(head)}, false))
	c.serve()
	got := p.out.String()
	if strings.Contains(got, "252") || !strings.HasSuffix(got, "\r\n421 4.4.2 too slow, try again later\r\n") {
		t.Errorf("%s", got)
	}
	if n := len(g.stored()); n != 0 {
		t.Errorf("%d mails", n)
	}
}
