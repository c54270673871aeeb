package mail

import "time"

// Header is what the fields of the canonical bytes say, decoded. Every text is
// neutralised and bounded. Of incoming mail it is what could be read: a stranger
// may have left out any field, or written nonsense in it.
type Header struct {
	From        Address   `json:"from"` // zero when it cannot be read, or is not one address
	To          []Address `json:"to,omitempty"`
	Cc          []Address `json:"cc,omitempty"`
	Subject     string    `json:"subject"`
	MessageID   string    `json:"message_id"` // without brackets
	Attachments int       `json:"attachments,omitempty"`

	FromName  string    `json:"from_name,omitempty"` // display name, or the text of a From that is no address
	ReplyTo   []Address `json:"reply_to,omitempty"`
	InReplyTo string    `json:"in_reply_to,omitempty"` // without brackets
	// AlsoInReplyTo are further ids of In-Reply-To, the first MaxReferences.
	AlsoInReplyTo []string  `json:"also_in_reply_to,omitempty"`
	References    []string  `json:"references,omitempty"` // without brackets, oldest first, the newest MaxReferences
	Date          time.Time `json:"date,omitzero"`        // as the author says, in UTC; zero when it cannot be read
	Auto          string    `json:"auto,omitempty"`       // Auto-Submitted (RFC 3834), lower case; of a person "" or "no"
	ListID        string    `json:"list_id,omitempty"`    // List-Id in lower case, without brackets (RFC 2919)
	Bulk          bool      `json:"bulk,omitempty"`       // Precedence says bulk, junk or list
}

// MaxReferences is how many Message-IDs of a thread a record keeps.
const MaxReferences = 20

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
