package mail

import (
	"slices"
	"time"
)

// Envelope is who the mail goes to and who hears of failures (RFC 5321, 2.3.1).
type Envelope struct {
	From  Address `json:"from"`            // MAIL FROM; zero only for a delivery notice
	Body  string  `json:"body,omitempty"`  // "7BIT", "8BITMIME" or "" (RFC 6152)
	Ret   string  `json:"ret,omitempty"`   // "FULL", "HDRS" or "" (RFC 3461, 4.3)
	EnvID string  `json:"envid,omitempty"` // decoded ENVID (RFC 3461, 4.4)
	Rcpts []Rcpt  `json:"rcpts"`           // in the order they were given, no duplicates
}

// Standing is how far one recipient has got.
type Standing string

// The standings of a recipient.
const (
	Pending   Standing = "pending"
	Delivered Standing = "delivered"
	Bounced   Standing = "bounced"
)

// Rcpt is one envelope recipient with its own standing.
type Rcpt struct {
	Addr   Address  `json:"addr"`
	Notify []string `json:"notify,omitempty"` // NEVER, or any of SUCCESS FAILURE DELAY (RFC 3461, 4.1)
	ORcpt  string   `json:"orcpt,omitempty"`  // "rfc822;user@host", decoded (RFC 3461, 4.2)
	Copy   bool     `json:"copy,omitempty"`   // added by the claim for the oversight address; outside the digest
	Owed   bool     `json:"owed,omitempty"`   // the oversight address, which the author named too; outside the digest
	Auto   bool     `json:"auto,omitempty"`   // the operator's copy, as its mailbox says; within the digest
	// ReturnPath is the envelope sender of the attempt for this recipient; zero:
	// Envelope.From. The claim makes it; a stamp, outside the digest and not stored.
	ReturnPath Address  `json:"-"`
	Standing   Standing `json:"standing"`
	Result     *Result  `json:"result,omitempty"` // of the last attempt
}

// Watches reports whether the recipient is the oversight address of a
// monitored mail, added by the claim or named by the author.
func (r Rcpt) Watches() bool { return r.Copy || r.Owed }

// Operators reports whether the recipient is no choice of the author's: a copy that the operator
// or the mode of the mailbox adds.
func (r Rcpt) Operators() bool { return r.Copy || r.Auto }

// Result is what one attempt did for one recipient.
type Result struct {
	Addr      Address   `json:"addr"`
	Delivered bool      `json:"delivered,omitempty"`
	Permanent bool      `json:"permanent,omitempty"` // meaningful when not Delivered
	Code      int       `json:"code,omitempty"`      // SMTP reply code, 0 when there was no reply
	Enhanced  string    `json:"enhanced,omitempty"`  // RFC 3463
	Message   string    `json:"message,omitempty"`   // the next hop's words, one line, printable ASCII
	Remote    string    `json:"remote,omitempty"`    // host:port that answered
	Uncertain bool      `json:"uncertain,omitempty"` // the final dot was sent and no reply was read
	Stopped   bool      `json:"stopped,omitempty"`   // policy stopped the attempt before the final dot
	Alone     bool      `json:"alone,omitempty"`     // the reply is about this recipient and no other
	At        time.Time `json:"at"`
}

// hardCodes are the failures that are about the address itself and do not pass: it is
// not there, cannot be, has moved, or its domain takes no mail (RFC 3463, section 3.2;
// RFC 7505). A code that is not here may be about the sender, the message, or today.
var hardCodes = [...]string{"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"}

// Hard reports whether the recipient's address can never be delivered to.
func (r Result) Hard() bool {
	return !r.Delivered && r.Permanent && slices.Contains(hardCodes[:], r.Enhanced)
}

// Bounces says when a recipient of the mail last came to count as bounced; zero if none
// does. hard says whether one of them can never be delivered to.
func (m *Mail) Bounces() (at time.Time, hard bool) {
	for _, r := range m.Envelope.Rcpts {
		if r.Standing != Bounced || r.Result == nil || r.Copy {
			continue
		}
		hard = hard || r.Result.Hard()
		if r.Result.At.After(at) {
			at = r.Result.At
		}
	}
	return at, hard
}
