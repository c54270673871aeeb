// Package sign makes and checks the X-MultiMail-Identity header: a signed
// statement of who answers for a mail, under which oversight it was written,
// and why these very bytes were allowed to leave.
//
// # What is in the header
//
// One line, never folded, at most 989 octets: a compact JWS (RFC 7515) signed
// with ES256. Its protected header holds exactly alg ("ES256"), kid (the first
// 16 characters of the key's RFC 7638 thumbprint) and typ
// ("multimail-identity+jwt"). Its payload is a JSON object whose keys are
// sorted and which holds no blanks; [Claims] lists what it says. There is no
// exp, because mail is read years later, and no aud, because whoever receives
// it may check it.
//
// # How to check one
//
// Any JWT library and a SHA-256 will do. [Verify] takes these steps, in this
// order, and so should you:
//
//  1. Refuse a message that two readers would split differently: a bare CR or
//     LF, a NUL, a malformed field name, a first line that begins with a blank,
//     a second From, To, Subject or Content-Type. Find the header; there must
//     be exactly one.
//  2. Refuse more than 4096 octets and any character but those of base64url and
//     the dot, blanks included; cut at the dots into three parts of base64url
//     without padding.
//  3. Refuse a protected header with any other members or values than the
//     three above. The algorithm is never the token's choice, and a key is
//     never taken from the token or from an address in it.
//  4. iss must be "https://" and the domain of the From address. Only now fetch
//     iss/.well-known/multimail-signing-key, and keep it for a day. The
//     document is the current public key as a JWK, and its member keys holds
//     the next, the current, and all retired and revoked ones: choose by kid.
//  5. A key that was retired, or revoked for another reason than compromised,
//     must have been so after iat. A compromised one counts for nothing, whatever
//     iat says, unless your own record shows that the mail came in before
//     revoked_at. Check the signature: 64 octets, R and then S.
//  6. sub must be the From address.
//  7. Now ask whether the token belongs to this mail. mid, when it is there, is
//     the hash of the Message-ID without its angle brackets; bh the hash of the
//     body in DKIM's relaxed form, equal to bh= of the DKIM signature; th, when
//     it is there, the hash of texts and attachments in whatever form; rh, when
//     it is there, the hash of the addresses in To and Cc, in lower case, sorted,
//     joined by "\n". All but bh are base64url of the first 16 octets of SHA-256;
//     bh is all 32 in base64. An X-AI-Generated field says what ai_generated says.
//  8. Check the DKIM signature of the From domain: Subject and the other header
//     fields are covered by nothing else, and no mail leaves without one.
//
// If 1 to 6 hold, the domain made this statement about a mail from this
// address. Only if 7 holds as well was it this mail; a mailing list that adds a
// footer breaks it, and so does whoever pastes the header over another text.
// Where bh alone fails and th holds, a gateway changed the form of the mail and
// not its words (ValidText). Without 8 say which fields are not bound: see
// Verification.Unbound. The statement vouches for the sender, not for the content.
//
// docs/identity.md specifies all of this, with vectors.
//
// # Keys
//
// A [Keyring] keeps the P-256 keys of each domain in
// DIR/keys/DOMAIN/identity.json, readable by their owner only. [Keyring.Ensure]
// makes the first when the domain is configured; a [Stamper] that finds none
// fails, and the mail stays. [Keyring.Prepare] publishes the next key, and
// [Keyring.Switch] lets it sign: [keyset.Wait] later, so that no verifier with a
// document from before meets a key that it does not know. The private half may
// also be in a [keyset.Vault].
package sign

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// HeaderName is the name of the header field.
const HeaderName = "X-MultiMail-Identity"

// aiHeader is the name of the field that says in words what the claim
// ai_generated says, for readers that check no token. The stamp has both from
// one value, so they agree; DKIM covers the field.
const aiHeader = "X-AI-Generated"

// maxLine is the most octets the header line may have, its CRLF included. Some
// servers cut or fold lines at 998, and others a little earlier.
const maxLine = 989

