package mailtest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
)

// talk is one connection to a NextHop. It is written on the bare connection,
// so that it shares no code, and no mistake, with what it tests.
type talk struct {
	hop    *NextHop
	conn   net.Conn // tcp, or TLS over it
	tcp    net.Conn
	r      *bufio.Reader
	number int

	secure  bool
	user    string
	tx      *Transaction // after MAIL
	inTrans bool
	over    bool
}

// usual are the extensions of a next hop without settings.
var usual = [...]string{"PIPELINING", "SIZE 67108864", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES"}

func (t *talk) run() {
	t.r = bufio.NewReader(t.conn)
	if t.hop.o.ImplicitTLS && !t.startTLS() {
		return
	}
	if t.passes(AtBanner) {
		t.reply("220 nexthop.test ESMTP")
	}
	for !t.over {
		line, err := t.r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		t.hop.change(func() { t.hop.lines = append(t.hop.lines, line) })
		t.command(line)
	}
}

// command answers one line.
func (t *talk) command(line string) {
	verb, arg, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	step := Step(verb)
	if verb == "HELO" {
		step = AtEHLO
	}
	if !t.passes(step) {
		return
	}
	switch verb {
	case "EHLO", "HELO":
		t.greet(verb)
	case "STARTTLS":
		t.answerSTARTTLS()
	case "AUTH":
		t.auth(arg)
	case "MAIL":
		t.mail(arg)
	case "RCPT":
		t.rcpt(arg)
	case "DATA":
		t.data()
	case "RSET":
		t.inTrans = false
		t.reply("250 2.0.0 forgotten")
	case "NOOP":
		t.reply("250 2.0.0 here")
	case "QUIT":
		t.reply("221 2.0.0 bye")
		t.over = true
	default:
		t.reply("500 5.5.1 unknown command")
	}
}

// passes reports whether the dialogue goes on as usual at a step; if not, the
// fault has been carried out.
func (t *talk) passes(s Step) bool {
	f, ok := t.hop.fault(s)
	if !ok {
		return true
	}
	io.WriteString(t.conn, f.Raw)
	if f.Reply != "" {
		t.reply(f.Reply)
	}
	switch {
	case f.Stall:
		<-t.hop.done
		t.over = true
	case f.Hang:
		io.Copy(io.Discard, t.r)
		t.over = true
	case f.Reset:
		if c, ok := t.tcp.(*net.TCPConn); ok {
			c.SetLinger(0)
		}
		t.over = true
	case f.Cut:
		t.over = true
	}
	if t.over {
		t.tcp.Close()
	}
	return false
}

func (t *talk) reply(line string) {
	if _, err := io.WriteString(t.conn, line+"\r\n"); err != nil {
		t.over = true
	}
}

func (t *talk) greet(verb string) {
	t.inTrans = false
	if verb == "HELO" {
		t.reply("250 nexthop.test")
		return
	}
	lines := t.hop.o.Extensions
	if lines == nil {
		lines = usual[:]
	}
	lines = append([]string{"nexthop.test"}, lines...)
	if (t.hop.o.TLS != nil || t.hop.o.BrokenTLS) && !t.secure {
		lines = append(lines, "STARTTLS")
	}
	if t.hop.o.Username != "" {
		lines = append(lines, "AUTH LOGIN PLAIN")
	}
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		lines[i] = "250" + sep + l
	}
	t.reply(strings.Join(lines, "\r\n"))
}

func (t *talk) answerSTARTTLS() {
	t.reply("220 2.0.0 go ahead" + strings.TrimSuffix("\r\n"+t.hop.o.Inject, "\r\n"))
	if t.hop.o.BrokenTLS {
		t.r.ReadByte() // of the handshake; sent at once, it would come with the 220
		t.reply("this is not TLS")
		t.over = true
		return
	}
	t.startTLS()
}

