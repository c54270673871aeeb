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
// mail, the hash of the file's name and the time of its end under an HMAC; its key
// is drawn when the server starts and kept nowhere, so that a ticket ends with the
// process at the latest.
type tickets struct{ key []byte }

func newTickets() *tickets {
	t := &tickets{key: make([]byte, 32)}
	rand.Read(t.key) // never fails
	return t
}

const (
	nameHashed = 16 // octets of the hash of the name
	ticketTail = nameHashed + 8 + sha256.Size
	maxTicket  = 200 // characters
)

// issue makes the ticket of one attachment.
func (t *tickets) issue(id mail.ID, name string, now time.Time) string {
	b := append([]byte(id), hashName(name)...)
	b = binary.BigEndian.AppendUint64(b, uint64(now.Add(ticketLife).Unix()))
	return base64.RawURLEncoding.EncodeToString(append(b, t.mac(b)...))
}

// open returns the mail of a ticket and what knows its attachment by the name.
func (t *tickets) open(ticket string, now time.Time) (id mail.ID, is func(name string) bool, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(ticket)
	if err != nil || len(ticket) > maxTicket || len(b) <= ticketTail {
		return "", nil, errors.New("malformed")
	}
	body, mac := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if !hmac.Equal(mac, t.mac(body)) {
		return "", nil, errors.New("forged")
	}
	end := int64(binary.BigEndian.Uint64(body[len(body)-8:]))
	if left := time.Unix(end, 0).Sub(now); left <= 0 || left > ticketLife {
		return "", nil, errors.New("expired")
	}
	hash := body[len(body)-8-nameHashed : len(body)-8]
	is = func(name string) bool { return hmac.Equal(hash, hashName(name)) }
	return mail.ID(body[:len(b)-ticketTail]), is, nil
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
