package sign

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/multimail/multimail/internal/message"
)

// maxSignatures bounds how many DKIM signatures of one message are checked.
// More than a few are there only to hide one.
const maxSignatures = 8

// What is handed to the DKIM library, whose cost is more than linear in both.
// Real signatures name some dozens of fields.
const (
	maxNames      = 256     // fields named by one signature
	maxEmptyLines = 1 << 15 // in a row
)

// affordable refuses what would cost the library too much. message.CheckForm has
// bounded the lines and octets of each field, which it copies for each line.
func affordable(eml []byte) error {
	for i, s := range message.Fields(eml, "DKIM-Signature") {
		if i < maxSignatures && strings.Count(s, ":") >= maxNames {
			return fmt.Errorf("a DKIM signature names more than %d fields", maxNames)
		}
	}
	empty := 0
	for len(eml) > 0 {
		line, rest, _ := bytes.Cut(eml, []byte("\r\n"))
		if empty++; len(line) > 0 {
			empty = 0
		}
		if empty > maxEmptyLines {
			return fmt.Errorf("more than %d empty lines in a row", maxEmptyLines)
		}
		eml = rest
	}
	return nil
}

// checkDKIM looks for good signatures of domain and returns how often they name
// each field in h=, by its name in lower case. Of two good signatures the one
// counts that names a field more often. Keys of other domains are not looked
// up: the message would choose whom this program asks.
func checkDKIM(eml []byte, domain string, txt func(string) ([]string, error)) (covered map[string]int, err error) {
	if err := affordable(eml); err != nil {
		return nil, err
	}
	below := "._domainkey." + domain
	got, err := dkim.VerifyWithOptions(bytes.NewReader(eml), &dkim.VerifyOptions{
		MaxVerifications: maxSignatures,
		LookupTXT: func(name string) ([]string, error) {
			if !strings.HasSuffix(strings.ToLower(name), below) {
				return nil, errors.New("a signature of another domain")
			}
			return txt(name)
		},
	})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return nil, fmt.Errorf("the DKIM signatures cannot be read: %w", err)
	}
	err = fmt.Errorf("no DKIM signature of %s", domain)
	for _, s := range got {
		switch {
		case !strings.EqualFold(s.Domain, domain):
		case s.Err != nil:
			err = s.Err
		case !slices.ContainsFunc(s.HeaderKeys, func(k string) bool { return strings.EqualFold(k, HeaderName) }):
			err = fmt.Errorf("the DKIM signature of %s does not cover the identity header", domain)
		default:
			covered = most(covered, s.HeaderKeys)
		}
	}
	if covered != nil {
		return covered, nil
	}
	return nil, err
}

// most counts names, and keeps the larger count of each.
func most(counts map[string]int, names []string) map[string]int {
	mine := map[string]int{}
	for _, name := range names {
		mine[strings.ToLower(name)]++
	}
	for name, n := range counts {
		mine[name] = max(mine[name], n)
	}
	return mine
}

// transit are the fields that mail systems add on the way and nobody reads as
// the author's words.
var transit = []string{"received", "return-path", "dkim-signature", strings.ToLower(HeaderName)}

// unbound lists the fields of a message which neither the token nor a DKIM
// signature covers, each once. The token binds addresses, not the names beside
// them.
func unbound(eml []byte, c Claims, covered map[string]int) []string {
	seen := map[string]int{}
	var out []string
	for _, name := range message.FieldNames(eml) {
		key := strings.ToLower(name)
		seen[key]++
		// A signature covers one field for each time it names it (RFC 6376,
		// section 5.4.2).
		if seen[key] <= covered[key] || slices.Contains(transit, key) {
			continue
		}
		switch {
		case key == "message-id" && c.MessageID != "", key == strings.ToLower(aiHeader):
			continue
		case key == "from", c.Recipients != "" && (key == "to" || key == "cc"):
			name += " (names)"
		}
		if !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, name) }) {
			out = append(out, name)
		}
	}
	return out
}
