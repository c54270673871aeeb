package mail

import (
	"strings"
)

// Address is a mailbox address (RFC 5321, section 4.1.2), parsed once. Every
// envelope, log line and page is written from this type, never from the
// client's string (invariant 9): what the gate judged is what the wire carries.
//
// The zero Address is the null sender. Addresses are comparable; Key folds case.
type Address struct {
	local  string // without quotes and backslashes
	domain string // lower case, dotted, ASCII
}

// Limits of RFC 5321, section 4.5.3.1, with the path limit less its brackets.
const (
	maxLocal   = 64
	maxAddress = 254
)

// ParseAddress reads an addr-spec without brackets. A quoted local part (RFC
// 5321, section 4.1.2) is taken apart and later quoted again, in one form, only
// if it needs to be. Refused, though the grammar has them: source routes, domain
// literals, single-label domains, non-ASCII (SMTPUTF8 is not offered), comments,
// and quoted local parts that are empty or hold an angle bracket, at which
// servers in use end the path: they would deliver to the name before it.
func ParseAddress(s string) (Address, error) {
	bad := func(why string) (Address, error) {
		return Address{}, ReasonAddress.Errorf("malformed address: %s", why)
	}
	if len(s) > maxAddress {
		return bad("longer than 254 octets")
	}
	at := strings.LastIndexByte(s, '@')
	if at <= 0 {
		return bad("expected local@domain")
	}
	local, err := parseLocal(s[:at])
	if err != "" {
		return bad(err)
	}
	if why := checkDomain(s[at+1:]); why != "" {
		return bad(why)
	}
	return Address{local, strings.ToLower(s[at+1:])}, nil
}

// MustAddress is ParseAddress for constants; it panics on an error.
func MustAddress(s string) Address {
	a, err := ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

// parseLocal returns the unquoted local part, or why it is refused.
func parseLocal(s string) (local, why string) {
	if len(s) > maxLocal {
		return "", "local part longer than 64 octets"
	}
	if strings.Contains(s, "=?") {
		return "", "encoded-word in the local part" // some parsers decode it
	}
	if s[0] != '"' {
		if !IsDotAtom(s) {
			return "", "local part is not a dot-atom"
		}
		return s, ""
	}
	if len(s) < 3 || s[len(s)-1] != '"' {
		return "", "unbalanced quote"
	}
	return unquoteLocal(s[1 : len(s)-1])
}

// unquoteLocal undoes the quoted-pairs of a quoted local part without its quotes.
func unquoteLocal(s string) (local, why string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			return "", "unbalanced quote"
		}
		if s[i] == '\\' {
			if i++; i == len(s) {
				return "", "unbalanced quote"
			}
		}
		if !IsPrintable(rune(s[i])) || s[i] == '<' || s[i] == '>' {
			return "", "character not allowed in a quoted local part"
		}
		b.WriteByte(s[i])
	}
	if strings.Contains(b.String(), "=?") {
		return "", "encoded-word in the local part"
	}
	return b.String(), ""
}

// quoteLocal writes the two characters that end a quoted string with a backslash.
var quoteLocal = strings.NewReplacer(`"`, `\"`, `\`, `\\`)

// IsDotAtom reports whether s is atoms joined by single dots (RFC 5322, 3.2.3).
func IsDotAtom(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for _, c := range []byte(s) {
		if !IsAtext(c) && c != '.' {
			return false
		}
	}
	return true
}

// ParseDomain accepts a dotted domain name of letters, digits and inner
// hyphens and returns it in lower case.
func ParseDomain(s string) (string, error) {
	// Checked before it is folded: some letters beyond ASCII fold into it.
	if why := checkDomain(s); why != "" {
		return "", ReasonDomain.Errorf("malformed domain: %s", why)
	}
	return strings.ToLower(s), nil
}

func checkDomain(s string) string {
	if len(s) > 253 {
		return "domain longer than 253 octets"
	}
	labels := strings.Split(s, ".")
	if len(labels) < 2 {
		return "domain needs at least two labels"
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return "domain label is empty, too long or has an outer hyphen"
		}
		for _, c := range []byte(l) {
			if !IsAlnum(c) && c != '-' {
				return "domain has a character other than letter, digit, hyphen"
			}
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "domain looks like an IP address"
	}
	return ""
}

// Local returns the local part without quotes and backslashes.
func (a Address) Local() string { return a.local }

// Domain returns the domain in lower case.
func (a Address) Domain() string { return a.domain }

// IsZero reports whether a is the null sender.
func (a Address) IsZero() bool { return a == Address{} }

// Key returns the form under which addresses are looked up: String in lower case.
func (a Address) Key() string { return strings.ToLower(a.String()) }

// String returns the addr-spec for any wire, quoted where it must be. The
// null sender is the empty string.
func (a Address) String() string {
	switch {
	case a.IsZero():
		return ""
	case IsDotAtom(a.local):
		return a.local + "@" + a.domain
	default:
		return `"` + quoteLocal.Replace(a.local) + `"@` + a.domain
	}
}

// MarshalText writes String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Address) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*a = Address{}
		return nil
	}
	v, err := ParseAddress(string(b))
	if err == nil {
		*a = v
	}
	return err
}
