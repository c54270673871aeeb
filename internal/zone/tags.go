package zone

import (
	"errors"
	"strings"
)

var errTags = errors.New("not a list of tags")

// tags reads "a=b; c=d", as DKIM, DMARC and others write it (RFC 6376, 3.2): names
// in the case that they have, blanks around names and values taken away, no name
// twice. An empty tag at the end is none.
func tags(text string) (map[string]string, error) {
	out := map[string]string{}
	parts := strings.Split(text, ";")
	for i, part := range parts {
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		if !ok && name == "" && i == len(parts)-1 && i > 0 {
			break
		}
		if _, twice := out[name]; !ok || name == "" || twice {
			return nil, errTags
		}
		out[name] = strings.TrimSpace(value)
	}
	return out, nil
}

// claims reports whether a text says of itself that it is of a version: it must
// stand first (RFC 7489, 6.4, and the others alike).
func claims(text, version string) bool {
	first, _, _ := strings.Cut(text, ";")
	name, value, ok := strings.Cut(first, "=")
	return ok && strings.TrimSpace(name) == "v" && strings.TrimSpace(value) == version
}

// squeeze takes blanks away, which may stand anywhere in base64.
func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }
