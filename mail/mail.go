// Package mail holds the nouns that all packages share: a mail on its way, its
// address type, its states, the digest that decisions name, and the error that
// every door translates.
//
// A [Mail] is the record of a mail, not its bytes. The bytes are fixed once by
// internal/message at the door that took them, stored once, and never rewritten;
// everything added later stands in Mail.Prefix. The package imports nothing
// else of this project, and parses no message.
//
//	m := mail.Mail{ID: mail.NewID(now), State: mail.Held, Digest: mail.DigestOf(env, raw)}
package mail

import "time"

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
	Addr     Address  `json:"addr"`
	Notify   []string `json:"notify,omitempty"` // NEVER, or any of SUCCESS FAILURE DELAY (RFC 3461, 4.1)
	ORcpt    string   `json:"orcpt,omitempty"`  // "rfc822;user@host", decoded (RFC 3461, 4.2)
	Copy     bool     `json:"copy,omitempty"`   // added by the claim for the oversight address; outside the digest
	Owed     bool     `json:"owed,omitempty"`   // the oversight address, which the author named too; outside the digest
	Standing Standing `json:"standing"`
	Result   *Result  `json:"result,omitempty"` // of the last attempt
}

// Watches reports whether the recipient is the oversight address of a
// monitored mail, added by the claim or named by the author.
func (r Rcpt) Watches() bool { return r.Copy || r.Owed }

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
	At        time.Time `json:"at"`
}

// Mail is one letter on its way: envelope, standing and proof, but not its bytes.
type Mail struct {
	ID       ID       `json:"id"`
	Rev      int      `json:"rev"`    // grows with every change of State
	Digest   Digest   `json:"digest"` // what was shown, approved, signed and sent
	State    State    `json:"state"`
	Envelope Envelope `json:"envelope"`

	Direction Direction `json:"direction,omitzero"`
	Notice    *Notice   `json:"notice,omitempty"` // incoming: what it tells of another mail

	Mailbox   Address `json:"mailbox"`             // the mailbox it is sent from, or that receives it
	Agent     string  `json:"agent"`               // name of the submitting agent
	AgentRef  string  `json:"agent_ref,omitempty"` // its name at its identity provider
	Author    string  `json:"author"`              // principal that submitted; never decides
	Door      string  `json:"door"`                // "smtp", "http" or "mcp"
	Encrypted bool    `json:"encrypted,omitempty"` // the door spoke TLS (RFC 3848: ESMTPSA)

	Header Header `json:"header"`         // what the canonical bytes say, read once
	Size   int64  `json:"size"`           // octets of the canonical bytes
	More   int    `json:"more,omitempty"` // addresses of To and Cc that Header leaves out

	BodyHash string `json:"body_hash,omitempty"` // as in bh= of DKIM (relaxed, SHA-256, base64); outside the digest
	TextHash string `json:"text_hash,omitempty"` // equal for mails that say the same; outside the digest

	Basis     Basis      `json:"basis"`
	Decisions []Decision `json:"decisions,omitempty"`
	Release   *Release   `json:"release,omitempty"` // set by the claim; nil while held
	Prefix    []byte     `json:"prefix,omitempty"`  // stamps, sent before the bytes on every attempt
	SubmitRef string     `json:"submit_ref"`        // hash of the submission's audit entry, hex

	SubmittedAt time.Time     `json:"submitted_at"`
	ExpiresAt   time.Time     `json:"expires_at,omitzero"`  // of the hold (LAW 6: the first clock)
	HoldFor     time.Duration `json:"hold_for"`             // how long a hold lasts, nanoseconds
	NotBefore   time.Time     `json:"not_before,omitzero"`  // scheduled mail
	ReleasedAt  time.Time     `json:"released_at,omitzero"` // start of the retry lifetime (LAW 6: the second clock)
	NextAttempt time.Time     `json:"next_attempt,omitzero"`
	Attempts    int           `json:"attempts,omitempty"`
	Lease       Lease         `json:"lease,omitzero"`
	FinishedAt  time.Time     `json:"finished_at,omitzero"`
}

// Header is what the fields of the canonical bytes say, decoded.
type Header struct {
	From        Address   `json:"from"`
	To          []Address `json:"to,omitempty"`
	Cc          []Address `json:"cc,omitempty"`
	Subject     string    `json:"subject"`
	MessageID   string    `json:"message_id"` // without brackets
	Attachments int       `json:"attachments,omitempty"`
}

// maxNamed is how many addresses of To, and of Cc, a record keeps.
const maxNamed = 100

// Cut returns h with long lists of addresses shortened, and how many it left
// out, so that no record and no list of records grows with them; the bytes say
// all of them. Who is in the envelope stays: see Mail.Hidden.
func (h Header) Cut(env Envelope) (short Header, more int) {
	rcpts := map[string]bool{}
	for _, r := range env.Rcpts {
		rcpts[r.Addr.Key()] = true
	}
	for _, list := range []*[]Address{&h.To, &h.Cc} {
		var kept []Address
		for i, a := range *list {
			if i < maxNamed || rcpts[a.Key()] {
				kept = append(kept, a)
			}
		}
		more += len(*list) - len(kept)
		*list = kept
	}
	return h, more
}

// Lease says which node may attempt the mail, and until when.
type Lease struct {
	Node  string    `json:"node"`
	Token uint64    `json:"token"` // fencing token: grows with every claim
	Until time.Time `json:"until"`
}

// Decision is one principal's word about one mail. Today one suffices.
type Decision struct {
	Principal string    `json:"principal"`
	Kind      string    `json:"kind"` // "reviewer", or "human" after an interactive sign-in
	Approve   bool      `json:"approve"`
	Digest    Digest    `json:"digest"`
	Reason    string    `json:"reason,omitempty"`
	At        time.Time `json:"at"`
	Ref       string    `json:"ref"` // hash of its audit entry, hex

	// Where that entry stands, so that the claim finds it; Chain is empty in
	// records older than these fields.
	Chain string `json:"chain,omitempty"`
	Seq   uint64 `json:"seq,omitempty"`
}

// Release is the record of why and under whose name a mail left. Stamps are made from it.
type Release struct {
	Mode         Mode      `json:"mode"`
	Basis        Basis     `json:"basis"`
	By           string    `json:"by"`  // "human", "reviewer", "allowlist" or "none"
	At           time.Time `json:"at"`  // whole seconds
	Ref          string    `json:"ref"` // hash of the approve entry (human, reviewer) or the submit entry, hex
	Operator     string    `json:"operator"`
	AgentRef     string    `json:"agent_ref,omitempty"`
	Verified     bool      `json:"verified,omitempty"` // the operator's domain was checked: never yet
	Capabilities []string  `json:"capabilities"`
}

// Recipients returns the addresses whose standing is s, copies included.
func (m *Mail) Recipients(s Standing) []Address {
	var out []Address
	for _, r := range m.Envelope.Rcpts {
		if r.Standing == s {
			out = append(out, r.Addr)
		}
	}
	return out
}

// Copied reports whether a is the oversight address that gets a copy.
func (m *Mail) Copied(a Address) bool {
	for _, r := range m.Envelope.Rcpts {
		if r.Watches() && r.Addr == a {
			return true
		}
	}
	return false
}

// Hidden reports whether a is an envelope recipient that the header does not
// show: what the author meant as a blind copy.
func (m *Mail) Hidden(a Address) bool {
	for _, list := range [][]Address{m.Header.To, m.Header.Cc} {
		for _, b := range list {
			if b.Key() == a.Key() {
				return false
			}
		}
	}
	return true
}
