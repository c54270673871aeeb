package smtpd

import (
	"context"
	"crypto/tls"
	"net/netip"

	"github.com/multimail/multimail/mail"
)

// The doors for mail from the world, as they stand in mail.Mail and in the log.
const (
	DoorInbound = "smtp-in" // port 25
	DoorLMTP    = "lmtp"
)

// Hop is a server in front of this one that the configuration trusts, and that has
// proved to be it: what a message says through it is what the hop says of the sender.
type Hop struct {
	Name string // its configured name
	// AuthServID is the authserv-id of its Authentication-Results field (RFC 8601, 2.5):
	// the topmost field of the message is believed if it has this name. "" means that
	// none is.
	AuthServID string
	// NoAuthServID: its field has no authserv-id, against RFC 8601, and begins with a result.
	NoAuthServID bool
}

// Transaction is one mail from the world, read and not taken yet.
type Transaction struct {
	Door   string               // DoorInbound or DoorLMTP
	Remote netip.Addr           // of the client; the zero Addr over a unix socket
	Helo   string               // what the client called itself: any printable text
	TLS    *tls.ConnectionState // nil without TLS
	From   mail.Address         // MAIL FROM; zero for the null sender
	To     []mail.Address       // RCPT TO, no duplicates; each is a mailbox here
	Raw    []byte               // the message as it came, lines end in CRLF; not to be changed
	// Hop is not nil where a trusted hop brought it. Remote and Helo are those of the
	// hop then: SPF is not to be computed on them.
	Hop *Hop
}

// Inspected is what is known of a transaction, and the bytes to keep.
type Inspected struct {
	Raw    []byte // Transaction.Raw without what only a server of ours may say of it
	Prefix []byte // header fields to put before Raw, each ended by CRLF: Authentication-Results
	// Arrival has the results. Helo, Remote and Hop are filled in by the door.
	Arrival mail.Arrival
}

// Inspector finds out who sent a mail, before anything is stored. A *mail.Error
// refuses the mail in its words; any other error means "not now" (451).
type Inspector interface {
	Inspect(ctx context.Context, t Transaction) (Inspected, error)
}
