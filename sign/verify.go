package sign

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// The five answers of Verify.
const (
	Valid     = "valid"      // the domain of From made this statement about this mail
	ValidText = "valid-text" // about the words and files in it; how they look was changed on the way
	Unbound   = "unbound"    // the signature is good, and this content is not covered by it
	Invalid   = "invalid"    // the domain has not been shown to have made the statement
	None      = "none"       // there is no identity header
)

// Verification is the result of [Verify].
type Verification struct {
	Status string  // Valid, ValidText, Unbound, Invalid or None
	Checks []Check // what was looked at, in order, up to the first that made it invalid
	Claims Claims  // what the domain stated; zero where Status is Invalid or None
	// Unbound names the header fields that anybody may have changed on the way:
	// neither the token nor a DKIM signature that was checked covers them. It
	// leaves out what mail systems add in transit (Received, Return-Path,
	// DKIM-Signature), and is empty where Status is Invalid or None.
	Unbound []string
	Err     error // of a key lookup: the status is what it is now, and may be another later
}

// Holds reports whether the mail says what its domain stated about it: Status
// is Valid or ValidText. Nothing else may be called valid.
func (v Verification) Holds() bool { return v.Status == Valid || v.Status == ValidText }

// Check is one question and its answer. The names are, in order: message,
// header, from, issuer, key, signature, sender, message_id, body, content,
// recipients, ai_generated, dkim, date. content and recipients are there only
// when the token has th and rh, ai_generated when the message has an
// X-AI-Generated field, and dkim when DKIM keys can be looked up. Where the
// token has no mid, message_id says "not bound to an id" and is no failure. The
// last only informs: mail may wait days for its approval.
type Check struct {
	Name   string
	OK     bool
	Detail string // one line, for people
}

// Lookup fetches public keys.
type Lookup struct {
	// Document fetches the key document of an issuer, an origin such as
	// "https://example.com" which is always that of the From address. It is
	// called at most once, and only after everything that needs no key has passed.
	Document func(iss, kid string) ([]byte, error)
	// TXT looks up the TXT records of a name below _domainkey of the From domain.
	// With nil DKIM is not checked, and Unbound names what only DKIM covers.
	TXT func(name string) ([]string, error)
	// ReceivedAt is when the message came in, by a record that only who verifies
	// can write: the time at which its own server stored it, never a header field.
	// With it a token of a key that was compromised later still counts. Zero: no record.
	ReceivedAt time.Time
}

// Verify checks the identity header of a whole message. Before any claim is
// looked at the message must pass the rules on lines and fields that hold at
// submission: a message that two readers split differently is Invalid. One
// without any CR, as files often are, is read as if its lines ended with CRLF.
//
// Every mail with an identity header leaves with a DKIM signature of the same
// domain. With l.TXT a mail without a good one is Unbound: a field that the
// token does not cover, such as Subject, may have been changed. A mail whose form
// was changed has none: it is ValidText when its texts and attachments are those
// that were signed, and Unbound names Subject and whatever else is not.
func Verify(eml []byte, l Lookup) Verification {
	if bytes.IndexByte(eml, '\r') < 0 {
		eml = bytes.ReplaceAll(eml, []byte("\n"), []byte("\r\n"))
	}
	v := Verification{Status: Invalid}
	values := message.Fields(eml, HeaderName)
	if len(values) == 0 {
		return Verification{Status: None}
	}
	err := message.CheckForm(eml)
	if !v.check("message", err == nil, "its lines and fields are read in one way", public(err)) {
		return v
	}
	t, err := parseHeader(values)
	if !v.check("header", err == nil, "one well-formed token", err) {
		return v
	}
	b, err := readBinding(eml, message.BodyHash(eml))
	if !v.check("from", err == nil, b.from.String(), public(err)) {
		return v
	}
	b.content, b.noContent = message.ContentHash(eml)
	iss := "https://" + b.from.Domain()
	if !v.check("issuer", t.claims.Issuer == iss, iss, differs("iss", t.claims.Issuer, iss)) {
		return v
	}
	if !v.signed(t, iss, l) {
		return v
	}
	from := b.from.String()
	if !v.check("sender", t.claims.Subject == from, from, differs("sub", t.claims.Subject, from)) {
		return v
	}
	v.Status, v.Claims = v.bound(t, b), t.claims
	var covered map[string]int
	if l.TXT != nil {
		covered, err = checkDKIM(eml, b.from.Domain(), l.TXT)
		if dkim.IsTempFail(err) {
			v.Err = err
		}
		if !v.check("dkim", err == nil, "signed by "+b.from.Domain(), err) && v.Status == Valid {
			v.Status = Unbound
		}
	}
	v.Unbound = unbound(eml, t.claims, covered)
	v.date(t.claims, b)
	return v
}