// Stamper writes the identity header of a mail that leaves.
type Stamper struct {
	keys     *Keyring
	rewrites mail.Rewrites
}

// NewStamper returns a stamper that signs with the current key of the domain in
// the From address.
func NewStamper(k *Keyring) *Stamper { return &Stamper{keys: k} }

// Rewriting returns a stamper for a route on which a relay replaces these
// fields: what it replaces is not claimed.
func (s *Stamper) Rewriting(r mail.Rewrites) *Stamper { return &Stamper{s.keys, r} }

// Stamp returns the header line for m, whose canonical bytes are raw, and below
// it the X-AI-Generated field. It says nothing that m.Release and raw do not
// say, the body hash of the record included, which DKIM checks; and it fails
// rather than leave anything out but rh and th: without a key, a release or the entry
// that the release refers to there is no stamp (invariant 7). Two stamps of the same
// release differ in their signature, so a stamp is made once and stored.
func (s *Stamper) Stamp(_ context.Context, m *mail.Mail, raw []byte) ([]byte, error) {
	line, err := s.stamp(m, raw)
	if err != nil {
		return nil, fmt.Errorf("sign: stamp %s: %w", m.ID, err)
	}
	return line, nil
}

func (s *Stamper) stamp(m *mail.Mail, raw []byte) ([]byte, error) {
	header, _ := message.WireHeader(m, raw)
	for _, name := range []string{HeaderName, aiHeader} {
		if len(message.Fields(header, name)) > 0 {
			return nil, fmt.Errorf("the mail has a field %s already", name)
		}
	}
	b, err := readBinding(header, message.BodyHashOf(m, raw))
	if err != nil {
		return nil, err
	}
	b.content, b.noContent = message.ContentHash(raw)
	if b.from != m.Header.From {
		return nil, errors.New("the bytes name another From than the mail's record")
	}
	keys, err := s.keys.load(b.from.Domain())
	if err != nil {
		return nil, err
	}
	c, err := newClaims(m, b)
	if err != nil {
		return nil, err
	}
	if s.rewrites.MessageID {
		c.MessageID = ""
	}
	for _, form := range c.forms(keys.refKey, m.Release.RefPolicy) {
		if lineLength(form) <= maxLine {
			line, err := s.keys.line(keys.current(), form)
			if err != nil {
				return nil, err
			}
			return fmt.Appendf(line, "%s: %t\r\n", aiHeader, form.AIGenerated), nil
		}
	}
	// Cannot happen to a mail whose mailbox passed CheckBudget.
	return nil, errors.New("the identity header would be too long")
}

// line signs the claims with a key and writes the whole header line.
func (k *Keyring) line(one *key, c Claims) ([]byte, error) {
	signing, err := signingInput(one.Name, c)
	if err != nil {
		return nil, err
	}
	signer, err := k.signer(one)
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", one.Name, err)
	}
	sig, err := es256(signer, one.public, signing)
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", one.Name, err)
	}
	return []byte(HeaderName + ": " + signing + "." + encode(sig) + "\r\n"), nil
}

// grounds returns what the release stands on: the time of the audit entry that
// its Ref names. A release that names an entry the mail does not have would be
// a claim of more than was checked.
func grounds(m *mail.Mail) (at time.Time, err error) {
	r := m.Release
	switch r.By {
	case "human", "reviewer":
		for _, d := range m.Decisions {
			if d.Ref == r.Ref && d.Kind == r.By && d.Approve && d.Digest == m.Digest {
				return d.At, nil
			}
		}
		return at, fmt.Errorf("no approval by a %s under %.16s", r.By, r.Ref)
	case "allowlist", "none":
		if r.Ref != m.SubmitRef {
			return at, fmt.Errorf("the submission is not under %.16s", r.Ref)
		}
		return m.SubmittedAt, nil
	}
	return at, fmt.Errorf("unknown kind of approver %q", r.By)
}
