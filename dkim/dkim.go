// Package dkim signs mail for its domain (RFC 6376), so that a receiver can
// tell that the domain in From sent these header fields and this body.
//
// A signature names the fields it covers in h=, and a field that is not named
// may be added by anyone: a second Subject, a Reply-To that was never there.
// So each name stands in h= once more than the message has that field. One that
// is added later is then covered too, and the signature fails (section 5.4.2).
// For the same reason the body length is never limited with l=.
//
// The header is compared in its relaxed form and so is the body, whose hash is
// equal to bh in the identity header. That header must be there before this
// stamp, and is covered like the others: no mail leaves with a DKIM signature
// and without its identity (invariant 7).
//
//	keys := dkim.OpenKeys(dir, dkim.Options{})
//	err := keys.Ensure("example.com")             // when the domain is configured
//	records, err := keys.Records("example.com")   // what its DNS must say
//	line, err := dkim.NewStamper(keys).Stamp(ctx, m, raw)
//
// Every domain has an RSA key of 2048 bits, which all receivers can check, and
// beside it or in its place an Ed25519 key if asked for (RFC 8463). A key has the
// states of package keyset, and a selector of its own: [Keyring.Prepare] makes
// the next one, mm2 after mm1, and [Keyring.Switch] lets it sign. go-msgauth checks each
// signature before it leaves. It does not make them, because its signer writes
// the time of the wall clock into t= and has no way to be told another.
package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// identityHeader is the field without which nothing is signed.
const identityHeader = "X-MultiMail-Identity"

// overSigned is covered whether it is there or not: what shows who wrote to
// whom about what, and what decides how the body is read.
var overSigned = [...]string{
	"From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "Sender",
	"In-Reply-To", "References", "MIME-Version", "Content-Type",
	"Content-Transfer-Encoding", "Content-Disposition", identityHeader, "X-AI-Generated",
}

// ifPresent is covered as often as it is there and no more: mailing lists add
// these themselves, and RFC 8058 wants the second covered when it is used.
var ifPresent = [...]string{"List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted"}

// Stamper writes DKIM signatures.
type Stamper struct {
	keys     *Keyring
	rewrites mail.Rewrites
}

// NewStamper returns a stamper that signs with the keys of the From domain.
func NewStamper(k *Keyring) *Stamper { return &Stamper{keys: k} }

// Rewriting returns a stamper for a route on which a relay replaces these
// fields: a signature that covered them would fail.
func (s *Stamper) Rewriting(r mail.Rewrites) *Stamper { return &Stamper{s.keys, r} }

// Stamp returns the signatures of m, whose canonical bytes are raw and on the
// wire stand below m.Prefix. Their time is that of the release, so they are the same whenever they are
// made. It fails when a key, the release or the identity header is missing.
func (s *Stamper) Stamp(_ context.Context, m *mail.Mail, raw []byte) ([]byte, error) {
	lines, err := s.stamp(m, raw)
	if err != nil {
		return nil, fmt.Errorf("dkim: stamp %s: %w", m.ID, err)
	}
	return lines, nil
}

func (s *Stamper) stamp(m *mail.Mail, raw []byte) ([]byte, error) {
	if m.Release == nil || m.Release.At.IsZero() {
		return nil, errors.New("the mail is not released")
	}
	header, rest := message.WireHeader(m, raw)
	if n := len(message.Fields(header, identityHeader)); n != 1 {
		return nil, fmt.Errorf("%d identity headers instead of one", n)
	}
	from := message.Addresses(header, "From")
	if len(message.Fields(header, "From")) != 1 || len(from) != 1 || from[0] != m.Header.From {
		return nil, errors.New("the bytes have another From than the mail's record")
	}
	keys, err := s.keys.load(from[0].Domain())
	if err != nil {
		return nil, err
	}
	names, canonical := cover(header, s.rewrites)
	t := template{
		domain: from[0].Domain(), time: m.Release.At.Unix(),
		bodyHash: message.BodyHashOf(m, raw), names: names, canonical: canonical,
	}
	var out []byte
	for _, k := range keys {
		line, err := t.sign(k)
		if err != nil {
			return nil, err
		}
		out = append(out, line...)
	}
	return out, check(keys, io.MultiReader(
		bytes.NewReader(out), bytes.NewReader(message.Unfold(header)), bytes.NewReader(rest)))
}

