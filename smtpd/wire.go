package smtpd

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"sync"
	"time"
)

// Line limits, with the CRLF (RFC 5321, 4.5.3.1; RFC 4954, 4).
const (
	maxCommand  = 2048
	maxAuthLine = 12288 + 2
	maxText     = 998 + 2
	bufferSize  = 16 << 10 // holds the longest line that is allowed anywhere
)

// What can be wrong with a line. None of these closes the connection by itself.
var (
	errLineLong = errors.New("line too long")
	errLineEnd  = errors.New("only CRLF ends a line; no NUL is allowed")
)

// What can be wrong with message data that was read to its real end.
var (
	errDataLong = errors.New("line too long")
	errDataEnd  = errors.New("bare CR, bare LF or NUL")
	errDataSize = errors.New("too large")
)

// wire reads and writes one connection. Nothing but CRLF ends a line and
// nothing but CRLF . CRLF ends a message, in the discard mode too.
type wire struct {
	c net.Conn
	r *bufio.Reader
	w *bufio.Writer

	mu    sync.Mutex // guards hurry against the next deadline
	hurry bool       // no further command is waited for
}

func newWire(c net.Conn) *wire {
	return &wire{c: c, r: bufio.NewReaderSize(c, bufferSize), w: bufio.NewWriterSize(c, 4096)}
}

// deadline sets how long the next read may take.
func (w *wire) deadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hurry {
		t = time.Unix(1, 0)
	}
	return w.c.SetReadDeadline(t)
}

// stop ends the wait for the next command, now and from now on.
func (w *wire) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hurry = true
	_ = w.c.SetReadDeadline(time.Unix(1, 0))
}

// pending reports whether the client has sent something already.
func (w *wire) pending() bool { return w.r.Buffered() > 0 }

// flush sends what was written, unless a whole further command is here
// already: replies to pipelined commands travel together (RFC 2920).
func (w *wire) flush() error {
	if n := w.r.Buffered(); n > 0 {
		if b, err := w.r.Peek(n); err == nil && bytes.IndexByte(b, '\n') >= 0 {
			return nil
		}
	}
	return w.w.Flush()
}

// line reads one command of at most limit octets, without its CRLF. After
// errLineLong and errLineEnd the next line can be read.
func (w *wire) line(limit int, timeout time.Duration) (string, error) {
	if err := w.flush(); err != nil {
		return "", err
	}
	if err := w.deadline(time.Now().Add(timeout)); err != nil {
		return "", err
	}
	b, err := w.r.ReadSlice('\n')
	long := false
	for errors.Is(err, bufio.ErrBufferFull) { // drop it piece by piece; the deadline bounds it
		long = true
		b, err = w.r.ReadSlice('\n')
	}
	switch {
	case err != nil:
		return "", err
	case long || len(b) > limit:
		return "", errLineLong
	case !bytes.HasSuffix(b, crlf) || bytes.IndexByte(b[:len(b)-2], '\r') >= 0 || bytes.IndexByte(b, 0) >= 0:
		return "", errLineEnd
	}
	return string(b[:len(b)-2]), nil
}

var crlf = []byte("\r\n")

// data reads a message up to CRLF . CRLF and undoes the dot-stuffing (RFC 5321,
// 4.5.2). What is wrong with it is told after its real end was read: whoever
// ends a message early would take the rest of it for commands. Any other error
// is one of reading, and the connection is of no more use.
func (w *wire) data(limit int64, block, total time.Duration) ([]byte, error) {
	end := time.Now().Add(total)
	var msg []byte
	var wrong error
	var size int64
	atStart, cut, cr := true, false, false // cut: the line did not fit into the buffer; cr: it was cut behind a CR
	for {
		next := time.Now().Add(block)
		if next.After(end) {
			next = end
		}
		if err := w.deadline(next); err != nil {
			return nil, err
		}
		b, err := w.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			wrong = first(wrong, errDataLong)
			if bytes.IndexByte(b, 0) >= 0 {
				wrong = first(wrong, errDataEnd)
			}
			size += int64(len(b))
			atStart, cut, cr = false, true, b[len(b)-1] == '\r'
			continue
		}
		if err != nil {
			return nil, err
		}
		if atStart && string(b) == ".\r\n" {
			return msg, wrong
		}
		good := bytes.HasSuffix(b, crlf) || cr && len(b) == 1
		if atStart && b[0] == '.' {
			b = b[1:]
		}
		size += int64(len(b))
		switch {
		case !good || bytes.IndexByte(b[:len(b)-min(2, len(b))], '\r') >= 0 || bytes.IndexByte(b, 0) >= 0:
			wrong = first(wrong, errDataEnd)
		case cut || len(b) > maxText:
			wrong = first(wrong, errDataLong)
		case size > limit:
			wrong = first(wrong, errDataSize)
		}
		// A line that a bare LF ended is no start for the final dot.
		atStart, cut, cr = good, false, false
		if wrong == nil {
			msg = append(msg, b...)
		} else {
			msg = nil
		}
	}
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// hurried reports whether stop was called.
func (w *wire) hurried() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hurry
}

// swap goes on over another connection; nothing buffered may be left.
func (w *wire) swap(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.c = c
	w.r.Reset(c)
	w.w.Reset(c)
}
