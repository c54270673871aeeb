package origin

import (
	"errors"
	"strings"

	"golang.org/x/net/idna"

	"github.com/multimail/multimail/mail"
)

var errTags = errors.New("a malformed list of tags")

// parseTags reads a list of tags (RFC 6376, section 3.2) that is unfolded. The names
// keep their case, no name stands twice, and the blanks around names and values go. On
// an error it returns what it has read so far.
func parseTags(s string) (map[string]string, error) {
	tags := map[string]string{}
	s = strings.Trim(s, " \t\r\n")
	for part := range strings.SplitSeq(strings.TrimSuffix(s, ";"), ";") {
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.Trim(name, " \t\r\n"), strings.Trim(value, " \t\r\n")
		if _, twice := tags[name]; !ok || twice || !isTagName(name) {
			return tags, errTags
		}
		tags[name] = value
	}
	return tags, nil
}

// isTagName reports whether s is a letter and then letters, digits and underscores.
func isTagName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !mail.IsAlnum(c) && c != '_' || i == 0 && (c == '_' || c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

// compact removes the blanks that may stand inside of a value: base64 and lists.
func compact(s string) string {
	return strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(s)
}

// domainName returns a domain in lower case, with labels of ASCII and without a final
// dot, or "" if it is not the name of a domain.
func domainName(s string) string {
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	if strings.ContainsFunc(s, func(r rune) bool { return r > '~' }) {
		ascii, err := idna.Lookup.ToASCII(s)
		if err != nil {
			return ""
		}
		s = ascii
	}
	d, err := mail.ParseDomain(s)
	if err != nil {
		return ""
	}
	return d
}
