// Package mail holds the nouns that all packages share: a mail on its way, its
// address type, its states, the digest that decisions name, and the error that
// every door translates.
//
// A [Mail] is the record of a mail, not its bytes. The bytes are fixed once, when
// the gate takes the mail, stored once, and never rewritten;
// everything added later stands in Mail.Prefix. The package imports nothing
// else of this project, and parses no message.
//
//	m := mail.Mail{ID: mail.NewID(now), State: mail.Held, Digest: mail.DigestOf(env, raw)}
package mail

import "time"

// Mail is the record of one mail on its way: envelope, state and proof, but not its bytes.
type Mail struct {
	ID       ID       `json:"id"`
	Rev      int      `json:"rev"`    // grows with every change of State
	Digest   Digest   `json:"digest"` // what was shown, approved, signed and sent
	State    State    `json:"state"`
	Envelope Envelope `json:"envelope"`

	Direction Direction `json:"direction,omitzero"`
	Notice    *Notice   `json:"notice,omitempty"`  // incoming: what it tells of another mail
	Arrival   *Arrival  `json:"arrival,omitempty"` // incoming: how it came from the world; nil for a notice
	Spam      *Spam     `json:"spam,omitempty"`    // what a filter made of it; nil: none was asked

	Mailbox  Address `json:"mailbox"`             // the mailbox it is sent from, or that receives it
	Agent    string  `json:"agent"`               // name of the submitting agent
	AgentRef string  `json:"agent_ref,omitempty"` // its name at its identity provider
	Author   string  `json:"author"`              // principal that submitted; never decides
	// Identity is what the token of the agent said, nil for any other credential.
	Identity  *Identity `json:"identity,omitempty"`
	Door      string    `json:"door"`                // "smtp", "http" or "mcp"; incoming: "smtp-in" or "lmtp"
	Encrypted bool      `json:"encrypted,omitempty"` // the door spoke TLS (RFC 3848: ESMTPSA)

	Header Header `json:"header"`         // what the canonical bytes say, read once
	Size   int64  `json:"size"`           // octets of the canonical bytes
	More   int    `json:"more,omitempty"` // addresses of To and Cc that Header leaves out

	BodyHash string `json:"body_hash,omitempty"` // as in bh= of DKIM (relaxed, SHA-256, base64); outside the digest
	TextHash string `json:"text_hash,omitempty"` // equal for mails that say the same; outside the digest

	Basis     Basis      `json:"basis"`
	Decisions []Decision `json:"decisions,omitempty"`
	Release   *Release   `json:"release,omitempty"` // set by the claim; nil while held
	Prefix    []byte     `json:"prefix,omitempty"`  // stamps, which stand before the bytes: of a claim, or of the door
	SubmitRef string     `json:"submit_ref"`        // hash of the submission's audit entry, hex

	SubmittedAt time.Time     `json:"submitted_at"`
	ExpiresAt   time.Time     `json:"expires_at,omitzero"`   // of the hold (invariant 6: the first clock)
	HoldFor     time.Duration `json:"hold_for"`              // how long a hold lasts, nanoseconds
	NotBefore   time.Time     `json:"not_before,omitzero"`   // scheduled mail
	Replaces    ID            `json:"replaces,omitempty"`    // the scheduled mail in whose place it stands
	Earlier     []Submitter   `json:"earlier,omitempty"`     // who submitted what it replaces; never decide
	ReplacedBy  ID            `json:"replaced_by,omitempty"` // the mail in the place of this one
	ReleasedAt  time.Time     `json:"released_at,omitzero"`  // start of the retry lifetime (invariant 6: the second clock)
	NextAttempt time.Time     `json:"next_attempt,omitzero"`
	Attempts    int           `json:"attempts,omitempty"`
	Lease       Lease         `json:"lease,omitzero"`
	FinishedAt  time.Time     `json:"finished_at,omitzero"`
}

// Lease says which node may attempt the mail, and until when.
type Lease struct {
	Node  string    `json:"node"`
	Token uint64    `json:"token"` // fencing token: grows with every claim
	Until time.Time `json:"until"`
}

// System is the author of mail that this server writes to its operator.
const System = "system:system"

// World is the author of incoming mail that another server brought.
const World = "world:world"

// Visible reports whether the mailbox of the mail shows it. It is the one rule that
// keeps incoming mail from an agent: what is held, quarantined, rejected, expired or
// erased does not exist for it.
func (m *Mail) Visible() bool {
	return m.Direction == Outgoing && m.State != Erased || m.State == Received
}

// Stub is what of the record says that the mail was there, and nothing of who wrote to
// whom, about what, and who decided. It has no state yet.
func (m *Mail) Stub() Mail {
	return Mail{ID: m.ID, Rev: m.Rev, Digest: m.Digest, Direction: m.Direction, Mailbox: m.Mailbox, Size: m.Size,
		Basis: m.Basis, SubmitRef: m.SubmitRef, SubmittedAt: m.SubmittedAt, FinishedAt: m.FinishedAt}
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
