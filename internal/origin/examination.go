package origin

import (
	"bytes"
	"context"
	"fmt"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// examination is one mail while it is judged.
type examination struct {
	m    Mail
	o    Options
	memo memo

	fields   []message.RawField // those with a name; none if oversize says why
	body     []byte
	oversize string // what of the header is more than is looked at, "" for nothing

	spf, helo  domainResult
	signatures []signature
	arc        arcResult
	dmarc      dmarcResult
	warnings   []string
}

// newExamination cuts the header into fields. What is larger than a header that may be
// submitted is not looked at: its cost in the DKIM library is more than linear.
func newExamination(m Mail, o Options) *examination {
	e := &examination{m: m, o: o, memo: memo{texts: map[string]texts{}}}
	header, body := message.SplitHeader(m.Raw)
	e.body = body
	if len(header) > message.MaxHeader {
		e.tooLarge(fmt.Sprintf("the header is longer than %d octets", message.MaxHeader))
		return e
	}
	for f := range message.RawFields(m.Raw) {
		switch {
		case len(f.Raw) > message.MaxField:
			e.tooLarge(fmt.Sprintf("a header field is longer than %d octets", message.MaxField))
		case bytes.Count(f.Raw, []byte{'\n'}) > message.MaxFieldLines:
			e.tooLarge(fmt.Sprintf("a header field has more than %d lines", message.MaxFieldLines))
		case len(e.fields) == message.MaxFields:
			e.tooLarge(fmt.Sprintf("more than %d header fields", message.MaxFields))
		case f.Name != "":
			e.fields = append(e.fields, f)
		}
		if e.oversize != "" {
			return e
		}
	}
	return e
}

func (e *examination) tooLarge(why string) {
	e.oversize, e.fields = why, nil
	e.warnings = append(e.warnings, why+"; the sender was not checked")
}

// all returns the fields of a name, in their order.
func (e *examination) all(name string) []message.RawField {
	var out []message.RawField
	for _, f := range e.fields {
		if f.Is(name) {
			out = append(out, f)
		}
	}
	return out
}

// author returns the domain of the one address in the one From field.
func (e *examination) author() (domain, why string) {
	if e.oversize != "" {
		return "", e.oversize
	}
	var from []string
	for _, f := range e.all("From") {
		from = append(from, f.Value())
	}
	if len(from) != 1 {
		return "", fmt.Sprintf("%d From fields instead of one", len(from))
	}
	author := message.AuthorOf(from)
	if author.IsZero() {
		return "", "From is not one address that all programs read alike"
	}
	return author.Domain(), ""
}

// identityHeader bears the statement of another installation.
const identityHeader = "X-MultiMail-Identity"

// identity checks the identity header, if the mail bears a good DKIM signature of the
// very domain of its From address: nobody else chooses whom this program asks.
func (e *examination) identity(ctx context.Context) mail.Check {
	if e.o.Identity == nil || e.oversize != "" {
		return mail.Check{}
	}
	if len(e.all(identityHeader)) == 0 {
		return mail.Check{Result: none}
	}
	domain, why := e.author()
	if why != "" {
		return mail.Check{Result: permerror, Detail: why}
	}
	result := mail.Check{Result: fail, Domain: domain, Detail: "no good DKIM signature of " + domain}
	for _, s := range e.signatures {
		switch {
		case s.told || s.Domain != domain:
		case s.Result == temperror:
			result.Result, result.Detail = temperror, "the DKIM signature could not be checked"
		case s.Result == pass:
			l, cancel := e.lookup(ctx, dkimQuestions)
			defer cancel()
			check := e.o.Identity(ctx, e.m.Raw, domain, l.txt)
			check.Domain = domain
			return check
		}
	}
	return result
}
