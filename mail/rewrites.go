package mail

import (
	"fmt"
	"slices"
)

// Rewrites names the fields that a relay on the way replaces in every mail.
type Rewrites struct {
	MessageID bool // the identity header is bound to no id, and no signature covers the field
	Date      bool // no signature covers the field
}

// RewriteNames are the names that ParseRewrites reads.
var RewriteNames = []string{"message-id", "date"}

// ParseRewrites reads a list of RewriteNames, each once at most.
func ParseRewrites(names []string) (r Rewrites, err error) {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return Rewrites{}, fmt.Errorf("%q stands twice", name)
		}
		switch name {
		case "message-id":
			r.MessageID = true
		case "date":
			r.Date = true
		default:
			return Rewrites{}, fmt.Errorf("%q is not message-id or date", name)
		}
	}
	return r, nil
}

// Covers reports whether a signature may cover a field of that name, as it is
// written in signatures: Message-ID, Date.
func (r Rewrites) Covers(field string) bool {
	return !(r.MessageID && field == "Message-ID" || r.Date && field == "Date")
}
