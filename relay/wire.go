package relay

import (
	"errors"
	"net"
)

// maxReply bounds the octets the next hop may send without being asked again.
// go-smtp bounds the length of a line but not the number of lines of a reply.
const maxReply = 64 << 10

var errLongReply = errors.New("relay: reply longer than 64 KiB")

// wire is a connection as go-smtp's client sees it.
type wire struct {
	net.Conn
	greeting []byte // is read before anything of the connection
	replied  int    // octets read since the last write
}

func (w *wire) Read(b []byte) (int, error) {
	if len(w.greeting) > 0 {
		n := copy(b, w.greeting)
		w.greeting = w.greeting[n:]
		return n, nil
	}
	n, err := w.Conn.Read(b)
	if w.replied += n; w.replied > maxReply {
		return 0, errLongReply
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	w.replied = 0
	return w.Conn.Write(b)
}
