package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// ParseMessageID reads the whole value of a Message-ID field as Read does and
// returns the id without its brackets.
func ParseMessageID(value string) (string, error) {
	id := parseMessageID(value)
	if id == "" {
		return "", mail.ReasonContent.Errorf("malformed Message-ID")
	}
	return id, nil
}

// parseMessageID returns the id without its brackets, or "" when s is not one
// msg-id. It asks for less than RFC 5322: any visible characters will do, but
// nothing in which a reader could find a second id, a comment or a blank.
func parseMessageID(s string) string {
	if len(s) < 3 || s[0] != '<' || s[len(s)-1] != '>' {
		return ""
	}
	id := s[1 : len(s)-1]
	for _, c := range []byte(id) {
		if !isVisible(c) || strings.IndexByte(`<>(),;"\`, c) >= 0 {
			return ""
		}
	}
	return id
}

// messageIDs reads ids with blanks between them and puts each in brackets.
func messageIDs(name, s string) ([]string, error) {
	var out []string
	for _, id := range strings.Fields(s) {
		if !strings.HasPrefix(id, "<") {
			id = "<" + id + ">"
		}
		if len(id) > maxMessageID || parseMessageID(id) == "" {
			return nil, mail.ErrInvalid.Errorf("%s: not a message id; write unique@domain", name)
		}
		out = append(out, id)
	}
	return out, nil
}

// maxMessageID is the longest message id of a draft, in octets.
const maxMessageID = 512
