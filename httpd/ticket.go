package httpd

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/multimail/multimail/mail"
)

// ticketLife is how long an attachment can be fetched without a credential.
const ticketLife = time.Hour

// tickets names attachments that whoever has the ticket may fetch. A ticket is the
// mail, how often it had gone by then, the hash of the file's name and the time of its
// end under an HMAC; its key is drawn when the server starts and kept nowhere, so that a
// ticket ends with the process at the latest.
type tickets struct{ key []byte }

// ticketed is what a ticket opens.
type ticketed struct {
	mail mail.ID
	gone uint32 // see inbox.Item: once it has gone again the ticket is void
	hash []byte // of the name
}

// is reports whether the ticket is for the attachment of this name.
func (t ticketed) is(name string) bool { return hmac.Equal(t.hash, hashName(name)) }

func newTickets() *tickets {
	t := &tickets{key: make([]byte, 32)}
	rand.Read(t.key) // never fails
	return t
}

const (
	nameHashed = 16 // octets of the hash of the name
	ticketTail = nameHashed + 4 + 8 + sha256.Size
	maxTicket  = 200 // characters
)

// issue makes the ticket of one attachment.
func (t *tickets) issue(id mail.ID, gone int, name string, now time.Time) string {
	b := append([]byte(id), hashName(name)...)
	b = binary.BigEndian.AppendUint32(b, uint32(gone))
	b = binary.BigEndian.AppendUint64(b, uint64(now.Add(ticketLife).Unix()))
	return base64.RawURLEncoding.EncodeToString(append(b, t.mac(b)...))
}

// open returns what a ticket is for.
func (t *tickets) open(ticket string, now time.Time) (of ticketed, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(ticket)
	if err != nil || len(ticket) > maxTicket || len(b) <= ticketTail {
		return of, errors.New("malformed")
	}
	body, mac := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if !hmac.Equal(mac, t.mac(body)) {
		return of, errors.New("forged")
	}
	id, tail := body[:len(b)-ticketTail], body[len(b)-ticketTail:]
	end := int64(binary.BigEndian.Uint64(tail[nameHashed+4:]))
	if left := time.Unix(end, 0).Sub(now); left <= 0 || left > ticketLife {
		return of, errors.New("expired")
	}
	return ticketed{mail.ID(id), binary.BigEndian.Uint32(tail[nameHashed:]), tail[:nameHashed]}, nil
}

func (t *tickets) mac(body []byte) []byte {
	h := hmac.New(sha256.New, t.key)
	h.Write([]byte("attachment\x00"))
	h.Write(body)
	return h.Sum(nil)
}

func hashName(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:nameHashed]
}

// addressOn returns how clients address this server on a listener. The first of the
// names that Host may have counts; where that is no name of this machine and TLS is
// not ours, it is that of a proxy in front, which speaks TLS on its usual port.
func (s *Server) addressOn(l net.Listener, secure bool) string {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return ""
	}
	if len(s.o.AllowedHosts) > 0 {
		named := strings.Trim(s.o.AllowedHosts[0], "[]")
		if ip := net.ParseIP(named); !secure && named != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return "https://" + s.o.AllowedHosts[0]
		}
		host = named
	} else if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		return ""
	}
	return scheme + net.JoinHostPort(host, port)
}
