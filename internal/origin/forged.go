package origin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// removeForged returns the message without what only this installation may say of it:
// fields Authentication-Results that any reader could take for those of host, and lines
// in front of the first field, which would continue whatever is stamped above them.
// The message itself is not changed.
func removeForged(raw []byte, host string) (clean []byte, removed []message.RawField) {
	first, at := true, 0
	kept := raw
	for f := range message.RawFields(raw) {
		stray := first && f.Name == "" && strings.IndexByte(" \t", f.Raw[0]) >= 0
		if first = false; stray || isResults(f.Name) && maybeOurs(f.Value(), host) {
			if removed == nil {
				kept = slices.Clone(raw[:at])
			}
			removed = append(removed, f)
		} else if removed != nil {
			kept = append(kept, f.Raw...)
		}
		at += len(f.Raw)
	}
	if removed != nil {
		kept = append(kept, raw[at:]...)
	}
	return kept, removed
}

// isResults compares a name as the laxest reader does, who drops what is no letter.
func isResults(name string) bool {
	if len(name) < len(resultsHeader) {
		return false
	}
	letters := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || mail.IsAlnum(byte(r))) {
			return r
		}
		return -1
	}, name)
	return strings.EqualFold(letters, resultsHeader)
}

// maybeOurs reports whether a reader could take a value for one of host. Only a plain
// authserv-id of another is certainly none: a token of printable ASCII, and after it a
// version, a semicolon or the end. An id in quotes, with a comment, an escape or
// anything else in it has more than one reading. One with an equals sign, which some
// servers write who leave the id away, is the name of no host.
func maybeOurs(value, host string) bool {
	value = strings.Trim(value, " \t\r\n")
	end := strings.IndexAny(value, " \t\r\n;")
	if end < 0 {
		end = len(value)
	}
	id, rest := value[:end], strings.TrimLeft(value[end:], " \t\r\n")
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || strings.IndexByte(`"()\<>,`, c) >= 0 {
			return true
		}
	}
	if strings.Contains(id, "=") {
		return strings.Contains(id, "=?") // an encoded-word
	}
	rest = strings.TrimLeft(strings.TrimLeft(rest, "0123456789"), " \t\r\n")
	if id == "" || rest != "" && rest[0] != ';' {
		return true
	}
	id, _, _ = strings.Cut(id, "/") // a version, before RFC 7001
	return strings.EqualFold(strings.Trim(id, "."), strings.Trim(host, "."))
}

// warnForged says what was removed, and that a good signature covered it: the bytes that
// are kept do not bear that signature out.
func warnForged(removed []message.RawField, signatures []signature) []string {
	if len(removed) == 0 {
		return nil
	}
	text := fmt.Sprintf("%d header fields forged in the name of this server were removed", len(removed))
	for _, s := range signatures {
		if s.Result == pass && slices.Contains(s.covers, strings.ToLower(resultsHeader)) {
			return []string{text + "; the DKIM signature of " + s.Domain + " covered them"}
		}
	}
	return []string{text}
}
