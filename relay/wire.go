package relay

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The rule of a reply (RFC 5321, section 4.2), and there is no other form:
//
//   - it has one or more lines, each ended by LF, with or without a CR before;
//   - a line is three digits, the first of them 2 to 5, and then nothing, or a
//     blank and text, or a hyphen and text; the hyphen says that more lines come;
//   - the first digit is the same in all lines, and the last line's code counts;
//   - a line has up to 1900 octets, a reply up to 64 KiB;
//   - where the connection ends in the last line, that line counts as far as it goes.
//
// Anything else is no reply: the connection is dropped, and what was sent is
// answered by nothing, which after the final dot means an uncertain attempt.
// Octets that come before a command was written are no reply either, and make
// every later reply doubtful: the connection is dropped as well.
const (
	maxReply = 64 << 10
	maxLine  = 1900     // go-smtp takes no more than 2000
	inBuffer = 32 << 10 // more than a TLS record and a line: TLS keeps nothing back
)

var (
	errLongReply = errors.New("relay: reply too long")
	errNoReply   = errors.New("relay: not an SMTP reply")
	errUnread    = errors.New("relay: the next hop sent a reply before a command")
)

// wire is a connection as go-smtp's client sees it: it reads one whole reply
// at a time, in the one form that net/textproto takes, and writes a command
// only when nothing is left to be read.
type wire struct {
	net.Conn          // tcp, or TLS over it
	tcp      net.Conn // the connection below
	in       *bufio.Reader
	reply    []byte    // what is left of a reply for go-smtp
	ehlo     bool      // the next reply is that to EHLO
	inBody   bool      // what is written is no command
	deadline time.Time // of reading
}

func newWire(conn, tcp net.Conn) *wire {
	return &wire{Conn: conn, tcp: tcp, in: bufio.NewReaderSize(conn, inBuffer)}
}

func (w *wire) Read(b []byte) (int, error) {
	if len(w.reply) == 0 {
		lines, err := w.readReply()
		if err != nil {
			return 0, err
		}
		w.reply = w.canonical(lines)
	}
	n := copy(b, w.reply)
	w.reply = w.reply[n:]
	return n, nil
}

func (w *wire) Write(b []byte) (int, error) {
	if !w.inBody {
		if err := w.quiet(); err != nil {
			return 0, err
		}
		w.ehlo = bytes.HasPrefix(b, []byte("EHLO "))
	}
	return w.Conn.Write(b)
}

// SetDeadline notes the deadline, which quiet has to put back.
func (w *wire) SetDeadline(t time.Time) error {
	w.deadline = t
	return w.Conn.SetDeadline(t)
}

// SetReadDeadline notes the deadline, as SetDeadline does.
func (w *wire) SetReadDeadline(t time.Time) error {
	w.deadline = t
	return w.Conn.SetReadDeadline(t)
}

// replyLine is one line of a reply.
type replyLine struct {
	code, text string
	more       bool
}

// readReply reads one reply.
func (w *wire) readReply() (lines []replyLine, err error) {
	for size := 0; ; {
		raw, err := w.in.ReadSlice('\n')
		size += len(raw)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) || len(raw) > maxLine || size > maxReply:
			return nil, errLongReply
		case errors.Is(err, io.EOF) && len(raw) >= 3: // the connection ends in a line
		case err != nil:
			return nil, err
		}
		l, ok := parseReplyLine(strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r"))
		switch {
		case !ok, len(lines) > 0 && l.code[0] != lines[0].code[0]:
			return nil, errNoReply
		case l.more && err != nil:
			return nil, err
		}
		if lines = append(lines, l); !l.more {
			return lines, nil
		}
	}
}

func parseReplyLine(s string) (l replyLine, ok bool) {
	if len(s) < 3 || s[0] < '2' || s[0] > '5' || strings.Trim(s[:3], "0123456789") != "" {
		return l, false
	}
	l.code = s[:3]
	if len(s) > 3 {
		l.more, l.text = s[3] == '-', s[4:]
		return l, l.more || s[3] == ' '
	}
	return l, true
}

// join returns the code and the whole text of a reply.
func join(lines []replyLine) (code int, text string) {
	var texts []string
	for _, l := range lines {
		texts = append(texts, l.text)
	}
	code, _ = strconv.Atoi(lines[len(lines)-1].code)
	return code, strings.Join(texts, "\n")
}

// canonical writes a reply as go-smtp wants it. Of the reply to EHLO, the
// keywords are folded (RFC 5321, section 2.4: any case), and every 5xx becomes
// the code after which go-smtp sends HELO (section 4.1.4 lists several).
func (w *wire) canonical(lines []replyLine) []byte {
	code := lines[len(lines)-1].code
	if w.ehlo && code[0] == '5' {
		code = "502"
	}
	var b bytes.Buffer
	for i, l := range lines {
		if w.ehlo && i > 0 {
			l.text = foldKeyword(strings.Trim(l.text, " \t"))
		}
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		b.WriteString(code + sep + l.text + "\r\n")
	}
	return b.Bytes()
}

// foldKeyword folds the keyword of an extension; those of AUTH are keywords too.
func foldKeyword(s string) string {
	keyword, rest, _ := strings.Cut(s, " ")
	if keyword = strings.ToUpper(keyword); keyword == "AUTH" {
		rest = strings.ToUpper(rest)
	}
	return strings.TrimRight(keyword+" "+rest, " ")
}

// ticket is how long a TLS record that has begun to arrive is waited for: it
// may be a session ticket, which is no reply.
const ticket = 10 * time.Millisecond

// quiet returns errUnread when the next hop has sent something that was not
// read, and io.EOF when it has closed the connection. It waits for neither.
func (w *wire) quiet() error {
	if w.in.Buffered() > 0 || len(w.reply) > 0 {
		return errUnread
	}
	arrived, ended := peek(w.tcp)
	if w.Conn == w.tcp {
		switch {
		case ended:
			return io.EOF
		case arrived:
			return errUnread
		}
		return nil
	}
	until := time.Unix(1, 0) // only what TLS has taken from the connection already
	if arrived || ended {
		until = time.Now().Add(ticket)
	}
	w.Conn.SetReadDeadline(until)
	defer func() { w.Conn.SetReadDeadline(w.deadline) }()
	_, err := w.in.Peek(1)
	var late net.Error
	switch {
	case err == nil:
		return errUnread
	case errors.As(err, &late) && late.Timeout():
		return nil
	}
	return err
}

// peek reports whether anything has arrived on a socket, or its end, without
// reading it. Of what is no socket it reports neither.
func peek(conn net.Conn) (arrived, ended bool) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false, false
	}
	_ = raw.Read(func(fd uintptr) bool { // an error means that the write will fail as well
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		arrived, ended = err == nil && n > 0, err == nil && n == 0
		return true
	})
	return arrived, ended
}
