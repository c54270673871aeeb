package message

import (
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/mail"
)

// What a record keeps of the fields that say which conversation a mail belongs
// to, and who or what wrote it.
const (
	maxReplyTo = 20  // addresses
	maxListID  = 255 // octets (RFC 2919, section 2)
)

// looseIDs returns the message ids in the value of In-Reply-To or References,
// without brackets. What is no id, such as the phrases of RFC 822, is left out.
func looseIDs(v string) (out []string, all bool) {
	all = true
	for v != "" {
		_, rest, ok := strings.Cut(v, "<")
		if !ok {
			break
		}
		id, after, closed := strings.Cut(rest, ">")
		if !closed {
			return out, false
		}
		v = after
		if id = strings.TrimSpace(id); len(id) > maxMessageID || parseMessageID("<"+id+">") == "" {
			all = false
			continue
		}
		out = append(out, id)
	}
	return out, all
}

// autoWords are the registered keywords of Auto-Submitted (RFC 3834, RFC 5436), and "no".
var autoWords = []string{"no", "auto-generated", "auto-replied", "auto-notified"}

// autoSubmitted returns the keyword of Auto-Submitted (RFC 3834, section 5). A value that is
// none says that no person wrote the mail, all the same; its words are a stranger's.
func autoSubmitted(values []string) string {
	auto := ""
	for _, v := range values {
		word, _, _ := strings.Cut(withoutComments(v), ";")
		word = strings.ToLower(strings.TrimSpace(word))
		if !slices.Contains(autoWords, word) {
			word = "auto-generated"
		}
		if auto == "" || auto == "no" {
			auto = word
		}
	}
	return auto
}

// isBulk reports whether a value of Precedence, which no standard defines, asks for no
// answer (RFC 3834, section 2).
func isBulk(v string) bool {
	switch strings.ToLower(withoutComments(v)) {
	case "bulk", "junk", "list":
		return true
	}
	return false
}

// listID returns the identifier in List-Id, in lower case.
func listID(v string) string {
	if i := strings.LastIndexByte(v, '<'); i >= 0 {
		v, _, _ = strings.Cut(v[i+1:], ">")
	}
	if v = strings.TrimSpace(v); len(v) > maxListID {
		return ""
	}
	return strings.ToLower(mail.NeutralLine(v))
}

// recordDate returns t in UTC, or zero when a record cannot hold it.
func recordDate(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1970 || t.Year() > 9000 {
		return time.Time{}
	}
	return t
}

// conversation fills in those fields of h. It says what it could not read.
func conversation(h *mail.Header, values func(name string) []string, warn *remarks) {
	var all bool
	if h.ReplyTo, all = looseAddresses(values("reply-to")); !all {
		warn.add("an address of Reply-To cannot be read")
	}
	if len(h.ReplyTo) > maxReplyTo {
		h.ReplyTo = h.ReplyTo[:maxReplyTo]
		warn.add("Reply-To names more addresses than are kept")
	}
	for _, v := range values("in-reply-to") {
		ids, _ := looseIDs(v)
		h.AlsoInReplyTo = append(h.AlsoInReplyTo, ids...)
	}
	if ids := h.AlsoInReplyTo; len(ids) > 0 {
		h.InReplyTo, h.AlsoInReplyTo = ids[0], slices.Clone(ids[1:min(len(ids), 1+mail.MaxReferences)])
	}
	for _, v := range values("references") {
		ids, all := looseIDs(v)
		if !all {
			warn.add("an id of References cannot be read")
		}
		h.References = append(h.References, ids...)
	}
	if n := len(h.References); n > mail.MaxReferences {
		h.References = slices.Clone(h.References[n-mail.MaxReferences:])
	}
	h.Auto = autoSubmitted(values("auto-submitted"))
	h.Bulk = slices.ContainsFunc(values("precedence"), isBulk)
	for _, v := range values("list-id") {
		if h.ListID = listID(v); h.ListID != "" {
			break
		}
	}
}