// public drops the kind of an error: nobody is being answered.
func public(err error) error {
	var e *mail.Error
	if errors.As(err, &e) {
		return errors.New(e.Public)
	}
	return err
}

// check notes an answer: detail when it is yes, err when it is no.
func (v *Verification) check(name string, ok bool, detail string, err error) bool {
	if !ok {
		// It may quote the token or the server of somebody else.
		detail = mail.Neutralise(strings.Join(strings.Fields(err.Error()), " "))
	}
	v.Checks = append(v.Checks, Check{name, ok, detail})
	return ok
}

// differs words that the message does not have what a claim says.
func differs(claim, says, has string) error {
	return fmt.Errorf("%s says %.300q, the message %q", claim, says, has)
}

func parseHeader(values []string) (token, error) {
	if len(values) > 1 {
		return token{}, fmt.Errorf("%d identity headers", len(values))
	}
	return parseToken(values[0])
}

// signed finds the key and checks the signature with it.
func (v *Verification) signed(t token, iss string, l Lookup) bool {
	b, err := l.Document(iss, t.kid)
	if err != nil {
		v.Err = fmt.Errorf("no key of %s: %w", iss, err)
		return v.check("key", false, "", v.Err)
	}
	k, err := find(b, t.kid)
	detail := ""
	if err == nil {
		detail, err = k.trusted(time.Unix(t.claims.IssuedAt, 0), l.ReceivedAt)
	}
	if !v.check("key", err == nil, detail, err) {
		return false
	}
	err = k.verify(t.signing, t.signature)
	return v.check("signature", err == nil, algorithm, err)
}

// bound checks whether the token was made for this message, and returns the
// status that follows: Valid, ValidText or Unbound.
func (v *Verification) bound(t token, b binding) string {
	c := t.claims
	absent := func(name, says string) bool { return says == "" && !t.empty[name] }
	same := func(name, claim, says, has string) bool {
		return v.check(name, says == has && says != "", has, differs(claim, says, has))
	}
	ok := v.check("message_id", absent("mid", c.MessageID) || c.MessageID == b.messageID, b.messageID,
		differs("mid", c.MessageID, b.messageID))
	if absent("mid", c.MessageID) {
		v.Checks[len(v.Checks)-1].Detail = notBoundToID
	}
	form := same("body", "bh", c.BodyHash, b.bodyHash)
	if last := &v.Checks[len(v.Checks)-1]; form {
		last.Detail += ", runs of blanks aside"
	}
	text := !absent("th", c.Content) && v.content(c, b)
	ok = (absent("rh", c.Recipients) || same("recipients", "rh", c.Recipients, b.recipients)) && ok
	if len(b.ai) > 0 {
		ok = same("ai_generated", "ai_generated", fmt.Sprint(c.AIGenerated), strings.Join(b.ai, ", ")) && ok
	}
	switch {
	case ok && form && (text || absent("th", c.Content)):
		return Valid
	case ok && text:
		return ValidText
	}
	return Unbound
}

const notBoundToID = "not bound to an id: the sender's relay sets a Message-ID of its own"

// content checks texts and attachments. A body that is the same and reads
// differently stands below another Content-Type.
func (v *Verification) content(c Claims, b binding) bool {
	err := b.noContent
	if err == nil {
		err = differs("th", c.Content, b.content)
	}
	return v.check("content", c.Content == b.content && c.Content != "", b.content, err)
}

// Sane distances between Date, which the author sets, and the release.
const (
	maxEarly = 10 * time.Minute    // released before it was written: clocks differ
	maxLate  = 31 * 24 * time.Hour // held or scheduled
)

// date compares the time of the release with the Date field.
func (v *Verification) date(c Claims, b binding) {
	at := time.Unix(c.IssuedAt, 0).UTC()
	detail := "released " + at.Format(time.RFC3339)
	late, ok := at.Sub(b.date), false
	if b.date.IsZero() {
		detail += "; the Date field cannot be read"
	} else {
		detail += ", dated " + b.date.UTC().Format(time.RFC3339)
		ok = late >= -maxEarly && late <= maxLate
	}
	v.Checks = append(v.Checks, Check{"date", ok, detail})
}
