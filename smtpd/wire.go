package smtpd

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/throttle"
)

// Line limits, with the CRLF (RFC 5321, 4.5.3.1). RFC 4954, 4 wants 12,288 octets
// of AUTH at least.
const (
	maxCommand  = 2048
	maxAuthLine = bufferSize
	maxText     = 998 + 2
	bufferSize  = 16 << 10 // holds the longest line that is allowed anywhere
	maxEndless  = 1 << 20  // octets without an end after which the connection is closed
)

// What can be wrong with a line. After the first two the next line can be read.
var (
	errLineLong = errors.New("line too long")
	errLineEnd  = errors.New("only CRLF ends a line; no NUL is allowed")
	errEndless  = errors.New("a line without an end")
	errStopped  = errors.New("no further command is waited for")
)

// What can be wrong with message data that was read to its real end.
var (
	errDataLong = errors.New("line too long")
	errDataEnd  = errors.New("bare CR, bare LF or NUL")
	errDataSize = errors.New("too large")
	errDataHold = errors.New("no memory for it now")
)

var crlf = []byte("\r\n")

// wire reads and writes one connection. Nothing but CRLF ends a line and
// nothing but CRLF . CRLF ends a message, in the discard mode too.
type wire struct {
	c net.Conn // written by swap only, in the goroutine of the session
	r *bufio.Reader
	w *bufio.Writer

	maxText int // octets of a line of a message, with its CRLF

	mu      sync.Mutex    // guards the deadline against stop
	block   time.Duration // how long one read may take
	end     time.Time     // when the last read must be over
	waiting bool          // for a command
	stopped bool          // no further command is waited for
}

func newWire(c net.Conn) *wire {
	w := &wire{c: c, w: bufio.NewWriterSize(c, 4096), maxText: maxText}
	w.r = bufio.NewReaderSize(w, bufferSize)
	return w
}

// Read reads from the connection, each time under a deadline of its own: a
// message may be large and slow, but may not stand still.
func (w *wire) Read(p []byte) (int, error) {
	if err := w.deadline(); err != nil {
		return 0, err
	}
	return w.c.Read(p)
}

func (w *wire) deadline() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting && w.stopped {
		return errStopped
	}
	t := time.Now().Add(w.block)
	if t.After(w.end) {
		t = w.end
	}
	return w.c.SetReadDeadline(t)
}

// expect sets what is read next: a command, which stop may end, or a message,
// which may finish.
func (w *wire) expect(command bool, block, total time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if command && w.stopped {
		return errStopped
	}
	w.waiting, w.block, w.end = command, block, time.Now().Add(total)
	return nil
}

// stop ends the wait for a command, now and from now on.
func (w *wire) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.waiting {
		_ = w.c.SetReadDeadline(time.Unix(1, 0))
	}
}

// failed returns errStopped for an error of reading that stop caused.
func (w *wire) failed(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting && w.stopped {
		return errStopped
	}
	return err
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

// line reads one command of at most limit octets, without its CRLF. With
// errLineLong it returns how the line began. The deadline is one for the whole
// line: one octet a minute is too slow.
func (w *wire) line(limit int, timeout time.Duration) (string, error) {
	if err := w.expect(true, timeout, timeout); err != nil {
		return "", err
	}
	if err := w.flush(); err != nil {
		return "", err
	}
	b, err := w.r.ReadSlice('\n')
	var head [8]byte
	copy(head[:], b) // the buffer is used again
	long := 0
	for errors.Is(err, bufio.ErrBufferFull) { // dropped piece by piece
		if long += len(b); long > maxEndless {
			return "", errEndless
		}
		b, err = w.r.ReadSlice('\n')
	}
	switch {
	case err != nil:
		return "", w.failed(err)
	case long > 0 || len(b) > limit:
		return string(head[:]), errLineLong
	}
	text, ok := bytes.CutSuffix(b, crlf)
	if !ok || bytes.IndexByte(text, '\r') >= 0 || bytes.IndexByte(text, 0) >= 0 {
		return "", errLineEnd
	}
	return string(text), nil
}

// data reads a message up to CRLF . CRLF and undoes the dot-stuffing (RFC 5321,
// 4.5.2). What is wrong with it is reported after its real end was read: a reader
// that ends a message early would take the rest of it for commands. Any other error
// is one of reading, and the connection is of no more use.
func (w *wire) data(limit int64, hold *throttle.Hold, block, total time.Duration) ([]byte, error) {
	if err := w.expect(false, block, total); err != nil {
		return nil, err
	}
	m := reading{limit: limit, line: w.maxText, hold: hold, text: make([]byte, 0, max(4096, w.r.Buffered()))}
	for start := true; ; start = m.ended {
		b, err := w.r.ReadSlice('\n')
		switch {
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case start && string(b) == ".\r\n":
			return m.text, m.wrong
		case start && b[0] == '.':
			b = b[1:]
		}
		if m.add(b, err == nil); m.length > maxEndless {
			return nil, errEndless
		}
	}
}

// reading is a message while it is read.
type reading struct {
	limit  int64          // of size
	line   int            // of length, with the CRLF
	hold   *throttle.Hold // of the octets of text
	text   []byte         // nil from the first error on
	size   int64
	wrong  error // the first error
	length int   // of the line so far; 0 after its end
	cr     bool  // the piece before ended with a CR
	ended  bool  // the last line ended with CRLF: only then a dot may end the message
}

// add takes a line, or a piece of one that is too long for the buffer. Whether
// CRLF ends it must be right for pieces too: the message may end after it.
func (m *reading) add(b []byte, last bool) {
	m.size += int64(len(b))
	m.length += len(b)
	m.ended = last && (bytes.HasSuffix(b, crlf) || m.cr && len(b) == 1)
	alone := m.cr && !(m.ended && len(b) == 1) // the CR before was not one of CRLF
	m.cr = !last && b[len(b)-1] == '\r'
	text := b
	switch {
	case m.cr:
		text = b[:len(b)-1]
	case m.ended:
		text = b[:max(0, len(b)-len(crlf))]
	}
	switch {
	case !last && m.length > m.line:
		m.fail(errDataLong)
	case last && !m.ended || alone || bytes.IndexByte(text, '\r') >= 0 || bytes.IndexByte(text, 0) >= 0:
		m.fail(errDataEnd)
	case m.length > m.line:
		m.fail(errDataLong)
	case m.size > m.limit:
		m.fail(errDataSize)
	case m.wrong == nil && !m.hold.Reach(m.size):
		m.fail(errDataHold)
	}
	if last {
		m.length = 0
	}
	if m.wrong == nil {
		m.text = append(m.text, b...)
	}
}

func (m *reading) fail(err error) {
	if m.wrong == nil {
		m.wrong = err
	}
	m.text = nil
	m.hold.Release()
}

// swap goes on over another connection; whatever was buffered is dropped.
func (w *wire) swap(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.c = c
	w.r.Reset(w)
	w.w.Reset(c)
}

// close ends the connection, from any goroutine.
func (w *wire) close() {
	w.mu.Lock()
	c := w.c
	w.mu.Unlock()
	_ = c.Close()
}
