package smtpd

import (
	"bytes"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/mail"
)

// tape is a connection that plays the input of a client, in pieces of a size, and
// records the replies.
type tape struct {
	net.Conn
	in     *bytes.Reader
	piece  int
	out    bytes.Buffer
	closed chan struct{}
	once   sync.Once
}

func newTape(in string, piece int) *tape {
	return &tape{in: bytes.NewReader([]byte(in)), piece: piece, closed: make(chan struct{})}
}

func (p *tape) Read(b []byte) (int, error) {
	if len(b) > p.piece {
		b = b[:p.piece]
	}
	return p.in.Read(b)
}

func (p *tape) Write(b []byte) (int, error)      { return p.out.Write(b) }
func (p *tape) Close() error                     { p.once.Do(func() { close(p.closed) }); return nil }
func (p *tape) SetDeadline(time.Time) error      { return nil }
func (p *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (p *tape) SetReadDeadline(time.Time) error  { return nil }
func (p *tape) SetWriteDeadline(time.Time) error { return nil }

// replay runs a session of a client that has logged in.
func replay(t *testing.T, in []byte, piece int) (string, *fakeGate) {
	t.Helper()
	srv, g := build(t, options())
	p := newTape(string(in), piece)
	loggedIn(newConn(srv, p, false)).serve()
	return p.out.String(), g
}

// loggedIn makes c a connection under TLS whose client has logged in.
func loggedIn(c *conn) *conn {
	c.secure = true
	c.forget()
	s := c.sess.(*session)
	s.authed, s.p.Name, c.greeted = true, user, true
	return c
}

var replyForm = regexp.MustCompile(`^[2-5][0-9][0-9][ -][ -~]*$`)

// FuzzSession lets a client send anything after a login: no panic, only
// well-formed replies, no message with a bare CR, a bare LF or NUL, no more
// mails than ends of data, and the same however the network cuts it up.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		transaction + "a: b\r\n\r\nc\r\n.\r\nQUIT\r\n",
		transaction + "..\r\n.\r\n" + transaction + ".\r\n",
		transaction + "a\n.\r\n\r\n.\r\n" + transaction + "\r\r\n.\r\nNOOP\r\n",
		transaction + strings.Repeat("x", bufferSize-1) + "\r\n.\r\nNOOP\r\n",
		transaction + strings.Repeat("x\r\n", 4000) + ".\n.\r\n.\r\nNOOP\r\n",
		"MAIL FROM:<agent@example.test>\r\nRCPT TO:<\"v@e> x\"@d.test>\r\nDATA\r\n",
		"AUTH\vx\r\nAUTH LOGIN\r\n\r\n*\r\nRSET\r\n", "STARTTLS\r\nEHLO\r\nHELP\r\nVRFY x\r\nEXPN\r\n\x00\r\n",
		"MAIL FROM:<agent@example.test> SIZE=1 ENVID=+41\r\nRCPT TO:<a@b.c> ORCPT=rfc822;+ NOTIFY=NEVER\r\n",
		"NOOP\nNOOP\rNOOP\r\n" + strings.Repeat("x", 3*bufferSize) + "\r\nNOOP\r\nGET / HTTP/1.1\r\nNOOP\r\n",
	} {
		f.Add([]byte(s), uint16(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, piece uint16) {
		out, g := replay(t, in, 1+int(piece))
		for line := range strings.SplitSeq(strings.TrimSuffix(out, "\r\n"), "\r\n") {
			if !replyForm.MatchString(line) || len(line) > 510 {
				t.Errorf("reply %q", line)
			}
		}
		ends := bytes.Count(in, []byte("\r\n.\r\n"))
		if n := len(g.stored()); n > ends {
			t.Errorf("%d mails, %d ends of data", n, ends)
		}
		for _, m := range g.stored() {
			if !strict(m.Raw) {
				t.Errorf("stored %q", m.Raw)
			}
			for _, r := range m.Envelope.Rcpts {
				if back, err := mail.ParseAddress(r.Addr.String()); err != nil || back != r.Addr {
					t.Errorf("recipient %q", r.Addr)
				}
			}
		}
		if whole, _ := replay(t, in, len(in)+1); len(in) < 1<<16 && whole != out {
			t.Errorf("in pieces of %d: %q\nat once: %q", 1+int(piece), out, whole)
		}
	})
}

// FuzzPath compares the scanner with the type: what it cuts out and the type
// accepts must be cut out again from what the type writes.
func FuzzPath(f *testing.F) {
	for _, s := range []string{
		"FROM:<a@b.test> SIZE=1", `FROM:<"a b"@b.test>`, `FROM:<"a> x"@b.test> y`, `FROM:<"a\"> b"@b.test>`, "FROM:<>",
		"from: <a@b.test>",
		"FROM:<\"a\\\x00d>b\"@b.test>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, params, err := cutPath(s, "FROM:")
		if err != nil {
			return
		}
		if strings.ContainsAny(params, "\r\n\x00") || strings.ContainsAny(path, "\r\n\x00") {
			t.Errorf("%q, %q", path, params)
		}
		a, err := mail.ParseAddress(path)
		if err != nil {
			return
		}
		again, rest, err := cutPath("FROM:<"+a.String()+">"+params, "FROM:")
		if err != nil || again != a.String() || rest != params {
			t.Errorf("%q reads as %q and %q, %v", a, again, rest, err)
		}
	})
}

// The end of the input is the end of the session, wherever it falls.
func TestASessionMayEndAnywhere(t *testing.T) {
	all := transaction + "a: b\r\n\r\nc\r\n.\r\nQUIT\r\n"
	for n := range len(all) {
		out, g := replay(t, []byte(all[:n]), 7)
		complete := strings.Contains(all[:n], "\r\n.\r\n")
		if got := len(g.stored()) == 1; got != complete {
			t.Errorf("after %d octets %d mails: %q", n, len(g.stored()), out)
		}
	}
}
