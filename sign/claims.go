package sign

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// Values that every token has.
const (
	algorithm = "ES256"
	tokenType = "multimail-identity+jwt"
	service   = "multimail"
)

// Claims is what the header says. The fields stand in the order of their JSON
// names, and so the payload comes out sorted.
type Claims struct {
	// AgentRef is the agent's name at its identity provider, or the first 16
	// octets of an HMAC of it, in base64url.
	AgentRef         string   `json:"agent_ref,omitempty"`
	AIGenerated      bool     `json:"ai_generated"` // written by an AI agent; false for mail of the system itself
	Approval         Approval `json:"approval"`
	BodyHash         string   `json:"bh"`                // of the body, as in DKIM (relaxed, SHA-256)
	Capabilities     []string `json:"capabilities"`      // sorted: read, reply, schedule, send
	IssuedAt         int64    `json:"iat"`               // Unix time of the release
	Issuer           string   `json:"iss"`               // https origin of the sending domain
	ID               string   `json:"jti"`               // id of the mail
	MessageID        string   `json:"mid,omitempty"`     // hash of the Message-ID, if no relay sets another
	Operator         string   `json:"operator"`          // who is accountable
	Mode             string   `json:"oversight_mode"`    // when it was released
	Recipients       string   `json:"rh,omitempty"`      // hash of To and Cc, if it fits
	Service          string   `json:"service"`           // "multimail"
	Subject          string   `json:"sub"`               // the From address
	Content          string   `json:"th,omitempty"`      // hash of texts and attachments, if there is one and it fits
	VerifiedOperator bool     `json:"verified_operator"` // the DNS showed that the domain is the operator's
}

// Approval says on what grounds the mail left.
type Approval struct {
	At  int64  `json:"at"`  // Unix time of the decision, or of the submission when nobody decided
	By  string `json:"by"`  // human, reviewer, allowlist or none
	Ref string `json:"ref"` // base64url of the first 16 octets of the audit entry's hash
}

// capabilities is the vocabulary, in order.
var capabilities = [...]string{"read", "reply", "schedule", "send"}

// newClaims states m.Release about the message that b was read from.
func newClaims(m *mail.Mail, b binding) (Claims, error) {
	r := m.Release
	if r == nil || r.At.IsZero() {
		return Claims{}, errors.New("the mail is not released")
	}
	if r.Operator == "" || !utf8.ValidString(r.Operator) {
		return Claims{}, errors.New("the release names no operator")
	}
	mode, err := r.Mode.MarshalText()
	if err != nil {
		return Claims{}, err
	}
	at, err := grounds(m)
	if err != nil {
		return Claims{}, err
	}
	ref, err := hex.DecodeString(r.Ref)
	if err != nil || len(ref) != sha256.Size {
		return Claims{}, errors.New("the release refers to no audit entry")
	}
	for _, c := range r.Capabilities {
		if !slices.Contains(capabilities[:], c) {
			return Claims{}, fmt.Errorf("unknown capability %q", c)
		}
	}
	caps := append([]string{}, r.Capabilities...)
	slices.Sort(caps)
	return Claims{
		AgentRef: r.AgentRef, AIGenerated: m.Author != mail.System,
		Approval: Approval{At: at.Unix(), By: r.By, Ref: encode(ref[:short])},
		BodyHash: b.bodyHash, Capabilities: slices.Compact(caps),
		IssuedAt: r.At.Unix(), Issuer: "https://" + b.from.Domain(), ID: string(m.ID),
		MessageID: b.messageID, Operator: r.Operator, Mode: string(mode), Recipients: b.recipients,
		Service: service, Subject: b.from.String(), Content: b.content, VerifiedOperator: r.Verified,
	}, nil
}

// maxRef is the longest agent_ref that stands in the header as it is: a UUID.
const maxRef = 36

// forms returns the claims from the fullest form to the one that always fits.
// th goes first, and then rh; then the agent's name becomes an HMAC under the
// domain's own secret, which the operator can recompute and nobody else can reverse.
func (c Claims) forms(refKey []byte, how mail.RefPolicy) []Claims {
	hidden := hide(c.AgentRef, refKey)
	if how == mail.RefNone {
		c.AgentRef, hidden = "", ""
	}
	if how == mail.RefHMAC || !utf8.ValidString(c.AgentRef) || len(c.AgentRef) > maxRef {
		c.AgentRef = hidden
	}
	noText := c
	noText.Content = ""
	noHash := noText
	noHash.Recipients = ""
	least := noHash
	least.AgentRef = hidden // always: escapes may make a short name longer than that
	return []Claims{c, noText, noHash, least}
}

// hide returns the HMAC that stands for an agent's name, "" for none.
func hide(ref string, refKey []byte) string {
	if ref == "" {
		return ""
	}
	mac := hmac.New(sha256.New, refKey)
	mac.Write([]byte(ref))
	return encode(mac.Sum(nil)[:short])
}

// signingInput returns the first two parts of the token. The JWT library's own
// encoder would write & and < as six octets each, and the line has none to spare.
func signingInput(kid string, c Claims) (string, error) {
	head := `{"alg":"` + algorithm + `","kid":"` + kid + `","typ":"` + tokenType + `"}`
	var payload bytes.Buffer
	enc := json.NewEncoder(&payload)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c); err != nil {
		return "", fmt.Errorf("write claims: %w", err)
	}
	return encode([]byte(head)) + "." + encode(bytes.TrimRight(payload.Bytes(), "\n")), nil
}

// short is how many octets of a hash stand in the header where room is scarce.
const short = 16

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return encode(sum[:short])
}

// binding is what ties a token to one message: read from the bytes by stamper
// and verifier alike.
type binding struct {
	from       mail.Address
	messageID  string // hash
	bodyHash   string
	content    string   // hash, "" when there is none
	noContent  error    // why
	recipients string   // hash; "" when To or Cc is not a plain list of addresses
	ai         []string // values of X-AI-Generated
	date       time.Time
}

// readBinding reads a header; bodyHash is that of the body below it.
func readBinding(header []byte, bodyHash string) (b binding, err error) {
	value, err := message.OneField(header, "From")
	if err != nil {
		return b, err
	}
	from, err := message.ParseFrom(value)
	if err != nil {
		return b, err
	}
	if value, err = message.OneField(header, "Message-ID"); err != nil {
		return b, err
	}
	id, err := message.ParseMessageID(value)
	if err != nil {
		return b, err
	}
	b = binding{
		from: from, messageID: shortHash(id), bodyHash: bodyHash,
		recipients: hashRecipients(header), ai: message.Fields(header, aiHeader),
	}
	if dates := message.Fields(header, "Date"); len(dates) == 1 {
		b.date = message.ParseDate(dates[0])
	}
	return b, nil
}

// hashRecipients returns the hash of the addresses in To and Cc, never of Bcc.
// Where two parsers could disagree on what the addresses are there is none.
func hashRecipients(raw []byte) string {
	var keys []string
	for _, name := range []string{"To", "Cc"} {
		fields := message.Fields(raw, name)
		if len(fields) > 1 {
			return ""
		}
		for _, value := range fields {
			list, ok := message.StrictAddresses(value)
			if !ok {
				return ""
			}
			for _, a := range list {
				keys = append(keys, a.Key())
			}
		}
	}
	slices.Sort(keys)
	return shortHash(strings.Join(keys, "\n"))
}