func (t *talk) startTLS() bool {
	c := tls.Server(t.tcp, t.hop.o.TLS)
	if err := c.Handshake(); err != nil {
		t.over = true
		return false
	}
	t.conn, t.r, t.secure, t.inTrans = c, bufio.NewReader(c), true, false
	return true
}

func (t *talk) auth(arg string) {
	mech, initial, _ := strings.Cut(arg, " ")
	got, err := base64.StdEncoding.DecodeString(initial)
	want := "\x00" + t.hop.o.Username + "\x00" + t.hop.o.Password
	if !strings.EqualFold(mech, "PLAIN") || err != nil || string(got) != want {
		t.reply("535 5.7.8 credentials invalid")
		return
	}
	t.user = t.hop.o.Username
	t.reply("235 2.7.0 welcome")
}

// path cuts "FROM:<a@b> PARAMS" into the path and its parameters.
func path(arg, keyword string) (addr, params string, ok bool) {
	if len(arg) < len(keyword) || !strings.EqualFold(arg[:len(keyword)], keyword) {
		return "", "", false
	}
	rest, ok := strings.CutPrefix(arg[len(keyword):], "<")
	if !ok {
		return "", "", false
	}
	quoted, pair := false, false
	for i, c := range []byte(rest) {
		switch {
		case pair:
			pair = false
		case quoted && c == '\\':
			pair = true
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return rest[:i], strings.TrimSpace(rest[i+1:]), true
		}
	}
	return "", "", false
}

func (t *talk) mail(arg string) {
	from, params, ok := path(arg, "FROM:")
	switch {
	case !ok:
		t.reply("501 5.5.4 syntax error")
	case t.inTrans:
		t.reply("503 5.5.1 nested MAIL")
	case t.hop.o.Username != "" && t.user == "":
		t.reply("530 5.7.0 authentication required")
	default:
		t.inTrans = true
		t.tx = &Transaction{Conn: t.number, TLS: t.secure, User: t.user, From: from, FromParams: params}
		t.reply("250 2.1.0 sender ok")
	}
}

func (t *talk) rcpt(arg string) {
	to, params, ok := path(arg, "TO:")
	special := t.hop.o.Rcpt[to]
	switch {
	case !ok:
		t.reply("501 5.5.4 syntax error")
		return
	case !t.inTrans:
		t.reply("503 5.5.1 MAIL first")
		return
	case special != "" && special[0] != '2':
		t.reply(special)
		return
	case t.hop.o.MaxRcpts > 0 && len(t.tx.Rcpts) >= t.hop.o.MaxRcpts:
		t.reply("452 4.5.3 too many recipients")
		return
	case special == "":
		special = "250 2.1.5 recipient ok"
	}
	t.tx.Rcpts = append(t.tx.Rcpts, to)
	t.tx.RcptParams = append(t.tx.RcptParams, params)
	t.reply(special)
}

// data records what comes after 354 as it comes, so that a broken connection
// leaves a record too.
func (t *talk) data() {
	if !t.inTrans || len(t.tx.Rcpts) == 0 {
		t.reply("503 5.5.1 no recipients")
		return
	}
	t.inTrans = false
	tx := t.tx
	t.hop.change(func() { t.hop.taken = append(t.hop.taken, tx) })
	t.reply("354 go ahead")
	first := true
	for !t.over {
		line, err := t.r.ReadBytes('\n')
		if err == nil && string(line) == ".\r\n" {
			break
		}
		line = bytes.TrimPrefix(line, []byte("."))
		t.hop.change(func() { tx.Data = append(tx.Data, line...) })
		if err != nil {
			t.over = true
			return
		}
		if first && !t.passes(AtBody) && t.over {
			return
		}
		first = false
	}
	t.hop.change(func() { tx.Dot = true })
	if !t.passes(AtDot) {
		return
	}
	// The record comes before the reply: who has read the reply finds it.
	t.hop.change(func() { tx.Taken = true })
	t.reply(fmt.Sprintf("250 2.0.0 Ok: queued as %d", t.number))
}
