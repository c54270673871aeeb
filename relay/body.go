package relay

import (
	"bytes"
	"io"
	"net"
	"time"
)

// content is what is sent after DATA: the stamps and the canonical bytes.
type content struct {
	prefix, raw []byte
	eightBit    bool // holds octets >= 0x80, whatever the submitter gave as BODY
}

// readContent checks every octet once more. Bytes are never repaired on
// their way (invariant 3): what is not canonical is not sent at all, since a bare CR
// or LF is the end of a message to some servers (invariant 9).
func readContent(prefix, raw []byte) (content, *failure) {
	c := content{prefix: prefix, raw: raw}
	if !canonical(prefix) || !canonical(raw) || len(prefix)+len(raw) == 0 {
		return c, permanent("5.6.0", "the stored message is not in canonical form")
	}
	c.eightBit = hasHighOctet(prefix) || hasHighOctet(raw)
	return c, nil
}

// canonical reports whether every CR is followed by LF, every LF follows CR,
// and b ends with a line or is empty.
func canonical(b []byte) bool {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 1 || bytes.IndexByte(b[:i], '\r') != i-1 {
			return false
		}
		b = b[i+1:]
	}
	return true
}

func hasHighOctet(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

func (c content) size() int64 { return int64(len(c.prefix) + len(c.raw)) }

// finalDot ends a body whose last CRLF has not been written yet.
const finalDot = "\r\n.\r\n"

// writeTo writes everything but the last CRLF, with dots doubled at the start
// of lines (RFC 5321, section 4.5.2). That CRLF and the dot are left to
// go-smtp, whose writer, closed before any octet went through it, writes
// exactly finalDot. So the whole content is on the wire before policy is checked
// for the last time, which go-smtp's buffered writer gives no way to do.
func (c content) writeTo(w io.Writer) error {
	prefix, raw := c.prefix, c.raw
	if len(raw) > 0 {
		raw = raw[:len(raw)-2]
	} else {
		prefix = prefix[:len(prefix)-2]
	}
	for _, b := range [][]byte{prefix, raw} {
		if err := stuff(w, b); err != nil {
			return err
		}
	}
	return nil
}

// stuff writes b, which begins at the start of a line.
func stuff(w io.Writer, b []byte) error {
	if bytes.HasPrefix(b, []byte(".")) {
		if _, err := w.Write([]byte(".")); err != nil {
			return err
		}
	}
	for {
		i := bytes.Index(b, []byte("\n."))
		if i < 0 {
			_, err := w.Write(b)
			return err
		}
		// Up to the dot, which is then written a second time.
		if _, err := w.Write(b[:i+2]); err != nil {
			return err
		}
		b = b[i+1:]
	}
}

// block is how much is written under one deadline.
const block = 64 << 10

// steady writes block by block, each within timeout: a slow host may take its
// time, one that stopped reading must not hold a connection for ever.
type steady struct {
	net.Conn
	timeout time.Duration
}

func (s steady) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		if err = s.SetWriteDeadline(time.Now().Add(s.timeout)); err == nil {
			m, err = s.Conn.Write(b[n:min(n+block, len(b))])
		}
		n += m
	}
	return n, err
}
