package origin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/mail"
)

// The bounds of what is handed to the DKIM library, whose cost is more than linear in
// the names of one h= and in the empty lines of a body. Real signatures name some
// dozens of fields.
const (
	maxSignatures = 8 // the topmost; more are there to hide one, or to cost time
	maxNames      = 256
	maxEmptyLines = 1 << 15 // in a row
	maxKeyRecord  = 2048    // octets; a key of 8,192 bits fits
)

// signature is the result of one DKIM signature.
type signature struct {
	mail.Check
	selector string
	covers   []string // fields that it names, lower case
	told     bool     // by a trusted hop
}

// dkim checks the topmost signatures.
func (e *examination) dkim(ctx context.Context) {
	fields := e.all("DKIM-Signature")
	if len(fields) == 0 {
		return
	}
	if len(fields) > maxSignatures {
		text := fmt.Sprintf("%d DKIM signatures; the first %d were checked", len(fields), maxSignatures)
		e.warnings = append(e.warnings, text)
		fields = fields[:maxSignatures]
	}
	for _, f := range fields {
		tags, _ := parseTags(f.Value())
		e.signatures = append(e.signatures, signature{
			Check: mail.Check{Result: permerror, Domain: domainName(tags["d"])}, selector: tags["s"],
		})
	}
	if why := e.unaffordable(); why != "" {
		for i := range e.signatures {
			e.signatures[i].Detail = why
		}
		return
	}
	l, cancel := e.lookup(ctx, dkimQuestions)
	defer cancel()
	// The library is shown the fields that this package sees, and no other.
	readers := make([]io.Reader, 0, len(e.fields)+2)
	for _, f := range e.fields {
		readers = append(readers, bytes.NewReader(f.Raw))
	}
	readers = append(readers, strings.NewReader("\r\n"), bytes.NewReader(e.body))
	found, err := dkim.VerifyWithOptions(io.MultiReader(readers...), &dkim.VerifyOptions{
		MaxVerifications: maxSignatures, LookupTXT: l.key,
	})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) || len(found) != len(e.signatures) {
		return
	}
	for i, v := range found {
		e.signatures[i].judge(v, l)
	}
}

// unaffordable says why the signatures are not handed to the library, "" if they are.
func (e *examination) unaffordable() string {
	for _, f := range e.all("DKIM-Signature") {
		if bytes.Count(f.Raw, []byte{':'}) > maxNames {
			return fmt.Sprintf("a signature names more than %d fields", maxNames)
		}
	}
	if emptyLines(e.body) > maxEmptyLines {
		return fmt.Sprintf("more than %d empty lines in a row", maxEmptyLines)
	}
	return ""
}

// emptyLines returns how many lines in a row are empty, at most.
func emptyLines(body []byte) int {
	most, n := 0, 0
	for len(body) > 0 {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		if n++; len(bytes.TrimRight(line, "\r \t")) > 0 {
			n = 0
		}
		most, body = max(most, n), rest
	}
	return most
}

// key looks up a key record for the DKIM library. An error that is temporary must be a
// net.Error that says so.
func (l *lookup) key(name string) ([]string, error) {
	txt, err := l.txt(strings.ToLower(name))
	switch {
	case errors.Is(err, resolver.ErrTemporary):
		return nil, &net.DNSError{Err: "no answer", Name: name, IsTemporary: true}
	case err != nil:
		return nil, err
	}
	for _, t := range txt {
		if len(t) > maxKeyRecord {
			return nil, fmt.Errorf("the key record has more than %d octets", maxKeyRecord)
		}
	}
	return txt, nil
}

// judge fills in what the library found.
func (s *signature) judge(v *dkim.Verification, l *lookup) {
	for _, k := range v.HeaderKeys {
		s.covers = append(s.covers, strings.ToLower(k))
	}
	flags := l.flags(s.selector + "._domainkey." + v.Domain)
	_, identity, _ := strings.Cut(v.Identifier, "@")
	switch err := v.Err; {
	case dkim.IsTempFail(err):
		s.Result, s.Detail = temperror, "the key could not be looked up"
	case dkim.IsPermFail(err):
		s.Result, s.Detail = permerror, detailOf(err)
	case err != nil:
		s.Result, s.Detail = fail, detailOf(err)
	case s.Domain == "" || domainName(v.Domain) != s.Domain:
		s.Result, s.Detail = permerror, "d= is not the name of a domain"
	case slices.Contains(flags, "s") && !strings.EqualFold(identity, v.Domain):
		s.Result, s.Detail = permerror, "i= is below d=, which the key forbids"
	case slices.Contains(flags, "y"):
		s.Result, s.Detail = pass, "the key is marked as a test"
	default:
		s.Result, s.Detail = pass, ""
	}
}

// detailOf words an error of the library. It may quote what a stranger wrote.
func detailOf(err error) string {
	text := strings.TrimPrefix(err.Error(), "dkim: ")
	for _, known := range []string{
		"body hash did not verify", "signature did not verify", "signature has expired", "no key for signature",
		"key revoked", "From field not signed", "key is too short", "insecure body length", "hash algorithm too weak",
		"malformed", "key syntax error", "domain mismatch",
	} {
		if strings.Contains(text, known) {
			return known
		}
	}
	return "it cannot be checked"
}

// flags returns the flags of a key record that was looked up before (RFC 6376, 3.6.1).
func (l *lookup) flags(name string) []string {
	l.memo.mu.Lock()
	defer l.memo.mu.Unlock()
	t := l.memo.texts[strings.ToLower(name)]
	if len(t.txt) != 1 {
		return nil
	}
	tags, _ := parseTags(t.txt[0])
	var out []string
	for flag := range strings.SplitSeq(tags["t"], ":") {
		out = append(out, strings.TrimSpace(flag))
	}
	return out
}