// cover returns the names for h= and the covered fields in relaxed form
// (section 3.4.2). Of fields with one name the last is taken first (5.4.2).
func cover(header []byte, rewrites mail.Rewrites) (names []string, canonical string) {
	var b strings.Builder
	add := func(name string, over int) {
		values := message.Fields(header, name)
		for i := len(values) - 1; i >= 0; i-- {
			words := strings.FieldsFunc(values[i], func(r rune) bool { return r == ' ' || r == '\t' })
			b.WriteString(strings.ToLower(name) + ":" + strings.Join(words, " ") + "\r\n")
		}
		for range len(values) + over {
			names = append(names, name)
		}
	}
	for _, name := range overSigned {
		if rewrites.Covers(name) {
			add(name, 1)
		}
	}
	for _, name := range ifPresent {
		add(name, 0)
	}
	return names, b.String()
}

// template is what the signatures of one mail have in common.
type template struct {
	domain    string
	time      int64
	bodyHash  string
	names     []string
	canonical string
}

// sign returns the signature header field made with k.
func (t template) sign(k *key) ([]byte, error) {
	// A piece that begins with a blank is set off from the one before it.
	pieces := []string{
		" v=1;", " a=" + k.algorithm() + ";", " c=relaxed/relaxed;", " d=" + t.domain + ";",
		" s=" + k.Name + ";", fmt.Sprintf(" t=%d;", t.time), " bh=" + t.bodyHash + ";",
		" h=" + t.names[0],
	}
	for _, name := range t.names[1:] {
		pieces[len(pieces)-1] += ":"
		pieces = append(pieces, name)
	}
	pieces[len(pieces)-1] += ";"
	// The field is signed in relaxed form too, with b= empty and without its
	// CRLF (section 3.7). Folding is a blank in that form, so it comes first.
	words := strings.Fields(fold(append(pieces, " b=")))
	digest := sha256.Sum256([]byte(t.canonical + "dkim-signature:" + strings.Join(words, " ")))
	opts := crypto.SHA256
	if k.Alg == Ed25519 {
		opts = 0 // Ed25519 signs the digest as a message (RFC 8463, section 3)
	}
	sig, err := k.private.Sign(rand.Reader, digest[:], opts)
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", k.Name, err)
	}
	rest := " b=" + base64.StdEncoding.EncodeToString(sig)
	for ; len(rest) > 72; rest = rest[72:] {
		pieces = append(pieces, rest[:72])
	}
	return []byte(fieldName + ":" + fold(append(pieces, rest)) + "\r\n"), nil
}

// fieldName is the name of the header field that this package writes.
const fieldName = "DKIM-Signature"

// fold joins the pieces of the field's value, and begins a new line before one
// that would pass column 78.
func fold(pieces []string) string {
	var b strings.Builder
	col := len(fieldName + ":")
	for _, p := range pieces {
		if col+len(p) > 78 {
			p = " " + strings.TrimPrefix(p, " ")
			b.WriteString("\r\n")
			col = 0
		}
		b.WriteString(p)
		col += len(p)
	}
	return b.String()
}

// check has the signatures of a signed mail verified by other code than that
// which made them, from its bytes and against the records the domain publishes:
// a mail that nobody could verify is a mail sent unsigned (invariant 7). That code
// copies a folded field once for each of its lines, so it gets the fields
// unfolded, which relaxed form does not tell apart (RFC 6376, section 3.4.2).
func check(keys []*key, signed io.Reader) error {
	got, err := dkim.VerifyWithOptions(signed, &dkim.VerifyOptions{
		MaxVerifications: len(keys), // ours come first; others may be the author's
		LookupTXT: func(name string) ([]string, error) {
			for _, k := range keys {
				if strings.HasPrefix(name, k.Name+"._domainkey.") {
					return []string{k.record()}, nil
				}
			}
			return nil, fmt.Errorf("no key for %s", name)
		},
	})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return err
	}
	if len(got) != len(keys) {
		return errors.New("a signature was not found again")
	}
	for _, v := range got {
		if v.Err != nil {
			return v.Err
		}
	}
	return nil
}
